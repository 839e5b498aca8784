"""Two arms on the same items."""

from __future__ import annotations

from random import Random

import pytest
from msgspec.structs import replace

from tests.quality.evaluating import line
from thriftgate.quality.compare import Comparison, compare, mcnemar_exact, wilson
from thriftgate.quality.results import Line


def lines(wins: int, losses: int, both: int, neither: int = 0) -> list[Line]:
    outcomes = [(0.0, 1.0)] * wins + [(1.0, 0.0)] * losses + [(1.0, 1.0)] * both + [(0.0, 0.0)] * neither
    return [line(str(at), a=a, b=b) for at, (a, b) in enumerate(outcomes)]


def compared(found: list[Line], seed: int = 1) -> Comparison:
    result = compare(found, "a", "b", Random(seed))
    assert result is not None
    return result


def test_wilson() -> None:
    """The example of Newcombe 1998 (doi:10.1002/(SICI)1097-0258(19980430)17:8<857), table I: 81 of 263."""
    interval = wilson(81 / 263, 263)
    assert (round(interval.low, 4), round(interval.high, 4)) == (0.2553, 0.3662)
    assert wilson(1.0, 20).high == 1.0
    assert wilson(0.0, 20).low == 0.0
    assert wilson(0.3, 0) == (0.3, 0.0, 1.0)


@pytest.mark.parametrize(
    ("wins", "losses", "p"),
    [(0, 0, 1.0), (5, 5, 1.0), (1, 9, 0.021484375), (9, 1, 0.021484375), (0, 10, 0.001953125), (2_000, 2_000, 1.0)],
)
def test_mcnemar(wins: int, losses: int, p: float) -> None:
    assert mcnemar_exact(wins, losses) == pytest.approx(p)


def test_right_or_wrong() -> None:
    found = compared(lines(wins=20, losses=5, both=60, neither=15))
    assert (found.wins, found.losses, found.ties, found.test) == (20, 5, 75, "mcnemar")
    assert (found.quality.a, found.quality.b) == (0.65, 0.8)
    assert found.p == pytest.approx(mcnemar_exact(20, 5))
    low, high = found.quality.difference.low, found.quality.difference.high
    assert 0.03 < low < 0.08  # by the normal approximation 0.055 and 0.245
    assert 0.22 < high < 0.28
    assert found.quality.difference.value == pytest.approx(0.15)


def test_grades_in_between_are_drawn_from_the_seed() -> None:
    found = [line(str(at), a=0.5, b=0.5 + 0.1 * (at % 3)) for at in range(60)]
    one, again = compared(found), compared(found)
    assert one == again
    assert one.test == "bootstrap"
    assert one.p < 0.01
    assert one.quality.difference.value == pytest.approx(0.1)
    assert compared(found, seed=2).quality.difference != one.quality.difference


def test_no_difference_has_no_small_p() -> None:
    assert compared([line(str(at), a=0.5, b=0.5) for at in range(30)]).p == 1.0
    assert compared([line(str(at), a=0.5 + 0.1 * (at % 2), b=0.5 + 0.1 * (1 - at % 2)) for at in range(60)]).p > 0.3


def test_items_of_a_cluster_count_as_one() -> None:
    alone = compared([line(str(at), a=float(at % 4 > 0), b=1.0) for at in range(80)])
    grouped = compared([line(str(at), cluster=str(at % 4), a=float(at % 4 > 0), b=1.0) for at in range(80)])
    assert (alone.test, grouped.test) == ("mcnemar", "bootstrap")
    assert grouped.p > 0.1
    assert alone.p < 1e-4
    wide, narrow = grouped.quality.difference, alone.quality.difference
    assert wide.high - wide.low > 2 * (narrow.high - narrow.low)


def test_weights() -> None:
    found = compared([line("1", weight=3.0, a=1.0, b=0.0), line("2", weight=1.0, a=0.0, b=1.0)])
    assert (found.quality.a, found.quality.b) == (0.75, 0.25)


def test_cost_and_latency() -> None:
    found = []
    for at, one in enumerate(lines(1, 1, 30)):
        dear = replace(one.outcomes["b"], cost_usd=f"0.00000000{4 + at % 3}", latency_ms=1_500 + at)
        found.append(replace(one, outcomes={"a": one.outcomes["a"], "b": dear}))
    result = compared(found)
    assert result.cost is not None
    assert result.cost_ratio is not None
    assert result.latency is not None
    assert result.cost.a == 1_000
    assert result.cost_ratio.value == pytest.approx(result.cost.b / 1_000)
    assert result.cost_ratio.low < result.cost_ratio.value < result.cost_ratio.high
    assert 500 < result.latency.difference.low < result.latency.difference.value < result.latency.difference.high < 530


def test_what_is_not_known_is_left_out() -> None:
    nothing = [replace(one, outcomes={"a": one.outcomes["a"]}) for one in lines(1, 1, 1)]
    assert compare(nothing, "a", "b", Random(1)) is None
    assert compare([line("1", a=None, b=1.0)], "a", "b", Random(1)) is None
    free = replace(line("1", a=1.0, b=1.0).outcomes["a"], cost_usd="0", latency_ms=0)
    result = compared([Line("1", "t", {"a": free, "b": free})])
    assert (result.cost, result.cost_ratio, result.latency) == (None, None, None)


def test_many_items_take_no_longer_and_vary_as_they_should() -> None:
    found = compared(lines(600, 400, 9_000))
    assert found.quality.items == 10_000
    assert found.p < 1e-9
    deviation = (found.quality.difference.high - found.quality.difference.low) / (2 * 1.96)
    assert deviation == pytest.approx(((0.1 - 0.02**2) / 10_000) ** 0.5, rel=0.1)
