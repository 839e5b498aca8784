"""Pings in a replay: billed as reads, renewing what they read, sent only where a return is likely enough."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from random import Random

import pytest
from benchmarks.cache.pings import PingingPlanner
from benchmarks.cache.planner import PlannerPolicy
from benchmarks.cache.replay import Touch, replay

from thriftgate.audit.placing.world import World
from thriftgate.audit.traces.trace import Ask, Trace, digest
from thriftgate.core.blocks import Block, Part
from thriftgate.core.prefix import Prefix

WORLD = World(read=0.05)
PART = Part("text", b"", 1, 1)


def talks(pauses_s: Sequence[Sequence[float]]) -> Trace:
    """Conversations one after the other, with these pauses between their turns. Each turn is 20,000 tokens longer: too much
    to mark for an hour on the chance of a pause."""
    asks: list[Ask] = []
    node = 0
    for number, pauses in enumerate(pauses_s):
        at_s = number * 40_000.0
        chain: list[bytes] = []
        for turn, pause_s in enumerate((0.0, *pauses)):
            at_s += pause_s
            node += 1
            chain.append(digest(node))
            blocks = tuple(Block(PART, "messages", 2 * at) for at in range(turn + 1))
            depths = tuple(20_000 * (at + 1) for at in range(turn + 1))
            asks.append(Ask(at_s, at_s + 1, number, Prefix(blocks, tuple(chain)), depths, (), 100))
    return Trace("talks", tuple(asks), (), len(pauses_s))


def test_pings_pay_where_conversations_pause() -> None:
    random = Random(1)
    trace = talks([[random.choice((20.0, 20.0, 1_500.0)) for _ in range(6)] for _ in range(60)])
    plain, pinged = replay(trace, PlannerPolicy(WORLD), WORLD), replay(trace, PingingPlanner(WORLD), WORLD)
    assert pinged.cost < plain.cost
    assert pinged.tokens.prompt > plain.tokens.prompt  # the pings are billed


def test_pings_stop_where_nobody_returns() -> None:
    trace = talks([[20.0]] * 60)
    plain, pinged = replay(trace, PlannerPolicy(WORLD), WORLD), replay(trace, PingingPlanner(WORLD), WORLD)
    assert pinged.cost <= 1.05 * plain.cost


class Once(PlannerPolicy):
    """Pings one prefix once, for an hour."""

    def __init__(self, world: World, at_s: float) -> None:
        super().__init__(world)
        self.waiting = [Touch(at_s, 0, digest(1), 20_000, "1h")]

    def touches(self, until_s: float) -> Iterator[Touch]:
        while self.waiting and self.waiting[0].at_s < until_s:
            yield self.waiting.pop()


@pytest.mark.parametrize(("at_s", "written"), [(299.0, 0), (300.0, 20_000)])
def test_a_ping_of_a_dead_entry_writes_it(at_s: float, written: int) -> None:
    """Either way the second turn, after half an hour, finds it."""
    bill = replay(talks([[1_800.0]]), Once(WORLD, at_s), WORLD).tokens
    assert bill.read == 20_000 + (20_000 - written)
    assert bill.write_1h == written
