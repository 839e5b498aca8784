"""Keeps to the provider's own rate limits: calls go out at the pace that these allow, and wait for it in a line.

Where no limit is near nothing waits: a call is let go by a few comparisons, without a task or an `await`. What cannot be
sent in time ends in an error of ours, 529 `overloaded_error` with `retry-after`: a 429 would say that this client has asked
for too much, which is what the limits of its own key say. A 429 that comes all the same is waited out, and the call takes
its turn again. One process knows what it sends itself; what others send with the same keys it learns from the headers.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from msgspec import Struct

from thriftgate.clock import Clock
from thriftgate.core.errors import ClientLeft, Crowded
from thriftgate.core.generations import Generations
from thriftgate.core.governing.gate import Gate, Need, Ticket
from thriftgate.core.governing.groups import group_of
from thriftgate.core.governing.line import Line, Waiting
from thriftgate.core.governing.refusals import Refusal
from thriftgate.core.governing.told import NAMES
from thriftgate.core.models import Capabilities
from thriftgate.engine.tasks import Tasks

SOON_S = 0.001
_PLACES = 10_000


class Bounds(NamedTuple):
    """How long, and how many, calls may wait; what share of each limit is left to those of high priority."""

    queue_s_max: float = 30.0
    queue_calls_max: int = 5_000
    reserve_share: float = 0.02


class PlaceView(Struct, frozen=True):
    """The limits of one key for one group of models. `left` are the shares that are left, by the limit's name. A clients'
    own key has no name here."""

    upstream: str
    group: str
    waiting: int
    paused_s: float
    left: dict[str, float]


class GovernorView(Struct, frozen=True):
    """Counted since the start: calls that `waited`, for how many seconds together, that were `crowded` out, and refusals of
    the provider by their kind."""

    waiting: int
    waited: int
    waited_s: float
    crowded: int
    refusals: dict[str, int]
    places: tuple[PlaceView, ...]


class Place:
    """A gate, and the calls before it."""

    __slots__ = ("due_s", "far", "futures", "gate", "heard_s", "line", "name", "pump")

    def __init__(self, name: tuple[str, str]) -> None:
        self.name = name
        self.gate = Gate()
        self.line = Line()
        self.futures: dict[int, asyncio.Future[Ticket]] = {}
        self.pump: asyncio.Task[None] | None = None
        self.due_s = 0.0  # when the pump wakes up
        self.heard_s = -math.inf
        self.far = True  # from every limit

    def waiting(self, key: str, priority: int, need: Need, deadline_s: float) -> Waiting:
        """A call that is to wait here. It costs its key the largest share of a limit that it takes."""
        known = [(family, bucket) for family, bucket in enumerate(self.gate.buckets) if bucket is not None]
        cost = max([need.of(family) / bucket.limit for family, bucket in known], default=1.0)
        return Waiting(key, priority, need, cost=cost, deadline_s=deadline_s)


class Governor:
    """One per engine."""

    def __init__(self, bounds: Bounds, clock: Clock, tasks: Tasks) -> None:
        self.bounds = bounds
        self.clock = clock
        self.tasks = tasks
        self._places: Generations[tuple[str, str], Place] = Generations(_PLACES)
        self._stopping = False
        self.waiting = self._waited = self._crowded = 0
        self._waited_s = 0.0
        self._refusals: dict[str, int] = {}

    def place(self, scope: str, capability: Capabilities, mode: str) -> Place:
        """Where calls of that model wait; `scope` names whose limits they run under."""
        name = (scope, group_of(capability.id, mode))
        place = self._places.get(name)
        if place is None:
            place = self._places[name] = Place(name)
        return place

    def wait_s(self, place: Place, key: str, need: Need) -> float:
        """How long a call of this client's key would have to wait there, about."""
        now_s = self.clock.monotonic_s()
        if not place.line:
            return place.gate.wait_s(need, now_s, self.bounds.reserve_share)
        return place.gate.backlog_s(place.line.ahead(key, need), now_s)

    def stop(self) -> None:
        """Nobody waits any longer, and nobody begins to."""
        self._stopping = True
        for _, place in self._places.recent(_PLACES):
            for future in place.futures.values():
                if not future.done():
                    future.set_exception(Crowded("the gateway is stopping: the call was not sent; send it again", 1))

    def view(self) -> GovernorView:
        """What is to be seen from outside."""
        now_s = self.clock.monotonic_s()
        return GovernorView(
            waiting=self.waiting,
            waited=self._waited,
            waited_s=self._waited_s,
            crowded=self._crowded,
            refusals=dict(self._refusals),
            places=tuple(_view(place, now_s) for _, place in self._places.recent(_PLACES)),
        )

    def release(self, place: Place) -> None:
        """Let all go for whom there is room now."""
        if not place.line:
            return
        now_s = self.clock.monotonic_s()
        while (late := place.line.overdue(now_s)) is not None:
            place.line.remove(late)
            self._refuse(place.futures[late.number], place, late)
        while (one := place.line.first()) is not None:
            future = place.futures[one.number]
            if future.done():  # it is on its way out
                place.line.remove(one)
                continue
            if place.gate.wait_s(one.need, now_s, self.spare(one)) > 0:
                break
            place.line.take(one)
            future.set_result(place.gate.take(one.need, now_s))

    def spare(self, one: Waiting) -> float:
        """What of each limit a call leaves to others."""
        return self.bounds.reserve_share if one.priority else 0.0

    async def queue(self, place: Place, one: Waiting, left: Callable[[], Awaitable[None]] | None) -> Ticket:
        """Wait for a turn. Raises Crowded where none comes in time, ClientLeft when the client goes."""
        now_s = self.clock.monotonic_s()
        self._check(place, one, now_s)
        future: asyncio.Future[Ticket] = asyncio.get_running_loop().create_future()
        place.line.add(one)
        place.futures[one.number] = future
        watch: asyncio.Task[None] | None = None
        self.waiting += 1
        try:
            self.release(place)
            if not future.done():
                self._look_out(place)
                if left is not None:
                    watch = self.tasks.spawn(_gone(left, future))
            return await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled() and future.exception() is None:
                place.gate.unsent(future.result(), self.clock.monotonic_s())
            raise
        finally:
            self.waiting -= 1
            self._waited += 1
            self._waited_s += self.clock.monotonic_s() - now_s
            place.line.remove(one)
            del place.futures[one.number]
            if watch is not None:
                watch.cancel()
            self.release(place)

    def counted(self, refusal: Refusal) -> None:
        """The provider has refused a call."""
        self._refusals[refusal.kind] = self._refusals.get(refusal.kind, 0) + 1

    @property
    def stopping(self) -> bool:
        """Whether nobody may wait any more."""
        return self._stopping

    def _check(self, place: Place, one: Waiting, now_s: float) -> None:
        """Raises Crowded for a call that would wait in vain: it is told now, not when its time is over."""
        allowed_s = one.deadline_s - now_s
        why = ""
        if self._stopping:
            why = "the gateway is stopping"
        elif self.waiting >= self.bounds.queue_calls_max:
            why = f"{self.waiting} calls wait already"
        elif place.gate.wait_s(one.need, now_s, self.spare(one)) > allowed_s:
            why = f"there is no room within the {allowed_s:.0f} s that this call may wait"
        elif one.priority and place.gate.backlog_s(place.line.ahead(one.key, one.need), now_s) > allowed_s:
            why = f"the line is longer than the {allowed_s:.0f} s that this call may wait"
        if why:
            raise self._crowded_out(place, one, why)

    def _crowded_out(self, place: Place, one: Waiting, why: str) -> Crowded:
        self._crowded += 1
        retry_s = max(1, math.ceil(self.wait_s(place, one.key, one.need)))
        return Crowded(f"thriftgate's queue for {place.name[1]}, which keeps to the provider's rate limits: {why}", retry_s)

    def _refuse(self, future: asyncio.Future[Ticket], place: Place, one: Waiting) -> None:
        if not future.done():
            future.set_exception(self._crowded_out(place, one, "this call's turn has not come in time"))

    def _look_out(self, place: Place) -> None:
        """See to it that somebody wakes up when the next one may go, or its time is over."""
        due_s = self._due_s(place)
        if place.pump is None or place.pump.done() or due_s < place.due_s:
            if place.pump is not None:
                place.pump.cancel()
            place.pump = self.tasks.spawn(self._pump(place))

    def _due_s(self, place: Place) -> float:
        now_s = self.clock.monotonic_s()
        one = place.line.first()
        wait_s = place.gate.wait_s(one.need, now_s, self.spare(one)) if one is not None else 0.0
        return min(now_s + max(wait_s, SOON_S), max(place.line.next_deadline_s(), now_s + SOON_S))

    async def _pump(self, place: Place) -> None:
        """Release as time goes on, as long as anybody waits."""
        while place.line:
            place.due_s = self._due_s(place)
            await self.clock.sleep(place.due_s - self.clock.monotonic_s())
            self.release(place)


async def _gone(left: Callable[[], Awaitable[None]], future: asyncio.Future[Ticket]) -> None:
    await left()
    if not future.done():
        future.set_exception(ClientLeft("the client has gone while its call waited; nothing was sent"))


def _view(place: Place, now_s: float) -> PlaceView:
    shares: dict[str, float] = {}
    for name, bucket in zip(NAMES, place.gate.buckets, strict=True):
        if bucket is not None:
            bucket.refill(now_s)
            shares[name] = max(0.0, bucket.level / bucket.limit)
    paused_s = max(0.0, place.gate.paused_until_s - now_s)
    return PlaceView(place.name[0], place.name[1], len(place.line), paused_s, shares)
