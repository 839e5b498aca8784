"""Calls that other processes have settled in the same books, for the one that watches over all of them.

Looked for by when they came in, some seconds later; those that were still open then are asked for again until they are
settled.
"""

from __future__ import annotations

from collections.abc import Callable

from thriftgate.clock import Clock
from thriftgate.ledger.entries import Entry, Ledger

LAG_US = 2_000_000  # what came in before that is in the books by now: as a hold, or settled
PAGE = 500


class Following:
    """Tells `hear` of each such call once. `own` is the name of this process, which hears of its own calls by itself."""

    def __init__(self, ledger: Ledger, clock: Clock, own: str, hear: Callable[[Entry], None]) -> None:
        self._ledger = ledger
        self._clock = clock
        self._own = own
        self._hear = hear
        self._until_us = self._now_us() - LAG_US
        self._open: set[str] = set()

    async def look(self) -> None:
        """Tell of what was settled since the last look. Raises LedgerError."""
        since_us, until_us = self._until_us, self._now_us() - LAG_US
        # The holds first: what is settled later is told.
        holds = [hold for hold in await self._ledger.open_holds(but_of=self._own) if not hold.batch]
        told: set[str] = set()
        after = ""
        while page := await self._ledger.entries(
            since_us=since_us, until_us=until_us, after=after, limit=PAGE, but_of=self._own
        ):
            after = page[-1].id
            for entry in page:
                self._hear(entry)
                told.add(entry.id)
        self._until_us = until_us
        for settled in self._open - {hold.id for hold in holds}:
            late = await self._ledger.entry(settled)
            if late is not None:
                self._hear(late)
            self._open.discard(settled)
        self._open |= {hold.id for hold in holds if hold.opened_us < until_us and hold.id not in told}

    def _now_us(self) -> int:
        return int(self._clock.now_s() * 1e6)
