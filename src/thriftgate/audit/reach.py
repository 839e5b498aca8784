"""Which levers can be judged from which depth of data."""

from __future__ import annotations

from thriftgate.audit.findings import Lever
from thriftgate.audit.records import DEPTHS, Depth

_NEEDS: tuple[tuple[str, Depth, str], ...] = (
    ("prices and models", "day", "sums of tokens are enough to price them on other terms"),
    ("batch.defer", "call", "single calls with their times show which belong to no conversation"),
    ("cache.breakpoints (lifetimes)", "call", "the pauses between calls decide between five minutes and an hour"),
    (
        "cache.breakpoints (positions)",
        "prefix",
        "exact where the log tells which prompts share which prefix; else worked out",
    ),
    ("cache.keepalive", "call", "the pauses between calls show which pings a later read would have paid for"),
    ("cache.stabilise", "body", "the text shows what changes in a prompt's beginning"),
    ("token counts on another model", "body", "the text can be counted anew; else a factor with an interval is taken"),
)


def judged(depth: Depth) -> tuple[Lever, ...]:
    """Each lever, and whether a log of this depth allows to judge it."""
    return tuple(Lever(name, DEPTHS.index(depth) >= DEPTHS.index(needs), needs, reason) for name, needs, reason in _NEEDS)
