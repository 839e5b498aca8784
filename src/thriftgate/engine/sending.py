"""Send a call, and send it again where that is safe and promises anything."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from thriftgate.clock import Clock
from thriftgate.core.errors import Unreachable
from thriftgate.engine.retry import Attempts, RetryPolicy, retry_wait_s
from thriftgate.engine.turns import Turn
from thriftgate.providers.transport import Incoming, Outgoing, Timeouts, Transport

JITTER = 0.25


class Sent(NamedTuple):
    """The answer's head, or a whole answer of another kind than success (`other_body`), and when it began."""

    incoming: Incoming
    other_body: bytes | None
    began_monotonic_s: float


class Tries:
    """How often a call was sent so far, whether the provider may be working on it right now, and whether a rate limit was
    ever in its way."""

    __slots__ = ("in_flight", "limited", "n")

    def __init__(self) -> None:
        self.n = 0
        self.in_flight = False
        self.limited = False


class Sender:
    """One per engine. `draw` gives a number between 0 and 1: waits are drawn out by it, so that calls that failed together
    do not come back together."""

    def __init__(
        self, transport: Transport, clock: Clock, timeouts: Timeouts, retry: RetryPolicy, draw: Callable[[], float]
    ) -> None:
        self._draw = draw
        self._transport = transport
        self._clock = clock
        self._timeouts = timeouts
        self._retry = retry

    async def send(self, outgoing: Outgoing, allowed: Attempts, tries: Tries, turn: Turn | None = None) -> Sent:
        """Raises UpstreamError. `tries` tells how far it came, whatever happens. With a `turn` each try waits for it, and a
        rate limit that tells how long it lasts is waited out, whatever is `allowed`: it is pacing, not repeating."""
        while True:
            if turn is not None and not turn.ready():
                await turn.wait()
            tries.n += 1
            tries.in_flight = True
            try:
                incoming = await self._transport.send(outgoing, self._timeouts)
                began = self._clock.monotonic_s()
                if 200 <= incoming.status < 300:
                    if turn is not None:
                        turn.heard(incoming.headers)
                    return Sent(incoming, None, began)
                tries.in_flight = False  # an error or a redirect is no answer of a model, and is not billed
                tries.limited = tries.limited or incoming.status == 429
                try:
                    body = await incoming.read()
                finally:
                    incoming.close()
            except Unreachable:
                tries.in_flight = False
                if turn is not None:
                    turn.unsent()
                if tries.n >= allowed.connects:
                    raise
                await self._clock.sleep(self._drawn_out(0.1 * 2 ** (tries.n - 1)))
                continue
            if turn is not None and turn.refused(incoming.status, incoming.headers, body):
                continue
            wait_s = retry_wait_s(incoming.status, incoming.headers, body, tries.n, self._retry)
            if wait_s is None or tries.n >= allowed.answers:
                return Sent(incoming, body, began)
            await self._clock.sleep(self._drawn_out(wait_s))

    def _drawn_out(self, wait_s: float) -> float:
        return wait_s * (1.0 + JITTER * self._draw())
