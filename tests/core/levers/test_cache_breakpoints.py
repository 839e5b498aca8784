"""Where breakpoints are set, for how long, when the lever stands aside, and that it changes nothing but them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from tests.core.planning import LONG, NOW_S, body_of, prefix_of, request_of, state_of
from thriftgate.core.cache import Breakpoint, CacheRules, Resident
from thriftgate.core.levers.cache_breakpoints import CacheBreakpoints, mark_edit
from thriftgate.core.plan import Draft, Plan, Policy, Proposal, Skip
from thriftgate.core.planner import make_plan
from thriftgate.core.prefix import Prefix
from thriftgate.core.request import Request
from thriftgate.core.splice import apply
from thriftgate.core.state import Sighting, State

LEVER = CacheBreakpoints()
POLICY = Policy((LEVER.id,))
MARK = {"type": "ephemeral"}
TOOL = {"name": "t", "description": LONG, "input_schema": {"type": "object"}}
TURNS = [{"role": "user", "content": LONG}, {"role": "assistant", "content": "yes"}, {"role": "user", "content": "and?"}]


def plan_of(request: Request, state: State | None = None) -> Plan:
    return make_plan(request, state or state_of(request), POLICY, (LEVER,))


def seen(prefix: Prefix, *spots: int, ago_s: float = 10.0, lapsed: bool = False) -> dict[bytes, Sighting]:
    return {prefix.chain[at]: Sighting(NOW_S - ago_s, lapsed=lapsed) for at in spots}


def live(prefix: Prefix, at: int) -> dict[bytes, Resident]:
    return {prefix.chain[at]: Resident("5m", NOW_S - 10, NOW_S + 290)}


def marked(plan: Plan) -> Any:
    """The body that leaves, parsed by another library."""
    return json.loads(plan.body)


# --- where ----------------------------------------------------------------------------------------------------------------

PLACES: list[tuple[str, dict[str, Any], list[int]]] = [
    ("a system prompt and one question", {"system": LONG}, [0]),
    ("tools before it", {"tools": [TOOL], "system": LONG}, [1, 2]),
    ("tools alone, the conversation follows", {"tools": [TOOL]}, [0, 1]),
    ("a conversation", {"messages": TURNS}, [2]),
    ("a conversation under a system prompt", {"system": LONG, "messages": TURNS}, [0, 3]),
    (
        "documents before the question",
        {"messages": [{"role": "user", "content": [{"type": "text", "text": LONG}, {"type": "text", "text": "why?"}]}]},
        [0],
    ),
    (
        "never on thinking",
        {"messages": [*TURNS, {"role": "assistant", "content": [{"type": "thinking", "thinking": "", "signature": ""}]}]},
        [2],
    ),
    (
        "never on blank text",
        {"messages": [*TURNS, {"role": "assistant", "content": [{"type": "text", "text": " "}]}]},
        [2],
    ),
    ("a system block that is blank", {"system": [{"type": "text", "text": LONG}, {"type": "text", "text": ""}]}, [0]),
]


@pytest.mark.parametrize(("members", "spots"), [row[1:] for row in PLACES], ids=[row[0] for row in PLACES])
def test_where(members: dict[str, Any], spots: list[int]) -> None:
    plan = plan_of(request_of(**members))
    assert [mark.at for mark in plan.breakpoints] == spots
    assert plan.applied() == ("cache.breakpoints",)


def test_the_longest_prefix_sent_before() -> None:
    request = request_of(messages=[{"role": "user", "content": [{"type": "text", "text": LONG + word} for word in "abcd"]}])
    state = state_of(request, sightings=seen(prefix_of(request), 0, 1))
    assert [mark.at for mark in plan_of(request, state).breakpoints] == [1, 2]


@pytest.mark.parametrize(("ago_s", "spots"), [(3_600.0, [1, 2]), (3_600.1, [2])])
def test_what_was_sent_longer_than_an_hour_ago_is_forgotten(ago_s: float, spots: list[int]) -> None:
    request = request_of(messages=[{"role": "user", "content": [{"type": "text", "text": LONG + word} for word in "abcd"]}])
    state = state_of(request, sightings=seen(prefix_of(request), 1, ago_s=ago_s))
    assert [mark.at for mark in plan_of(request, state).breakpoints] == spots


def long_loop(calls: int) -> list[dict[str, Any]]:
    """A question, so many calls of a tool one after the other, each answered."""
    messages: list[dict[str, Any]] = [{"role": "user", "content": LONG}]
    for at in range(calls):
        messages += [
            {"role": "assistant", "content": [{"type": "tool_use", "id": f"t{at}", "name": "t", "input": {}}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": f"t{at}", "content": "ok"}]},
        ]
    return messages


@pytest.mark.parametrize(("calls", "spots"), [(9, [18]), (10, [0, 20])])
def test_a_live_prefix_out_of_look_back_gets_its_own(calls: int, spots: list[int]) -> None:
    """19 blocks behind is the last one that look-back reaches."""
    request = request_of(messages=long_loop(calls))
    state = state_of(request, residency=live(prefix_of(request), 0))
    plan = plan_of(request, state)
    assert [mark.at for mark in plan.breakpoints] == spots
    assert plan.forecast.tokens.read > 1_024


def test_at_most_four_the_first_and_the_deepest() -> None:
    request = request_of(system=LONG, messages=long_loop(30))
    prefix = prefix_of(request)
    state = state_of(request, sightings=seen(prefix, 40), residency=live(prefix, 30))
    assert [mark.at for mark in plan_of(request, state).breakpoints] == [0, 30, 40, 61]


def test_where_fewer_are_taken_the_first_and_the_deepest_stay() -> None:
    request = request_of(system=LONG, messages=long_loop(30))
    prefix = prefix_of(request)
    state = state_of(request, sightings=seen(prefix, 40), residency=live(prefix, 30), rules=CacheRules(breakpoints_max=3))
    assert [mark.at for mark in plan_of(request, state).breakpoints] == [0, 40, 61]


# --- for how long ---------------------------------------------------------------------------------------------------------

LIVES: list[tuple[str, list[int], list[tuple[int, str]]]] = [
    ("nothing came back late", [], [(0, "5m"), (3, "5m")]),
    ("the head came back late", [0], [(0, "1h"), (3, "5m")]),
    ("an hour pulls up what stands before it", [3], [(0, "1h"), (3, "1h")]),
]


@pytest.mark.parametrize(("lapsed", "marks"), [row[1:] for row in LIVES], ids=[row[0] for row in LIVES])
def test_how_long(lapsed: list[int], marks: list[tuple[int, str]]) -> None:
    request = request_of(system=LONG, messages=TURNS)
    state = state_of(request, sightings=seen(prefix_of(request), *lapsed, lapsed=True))
    assert [tuple(mark) for mark in plan_of(request, state).breakpoints] == marks


def test_an_hour_stands_first_in_the_request_even_where_the_prompt_is_rendered_otherwise() -> None:
    """Web search is rendered behind the other tools; the API looks at the order in which they are written."""
    web = {"type": "web_search_20250305", "name": "web_search"}
    request = request_of(tools=[web, TOOL], messages=TURNS)
    prefix = prefix_of(request)
    state = state_of(request, sightings=seen(prefix, 0, lapsed=True))
    body = marked(plan_of(request, state))
    ttls = [tool["cache_control"].get("ttl", "5m") for tool in body["tools"] if "cache_control" in tool]
    assert ttls == sorted(ttls)  # "1h" before "5m"
    assert ttls


# --- when not -------------------------------------------------------------------------------------------------------------

ASIDE: list[tuple[str, dict[str, Any], str]] = [
    ("the client marks", {"system": [{"type": "text", "text": LONG, "cache_control": MARK}]}, "its own breakpoints"),
    ("the client marks automatically", {"system": LONG, "cache_control": MARK}, "its own breakpoints"),
    ("a short prompt", {}, "under the 1024"),
    ("nothing to mark", {"messages": []}, "under the 1024"),
    ("one long question", {"messages": [{"role": "user", "content": LONG}]}, "within five minutes"),
    ("a short head", {"system": "be brief", "messages": [{"role": "user", "content": LONG}]}, "within five minutes"),
]


@pytest.mark.parametrize(("members", "words"), [row[1:] for row in ASIDE], ids=[row[0] for row in ASIDE])
def test_when_it_stands_aside(members: dict[str, Any], words: str) -> None:
    request = request_of(**members)
    plan = plan_of(request)
    assert plan.body is request.body
    assert plan.decisions[0].decision == "skipped"
    assert words in plan.decisions[0].reason


def test_a_breakpoint_of_a_form_unknown_here_is_a_breakpoint() -> None:
    request = request_of(system=[{"type": "text", "text": LONG, "cache_control": {"type": "eternal"}}])
    assert plan_of(request).body is request.body


def test_breakpoints_of_an_earlier_lever_are_left_alone() -> None:
    request = request_of(system=LONG)
    draft = replace(_draft(request), breakpoints=(Breakpoint(0, "1h"),))
    assert isinstance(LEVER.propose(request, draft, state_of(request), POLICY), Skip)


@pytest.mark.parametrize(("tokens", "acts"), [(511, False), (512, True)])
def test_the_minimum_is_the_models(tokens: int, acts: bool) -> None:
    """Two blocks of 512 together are over Opus 4.8's minimum, but only together: the head alone is not."""
    request = request_of(messages=TURNS[:2])
    assert bool(plan_of(request, state_of(request, tokens=tokens)).applied()) is acts


# --- how ------------------------------------------------------------------------------------------------------------------

EDITS: list[tuple[str, bytes, int, bytes]] = [
    (
        "a system prompt that is a string",
        b'{"system" : "a\\u00e9\\n" ,',
        0,
        b'{"system" : [{"type":"text","text":"a\\u00e9\\n","cache_control":{"type":"ephemeral"}}] ,',
    ),
    (
        "a system block",
        b'{"system":[ {"type":"text", "text":"a"} ],',
        0,
        b'{"system":[ {"type":"text", "text":"a","cache_control":{"type":"ephemeral"}} ],',
    ),
    (
        "a tool",
        b'{"tools":[{"name":"t", "x":1.0e2}],',
        0,
        b'{"tools":[{"name":"t", "x":1.0e2,"cache_control":{"type":"ephemeral"}}],',
    ),
]
REST = b'"model":"claude-opus-4-8","max_tokens":1,"messages":[{"role":"user","content":"hi \\"there\\""}]}'


@pytest.mark.parametrize(("head", "at", "expected"), [row[1:] for row in EDITS], ids=[row[0] for row in EDITS])
def test_the_bytes_that_leave(head: bytes, at: int, expected: bytes) -> None:
    request = request_of(head + REST)
    prefix = prefix_of(request)
    edit = mark_edit(request, prefix, prefix.blocks[at], "5m")
    assert apply(request.body, [edit]) == expected + REST


def test_a_message_that_is_a_string() -> None:
    request = request_of(REST.replace(b'"model"', b'{"model"', 1))
    prefix = prefix_of(request)
    body = apply(request.body, [mark_edit(request, prefix, prefix.blocks[0], "1h")])
    block = b'{"type":"text","text":"hi \\"there\\"","cache_control":{"type":"ephemeral","ttl":"1h"}}'
    assert body == request.body.replace(b'"hi \\"there\\""', b"[" + block + b"]")


def test_what_leaves_is_the_same_prompt() -> None:
    request = request_of(body_of(tools=[TOOL], system=LONG, messages=TURNS))
    plan = plan_of(request)
    assert plan.body is not request.body
    again = request_of(plan.body)
    assert prefix_of(again).chain == prefix_of(request).chain
    assert [Breakpoint(*mark) for mark in prefix_of(again).marks()] == list(plan.breakpoints)


def test_it_says_what_it_did() -> None:
    request = request_of(system=LONG, messages=TURNS)
    outcome = LEVER.propose(request, _draft(request), state_of(request), POLICY)
    assert isinstance(outcome, Proposal)
    assert outcome.reason.startswith("marked the end of tools and system")
    assert "(5m)" in outcome.reason


def _draft(request: Request) -> Draft:
    return Draft(make_plan(request, state_of(request), Policy(())).terms, request.max_tokens, ())


def test_a_call_that_repeats_is_forecast_to_be_read() -> None:
    request = request_of(system=LONG)
    first = plan_of(request)
    assert first.decisions[0].forecast_pico < 0  # the write costs a quarter more
    held = {prefix_of(request).chain[0]: Resident("5m", NOW_S - 10, NOW_S + 290)}
    second = plan_of(request, state_of(request, residency=held))
    assert second.forecast.tokens.read == first.forecast.tokens.write_5m
    assert second.decisions[0].forecast_pico > 0


@pytest.mark.parametrize("propose", [LEVER.propose])
def test_an_empty_state_is_enough(propose: Callable[..., Any]) -> None:
    request = request_of(messages=[])
    assert isinstance(propose(request, _draft(request), state_of(request), POLICY), Skip)


def test_it_stands_aside_in_a_thread_whose_history_it_cannot_see() -> None:
    request = request_of(system=LONG, thread={"type": "continue", "previous_message_id": "msg_1"})
    outcome = plan_of(request)
    assert outcome.applied() == ()
    assert outcome.body is request.body
