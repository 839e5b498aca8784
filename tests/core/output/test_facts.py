"""What is read of a call before it is shaped."""

from __future__ import annotations

from typing import Any

import pytest

from tests.core.output.shaping import CITED, FORMAT, HAIKU, OLD, OPUS, PLAIN, SAID, SONNET, THOUGHT, TOOL, USER, facts
from tests.core.planning import MODELS, NOW_S, prefix_of, request_of
from thriftgate.core.output.facts import barred, editable, facts_of, joined, may_think
from thriftgate.core.request import parse_request

ANSWER: dict[str, Any] = {"type": "tool_result", "tool_use_id": "t", "content": "42"}
RESULT = {"role": "user", "content": [ANSWER]}
CALLED = {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "look", "input": {}}]}
FOUND = {"type": "search_result", "source": "s", "title": "t", "content": [], "citations": {"enabled": True}}


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({}, {"acts": False, "mode": "", "thinks": False, "effort": "high", "asked_effort": "", "spoken": False}),
        ({"tools": []}, {"acts": False}),
        ({"tools": [TOOL]}, {"acts": True, "forced": False}),
        ({"tools": [TOOL], "tool_choice": {"type": "none"}}, {"acts": False}),
        ({"tools": [TOOL], "tool_choice": {"type": "any"}}, {"acts": True, "forced": True}),
        ({"mcp_servers": [{}]}, {"acts": True}),
        ({"thinking": {"type": "adaptive"}}, {"mode": "adaptive", "thinks": True}),
        ({"thinking": {"type": "enabled", "budget_tokens": 2_000}}, {"mode": "enabled", "budget": 2_000}),
        ({"thinking": {"type": "adaptive", "block_binding": {}}}, {"binds": True}),
        ({"thinking": "what"}, {"mode": "unknown", "thinks": True, "binds": True}),
        ({"output_config": {"effort": "low", "format": FORMAT}}, {"effort": "low", "has_format": True, "readable": True}),
        ({"output_config": []}, {"readable": False}),
        ({"output_format": FORMAT}, {"has_format": True}),
        ({"messages": [USER, SAID]}, {"spoken": True, "thought": False, "last_role": "assistant"}),
        ({"messages": [USER, THOUGHT, USER]}, {"spoken": True, "thought": True, "last_role": "user"}),
        ({"messages": [USER, CALLED, RESULT]}, {"loops": True}),
        ({"messages": [{"role": "user", "content": [CITED]}]}, {"cites": True}),
        ({"messages": [{"role": "user", "content": [CITED | {"citations": {"enabled": False}}]}]}, {"cites": False}),
        ({"messages": [USER, CALLED, {"role": "user", "content": [ANSWER | {"content": [FOUND]}]}]},
         {"cites": True}),
        ({"max_tokens": 0}, {"warms": True}),
        ({"thread": {"id": "t"}}, {"aside": "the provider holds this conversation"}),
        ({"fallbacks": "default"}, {"aside": "the call names fallbacks, which may not take it"}),
        ({"messages": []}, {"aside": "there are no messages"}),
    ],
    ids=str,
)  # fmt: skip
def test_facts(members: dict[str, Any], expected: dict[str, Any]) -> None:
    found = facts(PLAIN, **members)
    assert {name: getattr(found, name) for name in expected} == expected


def test_counting_is_no_warming() -> None:
    request = parse_request(
        b'{"model":"claude-opus-4-8","messages":[{"role":"user","content":"a"}]}', needs_max_tokens=False
    )
    assert not facts_of(request, prefix_of(request).turns, MODELS[PLAIN], NOW_S).warms


def test_a_member_that_stands_twice_cannot_be_edited() -> None:
    raw = b'{"model":"claude-opus-4-8","max_tokens":9,"messages":[{"role":"user","content":"a"}],'
    request = request_of(raw + b'"output_config":{"effort":"low","effort":"high"},"thinking":{"type":"adaptive"}}')
    assert not editable(request, "output_config")
    assert editable(request, "thinking")
    assert editable(request, "tools")
    assert not facts_of(request, prefix_of(request).turns, MODELS[PLAIN], NOW_S).readable


def test_a_retired_model() -> None:
    request = request_of(model="claude-3-haiku-20240307")
    assert facts_of(request, prefix_of(request).turns, MODELS[request.model], NOW_S).aside.endswith("is retired")


@pytest.mark.parametrize(
    ("model", "mode", "acts", "thinks"),
    [
        (PLAIN, "", False, False),
        (HAIKU, "", False, True),
        (HAIKU, "disabled", True, False),
        (SONNET, "between_tools", False, False),
        (SONNET, "between_tools", True, True),
        (OLD, "enabled", False, True),
        ("claude-nobody", "", False, True),
    ],
)
def test_may_think(model: str, mode: str, acts: bool, thinks: bool) -> None:
    assert may_think(mode, MODELS[model], acts=acts) is thinks


@pytest.mark.parametrize(
    ("model", "messages", "how", "why"),
    [
        (OPUS, [USER], (False, True, True), ""),
        (OPUS, [USER, SAID, USER], (False, True, True), "the conversation began without it"),
        (OPUS, [USER, SAID, USER], (False, False, True), ""),
        (OPUS, [USER, SAID, USER], (True, True, True), ""),
        (OPUS, [USER, THOUGHT, USER], (False, False, True), "thinking in this conversation is bound"),
        (OPUS, [USER, THOUGHT, USER], (False, False, False), ""),
        (OPUS, [USER, THOUGHT, USER], (True, True, True), ""),
        (PLAIN, [USER, THOUGHT, USER], (False, False, True), ""),
        (PLAIN, [USER, THOUGHT, USER], (False, True, False), "the conversation began without it"),
    ],
)
def test_barred(model: str, messages: list[Any], how: tuple[bool, bool, bool], why: str) -> None:
    begun, warm, head = how
    found = barred(facts(model, messages=messages), MODELS[model], begun=begun, warm=warm, head=head)
    assert found.startswith(why)
    assert bool(found) is bool(why)


@pytest.mark.parametrize(
    ("raw", "whole"), [(b"[]", b"[1,2]"), (b"[ ]", b"[1,2]"), (b'[ "a" ]', b'[ "a",1,2]'), (b"[[],{}]\n", b"[[],{},1,2]")]
)
def test_joined(raw: bytes, whole: bytes) -> None:
    assert joined(raw, b"1", b"2") == whole
