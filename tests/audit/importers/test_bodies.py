"""Whole requests come through as they are, others faithfully or not at all."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from msgspec import Raw

from thriftgate.audit.importers.bodies import NO_BODY, Body, body_in, body_of_chat

HI = {"role": "user", "content": "Hi"}
WHOLE: dict[str, Any] = {
    "model": "m",
    "max_tokens": 5,
    "system": [{"type": "text", "text": "S"}],
    "tools": [{"name": "f", "input_schema": {}}],
    "messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}, {"role": "assistant", "content": "Yes"}],
}


def raw(value: object) -> Raw:
    return Raw(msgspec.json.encode(value))


def test_an_anthropic_request_is_kept_to_the_byte() -> None:
    text = b'{"model": "m", "max_tokens":5,\n "stream":true, "messages":[{"role":"user","content":"Hi"}]}'
    assert body_in(Raw(text), "other") == Body(text, 5, streamed=True)
    assert body_in(raw(text.decode()), "other") == Body(text, 5, streamed=True)
    assert body_in(Raw(b'{"url":"x","body":' + text + b"}"), "other") == Body(text, 5, streamed=True)
    assert body_in(raw(WHOLE), "other").json == bytes(raw(WHOLE))


def test_a_missing_model_is_added() -> None:
    found = body_in(raw({"max_tokens": 5, "messages": [HI]}), "claude-x")
    assert msgspec.json.decode(found.json) == {"max_tokens": 5, "messages": [HI], "model": "claude-x"}


@pytest.mark.parametrize(
    "value",
    [
        "Hi",
        [HI],
        {"messages": [HI]},
        {"messages": "Hi", "max_tokens": 5},
        {"max_tokens": 5, "messages": []},
        {"max_tokens": 5, "messages": [{"role": "system", "content": "S"}, HI]},
        {"max_tokens": 5, "messages": [HI, {"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]}]},
        {"max_tokens": 5, "messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "u"}}]}]},
        {"max_tokens": 5, "messages": [HI], "tools": [{"type": "function", "function": {"name": "f"}}]},
        {"max_tokens": 5, "messages": [{"role": "user", "content": "a ... (litellm_truncated 9 chars) ... b"}]},
        {"max_tokens": 5, "messages": [{"role": "user", "content": [7]}]},
    ],
)
def test_what_is_no_whole_anthropic_request_is_none(value: object) -> None:
    assert body_in(raw(value), "m").json == b""


def test_a_chat_is_rewritten_where_that_is_faithful() -> None:
    chat = {"messages": [{"role": "developer", "content": "S"}, {"role": "system", "content": "T"}, HI], "max_tokens": 9}
    found = body_in(raw(chat), "claude-x", chat=True)
    assert found.max_tokens == 9
    assert msgspec.json.decode(found.json) == {
        "model": "claude-x",
        "max_tokens": 9,
        "system": [{"type": "text", "text": "S"}, {"type": "text", "text": "T"}],
        "messages": [HI],
    }
    assert msgspec.json.decode(body_of_chat(raw(chat["messages"]), "claude-x", 0)).keys() == {"model", "system", "messages"}


@pytest.mark.parametrize(
    "more",
    [
        {"tools": [{"type": "function", "function": {"name": "f"}}]},
        {"functions": [{"name": "f"}]},
        {"response_format": {"type": "json_object"}},
        {"system": "S"},
        {"messages": [HI, {"role": "tool", "content": "r"}]},
        {"messages": [HI, {"role": "system", "content": "late"}]},
        {"messages": [{"role": "system", "content": "only"}]},
        {"messages": [{"role": "user", "content": "Hi", "name": "amy"}]},
        {"messages": [{"role": "user", "content": None}]},
    ],
)
def test_a_chat_that_cannot_be_rewritten_is_left_out(more: dict[str, object]) -> None:
    assert body_in(raw({"messages": [HI], **more}), "m", chat=True).json == b""


@pytest.mark.parametrize("value", [b"", b"null", b"7", b'"text"', b'"["', b"{}", b'[{"role":7}]', b'[{"role":"user"}]'])
def test_no_list_of_messages_is_no_request(value: bytes) -> None:
    assert body_of_chat(Raw(value), "m", 1) == b""
    assert body_in(Raw(value), "m", chat=True) == NO_BODY


def test_messages_stored_as_text_are_read() -> None:
    text = msgspec.json.encode([HI]).decode()
    assert body_of_chat(raw(text), "m", 1) == body_of_chat(raw([HI]), "m", 1) != b""


@pytest.mark.parametrize("limit", [2**64, 2**40 + 1, -5])
def test_a_limit_that_is_no_count_is_none(limit: int) -> None:
    assert body_in(raw({"model": "m", "messages": [HI], "max_tokens": limit}), "m", chat=True).max_tokens == 0
