"""The production planner with keep-alive pings: `core/keepalive.py` decides, as it does in the gateway."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from benchmarks.cache.planner import RESIDENTS_MAX, PlannerPolicy
from benchmarks.cache.replay import Touch
from thriftgate.audit.placing.world import World
from thriftgate.audit.replay.pings import Pinger, Silence
from thriftgate.audit.traces.trace import Ask
from thriftgate.core.cache import TTL_S, Breakpoint, Resident
from thriftgate.core.keepalive import Bounds
from thriftgate.core.usage import Tokens


class PingingPlanner(PlannerPolicy):
    """Watches each conversation until it goes on. An answer in words is marked for an hour by the first ping; where a tool
    was called, a ping only renews what there is."""

    name = "thriftgate+pings"

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._pinger: Pinger[int] = Pinger(self.residency.among, Bounds(), RESIDENTS_MAX)

    def place(self, ask: Ask, client: Sequence[Breakpoint] = ()) -> Sequence[Breakpoint]:
        self._pinger.moved_on(ask.prefix.chain)
        return super().place(ask, client)

    def answered(self, ask: Ask, marks: Sequence[Breakpoint], tokens: Tokens) -> None:
        super().answered(ask, marks, tokens)
        if not marks or marks[-1].at != len(ask.prefix.chain) - 1:
            return
        digest = ask.prefix.chain[-1]
        entry = self.residency.get(digest)
        if entry is None:
            return
        self._pinger.watch(
            Silence(
                ask.session,
                (ask.prefix.chain, ask.cumulative),
                digest=digest,
                tokens=ask.tokens,
                ttl=entry.ttl,
                at_s=ask.at_s,
                curve=self._outlook.prospects[-1].curve,
                ratios=self.ratios,
                fresh=ask.output_tokens if self.rules.late_upgrade and not ask.calls_tool else 0,
            )
        )

    def touches(self, until_s: float) -> Iterator[Touch]:
        """The pings that are due before then and worth their price."""
        for silence, at_s, ttl, ping in self._pinger.due(until_s):
            digest = silence.digest
            yield Touch(at_s, silence.owner, digest, silence.tokens, ttl, ping.fresh, ping.overhead)
            self.residency[digest] = Resident(ttl, at_s, at_s + TTL_S[ttl])
