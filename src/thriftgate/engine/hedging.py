"""A second target is asked where the first has not begun to answer: within a rule of what that may cost.

Hedging pays with money for time, so it is off until a share of what all calls cost is named for it. The copy that comes too
late is ended at once, and is an entry of its own like any other call; what such copies cost counts against the share.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from msgspec import Struct

from thriftgate.clock import Clock
from thriftgate.core.errors import ThriftgateError
from thriftgate.core.generations import Generations
from thriftgate.engine.call import Call, Reply
from thriftgate.engine.failover import Failover
from thriftgate.engine.fanout import Flight
from thriftgate.engine.reply import StreamReply
from thriftgate.engine.settle import Prepared
from thriftgate.engine.tasks import Tasks
from thriftgate.ledger.entries import UPSTREAM, Entry

KEPT, LEAST, SLOW_SHARE = 200, 20, 0.95  # of times to the first byte: kept, needed, and which of them is slow
HALF_LIFE_S = 3600.0
_PLACES = 1_000
_COPIES = 10_000


class HedgeRules(Struct, frozen=True):
    """Copies may cost `share` of what all calls cost; 0 is no hedging. One is sent after `after_s` without the head of an
    answer, 0 for the time that 95 of 100 calls of that model have it by at that target."""

    share: float = 0.0
    after_s: float = 0.0


class Attempt(NamedTuple):
    """A call as it is to be made."""

    call: Call
    prepared: Prepared
    flight: Flight


Made = Reply | Call
"""An answer on its way to the client, or the call to be made instead of one that failed."""


class Hedging:
    """One per engine. `drop` gives back what was taken for a call that is not made."""

    def __init__(
        self,
        rules: HedgeRules,
        failover: Failover,
        *,
        clock: Clock,
        tasks: Tasks,
        prepare: Callable[[Call], Awaitable[Attempt]],
        drop: Callable[[Attempt], None],
    ) -> None:
        self._rules = rules
        self._failover = failover
        self._clock = clock
        self._tasks = tasks
        self._prepare = prepare
        self._drop = drop
        self._waits: Generations[tuple[str, str], deque[int]] = Generations(_PLACES)
        self._copies: Generations[str, bool] = Generations(_COPIES)
        self._spent_pico = self._copies_pico = 0.0
        self._since_s = 0.0

    def settled(self, entry: Entry) -> None:
        """A call is booked."""
        if not self._rules.share:
            return
        self._pass_time()
        paid = -entry.posted(UPSTREAM)
        self._spent_pico += paid
        if self._copies.get(entry.id):
            self._copies_pico += paid
        if entry.outcome == "answered" and entry.upstream and entry.ttfb_ms:
            place = (entry.upstream, entry.model)
            known = self._waits.get(place)
            if known is None:
                known = self._waits[place] = deque(maxlen=KEPT)
            known.append(entry.ttfb_ms)

    def after_s(self, prepared: Prepared) -> float | None:
        """How long the head of an answer may take before another target is asked; None where that is never done."""
        if not self._rules.share or not prepared.upstream:
            return None
        if self._rules.after_s:
            return self._rules.after_s
        known = self._waits.get((prepared.upstream, prepared.request.model))
        if known is None or len(known) < LEAST:
            return None
        return sorted(known)[int(SLOW_SHARE * (len(known) - 1))] / 1000

    async def made(self, first: Attempt, make: Callable[[Attempt], Awaitable[Made]]) -> Made:
        """Make the call; where it takes long, make a copy of it at another target, and give what comes first."""
        after_s = self.after_s(first.prepared)
        if after_s is None:
            return await make(first)
        racing = {first.prepared.id: self._started(make, first)}
        try:
            done, _ = await asyncio.wait(racing.values(), timeout=after_s)
            copy = None if done else await self._copy(first)
            if copy is not None:
                racing[copy.prepared.id] = self._started(make, copy)
            return await self._first_good(racing)
        finally:
            for task in racing.values():
                task.cancel()

    def _started(self, make: Callable[[Attempt], Awaitable[Made]], attempt: Attempt) -> asyncio.Task[Made]:
        async def made() -> Made:
            return await make(attempt)

        return self._tasks.spawn(made())

    async def _copy(self, first: Attempt) -> Attempt | None:
        """The same call for another target, where there is one and the rule has room for it."""
        other = self._failover.copy_of(first.call, first.prepared)
        if other is None or not self._has_room(first.prepared.plan.forecast.pico):
            return None
        try:
            copy = await self._prepare(other)
        except ThriftgateError:
            return None
        if self._has_room(copy.prepared.plan.forecast.pico):
            return copy
        self._drop(copy)
        return None

    async def _first_good(self, racing: dict[str, asyncio.Task[Made]]) -> Made:
        """The first answer that is one; where none is, what came of the first call."""
        waiting = set(racing.values())
        while waiting:
            done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            good = next((id_ for id_, task in racing.items() if task in done and _is_good(task)), "")
            if good:
                for id_, task in racing.items():
                    if id_ != good:
                        self._copies[id_] = True
                        self._tasks.spawn(_end(task))
                return racing[good].result()
        first, *others = racing.values()
        for task in others:
            task.exception()  # looked at: only what the first one says counts
        return first.result()

    def _has_room(self, pico: int) -> bool:
        self._pass_time()
        return self._copies_pico + pico <= self._rules.share * self._spent_pico

    def _pass_time(self) -> None:
        now_s = self._clock.monotonic_s()
        if now_s > self._since_s:
            left = 0.5 ** ((now_s - self._since_s) / HALF_LIFE_S)
            self._spent_pico *= left
            self._copies_pico *= left
            self._since_s = now_s


async def _end(late: asyncio.Task[Made]) -> None:
    """End a call whose answer nobody needs any more."""
    late.cancel()
    await asyncio.wait({late})
    if not late.cancelled() and late.exception() is None and isinstance(reply := late.result(), StreamReply):
        await reply.drop("another target was quicker")


def _is_good(task: asyncio.Task[Made]) -> bool:
    """Whether an answer came that a client can use."""
    if task.cancelled() or task.exception() is not None:
        return False
    made = task.result()
    return not isinstance(made, Call) and made.status < 400
