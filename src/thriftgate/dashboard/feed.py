"""Calls as they come: what is under way, and what was just settled, told to whoever watches.

Nothing is done while nobody watches. Where the gateway runs in this process it says what it settled; beside it, the books
are asked each second. Calls under way are told from their holds, each second.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Sequence

from msgspec import Struct

from thriftgate.core.errors import LedgerError, ThriftgateError
from thriftgate.dashboard.asked import Sources
from thriftgate.dashboard.look import look_of
from thriftgate.dashboard.recent import Settled, latest, settled_of
from thriftgate.engine.tasks import Tasks
from thriftgate.ledger.entries import Entry, Hold

TICK_S = 1.0
SETTLED_MAX = 60
"""Calls told in one tick; of more the latest."""
WATCHERS_MAX = 32


class TooMany(ThriftgateError):
    """Nobody else can watch now."""

    status_hint = 503
    label = "watchers"


class Tick(Struct, frozen=True):
    """What is new since the last one: calls settled, in order of time, how many more there were, and the holds open now."""

    settled: tuple[Settled, ...]
    more: int
    holds: tuple[Hold, ...]


class Feed:
    """One per dashboard."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._tasks = Tasks()
        self._watchers: set[asyncio.Queue[Tick | None]] = set()
        self._heard: deque[Entry] = deque(maxlen=SETTLED_MAX * 10)
        self._missed = 0
        self._after = ""
        self._open: tuple[str, ...] = ()
        self._told: set[str] = set()

    async def ticks(self) -> AsyncGenerator[Tick, None]:
        """What comes from now on, until the dashboard ends. Raises TooMany."""
        if len(self._watchers) >= WATCHERS_MAX:
            raise TooMany("too many people watch live calls; the page without them still works")
        mine: asyncio.Queue[Tick | None] = asyncio.Queue(maxsize=8)
        self._watchers.add(mine)
        if len(self._watchers) == 1:
            await self._begin()
        try:
            while (tick := await mine.get()) is not None:
                yield tick
        finally:
            self._watchers.discard(mine)

    def stop(self) -> None:
        """End all that watch: a server that stops would wait for them."""
        for watcher in self._watchers:
            while watcher.full():
                watcher.get_nowait()
            watcher.put_nowait(None)

    async def _begin(self) -> None:
        if self._sources.beside:
            look = look_of({"span": "all"}, self._sources.clock.now_s())
            newest = await self._sources.books.ask(lambda connection: latest(connection, look, limit=1))
            self._after = newest[0].id if newest else ""
            self._told.clear()
        else:
            self._sources.ledger.heard.append(self._hear)
        self._tasks.spawn(self._run())

    def _hear(self, entry: Entry) -> None:
        if len(self._heard) == self._heard.maxlen:
            self._missed += 1
        self._heard.append(entry)

    async def _run(self) -> None:
        while self._watchers:
            try:
                tick = await self._tick()
            except LedgerError:
                break
            for watcher in self._watchers:
                if not watcher.full():  # whoever reads too slowly misses some
                    watcher.put_nowait(tick)
            await asyncio.sleep(TICK_S)
        if not self._sources.beside and self._hear in self._sources.ledger.heard:
            self._sources.ledger.heard.remove(self._hear)
        self._heard.clear()
        self.stop()

    async def _tick(self) -> Tick:
        holds = tuple(await self._sources.books.open_holds())
        if self._sources.beside:
            settled, more = await self._asked(holds)
        else:
            settled, more = [settled_of(entry) for entry in self._heard], self._missed
            self._heard.clear()
            self._missed = 0
        settled.sort(key=lambda one: one.settled_us)
        more += max(0, len(settled) - SETTLED_MAX)
        return Tick(tuple(settled[-SETTLED_MAX:]), more, holds)

    async def _asked(self, holds: Sequence[Hold]) -> tuple[list[Settled], int]:
        """Those that came in since the oldest call that was open at the last tick, without those that were told."""
        after = min((*self._open, self._after)) if self._open else self._after
        look = look_of({"span": "all"}, self._sources.clock.now_s())
        found = await self._sources.books.ask(lambda connection: latest(connection, look, after=_before(after), limit=500))
        fresh = [one for one in found if (one.id not in self._told and one.id > self._after) or one.id in self._open]
        self._open = tuple(hold.id for hold in holds if not hold.batch)
        if found:
            self._after = max(self._after, found[0].id)
        self._told = {one.id for one in found}
        return fresh, 0


def _before(entry_id: str) -> str:
    """What sorts just before an id: it is to be found again."""
    return entry_id[:-1] if entry_id else ""
