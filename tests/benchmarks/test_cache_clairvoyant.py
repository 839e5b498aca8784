"""The clairvoyant: billed like any policy, never below the optimum, near it on traces small enough to know it."""

from itertools import pairwise
from statistics import mean

import pytest
from benchmarks.cache.clairvoyant import ClairvoyantPolicy, revealed
from benchmarks.cache.replay import replay

from tests.benchmarks.tiny_traces import RULES, optimum, tiny
from thriftgate.audit.placing.bound import lower_bound
from thriftgate.audit.placing.world import World
from thriftgate.audit.traces.grow import Call, Points, assemble
from thriftgate.audit.traces.trace import Trace, digest


def cost(trace: Trace, world: World) -> float:
    known = revealed(trace)
    return replay(known, ClairvoyantPolicy(known, world), world).cost


@pytest.mark.parametrize("name", RULES)
def test_near_the_optimum(name: str) -> None:
    excess: list[float] = []
    for seed in range(100, 160):
        trace, world = tiny(seed, calls=5 if name == "default" else 4), World(rules=RULES[name])
        best = optimum(trace, world)
        excess.append(cost(trace, world) / best - 1)
    assert min(excess) > -1e-9
    assert mean(excess) < 0.03


def test_revealed_boundaries_are_the_whole_path() -> None:
    for seed in range(50):
        trace = tiny(seed, calls=8)
        known = revealed(trace)
        assert known.tokens == trace.tokens
        for ask, before in zip(known.asks, trace.asks, strict=True):
            assert ask.prefix.chain == tuple(digest(node) for node in ask.path)
            assert ask.cumulative == tuple(trace.depths[node] for node in ask.path)
            assert all(shallow < deep for shallow, deep in pairwise(ask.cumulative))
            assert sum(block.part.tokens for block in ask.prefix.blocks) == ask.tokens
            assert set(before.prefix.chain) <= set(ask.prefix.chain)


def test_a_trace_that_was_not_revealed_is_refused() -> None:
    points = Points()
    head = points.add(0, 5_000)
    ways = [points.way(points.add(head, 9_000)), points.way(points.add(head, 8_000))]
    trace = assemble("fork", [Call(float(at), float(at), 0, way) for at, way in enumerate(ways)], points.depth)
    with pytest.raises(ValueError, match="revealed"):
        replay(trace, ClairvoyantPolicy(trace, World()), World())
    assert cost(trace, World()) == pytest.approx(1.25 * 5_000 + 4_000 + 0.1 * 5_000 + 3_000)


def test_a_long_conversation_with_pauses_comes_within_a_hundredth_of_the_bound() -> None:
    points = Points()
    at_s, end = 0.0, points.add(0, 20_000)
    calls: list[Call] = []
    for turn in range(60):
        end = points.add(end, points.depth[end] + 700)
        calls.append(Call(at_s, at_s + 2, 0, points.way(end)))
        at_s += 900.0 if turn % 7 == 3 else 40.0
    trace = assemble("pauses", calls, points.depth)
    assert lower_bound(trace, World()) <= cost(trace, World()) <= 1.01 * lower_bound(trace, World())
