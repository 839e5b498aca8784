"""What was learned survives a restart: put down with the books every few minutes and at the end, taken up at the start."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import msgspec

from thriftgate.clock import Clock
from thriftgate.core.errors import LedgerError
from thriftgate.engine.tasks import Tasks
from thriftgate.ledger.entries import Ledger
from thriftgate.logs import log

KEEP_EVERY_S = 300.0  # what a killed process forgets at most


class Keepable(Protocol):
    """Something learned that can be written down."""

    def kept(self) -> bytes: ...

    def restore(self, data: bytes) -> None:
        """Raises ValueError (msgspec's errors are) for anything but what `kept` gave."""


class Keeper:
    """Keeps each of `memories` under its name."""

    def __init__(self, memories: Mapping[str, Keepable], ledger: Ledger, clock: Clock, tasks: Tasks) -> None:
        self._memories = dict(memories)
        self._ledger = ledger
        self._clock = clock
        self._tasks = tasks
        self._last_s = clock.now_s()

    async def add(self, name: str, memory: Keepable) -> None:
        """One more, which takes up what was kept of it."""
        self._memories[name] = memory
        await self._restore(name, memory)

    async def restore(self) -> None:
        """Take up what was kept. What cannot be read is left aside: it only cost something to learn."""
        for name, memory in self._memories.items():
            await self._restore(name, memory)

    async def _restore(self, name: str, memory: Keepable) -> None:
        data = await self._ledger.kept(name)
        if data is None:
            return
        try:
            memory.restore(data)
        except (ValueError, msgspec.MsgspecError) as error:
            log.warning("what was learned cannot be read", memory=name, error=type(error).__name__)

    def keep_if_due(self) -> None:
        """Keep in the background, if that was not done for a while."""
        now_s = self._clock.now_s()
        if now_s - self._last_s >= KEEP_EVERY_S:
            self._last_s = now_s
            self._tasks.spawn(self.keep())

    async def keep(self) -> None:
        """Put everything down now. A ledger that cannot be written has told so already; learning is no reason to fail."""
        for name, memory in self._memories.items():
            try:
                await self._ledger.keep(name, memory.kept())
            except LedgerError as error:
                log.warning("what was learned cannot be kept", memory=name, error=str(error))
