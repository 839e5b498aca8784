"""Items and answers."""

from __future__ import annotations

import msgspec
import pytest

from tests.quality.evaluating import item
from thriftgate.quality.items import Answer, ToolCall, read_answer, text_of


def test_the_question_is_the_last_text_of_the_user() -> None:
    messages = [
        {"role": "user", "content": "first"},
        {"role": "assistant", "content": "well"},
        {"role": "user", "content": [{"type": "text", "text": "second"}, {"type": "image", "source": {}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": "x"}]},
    ]
    assert item(request={"messages": messages}).question == "second"
    assert item(request={"messages": [{"role": "assistant", "content": "hm"}]}).question == ""


def test_the_schema_that_a_request_asks_for() -> None:
    schema = {"type": "object"}
    asked = {"messages": [], "output_config": {"format": {"type": "json_schema", "schema": schema}}}
    assert item(request=asked).schema == schema
    assert item(request={"messages": [], "output_format": {"schema": schema}}).schema == schema
    assert item().schema is None


def test_answers_are_read() -> None:
    message = {
        "content": [
            {"type": "thinking", "thinking": "…"},
            {"type": "text", "text": "It is "},
            {"type": "text", "text": "four."},
            {"type": "tool_use", "id": "t", "name": "add", "input": {"a": 2}},
        ],
        "stop_reason": "tool_use",
        "usage": {"output_tokens": 9},
    }
    answer = read_answer(msgspec.json.encode(message))
    assert answer == Answer("It is four.", (ToolCall("add", {"a": 2}),), "tool_use", 9)
    assert answer.shown == "It is four."
    for bad in (b"{}", b"nonsense", b'{"content": "text"}'):
        with pytest.raises(ValueError, match="cannot be read"):
            read_answer(bad)


def test_without_text_the_tool_call_is_what_judges_see() -> None:
    assert Answer("", (ToolCall("add", {"a": 2}),)).shown == '{"name":"add","input":{"a":2}}'
    assert Answer("", (ToolCall("a"), ToolCall("b"))).shown.startswith("[")


def test_the_text_of_contents() -> None:
    assert text_of("plain") == "plain"
    assert text_of([{"type": "text", "text": "a"}, {"type": "text", "text": "b"}, "stray"]) == "a\nb"
    assert text_of(None) == ""
