"""Two arms on the same items: is the difference more than chance? Pure; draws come from the `Random` that is handed in.

Right or wrong: McNemar's exact test (McNemar 1947; the exact binomial form: Fagerland, Lydersen & Laake 2013,
doi:10.1186/1471-2288-13-91). Graded: a bootstrap over items (Efron & Tibshirani 1993, ch. 13). Items of one cluster are
drawn together: they are not independent. Intervals of one arm: Wilson (1927), which for grades between 0 and 1 is on the
safe side, as no such score varies more than a 0/1 one of the same mean.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

from thriftgate.quality.results import Judged, Line

if TYPE_CHECKING:
    from random import Random  # noqa: TID251  the type of what is handed in

CONFIDENCE = 0.95
_Z = 1.959963984540054  # of 95 %, two-sided
DRAWS = 2_000
BLOCKS_MAX = 500  # more items are drawn in blocks: means of equal blocks vary as means of their items do


class Interval(NamedTuple):
    """An estimate with its 95 % interval."""

    value: float
    low: float
    high: float


class Paired(NamedTuple):
    """A figure of both arms on the items that have it for both, and B minus A."""

    a: float
    b: float
    items: int
    difference: Interval


class Comparison(NamedTuple):
    """B against A. `wins` are items on which B is better, `losses` those on which A is. `cost` in pico-USD a call, `latency`
    in milliseconds; `cost_ratio` is B's over A's. None where nothing is known."""

    a: str
    b: str
    quality: Paired
    wins: int
    losses: int
    ties: int
    p: float
    test: Literal["mcnemar", "bootstrap"]
    cost: Paired | None
    cost_ratio: Interval | None
    latency: Paired | None


def wilson(mean: float, count: float) -> Interval:
    """The interval of a share, or of a mean of scores from 0 to 1, over `count` independent items (0: nothing is known)."""
    if count <= 0:
        return Interval(mean, 0.0, 1.0)
    square = _Z * _Z
    middle = (mean + square / (2 * count)) / (1 + square / count)
    half = _Z / (1 + square / count) * math.sqrt(mean * (1 - mean) / count + square / (4 * count * count))
    return Interval(mean, max(0.0, middle - half), min(1.0, middle + half))


def mcnemar_exact(wins: int, losses: int) -> float:
    """Two-sided p-value that as many items as these changed sides by chance."""
    count = wins + losses
    if count == 0:
        return 1.0
    few = min(wins, losses)
    log_half = count * math.log(0.5)
    tail = math.fsum(math.exp(_log_choose(count, k) + log_half) for k in range(few + 1))
    return min(1.0, 2 * tail)


def compare(lines: Sequence[Line], a: str, b: str, rng: Random) -> Comparison | None:
    """Hold two arms against each other; None where no item has a grade of both."""
    both = [(line, line.outcomes[a], line.outcomes[b]) for line in lines if a in line.outcomes and b in line.outcomes]
    graded = [(line, one, other) for line, one, other in both if one.quality is not None and other.quality is not None]
    if not graded:
        return None
    pairs = [(line, _quality(one), _quality(other)) for line, one, other in graded]
    is_binary = all(value in (0.0, 1.0) for _, one, other in pairs for value in (one, other))
    wins, losses = sum(other > one for _, one, other in pairs), sum(other < one for _, one, other in pairs)
    quality, draws = _paired(pairs, rng)
    clustered = any(line.cluster for line, _, _ in pairs)
    exact = is_binary and not clustered
    priced = [(line, float(one.pico), float(other.pico)) for line, one, other in both if one.pico and other.pico]
    timed = [
        (line, float(one.latency_ms), float(other.latency_ms))
        for line, one, other in both
        if one.latency_ms and other.latency_ms
    ]
    cost, ratio = _priced(priced, rng) if priced else (None, None)
    return Comparison(
        a,
        b,
        quality,
        wins,
        losses,
        len(pairs) - wins - losses,
        mcnemar_exact(wins, losses) if exact else _p(draws),
        "mcnemar" if exact else "bootstrap",
        cost,
        ratio,
        _paired(timed, rng)[0] if timed else None,
    )


def _quality(one: Judged) -> float:
    assert one.quality is not None
    return one.quality


_Pair = tuple[Line, float, float]


def _paired(pairs: Sequence[_Pair], rng: Random) -> tuple[Paired, list[float]]:
    """Means, their difference with its interval, and the differences that were drawn, sorted."""
    means, drawn = _drawn(pairs, rng)
    draws = sorted(b - a for a, b in drawn)
    low, high = _middle(draws)
    return Paired(*means, len(pairs), Interval(means[1] - means[0], low, high)), draws


def _priced(pairs: Sequence[_Pair], rng: Random) -> tuple[Paired, Interval]:
    """The same of amounts, and their ratio."""
    (a, b), drawn = _drawn(pairs, rng)
    difference = _middle(sorted(two - one for one, two in drawn))
    ratio = _middle(sorted(two / one for one, two in drawn))
    return Paired(a, b, len(pairs), Interval(b - a, *difference)), Interval(b / a, *ratio)


_Group = tuple[float, float, float]  # weight, weighted sums of A and of B


def _drawn(pairs: Sequence[_Pair], rng: Random) -> tuple[tuple[float, float], list[tuple[float, float]]]:
    """The means of both arms, and what they could have been."""
    groups = _groups(pairs)
    if len(groups) > BLOCKS_MAX:
        rng.shuffle(groups)
        groups = [_sum(groups[at::BLOCKS_MAX]) for at in range(BLOCKS_MAX)]
    return _means(groups), [_means(rng.choices(groups, k=len(groups))) for _ in range(DRAWS)]


def _groups(pairs: Sequence[_Pair]) -> list[_Group]:
    """What is drawn together: the items of a cluster, each other item by itself."""
    groups: dict[str, list[_Group]] = {}
    for at, (line, one, other) in enumerate(pairs):
        groups.setdefault(line.cluster or f"\0{at}", []).append((line.weight, line.weight * one, line.weight * other))
    return [_sum(group) for group in groups.values()]


def _sum(groups: Sequence[_Group]) -> _Group:
    weight, a, b = (math.fsum(part) for part in zip(*groups, strict=True))
    return weight, a, b


def _means(groups: Sequence[_Group]) -> tuple[float, float]:
    weight, a, b = _sum(groups)
    return a / weight, b / weight


def _middle(values: Sequence[float]) -> tuple[float, float]:
    """The bounds of the middle 95 % of sorted values."""
    cut = (1 - CONFIDENCE) / 2
    last = len(values) - 1
    return values[round(cut * last)], values[round((1 - cut) * last)]


def _p(draws: Sequence[float]) -> float:
    """Two-sided, from the share of draws on the other side of zero."""
    below = sum(value <= 0 for value in draws)
    above = sum(value >= 0 for value in draws)
    return min(1.0, 2 * (min(below, above) + 1) / (len(draws) + 1))


def _log_choose(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
