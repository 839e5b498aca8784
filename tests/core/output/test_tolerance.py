"""The bound against the binomial distribution itself, and against drawing."""

from __future__ import annotations

import random
from fractions import Fraction
from math import comb

import pytest

from thriftgate.core.output.tolerance import needs, rank


def at_most(k: int, n: int, rate: float) -> float:
    """P(Binomial(n, rate) ≤ k), in whole numbers: a rate is a number of thousandths here."""
    hit = round(rate * 1_000)
    ways = sum(comb(n, one) * hit**one * (1_000 - hit) ** (n - one) for one in range(k + 1))
    return float(Fraction(ways, 1_000**n))


@pytest.mark.parametrize("rate", [0.001, 0.01, 0.02, 0.05, 0.3])
def test_the_rank_is_the_largest_that_holds(rate: float) -> None:
    for n in [*range(0, 120, 3), 299, 1_000, 2_000]:
        k = rank(n, rate)
        assert k == 0 or at_most(k - 1, n, rate) <= 0.05
        assert k == n or at_most(k, n, rate) > 0.05


@pytest.mark.parametrize(("rate", "least"), [(0.01, 299), (0.02, 149), (0.05, 59), (0.1, 29), (0.5, 5)])
def test_how_many_are_needed(rate: float, least: int) -> None:
    assert needs(rate) == least
    assert rank(least, rate) == 1
    assert rank(least - 1, rate) == 0


def test_the_bound_is_broken_one_time_in_twenty() -> None:
    """For uniform draws the share above the k-th largest is one minus it; 5 % of the caps are too low, and no more."""
    draw = random.Random(1)
    for n, rate in ((299, 0.01), (500, 0.02), (200, 0.05)):
        k = rank(n, rate)
        broken = sum(1 - sorted(draw.random() for _ in range(n))[-k] > rate for _ in range(2_000)) / 2_000
        assert broken == pytest.approx(at_most(k - 1, n, rate), abs=0.015)
        assert broken < 0.065


@pytest.mark.parametrize("rate", [0.0, 1.0, -0.1, float("nan")])
def test_rates_that_cannot_be(rate: float) -> None:
    with pytest.raises(ValueError, match="must lie between 0 and 1"):
        rank(100, rate)
    with pytest.raises(ValueError, match="must lie between 0 and 1"):
        needs(rate)
