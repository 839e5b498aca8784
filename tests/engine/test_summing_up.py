"""The request for a summary to a conversation's own model, and what is read from the answer."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tests.core.planning import NOW_S, body_of, prefix_of, request_of, state_of
from tests.fixtures import call_of, engine_on, simulator
from thriftgate.core.cache import TTL_S, Resident
from thriftgate.core.reduction.summary import THINKS_TOKENS
from thriftgate.core.request import Ttl
from thriftgate.engine.summing_up import can_be_asked, own_body, read_summary
from thriftgate.engine.touch import Purpose

MARK = {"cache_control": {"type": "ephemeral"}}
TURNS: list[dict[str, Any]] = [
    {"role": "user", "content": "a"},
    {"role": "assistant", "content": [{"type": "text", "text": "b"}]},
    {"role": "user", "content": [{"type": "text", "text": "c"}]},
]


def asked(live: dict[int, Ttl] | None = None, **members: Any) -> dict[str, Any]:
    """The body of the request, with entries of the provider's cache that end with these blocks."""
    request = request_of(body_of(**{"messages": TURNS, "system": "s", **members}))
    chain = prefix_of(request).chain
    residency = {chain[at]: Resident(ttl, NOW_S - 60, NOW_S - 60 + TTL_S[ttl]) for at, ttl in (live or {}).items()}
    body: dict[str, Any] = msgspec.json.decode(own_body(request, state_of(request, residency=residency), 1_000))
    return body


def marks(body: dict[str, Any]) -> list[str]:
    """Where breakpoints stand, in order, with how long they live."""
    found = [("system", body["system"])] + [(str(at), one["content"]) for at, one in enumerate(body["messages"])]
    blocks = [(where, block) for where, content in found if isinstance(content, list) for block in content]
    return [f"{where} {block['cache_control'].get('ttl', '5m')}" for where, block in blocks if "cache_control" in block]


def test_the_request_stands_behind_the_conversation() -> None:
    body = asked()
    assert body["messages"][:2] == TURNS[:2]
    assert [block["text"][:7] for block in body["messages"][2]["content"]] == ["c", "Sum up "]
    assert body["max_tokens"] == 2_000 + THINKS_TOKENS


@pytest.mark.parametrize(
    ("live", "expected"),
    [
        ({}, ["system 5m"]),
        ({2: "5m"}, ["system 5m", "1 5m"]),
        ({1: "5m", 2: "1h"}, ["system 1h", "1 1h"]),  # one for an hour may not stand behind one for minutes
        ({0: "1h", 1: "5m"}, ["system 5m", "0 5m"]),
        ({3: "5m", 0: "1h"}, ["system 1h"]),  # the last message is another one now
    ],
)
def test_what_the_provider_holds_is_read(live: dict[int, Ttl], expected: list[str]) -> None:
    assert marks(asked(live)) == expected


def test_what_makes_no_summary_is_left_out() -> None:
    body = asked(stream=True, stop_sequences=["x"], cache_control={"type": "ephemeral"}, metadata={"user_id": "u"})
    assert {"stream", "stop_sequences", "cache_control"}.isdisjoint(body)
    assert body["metadata"] == {"user_id": "u"}


def test_the_clients_breakpoints_stay_but_for_those_on_the_last_message() -> None:
    marked = [
        {"role": "user", "content": [{"type": "text", "text": "a", **MARK}]},
        TURNS[1],
        {"role": "user", "content": [{"type": "text", "text": "c", **MARK}]},
    ]
    assert marks(asked({2: "5m"}, messages=marked)) == ["0 5m"]


def test_thinking_has_its_room_besides() -> None:
    body = asked(thinking={"type": "enabled", "budget_tokens": 9_000}, max_tokens=10_000)
    assert body["max_tokens"] == 2_000 + THINKS_TOKENS + 9_000


@pytest.mark.parametrize(
    ("members", "can"),
    [
        ({}, True),
        ({"tool_choice": {"type": "auto"}}, True),
        ({"output_config": {"effort": "low"}}, True),
        ({"tool_choice": {"type": "any"}}, False),
        ({"tool_choice": {"type": "tool", "name": "t"}}, False),
        ({"output_config": {"format": {"type": "json_schema"}}}, False),
        ({"output_format": {"type": "json_schema"}}, False),
        ({"messages": [*TURNS, {"role": "assistant", "content": "So"}]}, False),
    ],
)
def test_who_cannot_answer_with_a_summary_is_not_asked(members: dict[str, Any], can: bool) -> None:
    request = request_of(body_of(**{"messages": TURNS, **members}))
    assert can_be_asked(request, state_of(request)) is can


@pytest.mark.parametrize(
    ("told", "summary"),
    [("say= all is well ", "all is well"), ("say= ", ""), ("refuse=cyber", ""), ("say=so]][[sim: stop=max_tokens", "")],
)
async def test_what_is_read_from_an_answer(told: str, summary: str) -> None:
    app = simulator()
    async with engine_on(app) as engine:
        call = call_of(
            {"model": "claude-opus-4-8", "max_tokens": 99, "messages": [{"role": "user", "content": f"[[sim: {told}]]"}]}
        )
        touched = await engine.toucher.send(call, engine.toucher.plan(call, "key"), Purpose("a", "b", "c"))
        assert read_summary(touched) == summary
