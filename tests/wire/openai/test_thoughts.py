"""The extension that keeps thinking."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Raw

from tests.wire.openai.answers import Answer, answers
from tests.wire.openai.completions import heard, request, taken, user
from thriftgate.wire.openai.chat import OpenaiChat
from thriftgate.wire.openai.chat_answer import chat_completion
from thriftgate.wire.openai.losses import Report
from thriftgate.wire.openai.thoughts import kept, restored

THOUGHT: dict[str, Any] = {"type": "thinking", "thinking": "hm", "signature": "c2ln"}
HIDDEN: dict[str, Any] = {"type": "redacted_thinking", "data": "eHl6"}
TEXT: dict[str, Any] = {"type": "text", "text": "so"}
CALL: dict[str, Any] = {"type": "tool_use", "id": "a", "name": "f", "input": {}}


@pytest.mark.parametrize(
    ("kinds", "cites", "told"),
    [
        ("", False, []),
        ("text tool_use tool_use", False, []),
        ("thinking redacted_thinking text tool_use", False, [0, 1]),
        ("thinking tool_use", False, [0]),
        ("text thinking", False, [0, 1]),
        ("thinking text thinking tool_use", False, [0, 1, 2, 3]),
        ("text text", False, [0, 1]),
        ("text server_tool_use", False, [0, 1]),
        ("text", True, [0]),
    ],
)
def test_what_an_answer_must_carry(kinds: str, cites: bool, told: list[int]) -> None:
    assert kept(kinds.split(), cites) == told


def back(told: list[dict[str, Any]], blocks: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], tuple[str, ...]]:
    report = Report()
    found = restored([Raw(msgspec.json.encode(one)) for one in told], blocks, report)
    return msgspec.json.decode(msgspec.json.encode(found)), report.fields


def test_thinking_stands_before_the_rest() -> None:
    assert back([THOUGHT, HIDDEN], [TEXT, CALL]) == ([THOUGHT, HIDDEN, TEXT, CALL], ())


def test_numbers_of_a_stream_are_taken_off_and_the_rest_keeps_its_bytes() -> None:
    raw = b'{"index":0, "type": "thinking","thinking":"h\\u00e9","signature":"c2ln"}'
    (found,) = restored([Raw(raw)], [], Report())
    assert bytes(found) == b'{"type": "thinking","thinking":"h\\u00e9","signature":"c2ln"}'


def test_a_whole_answer_is_what_it_was() -> None:
    blocks = [TEXT, THOUGHT, {"type": "text", "text": " then"}, CALL]
    assert back(blocks, [{"type": "text", "text": "so then"}, CALL]) == (blocks, ())
    assert back([{"type": "text", "text": "\n"}, *blocks], [{"type": "text", "text": "so then"}, CALL]) == (blocks, ())


@pytest.mark.parametrize(
    ("told", "blocks"),
    [
        ([{**THOUGHT, "signature": ""}], [TEXT]),
        ([TEXT, THOUGHT, CALL], [{"type": "text", "text": "something else"}, CALL]),
        ([TEXT, THOUGHT, CALL], [TEXT, {**CALL, "id": "b"}]),
    ],
)
def test_thinking_that_does_not_belong_there_is_lost(told: list[dict[str, Any]], blocks: list[dict[str, Any]]) -> None:
    assert back(told, blocks) == (blocks, ("messages[].thinking_blocks",))


@settings(max_examples=60, deadline=None)
@given(answers(), st.booleans())
def test_an_answer_that_is_sent_back_is_what_it_was(answer: Answer, streams: bool) -> None:
    """There and back: block by block, calls byte for byte, whatever stands in which order. Blank texts alone are left out,
    and a refusal is told in words."""
    dialect = OpenaiChat()
    if streams:
        teller = dialect.teller(0)
        assert teller is not None
        completion = heard(teller.feed(answer.stream))
    else:
        completion = msgspec.json.decode(chat_completion(answer.whole, 0))
    message = {"role": "assistant", **completion["choices"][0]["message"]}
    found = taken(request(user("x"), message, user("and?")))
    assert found.report.told() == ""
    asked = msgspec.json.decode(answer.whole)
    expected = [block for block in asked["content"] if block["type"] != "text" or block["text"].strip()]
    if message["refusal"]:
        expected.append({"type": "text", "text": message["refusal"]})
    turns = msgspec.json.decode(found.body)["messages"]
    assert [block for turn in turns if turn["role"] == "assistant" for block in turn["content"]] == expected
    for call in message.get("tool_calls", ()):
        assert b'"input":' + call["function"]["arguments"].encode() in found.body


@pytest.mark.parametrize("raw", [b"1", b'{"type":1}', b"[]"])
def test_garbage_is_lost(raw: bytes) -> None:
    report = Report()
    assert restored([Raw(raw)], [TEXT], report) == [TEXT]
    assert report.fields == ("messages[].thinking_blocks",)
