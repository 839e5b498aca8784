"""Whole chat answers as messages."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tests.wire.openai_out.samples import asked
from thriftgate.wire.meter import read_message
from thriftgate.wire.openai_out.answer import message_of
from thriftgate.wire.openai_out.losses import OURS
from thriftgate.wire.openai_out.request import Asked

USAGE = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}


def answer(said: dict[str, Any], reason: str | None = "stop", **choice: Any) -> bytes:
    one = {"index": 0, "message": {"role": "assistant", **said}, "finish_reason": reason, **choice}
    return msgspec.json.encode({"id": "chatcmpl-1", "model": "theirs", "choices": [one], "usage": USAGE})


def read(said: dict[str, Any], reason: str | None = "stop", wanted: Asked | None = None, **choice: Any) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.json.decode(message_of(answer(said, reason, **choice), wanted or asked()))
    return found


def test_a_plain_answer() -> None:
    assert read({"content": "hello"}) == {
        "id": "chatcmpl-1",
        "type": "message",
        "role": "assistant",
        "model": "m",
        "content": [{"type": "text", "text": "hello"}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {
            "input_tokens": 10, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0, "output_tokens": 5,
        },
    }  # fmt: skip


def test_parallel_calls() -> None:
    calls = [
        {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": '{"x": 1.0}'}},
        {"id": "functions.g:1", "type": "function", "function": {"name": "g", "arguments": ""}},
        {"type": "function", "function": {"name": "h", "arguments": "no json"}},
    ]
    found = read({"content": None, "tool_calls": calls}, "tool_calls")
    assert found["stop_reason"] == "tool_use"
    assert [(one["id"], one["name"], one["input"]) for one in found["content"]] == [
        ("call_1", "f", {"x": 1.0}),
        ("functions_g_1", "g", {}),
        ("call_chatcmpl-1_2", "h", {"unparsed_arguments": "no json"}),
    ]
    assert b'"input":{"x": 1.0}' in message_of(answer({"tool_calls": calls}), asked())


@pytest.mark.parametrize(
    ("reason", "choice", "found"),
    [
        ("stop", {}, ("end_turn", None)),
        ("length", {}, ("max_tokens", None)),
        ("content_filter", {}, ("refusal", None)),
        (None, {}, ("end_turn", None)),
        ("stop", {"stop_reason": "END"}, ("stop_sequence", "END")),
        ("stop", {"stop_reason": 128001}, ("end_turn", None)),
        ("stop", {"native_finish_reason": "stop_sequence"}, ("stop_sequence", "END")),
        ("eos", {}, ("end_turn", None)),
    ],
)
def test_why_it_ended(reason: str | None, choice: dict[str, Any], found: tuple[str, str | None]) -> None:
    message = read({"content": "x"}, reason, asked(stops=("END",)), **choice)
    assert (message["stop_reason"], message["stop_sequence"]) == found


def test_a_refusal_is_one() -> None:
    found = read({"content": None, "refusal": "I will not"})
    assert (found["stop_reason"], found["content"]) == ("refusal", [{"type": "text", "text": "I will not"}])


def test_thinking_is_shown_where_it_was_asked_for() -> None:
    said = {"content": "x", "reasoning_content": "hm"}
    assert [one["type"] for one in read(said)["content"]] == ["text"]
    shown = read(said, wanted=asked("deepseek", thinks=True))["content"][0]
    assert shown == {"type": "thinking", "thinking": "hm", "signature": OURS}
    details = [
        {"type": "reasoning.text", "text": "hm", "signature": "sig", "format": "anthropic-claude-v1", "index": 0},
        {"type": "reasoning.encrypted", "data": "xyz"},
        {"type": "reasoning.summary", "summary": "short"},
    ]
    routed = read({"content": "x", "reasoning": "hm", "reasoning_details": details}, wanted=asked(thinks=True))
    assert routed["content"][:3] == [
        {"type": "thinking", "thinking": "hm", "signature": "sig"},
        {"type": "redacted_thinking", "data": "xyz"},
        {"type": "thinking", "thinking": "short", "signature": OURS},
    ]
    blocks = [{"type": "thinking", "thinking": "hm", "signature": "sig"}]
    assert read({"content": "x", "thinking_blocks": blocks}, wanted=asked(thinks=True))["content"][0] == blocks[0]


def test_no_usage_is_an_estimate_that_says_so() -> None:
    body = msgspec.json.encode({"id": "1", "choices": [{"message": {"content": "x" * 300}, "finish_reason": "stop"}]})
    usage = msgspec.json.decode(message_of(body, asked(prompt_tokens=40)))["usage"]
    assert usage["estimated"] is True
    assert usage["input_tokens"] == 40
    assert usage["output_tokens"] >= 100
    reading = read_message(message_of(body, asked()))
    assert reading.usage is not None
    assert reading.usage.estimated is True


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"choices":[]}', b'{"choices":"x"}', b"\xff"])
def test_what_is_no_answer_is_not_taken_for_one(body: bytes) -> None:
    with pytest.raises((msgspec.DecodeError, LookupError, UnicodeDecodeError)):
        message_of(body, asked())
