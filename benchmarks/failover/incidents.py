"""Providers that fail by a seeded plan: for a while one of them, in one way, and now and then any of them by chance."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import NamedTuple
from urllib.parse import urlsplit

from tests.scripted import Provider, Say, say_error, say_stream

from thriftgate.core.errors import BrokenReply, Unreachable, UpstreamTimeout
from thriftgate.providers.asgi_transport import AsgiTransport
from thriftgate.providers.transport import Incoming, Outgoing, Timeouts
from thriftgate.simulator import SimClock, Simulator

BY_CHANCE = 0.005

STREAM_ERROR = b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}\n\n'
ANSWERS: dict[str, Say] = {
    "overloaded": say_error(529, "overloaded_error"),
    "internal": say_error(500, "api_error"),
    "unavailable": say_error(503, "api_error"),
    "rate": say_error(429, "rate_limit_error", ("retry-after", "20")),
    "spend": say_error(429, "rate_limit_error", details={"error_code": "enforced_spend_limit_reached"}),
    "balance": say_error(402, "billing_error"),
    "auth": say_error(401, "authentication_error"),
    "model": say_error(404, "not_found_error"),
}
SILENT = ("unreachable", "black hole", "time-out", "cut head", "error event")
KINDS = (*ANSWERS, *SILENT)
"""`black hole`: nobody answers the connection; `time-out`: the call is worked on and billed, and no answer comes in time;
`cut head`: the answer breaks off before it begins; `error event`: a stream begins with an error."""


class Incident(NamedTuple):
    """From `from_s` on, for `for_s` seconds, this share of the calls to a target fails."""

    target: str
    from_s: float
    for_s: float
    share: float

    def is_on(self, now_s: float) -> bool:
        """Whether it lasts then."""
        return self.from_s <= now_s < self.from_s + self.for_s


def incidents(random: Random, names: Sequence[str], until_s: float, start_s: float) -> tuple[Incident, ...]:
    """One after the other, never two at once."""
    found: list[Incident] = []
    at_s = start_s + random.uniform(100, 600)
    while at_s < start_s + until_s:
        for_s = random.choice((20.0, 120.0, 400.0))
        found.append(Incident(random.choice(names), at_s, for_s, random.choice((0.5, 1.0, 1.0))))
        at_s += for_s + random.uniform(200, 900)
    return tuple(found)


class Failing:
    """A transport to simulators by host, some of which fail for a while. `struck` tells which calls did."""

    def __init__(
        self, apps: dict[str, Simulator], plan: Sequence[Incident], kind: str, clock: SimClock, random: Random
    ) -> None:
        self.apps = apps
        self._plan = plan
        self._kind = kind
        self._clock = clock
        self._random = random
        self.struck = 0
        self.sent: list[str] = []

    def in_trouble(self, name: str) -> bool:
        """Whether a target is in an incident now."""
        return any(one.target == name and one.is_on(self._clock()) for one in self._plan)

    async def send(self, outgoing: Outgoing, timeouts: Timeouts) -> Incoming:
        name = (urlsplit(outgoing.url).hostname or "").removesuffix(".invalid")
        self.sent.append(name)
        now_s = self._clock()
        share = max([one.share for one in self._plan if one.target == name and one.is_on(now_s)], default=0.0)
        inner = AsgiTransport(self.apps[name])
        if self._random.random() >= max(share, BY_CHANCE):
            return await inner.send(outgoing, timeouts)
        self.struck += 1
        # Money, credentials and models do not go wrong by chance.
        kind = self._kind if share or self._kind not in ("spend", "balance", "auth", "model") else "overloaded"
        return await self._failing(kind, inner, outgoing, timeouts)

    async def _failing(self, kind: str, inner: AsgiTransport, outgoing: Outgoing, timeouts: Timeouts) -> Incoming:
        if kind == "unreachable":
            raise Unreachable("nobody there")
        if kind == "black hole":
            self._clock.advance(timeouts.connect_s)
            raise Unreachable("no connection in time")
        if kind == "time-out":
            incoming = await inner.send(outgoing, timeouts)
            await incoming.read()
            self._clock.advance(timeouts.read_s)
            raise UpstreamTimeout("no answer in time")
        if kind == "cut head":
            raise BrokenReply("the answer broke off")
        streams = isinstance(outgoing.body, bytes) and b'"stream":true' in outgoing.body
        answer = say_stream(STREAM_ERROR) if kind == "error event" and streams else ANSWERS.get(kind, ANSWERS["overloaded"])
        return await AsgiTransport(Provider(answer)).send(outgoing, timeouts)

    async def close(self) -> None:
        return
