"""Watches what happens, for one gateway: settled calls, the stages of budgets, what detectors find.

Nothing here is on the way of a call. What is heard goes into a queue with a bound, and a task of its own takes it from
there; what goes wrong is logged, and hurts nobody.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Protocol
from zoneinfo import ZoneInfo

from msgspec import Struct

from thriftgate.alerts.courier import Courier
from thriftgate.clock import Clock
from thriftgate.core.alerting.alert import Sighting
from thriftgate.core.alerting.board import Board
from thriftgate.core.alerting.life import Habits
from thriftgate.core.alerting.rules import Rule
from thriftgate.core.alerting.verdict import sighting_of
from thriftgate.core.errors import ThriftgateError
from thriftgate.engine.keeping import Keeper
from thriftgate.engine.tasks import Tasks
from thriftgate.ledger.alerts import AlertBook, Routes
from thriftgate.ledger.entries import Entry
from thriftgate.ledger.sql_seen import seen_of
from thriftgate.logs import log, where_raised

QUEUE_MAX = 20_000  # entries and sightings that wait; what comes above is counted, and lost to the alerts alone
AT_ONCE = 500  # of them in one transaction
GATHER_S = 0.05  # waking for each call would cost a busy gateway more than what is done for it
SHARE = 20  # calls taken in, or series judged, before others have their turn
JUMP_S = 60.0  # wall time and running time differ by more: the clock was set
SWEEP_S = 3600.0
CLOSE_S = 2.0
_TROUBLE_S = 5.0


class Detector(Protocol):
    """Finds what no rule names. Called in order of time, within the watch's own task; must be quick."""

    def see(self, entry: Entry) -> Iterable[Sighting]: ...

    def tick(self, now_s: float) -> Iterable[Sighting]:
        """What is found by time passing; unix seconds."""


class Recall(Protocol):
    """Fills a board with earlier calls, those settled before `until_us`."""

    async def __call__(self, board: Board, until_us: int) -> None: ...


class Watching(Struct, frozen=True):
    """What is watched, and how: the rules of the settings, when to speak, to whom, and how often rules are looked at."""

    rules: tuple[Rule, ...]
    habits: Habits
    routes: Routes
    every_s: float = 30.0


class Watch:
    """Start it inside the loop of the gateway. `hear` and `sight` never raise and never wait. `keeper` puts down what
    detectors have learned."""

    def __init__(
        self,
        book: AlertBook,
        watching: Watching,
        couriers: Sequence[Courier],
        *,
        clock: Clock,
        tasks: Tasks,
        recall: Recall,
        detectors: Sequence[Detector] = (),
        keeper: Keeper | None = None,
    ) -> None:
        self._book = book
        self._watching = watching
        self._couriers = couriers
        self._clock = clock
        self._tasks = tasks
        self._recall = recall
        self._detectors = detectors
        self._keeper = keeper
        self._heard: deque[Entry | Sighting] = deque()
        self._lost = 0
        self._board = Board((), {})
        self._since_us = 0  # the board's own: calls settled before are recalled, not heard
        self._recalled: asyncio.Task[None] | None = None
        self._news, self._due = asyncio.Event(), asyncio.Event()
        self._to_tell = [asyncio.Event() for _ in couriers]
        self._running: list[asyncio.Task[None]] = []
        self._closed = False
        self._ticked_s = (clock.now_s(), clock.monotonic_s())
        self._settles_at_s = clock.monotonic_s() + watching.habits.resolve_us / 1e6
        self._swept_s = clock.monotonic_s()

    def hear(self, entry: Entry) -> None:
        """A call was settled."""
        self._take(entry)

    def sight(self, sighting: Sighting) -> None:
        """A condition holds: a budget has reached a stage, say."""
        self._take(sighting)

    def start(self) -> None:
        """Begin to watch and to tell."""
        self._running = [
            self._tasks.spawn(self._repeat(self.drain, self._news, GATHER_S)),
            self._tasks.spawn(self._repeat(self.tick, self._due)),
            *(
                self._tasks.spawn(self._repeat(courier.send_due, wake))
                for courier, wake in zip(self._couriers, self._to_tell, strict=True)
            ),
        ]

    async def close(self) -> None:
        """Put down what was heard, and end. What is to be told is told by the next gateway."""
        self._closed = True
        if self._recalled is not None:
            self._recalled.cancel()
        for wake in (self._news, self._due, *self._to_tell):
            wake.set()
        if self._running:
            _, slow = await asyncio.wait(self._running, timeout=CLOSE_S)
            for task in slow:  # a message that is under way: the next gateway sends it again
                task.cancel()
            await asyncio.gather(*slow, return_exceptions=True)
        try:
            await self.drain()
        except ThriftgateError as error:
            log.error("alerts not put down", error=str(error))
        if self._keeper is not None:
            await self._keeper.keep()

    async def drain(self) -> float | None:
        """Take in all that was heard."""
        while self._heard:
            found: list[Sighting] = []
            for taken in range(min(AT_ONCE, len(self._heard))):
                if taken % SHARE == 0:
                    await asyncio.sleep(0)
                one = self._heard.popleft()
                if isinstance(one, Sighting):
                    found.append(one)
                else:
                    self._see(one, found)
            await self._put(found)
        if self._lost:
            log.warning("alerts could not keep up", lost=self._lost)
            self._lost = 0
        return None

    async def tick(self) -> float:
        """Look at every rule, and at what is over. Returns the seconds until the next look."""
        now_s, running_s = self._clock.now_s(), self._clock.monotonic_s()
        was_s, ran_s = self._ticked_s
        self._ticked_s = (now_s, running_s)
        if abs((now_s - was_s) - (running_s - ran_s)) > JUMP_S:
            log.warning("the clock was set", by_s=round(now_s - was_s - (running_s - ran_s)))
            self._settles_at_s = running_s + self._watching.habits.resolve_us / 1e6
        await self._renew(int(now_s * 1e6))
        found: list[Sighting] = []
        for detector in self._detectors:
            try:
                found += detector.tick(now_s)
            except Exception as error:  # noqa: BLE001  a detector's fault must not end the watch
                log.error("detector failed", error=type(error).__name__, at=where_raised(error))
        if self._knows():
            found += await self._judged(int(now_s * 1e6))
            await self._put(found)
            if running_s >= self._settles_at_s:
                self._told(await self._book.settle_down(self._watching.habits, self._watching.routes, int(now_s * 1e6)))
        else:
            await self._put(found)
        if self._keeper is not None:
            self._keeper.keep_if_due()
        if running_s - self._swept_s >= SWEEP_S:
            self._swept_s = running_s
            await self._book.sweep(int(now_s * 1e6))
        return self._watching.every_s

    async def _judged(self, now_us: int) -> list[Sighting]:
        """What the rules say now; calls are served in between."""
        found = []
        for looked, (rule, member, verdict) in enumerate(self._board.verdicts(now_us)):
            if verdict.met:
                found.append(sighting_of(rule, member, verdict, now_us))
            if looked % SHARE == 0:
                await asyncio.sleep(0)
        return found

    def _take(self, one: Entry | Sighting) -> None:
        if len(self._heard) >= QUEUE_MAX:
            self._lost += 1
        else:
            self._heard.append(one)
            self._news.set()

    def _see(self, entry: Entry, found: list[Sighting]) -> None:
        if self._board.rules and entry.settled_us >= self._since_us:
            self._board.take(seen_of(entry))
        for detector in self._detectors:
            try:
                found += detector.see(entry)
            except Exception as error:  # noqa: BLE001  a detector's fault must not end the watch
                log.error("detector failed", error=type(error).__name__, at=where_raised(error))

    async def _put(self, found: Sequence[Sighting]) -> None:
        now_us = int(self._clock.now_s() * 1e6)
        self._told(await self._book.sight(found, self._watching.habits, self._watching.routes, now_us))

    def _told(self, notices: int) -> None:
        for wake in self._to_tell if notices else ():
            wake.set()

    def _knows(self) -> bool:
        """Whether the board knows of earlier calls. What could not be read is asked for again."""
        if self._recalled is None:
            return True
        if self._recalled.done() and (self._recalled.cancelled() or self._recalled.exception() is not None):
            self._since_us = 0
            return False
        return self._recalled.done()

    async def _renew(self, now_us: int) -> None:
        """A new board where the rules have changed."""
        own = {rule.name for rule in self._watching.rules}
        stored = [one.rule for one in await self._book.rules() if one.rule.name not in own]
        rules = (*self._watching.rules, *stored)
        if rules == self._board.rules and self._since_us:
            return
        board = Board(rules, {rule.zone: ZoneInfo(rule.zone) for rule in rules})
        if self._recalled is not None:
            self._recalled.cancel()
        self._board, self._since_us = board, now_us
        self._recalled = self._tasks.spawn(self._recall(board, now_us)) if rules else None

    async def _repeat(self, turn: Callable[[], Awaitable[float | None]], wake: asyncio.Event, gather_s: float = 0.0) -> None:
        """Take turns until closed: each tells in how many seconds the next is due, None for when it is woken, and what
        comes within `gather_s` of that is taken with it."""
        while not self._closed:
            wake.clear()  # what comes from here on is news for the next turn
            try:
                wait_s = await turn()
            except Exception as error:  # noqa: BLE001  alerts must outlive whatever happens to one turn
                words = str(error) if isinstance(error, ThriftgateError) else ""
                log.error("alerts in trouble", error=type(error).__name__, words=words, at=where_raised(error))
                wait_s = _TROUBLE_S
            await _rest(wait_s, wake)
            if gather_s and not self._closed:
                await asyncio.sleep(gather_s)


async def _rest(seconds: float | None, wake: asyncio.Event) -> None:
    """Until something is due, or there is news. Real time, whatever the clock says: nothing here is worth waking for
    earlier."""
    try:
        async with asyncio.timeout(seconds):
            await wake.wait()
    except TimeoutError:
        return
