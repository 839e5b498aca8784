"""System prompt and messages as chat completions has them."""

from __future__ import annotations

from typing import Any

from tests.wire.openai_out.samples import BY_NAME, MARK, chat_of, messages_call
from thriftgate.wire.openai_out.conversation import is_ours
from thriftgate.wire.openai_out.losses import OURS
from thriftgate.wire.openai_out.request import chat_request

TEXT = {"type": "text", "text": "a"}
MARKED = {"type": "text", "text": "b", "cache_control": MARK}


def sent(content: Any, server: str = "openai_compatible", role: str = "user") -> list[dict[str, Any]]:
    body = messages_call() | {"messages": [{"role": role, "content": content}]}
    found: list[dict[str, Any]] = chat_of(body, server)["messages"]
    return found


def test_one_text_is_a_string_and_several_are_parts_or_one_text() -> None:
    assert sent([TEXT]) == [{"role": "user", "content": "a"}]
    assert sent([TEXT, TEXT]) == [{"role": "user", "content": [TEXT, TEXT]}]
    assert sent([TEXT, TEXT], "deepseek") == [{"role": "user", "content": "a\n\na"}]
    assert sent([TEXT, TEXT], role="assistant") == [{"role": "assistant", "content": "aa"}]


def test_marks_go_where_they_are_heard() -> None:
    part = {"type": "text", "text": "b", "cache_control": MARK}
    assert sent([TEXT, MARKED], "openrouter")[0]["content"] == [TEXT, part]
    assert sent([MARKED], "deepseek")[0]["content"] == "b"
    system = chat_of(messages_call(system=[TEXT, MARKED]), "litellm")["messages"][0]
    assert system == {"role": "system", "content": [TEXT, part]}
    result = {"type": "tool_result", "tool_use_id": "t", "content": "r", "cache_control": MARK}
    assert sent([result], "openrouter")[0]["content"] == [{"type": "text", "text": "r", "cache_control": MARK}]
    assert sent([{**MARKED, "cache_control": None}], "openrouter")[0]["content"] == "b"


def test_images_are_urls() -> None:
    inline = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "QUJD"}}
    linked = {"type": "image", "source": {"type": "url", "url": "https://x/y.png"}}
    assert [part["image_url"]["url"] for part in sent([inline, linked])[0]["content"]] == [
        "data:image/png;base64,QUJD",
        "https://x/y.png",
    ]


def test_results_of_tools_come_before_what_the_user_says() -> None:
    results = [
        {"type": "tool_result", "tool_use_id": "one", "content": [TEXT, TEXT]},
        {"type": "tool_result", "tool_use_id": "two", "content": "bad", "is_error": True},
        {"type": "tool_result", "tool_use_id": "three"},
    ]
    assert sent([*results, TEXT]) == [
        {"role": "tool", "tool_call_id": "one", "content": "a\n\na"},
        {"role": "tool", "tool_call_id": "two", "content": "<error>bad</error>"},
        {"role": "tool", "tool_call_id": "three", "content": ""},
        {"role": "user", "content": "a"},
    ]


def test_parallel_calls_keep_their_arguments_as_written() -> None:
    body = (
        b'{"model":"m","max_tokens":9,"messages":[{"role":"assistant","content":[{"type":"text","text":"so"},'
        b'{"type":"tool_use","id":"one","name":"f","input":{"x": 1.0, "y": 12345678901234567890123}},'
        b'{"type":"tool_use","id":"two","name":"g","input":{}}]}]}'
    )

    chat, _ = chat_request(body, BY_NAME["openai"], {})
    assert rb'"arguments":"{\"x\":1.0,\"y\":12345678901234567890123}"' in chat
    said = sent([{"type": "tool_use", "id": "two", "name": "g", "input": {}}], role="assistant")
    call = {"id": "two", "type": "function", "function": {"name": "g", "arguments": "{}"}}
    assert said == [{"role": "assistant", "content": None, "tool_calls": [call]}]


def test_thinking_goes_back_as_each_server_takes_it() -> None:
    signed = {"type": "thinking", "thinking": "hm", "signature": "sig"}
    redacted = {"type": "redacted_thinking", "data": "xyz"}
    ours = {"type": "thinking", "thinking": "hm", "signature": OURS}
    assert sent([ours, TEXT], "deepseek", "assistant")[0]["reasoning_content"] == "hm"
    assert sent([signed, redacted, TEXT], "litellm", "assistant")[0]["thinking_blocks"] == [signed, redacted]
    details = sent([signed, redacted, ours, TEXT], "openrouter", "assistant")[0]["reasoning_details"]
    assert [(one["type"], one.get("signature"), one.get("format")) for one in details] == [
        ("reasoning.text", "sig", "anthropic-claude-v1"),
        ("reasoning.encrypted", None, "anthropic-claude-v1"),
        ("reasoning.text", None, None),
    ]
    assert set(sent([signed, TEXT], "vllm", "assistant")[0]) == {"role", "content"}
    assert is_ours(OURS)
    assert not is_ours("sig")
    assert not is_ours(None)


def test_an_empty_message_stays_one() -> None:
    assert sent([], role="assistant") == [{"role": "assistant", "content": ""}]
    assert sent("") == [{"role": "user", "content": ""}]
