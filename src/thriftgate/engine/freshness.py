"""When to read again what others may have changed in the ledger meanwhile."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from thriftgate.clock import Clock
from thriftgate.core.errors import LedgerError
from thriftgate.engine.tasks import Tasks
from thriftgate.logs import log

FRESH_S = 1.0
"""How old what was read may be, while calls come."""
WORTH = 20.0
"""It is read again after so many times what it took to read."""


class Freshness:
    """`read` raises LedgerError; `what` it reads is for the log."""

    def __init__(self, read: Callable[[], Awaitable[None]], what: str, clock: Clock, tasks: Tasks) -> None:
        self._read = read
        self._what = what
        self._clock = clock
        self._tasks = tasks
        self._read_s = -FRESH_S
        self._took_s = 0.0
        self._reading = False

    async def now(self) -> None:
        """Raises LedgerError."""
        began_s = self._clock.monotonic_s()
        await self._read()
        self._read_s = self._clock.monotonic_s()
        self._took_s = self._read_s - began_s

    def soon(self) -> None:
        """In the background, where it is time to."""
        if not self._reading and self._clock.monotonic_s() - self._read_s >= max(FRESH_S, WORTH * self._took_s):
            self._reading = True
            self._tasks.spawn(self._quietly())

    async def _quietly(self) -> None:
        try:
            await self.now()
        except LedgerError as error:
            log.warning("not read again", what=self._what, error=str(error))
        finally:
            self._reading = False
