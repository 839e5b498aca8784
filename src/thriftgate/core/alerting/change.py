"""Is this hour, or day, unlike the same hours of the weeks before? By their median and the spread around it, so that one
wild week changes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from msgspec import Struct

REFERENCES_MIN = 3
_SPREADS = 3.0
_MAD = 1.4826  # the spread of a normal distribution over its median absolute deviation


class Usual(Struct, frozen=True):
    """What the spans before came to: their median, and where a value is out of the ordinary."""

    median: float
    bound: float
    references: int


def usual(references: Sequence[float], factor: float, least: float) -> Usual | None:
    """`factor` above 1 looks for a rise, below 1 for a fall; `least` is the smallest value (of a fall: the smallest median)
    worth speaking of. None: too few references, or nothing to compare with."""
    if len(references) < REFERENCES_MIN:
        return None
    middle = median(references)
    spread = _SPREADS * _MAD * median(abs(one - middle) for one in references)
    if factor > 1:
        bound = max(middle * factor, middle + spread, least)
        return Usual(middle, bound, len(references)) if bound > 0 else None
    bound = min(middle * factor, middle - spread)
    return Usual(middle, bound, len(references)) if middle > 0 and middle >= least and bound > 0 else None
