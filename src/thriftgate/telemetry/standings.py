"""What the metrics page is told by others, at the moment it is asked for: each a callable, so that nothing is kept twice."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from thriftgate.engine.governing import GovernorView
from thriftgate.engine.sharing import SharingView


class QueueStanding(NamedTuple):
    """Calls that wait for a batch, and batches under way."""

    jobs: int
    batches: int


class BudgetStanding(NamedTuple):
    """One budget in its present window (pico-USD). `scope` is what it is on, such as team, or team and task; the `name` of
    one that is on keys or users is not shown. What may have been spent counts as spent."""

    name: str
    scope: tuple[str, ...]
    spent_pico: int
    held_pico: int
    limit_pico: int

    @property
    def on(self) -> str:
        """What it is on, as a label."""
        return "+".join(self.scope) or "all"

    @property
    def share(self) -> float:
        """How much of it is gone, holds included."""
        return (self.spent_pico + self.held_pico) / self.limit_pico if self.limit_pico else 1.0


class Verdicts(NamedTuple):
    """Audited calls of one task, by what came of comparing the two answers."""

    same: int
    different: int
    cheap_better: int
    strong_better: int


class Standings(NamedTuple):
    """Who is asked. What is not there has no lines on the page. `governor` also tells how many of the provider's keys have
    no money left; `targets` how many targets, or models of one, are left alone, by why."""

    queue: Callable[[], QueueStanding | None] = lambda: None
    budgets: Callable[[], Sequence[BudgetStanding]] = tuple
    governor: Callable[[], tuple[GovernorView, int] | None] = lambda: None
    targets: Callable[[], Mapping[str, int]] = dict
    sharing: Callable[[], SharingView | None] = lambda: None
    alerts: Callable[[], Mapping[str, int]] = dict
    quality: Callable[[], Mapping[str, Verdicts]] = dict
    dropped: Callable[[], Mapping[str, int]] = dict
