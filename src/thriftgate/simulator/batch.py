"""One message batch: what was sent, how far it is, and what it becomes when it ends.

Source: platform.claude.com/docs/en/build-with-claude/batch-processing, 2026-10.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field

from thriftgate.simulator.config import BatchRules
from thriftgate.simulator.identity import Caller
from thriftgate.simulator.pages import Pages
from thriftgate.simulator.schedule import Schedule

DAY_S = 86_400
NEVER = math.inf


@dataclass(slots=True)
class Items:
    """The items of a batch that has not ended, by their place in the file. Once an item ran its `params` are empty, until
    then its line of the results is; `started` counts those that ran."""

    names: list[str]
    params: list[bytes]
    lines: list[bytes]
    schedule: Schedule
    started: int = 0

    @property
    def next_at(self) -> float:
        """When the next item starts; never, if all have."""
        return self.schedule.starts[self.started] if self.started < len(self.schedule.starts) else NEVER


@dataclass(slots=True)
class Batch:
    """One batch. Times are Unix seconds; `number` counts the batches of the simulator. When it ends, `items` go and `pages`
    come."""

    id: str
    number: int
    caller: Caller
    version: str
    betas: frozenset[str]
    rules: BatchRules
    created_at: float
    size: int
    items: Items | None
    pages: Pages | None = None
    counts: Counter[str] = field(default_factory=Counter)
    cancel_at: float | None = None
    ended_at: float | None = None

    @property
    def expires_at(self) -> float:
        """24 hours after creation."""
        return self.created_at + DAY_S

    @property
    def status(self) -> str:
        """in_progress, canceling or ended."""
        if self.ended_at is not None:
            return "ended"
        return "in_progress" if self.cancel_at is None else "canceling"

    @property
    def last_start(self) -> float:
        """No item starts later than this."""
        return self.expires_at if self.cancel_at is None else min(self.cancel_at, self.expires_at)

    @property
    def ends_at(self) -> float:
        """When it ends: with its last item, some seconds after it was canceled (assumed), or after 24 h."""
        done_at = self.items.schedule.done_at if self.items is not None else NEVER
        stop = self.expires_at if self.cancel_at is None else min(self.cancel_at + self.rules.cancel_s, self.expires_at)
        return min(done_at, stop)
