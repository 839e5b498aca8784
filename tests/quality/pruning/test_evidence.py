"""What paired grades say."""

from __future__ import annotations

from random import Random

import pytest

from thriftgate.quality.pruning.evidence import Pair, confirm, least_cases, mean_change, verdict, weight

ALIKE, LOSS, WIN = Pair(1, 1), Pair(1, 0), Pair(0, 1)
HALVES = [0.5] * 3_000


def pairs(alike: int, losses: int = 0, wins: int = 0) -> list[Pair]:
    return [ALIKE] * alike + [LOSS] * losses + [WIN] * wins


@pytest.mark.parametrize(
    ("found", "chance", "said"),
    [
        (pairs(14, 2), 0.0, "harms"),
        (pairs(15, 1), 0.0, "open"),
        (pairs(16), 0.0, "open"),
        (pairs(150), 0.0, "harmless"),
        (pairs(26, 6, 6), 0.0, "open"),
        (pairs(61, 3), 0.05, "open"),
        (pairs(0), 0.0, "open"),
        ([Pair(1, 0.5)] * 10, 0.0, "harms"),
    ],
)
def test_the_search_decides_as_soon_as_it_may(found: list[Pair], chance: float, said: str) -> None:
    assert verdict(found, chance, 0.02) == said


def test_more_losses_weigh_more() -> None:
    weights = [weight(pairs(50 - lost, lost), 0.01, 0.02) for lost in range(20)]
    assert weights == sorted(weights)
    assert mean_change(pairs(8, 2)) == -0.2
    assert mean_change([]) == 0.0


def test_how_many_cases_a_margin_takes() -> None:
    assert [least_cases(margin, 0.95) for margin in (0.02, 0.05, 0.1)] == [149, 59, 29]
    assert least_cases(0.02, 0.99) > 220


def test_confirmed_and_not() -> None:
    passed = confirm(pairs(149), 0.02, 0.95, HALVES)
    assert (passed.passed, passed.needed, passed.before, passed.after) == (True, 149, 1.0, 1.0)
    assert -0.0201 < passed.low < -0.019
    short = confirm(pairs(100), 0.02, 0.95, HALVES)
    assert (short.passed, short.needed) == (False, 149)
    lost = confirm(pairs(199, 1), 0.02, 0.95, HALVES)
    assert not lost.passed
    assert 200 < lost.needed < 600
    worse = confirm(pairs(190, 10), 0.02, 0.95, HALVES)
    assert (worse.passed, worse.needed) == (False, 0)
    assert worse.low < -0.05
    assert confirm(pairs(990, 5, 5), 0.02, 0.95, HALVES).passed
    assert confirm([], 0.02, 0.95, []) == (0.0, 0.0, -1.0, 1.0, False, 0)


def test_grades_in_between_are_rounded_by_the_coins() -> None:
    rng = Random(1)
    coins = [rng.random() for _ in range(400)]
    assert confirm([Pair(0.5, 0.5)] * 400, 0.02, 0.95, coins).passed
    assert not confirm([Pair(0.5, 0.45)] * 400, 0.02, 0.95, coins).passed


@pytest.mark.parametrize(("loss", "win"), [(0.02, 0.0), (0.03, 0.01)])
def test_what_is_worse_by_the_margin_is_rarely_confirmed(loss: float, win: float) -> None:
    rng = Random(7)
    known: dict[tuple[int, int], bool] = {}
    confirmed = 0
    for _ in range(800):
        drawn = [rng.random() for _ in range(240)]
        lost, won = sum(one < loss for one in drawn), sum(loss <= one < loss + win for one in drawn)
        if lost - won > 2:
            continue  # never
        if (lost, won) not in known:
            known[lost, won] = confirm(pairs(240 - lost - won, lost, won), 0.02, 0.95, HALVES).passed
        confirmed += known[lost, won]
    assert 0 < confirmed <= 0.05 * 800 + 3 * (800 * 0.05 * 0.95) ** 0.5
