"""Whole answers as completions."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from openai.types.chat import ChatCompletion

from tests.wire import streams
from thriftgate.wire.openai.chat_answer import StopDetails, chat_completion, refusal_of
from thriftgate.wire.openai.usage import REFUSED

NOW_S = 1_795_000_000


def told(name: str) -> ChatCompletion:
    """A simulated answer as the official SDK reads it, which checks every type."""
    return ChatCompletion.model_validate_json(chat_completion(streams.simulated(name, stream=False), NOW_S), strict=True)


@pytest.mark.parametrize("name", sorted(streams.ASKED))
def test_the_sdk_reads_it(name: str) -> None:
    completion = told(name)
    asked = msgspec.json.decode(streams.simulated(name, stream=False))
    assert (completion.id, completion.model, completion.created) == (asked["id"], asked["model"], NOW_S)
    assert completion.usage is not None
    assert completion.usage.completion_tokens == asked["usage"]["output_tokens"]


@pytest.mark.parametrize(
    ("name", "finish"),
    [("plain", "stop"), ("tools", "tool_calls"), ("cut short", "length"), ("refusal", "content_filter")],
)
def test_how_it_ended(name: str, finish: str) -> None:
    choice = told(name).choices[0]
    assert choice.finish_reason == finish
    assert (choice.message.refusal is not None) == (name == "refusal")


def test_a_call_without_a_word() -> None:
    message = told("tools").choices[0].message
    asked = msgspec.json.decode(streams.simulated("tools", stream=False), type=dict[str, Any])
    (call,) = message.tool_calls or []
    assert call.type == "function"
    assert call.function.name == "look"
    calls = [block["input"] for block in asked["content"] if block["type"] == "tool_use"]
    assert [msgspec.json.decode(call.function.arguments)] == calls


def test_thinking_can_be_sent_back() -> None:
    message = msgspec.json.decode(chat_completion(streams.simulated("thinking", stream=False), NOW_S))["choices"][0][
        "message"
    ]
    asked = msgspec.json.decode(streams.simulated("thinking", stream=False))
    assert message["thinking_blocks"] == [block for block in asked["content"] if block["type"] == "thinking"]


def test_arguments_keep_their_bytes() -> None:
    body = (
        b'{"id":"m","model":"x","content":[{"type":"tool_use","id":"a","name":"f","input":{"x": 1.0e2}}],'
        b'"usage":{"input_tokens":1}}'
    )
    message = msgspec.json.decode(chat_completion(body, 0))["choices"][0]["message"]
    assert message["tool_calls"][0]["function"]["arguments"] == '{"x": 1.0e2}'
    assert message["content"] is None


def test_refusals() -> None:
    assert refusal_of("end_turn", None) is None
    assert refusal_of("refusal", None) == REFUSED
    assert refusal_of("refusal", StopDetails("Not this.")) == "Not this."
