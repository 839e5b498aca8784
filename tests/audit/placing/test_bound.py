"""The bound: below every plan in every world, exact where edges do not hinder one another, and right by hand."""

import os
import random
from pathlib import Path
from statistics import mean

import pytest

from tests.benchmarks.tiny_traces import RULES, optimum, tiny
from thriftgate.audit.placing.bound import cacheable_edges, lower_bound
from thriftgate.audit.placing.world import World
from thriftgate.audit.traces.grow import Call, Points, assemble
from thriftgate.audit.traces.loaders import load
from thriftgate.audit.traces.trace import Trace
from thriftgate.core.cache import CacheRules

TOKENS = 10_000
TRACES = os.environ.get("THRIFTGATE_TRACES")


def same_prompt(times: list[float], begins_after_s: float = 0.0) -> Trace:
    points = Points()
    way = points.way(points.add(0, TOKENS))
    return assemble("same", [Call(at_s, at_s + begins_after_s, 0, way) for at_s in times], points.depth)


@pytest.mark.parametrize("name", RULES)
def test_no_plan_is_cheaper(name: str) -> None:
    gaps: list[float] = []
    for seed in range(60):
        trace, world = tiny(seed, calls=5 if name == "default" else 4), World(read=(0.1, 0.05)[seed % 2], rules=RULES[name])
        best, bound = optimum(trace, world), lower_bound(trace, world)
        assert bound <= best + 1e-6, seed
        gaps.append(best / bound - 1)
    assert mean(gaps) < 0.04


@pytest.mark.parametrize(
    ("times", "price"),
    [
        ([0.0], 1.0),
        ([0.0, 100.0], 1.25 + 0.1),
        ([0.0, 299.9], 1.25 + 0.1),
        ([0.0, 300.0], 2.0),  # life ends with the second: 2.1 for an hour, 2 for nothing
        ([0.0, 300.0, 600.0], 2.0 + 0.2),
        ([0.0, 100.0, 3_699.0], 1.25 + 0.2),  # upgraded while it is read
        ([0.0, 100.0, 3_700.0], 1.25 + 0.1 + 1.0),
    ],
)
def test_the_same_prompt_again(times: list[float], price: float) -> None:
    assert lower_bound(same_prompt(times), World()) == pytest.approx(price * TOKENS)


def test_without_upgrades_the_class_is_that_of_the_write() -> None:
    world = World(rules=CacheRules(late_upgrade=False, free_insert=False))
    assert lower_bound(same_prompt([0.0, 100.0, 3_000.0]), world) == pytest.approx((2.0 + 0.2) * TOKENS)
    assert lower_bound(same_prompt([0.0, 100.0, 200.0, 3_800.0]), world) == pytest.approx((1.25 + 0.2 + 1.0) * TOKENS)


def test_who_comes_before_the_answer_began_cannot_read() -> None:
    assert lower_bound(same_prompt([0.0, 1.0, 2.0], begins_after_s=1.5), World()) == pytest.approx(
        (1.25 + 1.0 + 0.1) * TOKENS
    )
    assert lower_bound(same_prompt([0.0, 1.0, 2.0], begins_after_s=9.0), World()) == pytest.approx(3.0 * TOKENS)


def test_pings_keep_alive_what_would_lapse() -> None:
    idle = same_prompt([0.0, 100.0, 10_000.0])
    assert lower_bound(idle, World()) == pytest.approx((1.25 + 0.1 + 1.0) * TOKENS)
    assert lower_bound(idle, World(), pings=True) == pytest.approx((1.25 + 0.1 + 0.2 + 0.1) * TOKENS)


def test_a_prefix_below_the_minimum_is_part_of_the_first_node_that_can_be_cached() -> None:
    points = Points()
    head = points.add(0, 900)
    left, right, short = points.add(head, 5_000), points.add(head, 6_000), points.add(head, 1_000)
    calls = [Call(float(at), float(at), 0, points.way(end)) for at, end in enumerate((left, right, short, left, right))]
    trace = assemble("below", calls, points.depth)
    edges, rest = cacheable_edges(trace, 1_024)
    assert sorted((edge.tokens, edge.asks) for edge in edges.values()) == [(5_000, [0, 3]), (6_000, [1, 4])]
    assert rest == 1_000
    assert lower_bound(trace, World()) == pytest.approx(1_000 + 1.35 * 11_000)
    assert lower_bound(trace, World(minimum=512)) == pytest.approx((1.25 + 4 * 0.1) * 900 + 100 + 1.35 * (4_100 + 5_100))


@pytest.mark.skipif(TRACES is None, reason="needs the recorded traces")
@pytest.mark.parametrize(
    ("name", "bound", "with_pings"), [("claude-code-sessions", 0.1469, 0.1436), ("mooncake", 0.7562, 0.7279)]
)
def test_recorded_traces(name: str, bound: float, with_pings: float) -> None:
    trace = load(Path(TRACES or "") / name, random.Random(1))
    assert lower_bound(trace, World()) / trace.tokens == pytest.approx(bound, abs=1e-4)
    assert lower_bound(trace, World(), pings=True) / trace.tokens == pytest.approx(with_pings, abs=1e-4)
