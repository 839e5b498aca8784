"""Limits at work: calls are let in, made to wait a little, or refused, and what they took is put right when they are over.

One per engine, in the memory of its process: after a restart nothing is used. What is kept, and how it is counted, is the
shelf's (`core/control/limit_shelf.py`), or, where replicas count together, that of `SharedCounts`; here is who waits, in
which order, and when a call gives back what it has.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Protocol

from msgspec import Struct
from msgspec.structs import replace

from thriftgate.clock import Clock
from thriftgate.core.control.limit_shelf import Caller, Shelf, shared_among
from thriftgate.core.control.limit_words import bucket_text
from thriftgate.core.control.limits import Bucket, Lack, Limit, Needs, Place, lacking
from thriftgate.core.errors import ClientLeft, LimitExceeded
from thriftgate.engine.admission import Admission
from thriftgate.engine.call import Call, Reply
from thriftgate.engine.freshness import Freshness
from thriftgate.engine.tasks import Tasks
from thriftgate.ledger.entries import Entry
from thriftgate.ledger.limits import LimitBook
from thriftgate.providers.transport import Headers


class LimitsTable(Struct, frozen=True):
    """The limits of the settings, how long a call may wait for room (seconds), and the limits that the ledger keeps."""

    rules: tuple[Limit, ...] = ()
    wait_s: float = 0.0
    book: LimitBook | None = None


class SharedCounts(Protocol):
    """Limits that several replicas count together. `changed` is called when they begin to, or cannot any more.
    `alone_among` is how many there are while each goes on with its part of the limits; else 0."""

    changed: Callable[[], None]
    alone_among: int

    async def take(self, call_id: str, buckets: Sequence[Bucket], needs: Needs) -> Lack | None:
        """See `Shelf.take`; the buckets are then as they stand there. Raises SharedLost."""

    def put(self, call_id: str, buckets: Sequence[Bucket], used: Needs, taken: Needs) -> None:
        """See `Shelf.put`."""

    def left(self, call_id: str) -> None:
        """The call is over."""

    def under_way(self) -> Mapping[Place, int]:
        """This replica's own calls, by the limit and member that counts them."""


NO_LIMITS = LimitsTable()
LOOK_AGAIN_S = 0.1  # for room that calls of other replicas make: nobody here is told of it
Left = Callable[[], Awaitable[None]]
HEADER = b"thriftgate-limit"


class Limiting:
    """One per engine."""

    def __init__(self, table: LimitsTable, clock: Clock, tasks: Tasks) -> None:
        self._table = table
        self._book = table.book
        self._clock = clock
        self._tasks = tasks
        self._fresh = Freshness(self._read, "limits", clock, tasks)
        self._shelf = Shelf()
        self._limits = table.rules
        self._shared: SharedCounts | None = None
        self._lay()
        self._waiting: dict[Place, dict[int, asyncio.Event]] = {}
        self._numbers = itertools.count()

    @property
    def on(self) -> bool:
        """Whether there are any."""
        return bool(self._shelf.limits)

    def share(self, counts: SharedCounts) -> None:
        """Count together with other replicas from now on."""
        self._shared = counts
        counts.changed = self._changed

    def settled(self, _entry: Entry) -> None:
        """A call was settled: what limits there are is to be read again soon."""
        if self._book is not None:
            self._fresh.soon()

    async def refresh(self) -> None:
        """Read what limits there are. Raises LedgerError."""
        if self._book is not None:
            await self._fresh.now()

    async def within(self, call: Call, way: Callable[[Call], Awaitable[Reply]]) -> Reply:
        """A call with an account of what it takes. It is under way until it is answered whole, has failed, or its stream is
        settled, whatever ends that. Calls of the queue are not limited."""
        if not self.on or call.waited:
            return await way(call)
        admission = Admission(self)
        try:
            reply = await way(replace(call, admission=admission))
        except BaseException:
            admission.leave()
            raise
        if reply.body is not None:
            admission.leave()
        return reply

    async def asked(self, caller: Caller) -> None:
        """A question that costs nothing counts as a request. Raises LimitExceeded."""
        await self.let_in(Admission(self), "", caller, Needs(requests=1))

    async def let_in(
        self, admission: Admission, call_id: str, caller: Caller, needs: Needs, left: Left | None = None
    ) -> bool:
        """Take what a call needs, or go on with one that was let in before. Returns whether it has waited. `left` ends when
        the client has gone. Raises LimitExceeded and ClientLeft, with nothing taken."""
        now_us = self._now_us()
        buckets = self._shelf.buckets(caller, now_us)
        if admission.is_in:
            admission.goes_on(call_id, buckets, needs)
            return False
        if not self._waiting or not any(one.place in self._waiting for one in buckets):
            lack = await self._taken(call_id, buckets, needs, now_us)
            if lack is None:
                admission.comes_in(call_id, buckets, needs)
                return False
            if lack.never or self._table.wait_s <= 0:
                raise self._refusal(lack)
        gone = self._tasks.spawn(_gone(left)) if left is not None else None
        try:
            await self._queue(admission, call_id, caller, needs, gone)
        finally:
            if gone is not None:
                gone.cancel()
        return True

    async def _queue(
        self, admission: Admission, call_id: str, caller: Caller, needs: Needs, gone: asyncio.Task[None] | None
    ) -> None:
        """Wait for room, behind those who came before and want of the same. Raises LimitExceeded and ClientLeft."""
        mine, number = asyncio.Event(), next(self._numbers)
        if gone is not None:
            gone.add_done_callback(lambda _: mine.set())
        until_us = self._now_us() + round(self._table.wait_s * 1e6)
        stands: set[Place] = set()
        try:
            while True:
                if gone is not None and gone.done() and not gone.cancelled():
                    raise ClientLeft("the client has gone while its call waited; nothing was sent")
                now_us = self._now_us()
                left_us = until_us - now_us
                buckets = self._shelf.buckets(caller, now_us)
                behind = {one.place for one in buckets if self._others(one.place, before=number)}
                lack = lacking(buckets, needs, now_us) if behind else await self._taken(call_id, buckets, needs, now_us)
                if lack is None and not behind:
                    admission.comes_in(call_id, buckets, needs)
                    return
                if lack is not None and (lack.never or (lack.wait_us or 0) > left_us):
                    raise self._refusal(lack)
                if left_us <= 0:
                    raise self._refusal(lack) if lack is not None else LimitExceeded("other calls wait before this one")
                now_us = self._now_us()
                waits = {one.place: one.wait_us(one.needed(needs), now_us) for one in buckets}
                stands = self._stand(mine, number, stands, behind | {place for place, us in waits.items() if us != 0})
                wait_s = min([left_us, *[us for us in waits.values() if us]]) / 1e6
                await self._called(mine, wait_s if self._shared is None else min(wait_s, LOOK_AGAIN_S))
        finally:
            self._stand(mine, number, stands, set())

    def _others(self, place: Place, *, before: int) -> bool:
        """Whether a call that came before that number stands in that line."""
        line = self._waiting.get(place)
        return line is not None and min(line) < before

    def _stand(self, mine: asyncio.Event, number: int, before: set[Place], now: set[Place]) -> set[Place]:
        """Stand in these lines instead of those before: only in those of limits that have no room, so that who waits for one
        limit is not in the way of others at another."""
        for place in now - before:
            self._waiting.setdefault(place, {})[number] = mine
        for place in before - now:
            del self._waiting[place][number]
            if not self._waiting[place]:
                del self._waiting[place]
        self._call_next(before - now)
        return now

    async def _called(self, mine: asyncio.Event, seconds: float) -> None:
        """Until somebody has made room, or so long."""
        mine.clear()
        timer = self._tasks.spawn(self._clock.sleep(seconds))
        timer.add_done_callback(lambda _: mine.set())
        try:
            await mine.wait()
        finally:
            timer.cancel()

    def _call_next(self, places: Iterable[Place]) -> None:
        for place in places:
            line = self._waiting.get(place)
            if line:
                line[min(line)].set()

    async def _taken(self, call_id: str, buckets: Sequence[Bucket], needs: Needs, now_us: int) -> Lack | None:
        """Take what a call needs from all, or from none: then why. Raises SharedLost."""
        if self._shared is None:
            return self._shelf.take(buckets, needs, now_us)
        return await self._shared.take(call_id, buckets, needs)

    def put(self, call_id: str, buckets: Sequence[Bucket], used: Needs, taken: Needs) -> None:
        """What was taken is used otherwise. Whoever waits for it is called."""
        self._shelf.put(buckets, used, taken, self._now_us())
        if self._shared is not None:
            self._shared.put(call_id, buckets, used, taken)
        if self._waiting:
            self._call_next([one.place for one in buckets])

    def left(self, call_id: str) -> None:
        """That call is over."""
        if self._shared is not None:
            self._shared.left(call_id)

    def told(self, buckets: Sequence[Bucket]) -> Headers:
        """What a client is told of its limits: how the one stands of which the most is used."""
        if not buckets:
            return ()
        now_us = self._now_us()
        least = max(buckets, key=lambda one: one.share(now_us))
        return ((HEADER, bucket_text(least, now_us, int(self._clock.now_s() * 1e6)).encode()),)

    def _refusal(self, lack: Lack) -> LimitExceeded:
        error = lack.error(self._now_us())
        error.headers = self.told([lack.bucket])
        return error

    async def _read(self) -> None:
        assert self._book is not None
        kept = [one for one in await self._book.all() if not one.ended_us]
        self._limits = (*self._table.rules, *kept)
        self._lay()

    def _lay(self) -> None:
        self._shelf.lay(shared_among(self._limits, self._shared.alone_among if self._shared is not None else 0))

    def _changed(self) -> None:
        """The replicas count together again, or each goes on by itself."""
        self._lay()
        if self._shared is not None and self._shared.alone_among:
            self._shelf.recount(self._shared.under_way(), self._now_us())

    def _now_us(self) -> int:
        return int(self._clock.monotonic_s() * 1e6)


async def _gone(left: Left) -> None:
    await left()
