"""The stages of budgets, told when one is reached and for as long as the budget stands there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from thriftgate.core.alerting.alert import Sighting
from thriftgate.core.alerting.stages import stage_sighting
from thriftgate.core.control.budgets import Standing
from thriftgate.ledger.entries import Entry


class BudgetStages:
    """See `watch.Detector`. `standings` tells how budgets stood a moment ago."""

    def __init__(self, standings: Callable[[], Sequence[Standing]]) -> None:
        self._standings = standings

    def see(self, _entry: Entry) -> Iterable[Sighting]:
        return ()

    def tick(self, now_s: float) -> Iterable[Sighting]:
        now_us = int(now_s * 1e6)
        for standing in self._standings():
            stage = standing.stage
            if stage is not None and standing.since_us <= now_us < standing.until_us:
                yield stage_sighting(standing, stage, now_us)
