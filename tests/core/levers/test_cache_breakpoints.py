"""Where breakpoints are set, for how long, when the lever stands aside, and that it changes nothing but them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from tests.core.planning import LONG, NOW_S, body_of, outlook_of, prefix_of, request_of, state_of
from thriftgate.core.cache import Breakpoint, CacheRules, Resident
from thriftgate.core.levers.cache_breakpoints import CacheBreakpoints, mark_edit
from thriftgate.core.placement import CacheMode
from thriftgate.core.plan import Draft, Plan, Policy, Proposal, Skip
from thriftgate.core.planner import make_plan
from thriftgate.core.prefix import Prefix
from thriftgate.core.request import Request, Ttl
from thriftgate.core.reuse import Outlook
from thriftgate.core.splice import apply
from thriftgate.core.state import Shared, State

LEVER = CacheBreakpoints()
POLICY = Policy((LEVER.id,))
MARK = {"type": "ephemeral"}
TOOL = {"name": "t", "description": LONG, "input_schema": {"type": "object"}}
TURNS = [{"role": "user", "content": LONG}, {"role": "assistant", "content": "yes"}, {"role": "user", "content": "and?"}]


def plan_of(request: Request, state: State | None = None) -> Plan:
    return make_plan(request, state or state_of(request), POLICY, (LEVER,))


def live(prefix: Prefix, at: int) -> dict[bytes, Resident]:
    return {prefix.chain[at]: Resident("5m", NOW_S - 10, NOW_S + 290)}


def marked(plan: Plan) -> Any:
    """The body that leaves, parsed by another library."""
    return json.loads(plan.body)


# --- where ----------------------------------------------------------------------------------------------------------------

PLACES: list[tuple[str, dict[str, Any], list[int]]] = [
    ("a system prompt and one question", {"system": LONG}, [0, 1]),
    ("tools before it", {"tools": [TOOL], "system": LONG}, [1, 2]),
    ("tools alone, the conversation follows", {"tools": [TOOL]}, [0, 1]),
    ("a conversation", {"messages": TURNS}, [2]),
    ("a conversation under a system prompt", {"system": LONG, "messages": TURNS}, [0, 3]),
    (
        "documents before the question",
        {"messages": [{"role": "user", "content": [{"type": "text", "text": LONG}, {"type": "text", "text": "why?"}]}]},
        [0, 1],
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
    ("a system block that is blank", {"system": [{"type": "text", "text": LONG}, {"type": "text", "text": ""}]}, [0, 2]),
]


@pytest.mark.parametrize(("members", "spots"), [row[1:] for row in PLACES], ids=[row[0] for row in PLACES])
def test_where(members: dict[str, Any], spots: list[int]) -> None:
    plan = plan_of(request_of(**members))
    assert [mark.at for mark in plan.breakpoints] == spots
    assert plan.applied() == ("cache.breakpoints",)


def test_where_others_parted_before() -> None:
    request = request_of(messages=[{"role": "user", "content": [{"type": "text", "text": LONG + word} for word in "abcd"]}])
    state = state_of(request, outlook=outlook_of((1, 0.9, 0.95), (3, 0.05, 0.1)))
    assert [mark.at for mark in plan_of(request, state).breakpoints] == [1]


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


def test_at_most_four() -> None:
    request = request_of(system=LONG, messages=long_loop(30))
    everywhere = outlook_of(*((at, 0.9, 0.95) for at in (0, 5, 10, 20, 30, 40, 61)))
    assert len(plan_of(request, state_of(request, outlook=everywhere)).breakpoints) == 4
    fewer = plan_of(request, state_of(request, outlook=everywhere, rules=CacheRules(breakpoints_max=3)))
    assert len(fewer.breakpoints) == 3
    assert fewer.breakpoints[-1].at == 61


# --- for how long ---------------------------------------------------------------------------------------------------------

LIVES: list[tuple[str, list[tuple[int, float, float]], list[tuple[int, str]]]] = [
    ("all come back at once", [(0, 0.9, 0.9), (3, 0.9, 0.9)], [(0, "5m"), (3, "5m")]),
    ("the head comes back late", [(0, 0.3, 0.99), (3, 0.6, 0.65)], [(0, "1h"), (3, "5m")]),
    ("all come back late", [(0, 0.2, 0.99), (3, 0.2, 0.99)], [(0, "1h"), (3, "1h")]),
    ("the end does not come back", [(0, 0.9, 0.9), (3, 0.1, 0.1)], [(0, "5m")]),
]


@pytest.mark.parametrize(("expected", "marks"), [row[1:] for row in LIVES], ids=[row[0] for row in LIVES])
def test_how_long(expected: list[tuple[int, float, float]], marks: list[tuple[int, str]]) -> None:
    request = request_of(system=LONG, messages=TURNS)
    state = state_of(request, outlook=outlook_of(*expected))
    assert [tuple(mark) for mark in plan_of(request, state).breakpoints] == marks


def test_an_hour_stands_first_in_the_request_even_where_the_prompt_is_rendered_otherwise() -> None:
    """Web search is rendered behind the other tools; the API looks at the order in which they are written."""
    web = {"type": "web_search_20250305", "name": "web_search"}
    request = request_of(tools=[web, TOOL], messages=TURNS)
    state = state_of(request, tokens=2_000, outlook=outlook_of((0, 0.3, 0.99), (1, 0.5, 0.5), (4, 0.6, 0.65)))
    body = marked(plan_of(request, state))
    ttls = [tool["cache_control"].get("ttl", "5m") for tool in body["tools"] if "cache_control" in tool]
    assert ttls == sorted(ttls)  # "1h" before "5m"
    assert ttls


# --- when not -------------------------------------------------------------------------------------------------------------

ASIDE: list[tuple[str, dict[str, Any], str]] = [
    ("the client marks as well", {"system": [{"type": "text", "text": LONG, "cache_control": MARK}]}, "are as good"),
    ("a short prompt", {}, "under the 1024"),
    ("nothing to mark", {"messages": []}, "under the 1024"),
    (
        "a breakpoint inside a tool result",
        {
            "messages": [
                *TURNS[:1],
                {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "t", "input": {}}]},
                {
                    "role": "user",
                    "content": [
                        {
                            "type": "tool_result",
                            "tool_use_id": "t",
                            "content": [{"type": "text", "text": LONG, "cache_control": MARK}],
                        }
                    ],
                },
            ]
        },
        "cannot be moved",
    ),
]


@pytest.mark.parametrize(("members", "words"), [row[1:] for row in ASIDE], ids=[row[0] for row in ASIDE])
def test_when_it_stands_aside(members: dict[str, Any], words: str) -> None:
    request = request_of(**members)
    plan = plan_of(request)
    assert plan.body is request.body
    assert plan.decisions[0].decision == "skipped"
    assert words in plan.decisions[0].reason


ONCE: list[dict[str, Any]] = [
    {"messages": [{"role": "user", "content": LONG}]},
    {"system": "be brief", "messages": [{"role": "user", "content": LONG}]},
]


@pytest.mark.parametrize("members", ONCE)
def test_what_does_not_come_back_is_not_written(members: dict[str, Any]) -> None:
    request = request_of(**members)
    end = len(prefix_of(request).blocks) - 1
    plan = plan_of(request, state_of(request, outlook=outlook_of((end, 0.15, 0.3))))
    assert plan.body is request.body
    assert "within five minutes 15%" in plan.decisions[0].reason


def test_a_breakpoint_of_a_form_unknown_here_is_a_breakpoint() -> None:
    request = request_of(system=[{"type": "text", "text": LONG, "cache_control": {"type": "eternal"}}])
    assert plan_of(request).body is request.body


def test_the_brake_holds() -> None:
    request = request_of(system=LONG, messages=TURNS)
    for verdict in ("client", "none"):
        plan = plan_of(request, state_of(request, braked=verdict))
        assert plan.body is request.body
        assert "brake" in plan.decisions[0].reason


def test_the_brake_takes_away_what_costs_more_than_nothing() -> None:
    request = request_of(body_of(**OWN))
    plan = make_plan(request, state_of(request, braked="none"), Policy((LEVER.id,), cache_mode="full"), (LEVER,))
    assert plan.breakpoints == ()
    assert b"cache_control" not in plan.body
    assert plan_of(request, state_of(request, braked="client")).body is request.body


# --- clients that mark ----------------------------------------------------------------------------------------------------

OWN = {"system": [{"type": "text", "text": LONG, "cache_control": {"type": "ephemeral", "x": 1}}], "messages": TURNS}
LATE = outlook_of((0, 0.2, 0.99), (3, 0.2, 0.99))


def in_mode(mode: CacheMode, members: dict[str, Any], outlook: Outlook = LATE) -> Plan:
    request = request_of(**members)
    return make_plan(request, state_of(request, outlook=outlook), Policy((LEVER.id,), cache_mode=mode), (LEVER,))


MODES: list[tuple[CacheMode, list[tuple[int, str]]]] = [
    ("observe", [(0, "5m")]),
    ("ttl-only", [(0, "1h")]),
    ("add", [(0, "1h"), (3, "1h")]),
    ("full", [(0, "1h"), (3, "1h")]),
]


@pytest.mark.parametrize(("mode", "marks"), MODES, ids=[row[0] for row in MODES])
def test_each_mode(mode: CacheMode, marks: list[tuple[int, str]]) -> None:
    plan = in_mode(mode, OWN)
    assert [tuple(mark) for mark in plan.breakpoints] == marks
    assert json.loads(plan.body)["system"][0]["cache_control"]["x"] == 1


def test_automatic_caching_is_lengthened_where_it_stands() -> None:
    plan = in_mode("ttl-only", {"system": LONG, "messages": TURNS, "cache_control": MARK})
    body = marked(plan)
    assert body["cache_control"] == {"type": "ephemeral", "ttl": "1h"}
    assert plan.body.count(b"cache_control") == 1


def test_an_hour_of_the_client_is_never_shortened_but_in_full() -> None:
    members = {"system": [{"type": "text", "text": LONG, "cache_control": {"type": "ephemeral", "ttl": "1h"}}]}
    soon = outlook_of((0, 0.95, 0.95), (1, 0.05, 0.05))
    for mode in ("observe", "ttl-only", "add"):
        assert in_mode(mode, members, soon).breakpoints[0].ttl == "1h"
    assert in_mode("full", members, soon).breakpoints[0].ttl == "5m"


def test_four_of_the_client_are_all_there_are() -> None:
    parts = [{"type": "text", "text": LONG + word, "cache_control": MARK} for word in "abcd"]
    plan = in_mode("add", {"system": parts, "messages": TURNS}, outlook_of((3, 0.9, 0.95), (6, 0.9, 0.95)))
    assert [mark.at for mark in plan.breakpoints] == [0, 1, 2, 3]


@pytest.mark.parametrize(("tokens", "acts"), [(341, False), (342, True)])
def test_the_minimum_is_the_models(tokens: int, acts: bool) -> None:
    """Three blocks of 342 together are over Opus 4.8's minimum."""
    request = request_of(messages=TURNS)
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
    assert second.forecast.tokens.read == state_of(request).cumulative[0]
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


# --- jobs that are planned together ---------------------------------------------------------------------------------------


def among_others(request: Request, shared: Shared, *, mode: CacheMode = "ttl-only", **members: Any) -> Plan:
    state = msgspec.structs.replace(state_of(request, **members), shared=shared)
    return make_plan(request, state, Policy((LEVER.id,), cache_mode=mode), (LEVER,))


@pytest.mark.parametrize("ttl", ["5m", "1h"])
@pytest.mark.parametrize("at", [0, 1, 3])
def test_what_jobs_share_is_marked_and_nothing_else(at: int, ttl: Ttl) -> None:
    """Whatever is believed of prompts like it, and whatever the brake says: this was chosen for all of them together."""
    request = request_of(system=LONG, messages=TURNS)
    plans = [
        among_others(request, Shared(at, ttl, "40 jobs share it"), outlook=outlook, braked=braked)
        for outlook in (None, outlook_of((3, 0.9, 0.95)), outlook_of((3, 0.0, 0.0)))
        for braked in ("", "client", "none")
    ]
    assert {plan.breakpoints for plan in plans} == {(Breakpoint(at, ttl),)}
    assert len({plan.body for plan in plans}) == 1
    assert plans[0].decisions[0].reason == "40 jobs share it"
    again = request_of(plans[0].body)
    assert prefix_of(again).chain == prefix_of(request).chain
    assert prefix_of(again).marks() == ((at, ttl),)


def test_a_job_that_shares_nothing_is_left_as_it_is() -> None:
    request = request_of(system=LONG, messages=TURNS)
    plan = among_others(request, Shared(-1, "5m", "alone"), outlook=outlook_of((0, 0.9, 0.95), (3, 0.9, 0.95)))
    assert plan.body is request.body
    assert (plan.decisions[0].decision, plan.decisions[0].reason) == ("skipped", "alone")


SELF: list[dict[str, Any]] = [OWN, {"system": LONG, "messages": TURNS, "cache_control": MARK}]


@pytest.mark.parametrize("mode", ["observe", "ttl-only", "add", "full"])
@pytest.mark.parametrize("members", SELF)
def test_a_job_that_marks_is_left_its_own(members: dict[str, Any], mode: CacheMode) -> None:
    request = request_of(**members)
    plan = among_others(request, Shared(0, "1h", "shared"), mode=mode, outlook=LATE)
    assert plan.body is request.body
    assert "the client sets its own breakpoints" in plan.decisions[0].reason


ALONE: list[tuple[str, dict[str, Any], int, CacheMode, str]] = [
    ("a policy that only observes", {"system": LONG}, 0, "observe", "cache.mode is observe"),
    ("a short prompt", {}, 0, "full", "under the 1024"),
    ("a thread", {"system": LONG, "thread": {"type": "continue", "previous_message_id": "m"}}, 0, "full", "provider holds"),
    (
        "a blank block",
        {"system": [{"type": "text", "text": LONG}, {"type": "text", "text": ""}]},
        1,
        "full",
        "may not carry",
    ),
    ("no such block", {"system": LONG}, 9, "full", "failed with IndexError"),
]


@pytest.mark.parametrize(("members", "at", "mode", "words"), [row[1:] for row in ALONE], ids=[row[0] for row in ALONE])
def test_when_what_is_shared_is_not_marked(members: dict[str, Any], at: int, mode: CacheMode, words: str) -> None:
    request = request_of(**members)
    plan = among_others(request, Shared(at, "1h", "shared"), mode=mode)
    assert plan.body is request.body
    assert words in plan.decisions[0].reason
