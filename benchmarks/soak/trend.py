"""Is there a slope in a noisy series? Theil and Sen's estimate on medians of equal blocks, with its 95 % interval.

The median of all slopes between two points does not mind outliers; blocks take away most of the dependence between samples
that follow each other. Interval: P. K. Sen, JASA 63 (1968), 1379-1389, from the variance of Kendall's S without ties.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

BLOCKS = 30
_Z95 = 1.959964


class Trend(NamedTuple):
    """Change of y for one of x, and the interval that holds the true one 95 times of 100."""

    slope: float
    low: float
    high: float

    def flat(self, bound: float) -> bool:
        """Whether it cannot be told from no growth, or is surely below the bound."""
        return self.low <= 0.0 or self.high <= bound


def trend(points: Sequence[tuple[float, float]], blocks: int = BLOCKS) -> Trend:
    """The slope of (x, y) points in order of x. Raises ValueError where there are fewer than four."""
    found = _medians(points, blocks)
    n = len(found)
    if n < 4:
        raise ValueError(f"a slope takes four points at least, not {n}")
    slopes = sorted(
        (y - before_y) / (x - before_x)
        for at, (x, y) in enumerate(found)
        for before_x, before_y in found[:at]
        if x > before_x
    )
    spread = _Z95 * math.sqrt(n * (n - 1) * (2 * n + 5) / 18)
    low = max(0, round((len(slopes) - spread) / 2))
    high = min(len(slopes) - 1, round((len(slopes) + spread) / 2))
    return Trend(statistics.median(slopes), slopes[low], slopes[high])


def _medians(points: Sequence[tuple[float, float]], blocks: int) -> list[tuple[float, float]]:
    blocks = min(blocks, len(points))
    cuts = [round(len(points) * at / blocks) for at in range(blocks + 1)]
    parts = [points[a:b] for a, b in pairwise(cuts) if b > a]
    return [(statistics.median(x for x, _ in part), statistics.median(y for _, y in part)) for part in parts]
