"""Singleflight: of identical calls of one tenant at one time the first is made, the others wait for its answer.

Who waits gets that answer if it may be given again. If its call fails, or its client leaves before the end, one of those who
wait makes the call in its place, and the others wait for that one. Waiting is bounded for each. Per process.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Literal

from thriftgate.core.earlier.answer import KeptAnswer
from thriftgate.core.errors import ClientLeft
from thriftgate.engine.tasks import Tasks

# How a wait ends: there is an answer; there is one that may not be given again, so that calls like it are made each by
# itself; the call failed, and another one may take its place; the time is over.
Ended = Literal["answered", "unfit", "failed", "late"]


class Flight:
    """A call under way that others may wait for. Must be ended, whatever happens; the first end counts."""

    __slots__ = ("_flights", "_over", "answer", "digest", "ended")

    def __init__(self, flights: dict[bytes, Flight], digest: bytes) -> None:
        self._flights = flights
        self._over = asyncio.Event()
        self.digest = digest
        self.answer: KeptAnswer | None = None
        self.ended: Ended | None = None

    def end(self, how: Ended, answer: KeptAnswer | None = None) -> None:
        """Harmless when it has ended before."""
        if self.ended is not None:
            return
        self.ended, self.answer = how, answer
        if self._flights.get(self.digest) is self:
            del self._flights[self.digest]
        self._over.set()

    async def over(self) -> None:
        """Until it has ended."""
        await self._over.wait()


class Flights:
    """The calls under way, by digest. One per engine."""

    def __init__(self, tasks: Tasks) -> None:
        self._tasks = tasks
        self._flights: dict[bytes, Flight] = {}

    def under_way(self, digest: bytes) -> Flight | None:
        """The call to wait for."""
        return self._flights.get(digest)

    def begin(self, digest: bytes) -> Flight:
        """This call is going to be made. Where one like it is under way nobody will wait for this one."""
        flight = Flight(self._flights, digest)
        self._flights.setdefault(digest, flight)
        return flight

    async def wait(self, flight: Flight, until_s: float, left: Callable[[], Awaitable[None]] | None) -> Ended:
        """Until the flight has ended, at most until `until_s` (time of the event loop). Raises ClientLeft where `left` ends
        before that."""
        over = self._tasks.spawn(flight.over())
        gone = self._tasks.spawn(_gone(left)) if left is not None else None
        waited = {over} if gone is None else {over, gone}
        try:
            seconds = until_s - asyncio.get_running_loop().time()
            await asyncio.wait(waited, timeout=max(0.0, seconds), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in waited:
                task.cancel()
        if flight.ended is not None:
            return flight.ended
        if gone is not None and gone.done():
            raise ClientLeft("the client has gone while its call waited for one like it; nothing was sent")
        return "late"


async def _gone(left: Callable[[], Awaitable[None]]) -> None:
    await left()
