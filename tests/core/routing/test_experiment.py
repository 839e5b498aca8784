"""Sides of an experiment: the same for the same conversation, in the shares that were asked for."""

from __future__ import annotations

from collections import Counter
from math import isclose

import pytest

from thriftgate.core.routing.choice import Arm
from thriftgate.core.routing.experiment import GUARDS, Experiment, arm_of

LEVERS = ("cache.breakpoints", "count.guard")
ROUTING = ("route.rules",)
BOTH = Experiment(holdout=0.1, share=0.25, levers=ROUTING)
N = 8_000


def shares(experiment: Experiment, salt: bytes = b"s") -> Counter[Arm]:
    return Counter(arm_of(experiment, salt, number.to_bytes(4))[0] for number in range(N))


def test_without_an_experiment_there_is_no_side() -> None:
    for experiment in (Experiment(), Experiment(share=0.5), Experiment(levers=ROUTING)):
        assert not experiment.on
        assert arm_of(experiment, b"s", b"c") == ("", 1.0)


def test_shares_are_as_asked_for() -> None:
    found = shares(BOTH)
    wanted: dict[Arm, float] = {"holdout": 0.1, "treatment": 0.9 * 0.25, "control": 0.9 * 0.75}
    for arm, share in wanted.items():
        assert abs(found[arm] / N - share) < 4 * (share * (1 - share) / N) ** 0.5
    assert set(found) == set(wanted)
    assert set(shares(Experiment(holdout=0.1))) == {"holdout", ""}
    assert set(shares(Experiment(share=1.0, levers=ROUTING))) == {"treatment"}


def test_the_probability_that_is_told_is_that_of_the_side() -> None:
    told = {arm_of(BOTH, b"s", number.to_bytes(4)) for number in range(200)}
    assert dict(told) == {
        "holdout": 0.1,
        "treatment": pytest.approx(0.225),
        "control": pytest.approx(0.675),
    }
    assert isclose(sum(propensity for _, propensity in told), 1.0)


def test_a_conversation_stays_where_it_is() -> None:
    assert [arm_of(BOTH, b"s", b"c")] * 50 == [arm_of(BOTH, b"s", b"c") for _ in range(50)]


def test_a_larger_share_keeps_those_who_were_in_it() -> None:
    """Nobody changes sides because a dial was turned up."""

    def held(share: float) -> set[int]:
        return {n for n in range(1_000) if arm_of(Experiment(holdout=share), b"s", n.to_bytes(4))[0] == "holdout"}

    assert held(0.05) < held(0.2)


def test_another_name_draws_the_sides_anew_but_not_the_holdout() -> None:
    other = Experiment(holdout=0.1, share=0.25, levers=ROUTING, name="second")
    before = [arm_of(BOTH, b"s", n.to_bytes(4))[0] for n in range(1_000)]
    after = [arm_of(other, b"s", n.to_bytes(4))[0] for n in range(1_000)]
    assert [arm == "holdout" for arm in before] == [arm == "holdout" for arm in after]
    assert before != after
    assert shares(BOTH, b"other salt") != shares(BOTH)


@pytest.mark.parametrize(
    ("arm", "levers"),
    [
        ("", LEVERS),
        ("holdout", ("count.guard",)),
        ("control", LEVERS),
        ("treatment", (*LEVERS, "route.rules")),
    ],
)
def test_what_is_on(arm: Arm, levers: tuple[str, ...]) -> None:
    assert BOTH.levers_on(arm, LEVERS) == levers


def test_a_lever_under_test_is_off_in_the_control_and_on_once_in_the_treatment() -> None:
    on = (*LEVERS, "route.rules")
    assert BOTH.levers_on("control", on) == LEVERS
    assert BOTH.levers_on("treatment", on) == on
    assert GUARDS == ("count.guard",)
