"""Drift of the mix: bets are fair against every mix within the box, alarms come where it is left."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

import pytest

from thriftgate.core.sequential.mix import OTHER, MixMonitor, _around, _payoffs

EVEN = {f"task {number}": 100 for number in range(10)}
GROWN = {**dict.fromkeys(EVEN, 70 / 9), "task 0": 30.0}


def first_alarm(monitor: MixMonitor, mix: Mapping[str, float], length: int, seed: int) -> int | None:
    draws = random.Random(seed).choices(list(mix), list(mix.values()), k=length)
    return next((at for at, name in enumerate(draws, 1) if monitor.see(name)), None)


def most_paid(payoffs: Sequence[float], box: Sequence[tuple[float, float]]) -> float:
    """By the mix in the box that pays most."""
    shares = [low for low, _ in box]
    for at in sorted(range(len(box)), key=lambda at: -payoffs[at]):
        shares[at] += min(box[at][1] - box[at][0], 1 - sum(shares))
    assert sum(shares) == pytest.approx(1)
    return sum(share * payoff for share, payoff in zip(shares, payoffs, strict=True))


def test_no_mix_in_the_box_pays_more_than_one() -> None:
    draw = random.Random(1)
    for _ in range(200):
        bins = draw.randint(2, 12)
        weights = [draw.paretovariate(1) for _ in range(bins)]
        box = [
            _around(weight / sum(weights), draw.choice((0.0, 0.1, 0.4)), draw.choice((0.001, 0.02))) for weight in weights
        ]
        counts = [draw.paretovariate(0.7) for _ in range(bins)]
        payoffs = _payoffs(counts, box)
        assert most_paid(payoffs, box) <= 1 + 1e-9
        assert sum(c / sum(counts) * payoff for c, payoff in zip(counts, payoffs, strict=True)) >= 1 - 1e-9


def test_the_same_mix_raises_no_alarm() -> None:
    for seed in range(10):
        draws = random.Random(f"calibrated {seed}").choices(list(EVEN), k=500)
        calibrated = {name: draws.count(name) for name in EVEN}
        assert first_alarm(MixMonitor(calibrated), EVEN, 3_000, seed) is None


def test_alarms_on_the_brink_are_as_rare_as_promised_and_the_count_can_fail() -> None:
    calibrated = {"a": 50_000, "b": 50_000}
    brink = {"a": 0.625, "b": 0.375}
    beyond = {"a": 0.8, "b": 0.2}
    found = [
        sum(first_alarm(MixMonitor(calibrated, horizon=500, alpha=0.2), mix, 500, seed) is not None for seed in range(100))
        for mix in (brink, beyond)
    ]
    assert found[0] <= 0.2 * 100 + 12
    assert found[1] > 0.2 * 100 + 12


def test_a_task_that_grows_and_a_new_one_are_seen_soon() -> None:
    for seed in range(5):
        monitor = MixMonitor(EVEN)
        assert (first_alarm(monitor, GROWN, 2_000, seed) or 2_000) < 500
        assert next(iter(monitor.shifts())) == "task 0"
        monitor = MixMonitor(EVEN)
        assert (first_alarm(monitor, {**EVEN, "never seen": 150}, 2_000, seed) or 2_000) < 500
        assert next(iter(monitor.shifts())) == OTHER


def test_an_alarm_stays_until_reset_and_what_is_kept_goes_on() -> None:
    one, other = MixMonitor(EVEN), MixMonitor(EVEN)
    first_alarm(one, GROWN, 47, 1)
    assert not one.alarmed
    other.restore(one.kept())
    assert (other.evidence, other.seen) == (one.evidence, one.seen)
    assert first_alarm(one, GROWN, 2_000, 2) == first_alarm(other, GROWN, 2_000, 2) is not None
    assert other.evidence >= other.needed
    assert other.see("task 1")
    other.reset()
    assert (other.alarmed, other.evidence, other.seen) == (False, 0.0, 0)


@pytest.mark.parametrize("data", [b"", b"\x90", MixMonitor({"a": 3}).kept(), MixMonitor(EVEN, tolerance=0.1).kept()])
def test_what_was_not_kept_by_this_monitor_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        MixMonitor(EVEN).restore(data)


@pytest.mark.parametrize("counts", [{}, {"a": 0}, {"a": -1, "b": 5}])
def test_an_empty_sample_is_refused(counts: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="counts"):
        MixMonitor(counts)


def test_settings_out_of_range_are_refused() -> None:
    with pytest.raises(ValueError, match="out of range"):
        MixMonitor(EVEN, tolerance=1.0)
