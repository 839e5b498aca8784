"""Messages bodies as chat bodies."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tests.wire.openai_out.samples import BY_NAME, TOOL, chat_of, messages_call
from thriftgate.core.errors import InputError
from thriftgate.wire.openai_out.request import chat_request


def test_a_plain_call() -> None:
    body = messages_call(system="be brief", temperature=0.5, top_p=0.9, stop_sequences=["END"], metadata={"user_id": "u"})
    assert chat_of(body) == {
        "model": "there",
        "messages": [{"role": "system", "content": "be brief"}, {"role": "user", "content": "hello"}],
        "max_tokens": 100,
        "temperature": 0.5,
        "top_p": 0.9,
        "stop": ["END"],
    }


def test_a_stream_tells_its_usage_and_the_longest_answer_has_the_servers_name() -> None:
    chat = chat_of(messages_call(stream=True), "openai")
    assert chat["stream_options"] == {"include_usage": True}
    assert chat["max_completion_tokens"] == 100
    assert "max_tokens" not in chat


def test_tools_come_last_and_a_schema_is_a_response_format() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "number"}}}
    config = {"format": {"type": "json_schema", "schema": schema}}
    chat = chat_of(messages_call(tools=[TOOL], tool_choice={"type": "any"}, output_config=config))
    assert chat["tools"][0]["function"]["name"] == "find"
    assert chat["tool_choice"] == "required"
    wanted = {"type": "json_schema", "json_schema": {"name": "answer", "strict": True, "schema": schema}}
    assert chat["response_format"] == wanted


def test_numbers_keep_their_digits() -> None:
    body = b'{"model":"m","max_tokens":9,"temperature":0.10,"messages":[{"role":"user","content":"x"}]}'
    assert b'"temperature":0.10}' in chat_request(body, BY_NAME["openai"], {})[0]


def test_what_is_null_is_not_there() -> None:
    chat = chat_of(messages_call(temperature=None, tools=None, thinking=None, system=None))
    assert set(chat) == {"model", "messages", "max_tokens"}


def test_what_an_answer_needs_is_kept() -> None:
    body = msgspec.json.encode(messages_call(stream=True, thinking={"type": "adaptive"}, stop_sequences=["a", "b"]))
    asked = chat_request(body, BY_NAME["openrouter"], {})[1]
    assert (asked.model, asked.stream, asked.thinks, asked.stops) == ("m", True, True, ("a", "b"))
    assert asked.prompt_tokens >= len(body) // 3


@pytest.mark.parametrize("body", [b"no json", b"[]", b'{"model":"m","messages":[{"role":1}]}', b'{"messages":3}'])
def test_what_is_no_messages_body_is_refused(body: bytes) -> None:
    with pytest.raises(InputError, match="cannot be told openai_compatible"):
        chat_request(body, BY_NAME["openai_compatible"], {})


def test_the_same_call_gives_the_same_bytes_and_a_grown_one_only_adds() -> None:
    turns: list[dict[str, Any]] = []
    before: list[dict[str, Any]] = []
    for at in range(6):
        turns += [
            {"role": "user", "content": [{"type": "text", "text": f"question {at}"}, {"type": "text", "text": "and more"}]},
            {"role": "assistant", "content": [{"type": "tool_use", "id": f"t{at}", "name": "find", "input": {"q": at}}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": f"t{at}", "content": "found"}]},
            {"role": "assistant", "content": [{"type": "text", "text": "so"}]},
        ]
        body = messages_call(tools=[TOOL], system="s") | {"messages": [*turns, {"role": "user", "content": "go on"}]}
        chat = chat_of(body, "deepseek")
        assert chat == chat_of(body, "deepseek")
        assert chat["messages"][: len(before)] == before
        before = chat["messages"][:-1]
