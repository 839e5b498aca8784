"""The production planner with keep-alive pings: `core/keepalive.py` decides, as it does in the gateway."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence

from benchmarks.cache.planner import PlannerPolicy
from benchmarks.cache.replay import Touch, World
from benchmarks.cache.trace import Ask
from thriftgate.core.cache import TTL_S, Breakpoint, Resident
from thriftgate.core.keepalive import Bounds, Ping, objection
from thriftgate.core.request import Ttl
from thriftgate.core.usage import Tokens

EARLY_S = 15.0
OVERHEAD_TOKENS = 4


class _Watched:
    """A conversation whose end is live: when its last request began, when its entry was last read, what it covers."""

    __slots__ = ("ask", "curve", "digest", "fresh", "read_s", "spent", "tokens", "ttl")

    def __init__(self, ask: Ask, digest: bytes, tokens: int, ttl: Ttl, curve: Sequence[float]) -> None:
        self.ask = ask
        self.digest = digest
        self.tokens = tokens
        self.ttl: Ttl = ttl
        self.curve = curve
        self.read_s = ask.at_s
        self.spent = 0.0
        self.fresh = 0 if ask.calls_tool else ask.output_tokens


class PingingPlanner(PlannerPolicy):
    """Watches each conversation until it goes on. An answer in words is marked for an hour by the first ping; where a tool
    was called, a ping only renews what there is."""

    name = "thriftgate+pings"

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._watched: dict[bytes, _Watched] = {}
        self._due: list[tuple[float, bytes]] = []

    def place(self, ask: Ask, client: Sequence[Breakpoint] = ()) -> Sequence[Breakpoint]:
        for digest in ask.prefix.chain:
            self._watched.pop(digest, None)
        return super().place(ask, client)

    def answered(self, ask: Ask, marks: Sequence[Breakpoint], tokens: Tokens) -> None:
        super().answered(ask, marks, tokens)
        if marks and marks[-1].at == len(ask.prefix.chain) - 1:
            digest = ask.prefix.chain[-1]
            entry = self.residency.get(digest)
            if entry is not None:
                self._watch(_Watched(ask, digest, ask.tokens, entry.ttl, self._outlook.prospects[-1].curve))

    def touches(self, until_s: float) -> Iterator[Touch]:
        """The pings that are due before then and worth their price."""
        while self._due and self._due[0][0] < until_s:
            at_s, digest = heapq.heappop(self._due)
            one = self._watched.get(digest)
            if one is None or _due_s(one) != at_s:
                continue
            del self._watched[digest]
            ttl: Ttl = "1h" if one.fresh and self.rules.late_upgrade else one.ttl
            ping = self._ping(one, at_s, ttl)
            if objection(ping, Bounds()):
                continue
            yield Touch(at_s, one.ask.session, digest, one.tokens, ttl, ping.fresh, OVERHEAD_TOKENS)
            one.spent += ping.cost
            one.read_s, one.ttl, one.fresh = at_s, ttl, 0
            self.residency[digest] = Resident(ttl, at_s, at_s + TTL_S[ttl])
            self._watch(one)

    def _ping(self, one: _Watched, at_s: float, ttl: Ttl) -> Ping:
        silent_s = at_s - one.ask.at_s
        held, held_until_s = self._held(one)
        return Ping(
            curve=one.curve,
            silent_s=silent_s,
            dies_s=one.read_s + TTL_S[one.ttl] - one.ask.at_s,
            lives_s=silent_s + TTL_S[ttl],
            tokens=one.tokens,
            fresh=one.fresh if ttl != one.ttl else 0,
            overhead=OVERHEAD_TOKENS,
            read=self.ratios.read,
            write_5m=self.ratios.write_5m,
            write_1h=self.ratios.write_1h,
            spent=one.spent,
            kept=held,
            kept_until_s=held_until_s - one.ask.at_s,
        )

    def _held(self, one: _Watched) -> tuple[int, float]:
        """Tokens of the prefix that the deepest entry that outlives the end's own holds, and until when."""
        known = self.residency.among(one.ask.prefix.chain)
        held = (
            (tokens, known[digest].expires_s)
            for digest, tokens in zip(one.ask.prefix.chain, one.ask.cumulative, strict=True)
            if digest in known and digest != one.digest
        )
        return max(
            ((tokens, until_s) for tokens, until_s in held if until_s > one.read_s + TTL_S[one.ttl]), default=(0, 0.0)
        )

    def _watch(self, one: _Watched) -> None:
        self._watched[one.digest] = one
        heapq.heappush(self._due, (_due_s(one), one.digest))


def _due_s(one: _Watched) -> float:
    return one.read_s + TTL_S[one.ttl] - EARLY_S
