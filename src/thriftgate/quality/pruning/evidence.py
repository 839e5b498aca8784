"""What paired grades say of a prompt without some of its sections: while searching, and of the one that is proposed.

While searching: Wald's sequential probability ratio test (A. Wald 1945, doi:10.1214/aoms/1177731118) on losses less wins,
"no more than by chance" against "as many more as the margin". It is a compass and promises nothing, since many prompts are
tried on the same cases.

Of the one prompt that is proposed, on cases that no search has seen: the exact test of `quality/exact_tests.py` that its
quality is not lower than the original's by the margin or more. THEOREM: a prompt that is worse by the margin is confirmed
with a chance of at most 1 - confidence. (The test is made with every case that both got wrong counted as one that both got
right: of the promise "losses less wins are fewer than the margin" it then tests one that is a little stricter.)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from math import log
from typing import Literal, NamedTuple

import numpy as np

from thriftgate.quality.exact_tests import Counts, counts_of, exact_p

MISTAKE = 0.05  # chance of either mistake that the search's test is set to
CHANCE_MIN = 0.0025  # losses by chance are never taken to be rarer: a handful of repeats cannot show it
CASES_MAX = 20_000  # more are not asked for: whoever needs them needs a larger margin
_STEPS = 14

Verdict = Literal["harms", "harmless", "open"]


class Pair(NamedTuple):
    """Grades of one case, 0 to 1: of the original prompt and of another."""

    before: float
    after: float


class Confirmation(NamedTuple):
    """What held-out cases say: mean grades, `low` the least that after - before is with the confidence asked for, `p` the
    chance of such cases if the promise were broken. `needed` is how many cases like these would confirm, 0 where none do."""

    before: float
    after: float
    low: float
    p: float
    passed: bool
    needed: int


def mean_change(pairs: Sequence[Pair]) -> float:
    """By how much grades rose, on average."""
    return sum(one.after - one.before for one in pairs) / len(pairs) if pairs else 0.0


def weight(pairs: Sequence[Pair], chance: float, margin: float) -> float:
    """The logarithm of how much likelier these pairs are if the margin is lost than if nothing is. `chance` is the share of
    losses that come by chance alone."""
    chance = max(CHANCE_MIN, chance)
    worse = min(chance + margin, 0.999)
    lost = max(0.0, -mean_change(pairs) * len(pairs))
    return lost * log(worse / chance) + (len(pairs) - lost) * log((1 - worse) / (1 - chance))


def verdict(pairs: Sequence[Pair], chance: float, margin: float) -> Verdict:
    """Whether the search knows enough."""
    found, bound = weight(pairs, chance, margin), log((1 - MISTAKE) / MISTAKE)
    return "harms" if found >= bound else "harmless" if found <= -bound else "open"


def confirm(pairs: Sequence[Pair], margin: float, confidence: float, coins: Sequence[float]) -> Confirmation:
    """The test. `coins`, uniform in 0...1, round grades in between, one for each pair."""
    before, after = np.array([one.before for one in pairs]), np.array([one.after for one in pairs])
    counts = counts_of(after, before, np.array(coins[: len(pairs)]))
    found = _Tally(counts.examples, counts.losses, counts.wins)
    p = _p(found, margin, confidence)
    passed = p <= 1 - confidence
    return Confirmation(
        float(before.mean()) if pairs else 0.0,
        float(after.mean()) if pairs else 0.0,
        -_least_margin(found, confidence),
        p,
        passed,
        len(pairs) if passed else _needed(found, margin, confidence),
    )


@lru_cache(maxsize=64)
def least_cases(margin: float, confidence: float) -> int:
    """How many cases confirm a prompt that changes no grade."""
    return _first(lambda count: _p(_Tally(count, 0, 0), margin, confidence) <= 1 - confidence)


class _Tally(NamedTuple):
    cases: int
    losses: int
    wins: int


def _p(found: _Tally, margin: float, confidence: float) -> float:
    if not found.cases:
        return 1.0
    counts = Counts(found.cases - found.wins, found.wins, found.losses, found.wins)
    return exact_p(counts, 1 - margin, 1 - confidence)


def _least_margin(found: _Tally, confidence: float) -> float:
    """The smallest margin that would be confirmed."""
    low, high = 0.0, 1.0
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (low, middle) if _p(found, middle, confidence) <= 1 - confidence else (middle, high)
    return high


def _needed(found: _Tally, margin: float, confidence: float) -> int:
    """How many cases would confirm, were losses and wins as frequent as here; 0 where no number would."""
    if not found.cases or (found.losses - found.wins) / found.cases >= margin:
        return 0

    def enough(count: int) -> bool:
        wins, losses = (round(part * count / found.cases) for part in (found.wins, found.losses))
        return _p(_Tally(count, losses, wins), margin, confidence) <= 1 - confidence

    return _first(enough, found.cases + 1)


def _first(enough: Callable[[int], bool], low: int = 1) -> int:
    """The smallest count that is enough; 0 where none up to `CASES_MAX` is."""
    high = low
    while not enough(high):
        low, high = high + 1, high * 2
        if high > CASES_MAX:
            return 0
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle + 1, high)
    return low
