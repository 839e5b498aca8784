"""The proof that a rule is wrong in no more than a given share of its answers.

A rule answers where a score is above a cut. Of calls that the model has answered it is known what the rule would have done,
and whether that had been wrong. A cut is certified if so few wrong answers among so many would be unlikely (at most the
level) were the rule wrong in more than `limit` of its answers: the exact binomial test, of which the limits of Clopper and
Pearson (Biometrika 26, 1934) are the inverse. Cuts are tried one after the other, from one that was chosen without these
calls down to lower ones, until one fails: with a fixed order all may be tried at the full level, and the chance that any
false one is certified is at most the level (fixed-sequence testing; Angelopoulos et al., "Learn then Test",
https://arxiv.org/abs/2110.01052, 2021-10-03). The order looks at scores alone, never at what was wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, exp, lgamma, log, log1p
from typing import NamedTuple

PASSED_ON = 0.6  # of what a test may use up, what the next one may
STEP = 1.05  # by how much more hits the next cut has


class Sample(NamedTuple):
    """What the rule would have answered a call with: its score, and whether that had been wrong."""

    score: float
    wrong: bool


class Proven(NamedTuple):
    """A certified cut: answers whose score is above it. So many of the samples were, and so many of these wrong; `p` is how
    likely that is at the limit."""

    cut: float
    hits: int
    wrong: int
    p: float


def p_of(wrong: int, hits: int, limit: float) -> float:
    """How likely so few wrong ones are among so many hits if each is wrong with the chance `limit`."""
    if wrong >= hits:
        return 1.0
    one, other = log(limit), log1p(-limit)
    whole = lgamma(hits + 1)
    return min(
        1.0,
        sum(exp(whole - lgamma(k + 1) - lgamma(hits - k + 1) + k * one + (hits - k) * other) for k in range(wrong + 1)),
    )


def hits_needed(limit: float, level: float) -> int:
    """So many hits, none of them wrong, are the least that prove anything."""
    return ceil(log(level) / log1p(-limit))


def upper(wrong: int, hits: int, level: float) -> float:
    """The share of wrong answers is at most this, at confidence 1 - `level` (Clopper and Pearson)."""
    if wrong >= hits:
        return 1.0
    low, high = wrong / hits, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        if middle < 1 and p_of(wrong, hits, middle) > level:
            low = middle
        else:
            high = middle
    return high


def lower(wrong: int, hits: int, level: float) -> float:
    """The share of wrong answers is at least this, at confidence 1 - `level`."""
    return 1.0 - upper(hits - wrong, hits, level) if hits and wrong else 0.0


def level_of(test: int, confidence: float) -> float:
    """What the n-th test of a series may use up, so that all together miss with a chance of at most 1 - `confidence`."""
    return (1.0 - confidence) * (1 - PASSED_ON) * PASSED_ON ** (test - 1)


def samples_needed(pilot: Sequence[Sample], limit: float, level: float) -> int:
    """After how many samples like those of the pilot some cut will likely be proven; 10**9 where none is in sight.

    A cut that is wrong in a share r of the limit takes about 1.5 * ln(1/level) / (1 - r)^2 wrong ones expected at the limit
    (for r up to 0.7 the exact test then passes in four of five runs). The pilot picks its best cut, which flatters it: hence
    two wrong ones more than it saw.
    """
    best = 1e9
    wrong = 0
    for count, sample in enumerate(sorted(pilot, key=lambda one: -one.score), start=1):
        wrong += sample.wrong
        ratio = (wrong + 2) / count / limit
        if ratio < 1:
            best = min(best, 1.5 * log(1 / level) / (1 - ratio) ** 2 / limit * len(pilot) / count)
    return int(best) + 1


def prove(samples: Sequence[Sample], pilot: Sequence[Sample], limit: float, level: float) -> Proven | None:
    """The lowest cut that can be certified. `pilot` are other calls: they say where to begin. None where the first cut tried
    is not proven."""
    ranked = sorted(samples, key=lambda one: -one.score)
    wrongs = [0]
    for sample in ranked:
        wrongs.append(wrongs[-1] + sample.wrong)
    found: Proven | None = None
    count = _first(len(ranked), pilot, limit, level)
    while 0 < count < len(ranked):
        cut = ranked[count].score
        if ranked[count - 1].score <= cut:  # of equal scores all are above a cut, or none
            count += 1
            continue
        p = p_of(wrongs[count], count, limit)
        if p > level:
            break
        found = Proven(cut, count, wrongs[count], p)
        count = max(count + 1, int(count * STEP))
    return found


def _first(samples: int, pilot: Sequence[Sample], limit: float, level: float) -> int:
    """With how many hits to begin: where the pilot says that the test passes most surely."""
    least = hits_needed(limit, level)
    if samples <= least:
        return 0
    if not pilot:
        return min(samples - 1, 2 * least)
    ranked = sorted(pilot, key=lambda one: -one.score)
    best, surest = 0, 1.0
    wrong, seen = 0, 0
    count = least
    while count < samples:
        upto = max(1, round(count / samples * len(ranked)))
        while seen < upto:
            wrong += ranked[seen].wrong
            seen += 1
        expected = ceil((wrong + 0.5) / (upto + 1) * count)
        p = p_of(expected, count, limit)
        if p < surest:
            best, surest = count, p
        count = max(count + 1, int(count * STEP))
    return best or min(samples - 1, 2 * least)
