"""Alarms: what is proven is counted out exactly, over every course that things can take; then how soon they come."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from itertools import product
from math import prod

import pytest

from thriftgate.core.sequential.detector import Detector, shortfall

Outcome = tuple[float, float, float]  # chance, observation, weight


def chance_of_alarm(make: Callable[[], Detector], outcomes: Sequence[Outcome], length: int) -> float:
    """Exactly, over all sequences."""
    found = 0.0
    for course in product(outcomes, repeat=length):
        detector = make()
        if any(detector.see(x, weight) for _, x, weight in course):
            found += prod(chance for chance, _, _ in course)
    return found


def alarms(make: Callable[[], Detector], rate: float, audits: int, runs: int, seed: int = 1) -> list[int]:
    """The audit of the alarm in each run that has one."""
    found = []
    for run in range(runs):
        draw, detector = random.Random(f"{seed} {run}"), make()
        at = next((audit for audit in range(1, audits + 1) if detector.see(float(draw.random() < rate))), None)
        if at is not None:
            found.append(at)
    return found


@pytest.mark.parametrize("limit", [0.05, 0.2, 0.5])
@pytest.mark.parametrize("alpha", [0.2, 0.6])
def test_no_more_false_alarms_than_promised_counted_out(limit: float, alpha: float) -> None:
    outcomes = [(limit, 1.0, 1.0), (1 - limit, 0.0, 1.0)]
    assert chance_of_alarm(lambda: Detector.for_losses(limit, horizon=11, alpha=alpha), outcomes, 11) <= alpha


def test_what_is_promised_is_nearly_used_up() -> None:
    outcomes = [(0.2, 1.0, 1.0), (0.8, 0.0, 1.0)]

    def plain() -> Detector:
        exact = Detector.for_losses(0.2, horizon=11, alpha=0.6)
        return Detector(0.2, (0.0, 1.0), exact._bets, exact._shares, horizon=11, alpha=0.6)

    used = chance_of_alarm(lambda: Detector.for_losses(0.2, horizon=11, alpha=0.6), outcomes, 11)
    assert used > 1.2 * chance_of_alarm(plain, outcomes, 11)


@pytest.mark.parametrize(
    "outcomes",
    [
        [(0.3, 0.95, 1.0), (0.4, -0.05, 1.0), (0.3, -0.95 + 0.2 / 3, 1.0)],
        [(0.5, 1.0, 1.0), (0.5, -1.0, 1.0)],
        [(0.8, 0.2, 1.0), (0.2, -0.8, 1.0)],
    ],
)
def test_differences_of_mean_zero_counted_out(outcomes: list[Outcome]) -> None:
    assert sum(chance * x for chance, x, _ in outcomes) == pytest.approx(0, abs=1e-12)
    assert chance_of_alarm(lambda: Detector.for_difference(horizon=8, alpha=0.6), outcomes, 8) <= 0.6


def test_unlike_chances_of_an_audit_are_made_up_for() -> None:
    """Half of the traffic loses 10 % and is always audited, half loses 50 % and is audited one time in four: 30 % are lost
    of all, and 18 % of what is audited."""
    outcomes = [(0.8 * 0.1, 1.0, 0.25), (0.8 * 0.9, 0.0, 0.25), (0.2 * 0.5, 1.0, 1.0), (0.2 * 0.5, 0.0, 1.0)]
    expected = sum(
        chance * evidence_after(Detector.for_losses(0.3, graded=True), x, weight) for chance, x, weight in outcomes
    )
    assert expected == pytest.approx(1.0)
    assert chance_of_alarm(lambda: Detector.for_losses(0.3, graded=True, horizon=6, alpha=0.6), outcomes, 6) <= 0.6


def evidence_after(detector: Detector, x: float, weight: float) -> float:
    detector.see(x, weight)
    return sum(detector._evidence)


def test_false_alarms_over_a_horizon_and_the_count_can_fail() -> None:
    runs, horizon = 200, 1_000
    false = len(alarms(lambda: Detector.for_losses(0.02, horizon=horizon), 0.02, horizon, runs))
    assert false <= 0.05 * runs + 3 * (runs * 0.05 * 0.95) ** 0.5
    eager = len(alarms(lambda: Detector.for_losses(0.02, horizon=horizon // 10), 0.02, horizon, runs))
    assert eager > 0.05 * runs + 3 * (runs * 0.05 * 0.95) ** 0.5


@pytest.mark.parametrize(("rate", "most"), [(0.04, 850), (0.06, 300), (0.10, 110)])
def test_a_rise_is_seen_soon(rate: float, most: int) -> None:
    delays = []
    for run in range(60):
        draw, detector = random.Random(f"rise {run}"), Detector.for_losses(0.02)
        assert not any(detector.see(float(draw.random() < 0.012)) for _ in range(400))
        delays.append(next(audit for audit in range(1, 5_000) if detector.see(float(draw.random() < rate))))
    assert sum(delays) / len(delays) <= most


def test_an_alarm_stays_until_reset() -> None:
    detector = Detector.for_losses(0.02, horizon=100)
    while not detector.see(1.0):
        assert detector.evidence < detector.needed
    assert detector.evidence >= detector.needed
    seen = detector.seen
    assert detector.see(0.0)
    assert detector.seen == seen
    detector.reset()
    assert (detector.alarmed, detector.seen, detector.evidence) == (False, 0, 0.0)
    assert not detector.see(0.0)


def test_falling_short_of_the_promise_is_seen_and_keeping_it_is_not() -> None:
    draw = random.Random(3)
    good, bad = Detector.for_difference(), Detector.for_difference()
    for _ in range(2_000):
        strong = float(draw.random() < 0.9)
        good.see(shortfall(0.98, strong, strong if draw.random() < 0.99 else 0.0))
        bad.see(shortfall(0.98, strong, strong if draw.random() < 0.9 else 0.0))
    assert bad.alarmed
    assert bad.seen < 500
    assert not good.alarmed


def test_graded_losses_are_taken() -> None:
    detector = Detector.for_losses(0.1, graded=True)
    assert not any(detector.see(0.1) for _ in range(1_000))
    assert any(detector.see(0.3, 0.5) for _ in range(1_000))


def test_what_is_kept_goes_on_where_it_was() -> None:
    draw = random.Random(5)
    one, other = Detector.for_losses(0.02), Detector.for_losses(0.02)
    for _ in range(300):
        one.see(float(draw.random() < 0.03))
    other.restore(one.kept())
    losses = [float(draw.random() < 0.1) for _ in range(300)]
    assert [one.see(x) for x in losses] == [other.see(x) for x in losses]
    assert other.alarmed
    third = Detector.for_losses(0.02)
    third.restore(other.kept())
    assert third.alarmed


@pytest.mark.parametrize("data", [b"", b"\x01", Detector.for_losses(0.03).kept(), Detector.for_difference().kept()])
def test_what_was_not_kept_by_this_detector_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        Detector.for_losses(0.02).restore(data)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Detector.for_losses(0.0),
        lambda: Detector.for_losses(1.0),
        lambda: Detector.for_losses(0.02, horizon=0),
        lambda: Detector.for_losses(0.02, alpha=0.0),
        lambda: Detector(0.1, (0.0, 1.0), [1.5], [1.0], horizon=10, alpha=0.1),
    ],
)
def test_what_cannot_be_is_refused(make: Callable[[], Detector]) -> None:
    with pytest.raises(ValueError, match=r"limit|horizon|bets"):
        make()


@pytest.mark.parametrize(
    ("detector", "x", "weight"),
    [
        (Detector.for_losses(0.02), 0.5, 1.0),
        (Detector.for_losses(0.02), 1.0, 0.5),
        (Detector.for_losses(0.02, graded=True), 1.1, 1.0),
        (Detector.for_losses(0.02, graded=True), float("nan"), 1.0),
        (Detector.for_losses(0.02, graded=True), 0.5, 0.0),
        (Detector.for_losses(0.02, graded=True), 0.5, 2.0),
        (Detector.for_difference(), -1.5, 1.0),
    ],
)
def test_observations_it_was_not_made_for_are_refused(detector: Detector, x: float, weight: float) -> None:
    with pytest.raises(ValueError, match=r"observation|weight"):
        detector.see(x, weight)
    assert detector.seen == 0
