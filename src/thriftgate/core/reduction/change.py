"""What one lever did to a call before it was planned."""

from __future__ import annotations

from msgspec import Struct


class Change(Struct, frozen=True):
    """`applied`, or why not: `reason` is one sentence for `explain`. `before` and `after` are estimated tokens of the
    texts that a lever of the prompt changed."""

    applied: bool
    reason: str
    before: int = 0
    after: int = 0
