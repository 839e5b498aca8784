"""Single calls are forgotten after so many days, while the gateway serves (`[ledger] keep_days`)."""

from __future__ import annotations

from thriftgate.core.errors import LedgerError
from thriftgate.engine.leading import Leading
from thriftgate.engine.tasks import Tasks
from thriftgate.ledger.entries import Entry
from thriftgate.ledger.rollup_spans import DAY_US
from thriftgate.ledger.sql import SqlLedger
from thriftgate.ledger.sql_pruning import prune
from thriftgate.logs import log

EVERY_US = 3_600_000_000


class Forgetting:
    """Hears of settled calls, and forgets old ones once an hour in the background, where this process leads."""

    def __init__(self, ledger: SqlLedger, keep_days: int, tasks: Tasks, leading: Leading) -> None:
        self._ledger = ledger
        self._keep_us = keep_days * DAY_US
        self._tasks = tasks
        self._leading = leading
        self._last_us = 0

    def heard(self, entry: Entry) -> None:
        if self._leading.leads and entry.settled_us - self._last_us >= EVERY_US:
            self._last_us = entry.settled_us
            self._tasks.spawn(self._forget(entry.settled_us - self._keep_us))

    async def _forget(self, before_us: int) -> None:
        try:
            forgotten = await prune(self._ledger, before_us)
        except LedgerError as error:
            log.warning("old calls cannot be forgotten", error=str(error))
        else:
            if forgotten:
                log.info("old calls forgotten", calls=forgotten)
