"""Closes the holds that killed processes left open."""

from __future__ import annotations

from collections.abc import Callable

from thriftgate.clock import Clock
from thriftgate.core.errors import LedgerError
from thriftgate.engine.tasks import Tasks
from thriftgate.engine.unsent import Books, lost
from thriftgate.ledger.connection import Presence
from thriftgate.ledger.entries import Ledger
from thriftgate.ledger.liveness import process_of

SWEEP_S = 10.0  # how often it is looked for what killed processes hold, where budgets wait for it


class Sweeper:
    """One per engine. `liveness` tells which processes that write these books are alive; without it none but this one is.
    `books` says what every entry says of where it comes from."""

    def __init__(
        self, ledger: Ledger, liveness: Presence | None, books: Callable[[], Books], *, clock: Clock, tasks: Tasks
    ) -> None:
        self._ledger = ledger
        self._liveness = liveness
        self._books = books
        self._clock = clock
        self._tasks = tasks
        self._swept_s = -SWEEP_S

    @property
    def worker_name(self) -> str:
        """The name of this process in the ids of its calls."""
        return self._liveness.token if self._liveness is not None else ""

    def is_alive(self, process: str) -> bool:
        """Whether another process of that name is at work on these books."""
        return self._liveness is not None and process != self._liveness.token and self._liveness.is_alive(process)

    def in_doubt(self, process: str) -> bool:
        """Whether that is not known yet, and is soon."""
        return self._liveness is not None and self._liveness.in_doubt(process)

    async def sweep(self) -> int:
        """Close the holds that killed processes left open: booked as lost, at their forecast, flagged as estimated. Whether
        the provider billed them only its own report can tell. Returns how many there were."""
        owners = {process_of(hold.id) for hold in await self._ledger.open_holds()} - {self.worker_name}
        dead = {process for process in owners if not self.is_alive(process)}
        # Asked again: one that ended a moment ago may have settled its calls first.
        holds = [hold for hold in await self._ledger.open_holds() if not hold.batch and process_of(hold.id) in dead]
        for hold in holds:
            try:
                await self._ledger.settle(lost(hold, self._books()))
            except LedgerError:
                if await self._ledger.entry(hold.id) is None:
                    raise
                # Otherwise another process was quicker.
        return len(holds)

    def soon(self) -> None:
        """Money is held: maybe by a process beside this one that was killed."""
        now_s = self._clock.monotonic_s()
        if now_s - self._swept_s >= SWEEP_S:
            self._swept_s = now_s
            self._tasks.spawn(self.sweep())
