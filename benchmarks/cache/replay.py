"""Bill a policy over a trace: the production cache model tells what each request reads and writes."""

from __future__ import annotations

from collections.abc import Iterator
from time import thread_time_ns
from typing import Protocol

from msgspec import Struct

from thriftgate.audit.placing.world import PlacementPolicy, World
from thriftgate.audit.traces.trace import Trace
from thriftgate.core.cache import TTL_S, Resident, forecast
from thriftgate.core.request import Ttl
from thriftgate.core.usage import Tokens


class Touch(Struct, frozen=True):
    """A ping: at that moment the prefix is read again, so that its entry lives on, or for an hour where `ttl` says so;
    `fresh` tokens of the answer behind it are written, `overhead` is sent besides."""

    at_s: float
    session: int
    digest: bytes
    tokens: int
    ttl: Ttl
    fresh: int = 0
    overhead: int = 4


class PingingPolicy(PlacementPolicy, Protocol):
    """One that also sends pings between requests."""

    def touches(self, until_s: float) -> Iterator[Touch]:
        """The pings that are due before that moment, one after the other."""


class Result(Struct, frozen=True):
    """Costs in tokens at the base price. `by_session` and `plain` (the same without caching) have one figure a session.

    `rejected` requests were a 400 as the policy marked them: they are billed as sent again without marks.
    """

    policy: str
    cost: float
    tokens: Tokens
    by_session: tuple[float, ...]
    plain: tuple[float, ...]
    place_ns: tuple[int, ...]
    rejected: int = 0


def _touched(touch: Touch, residency: dict[bytes, Resident]) -> Tokens:
    """The bill of a ping. It finds its prefix live, or has to write it."""
    entry = residency.get(touch.digest)
    live = entry is not None and entry.live(touch.at_s)
    residency[touch.digest] = Resident(touch.ttl, touch.at_s, touch.at_s + TTL_S[touch.ttl])
    if live:
        return Tokens(input=touch.overhead, read=touch.tokens, write_1h=touch.fresh)
    if touch.ttl == "1h":
        return Tokens(input=touch.overhead, write_1h=touch.tokens + touch.fresh)
    return Tokens(input=touch.overhead, write_5m=touch.tokens)


def replay(trace: Trace, policy: PlacementPolicy, world: World) -> Result:
    """Send every request of the trace under the policy, each with the cache as the ones before left it."""
    residency: dict[bytes, Resident] = {}
    by_session, plain = [0.0] * trace.sessions, [0.0] * trace.sessions
    total = Tokens()
    place_ns: list[int] = []
    rejected = 0
    touches = getattr(policy, "touches", None)
    for ask in trace.asks:
        for touch in touches(ask.at_s) if touches is not None else ():
            tokens = _touched(touch, residency)
            by_session[touch.session] += world.cost(tokens)
            total += tokens
        began = thread_time_ns()
        marks = policy.place(ask)
        place_ns.append(thread_time_ns() - began)
        plain[ask.session] += ask.tokens
        if marks is None:
            rejected += 1
            by_session[ask.session] += ask.tokens
            total += Tokens(input=ask.tokens)
            continue
        outcome = forecast(
            ask.prefix,
            ask.cumulative,
            marks,
            residency,
            now_s=ask.at_s,
            usable_s=ask.begins_s,
            cache_min_tokens=world.minimum,
            rules=world.rules,
        )
        residency.update(outcome.entries)
        policy.answered(ask, marks, outcome.tokens)
        by_session[ask.session] += world.cost(outcome.tokens)
        total += outcome.tokens
    return Result(
        policy=policy.name,
        cost=sum(by_session),
        tokens=total,
        by_session=tuple(by_session),
        plain=tuple(plain),
        place_ns=tuple(place_ns),
        rejected=rejected,
    )
