"""The tree of prompts, by hand: where prompts part, what continues what, when an answer began."""

from __future__ import annotations

import random

import pytest

from thriftgate.audit.traces.grow import Call, Points, Tree, assemble, begins_s, kept


def test_when_an_answer_began() -> None:
    assert begins_s(100.0, 50_000, ttft_s=0.7) == 100.7
    assert begins_s(100.0, 50_000) == 106.0
    assert begins_s(100.0, 50_000, took_s=2.0) == 102.0
    assert begins_s(100.0, 0, took_s=9.0) == 101.0


@pytest.mark.parametrize(("sessions", "share", "count"), [(10, 1.0, 10), (10, 0.25, 2), (10, 0.001, 1), (1, 0.5, 1)])
def test_a_sample_is_never_empty(sessions: int, share: float, count: int) -> None:
    chosen = kept(sessions, share, random.Random(1))
    assert len(chosen) == count
    assert chosen <= set(range(sessions))


def test_points_of_no_length_are_on_no_way() -> None:
    points = Points()
    root = points.add(0, 0)
    one = points.add(root, 10)
    two = points.add(one, 30)
    assert points.way(two) == (one, two)
    assert points.way(root) == ()


def test_prompts_part_where_their_blocks_differ() -> None:
    points = Points()
    tree = Tree(points, 100)
    one, two = tree.insert("abcd", 400), tree.insert("abxy", 400)
    (parting, *_) = points.way(one)
    assert points.way(one)[0] == points.way(two)[0]
    assert points.depth[parting] == 200
    assert tree.insert("abcd", 400) == one
    assert tree.continued(parting)
    assert not tree.continued(one)


def test_the_rest_of_a_prompt_is_continued_by_the_next() -> None:
    points = Points()
    tree = Tree(points, 100)
    first = tree.insert("ab", 240, "rest")
    second = tree.insert("abc", 330, "more")
    assert first in points.way(second)
    assert tree.insert("ab", 240, "rest") == first
    assert points.depth[first] == 240


def test_two_rests_part_at_the_last_whole_block() -> None:
    points = Points()
    tree = Tree(points, 100)
    tree.insert("abc", 300)
    one, two = tree.insert("ab", 240, "x"), tree.insert("ab", 260, "y")
    shared = set(points.way(one)) & set(points.way(two))
    assert max(points.depth[point] for point in shared) == 200


def calls(points: Points) -> list[Call]:
    """A head of tools and system, an answer, and another conversation behind the same head."""
    tools = points.add(0, 1_000)
    system = points.add(tools, 3_000)
    asked = points.add(system, 3_500)
    more = points.add(asked, 5_000)
    other = points.add(system, 3_300)
    ends = ((0.0, 7, asked, "text"), (60.0, 7, more, "tool_result"), (30.0, 3, other, "text"))
    return [
        Call(at_s, at_s + 1, session, points.way(end), kind, tools, system, 5, model="m")
        for at_s, session, end, kind in ends
    ]


def test_a_trace_is_in_order_of_time_and_numbers_its_sessions() -> None:
    points = Points()
    trace = assemble("t", calls(points), points.depth)
    assert [(ask.at_s, ask.session, ask.tokens) for ask in trace.asks] == [(0, 0, 3_500), (30, 1, 3_300), (60, 0, 5_000)]
    assert [block.section for block in trace.asks[2].prefix.blocks] == ["tools", "system", "messages", "messages"]
    assert [block.part.kind for block in trace.asks[2].prefix.blocks] == ["tool", "text", "text", "tool_result"]
    assert trace.asks[2].cumulative == (1_000, 3_000, 3_500, 5_000)
    assert (trace.sessions, trace.tokens) == (2, 11_800)
    assert {ask.model for ask in trace.asks} == {"m"}


def test_hindsight_shows_what_only_later_calls_reveal() -> None:
    def two(*, hindsight: bool) -> list[int]:
        points = Points()
        shared = points.add(0, 2_000)
        made = [Call(float(at), at + 1.0, at, points.way(points.add(shared, 3_000 + at))) for at in range(2)]
        return [len(ask.cumulative) for ask in assemble("t", made, points.depth, hindsight=hindsight).asks]

    assert two(hindsight=False) == [1, 2]
    assert two(hindsight=True) == [2, 2]
