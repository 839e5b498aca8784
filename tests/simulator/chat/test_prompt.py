"""Chat bodies as the simulator reads them."""

from __future__ import annotations

from typing import Any

import pytest

from thriftgate.simulator.chat.prompt import messages_body, model_named
from thriftgate.simulator.chat.styles import STYLES
from thriftgate.simulator.errors import ApiError

MARK = {"type": "ephemeral"}


def read(style: str = "openrouter", **members: Any) -> dict[str, Any]:
    chat = {"model": "anthropic/claude-sonnet-4.6", "messages": [{"role": "user", "content": "x"}]}
    return messages_body(chat | members, STYLES[style])


def test_names() -> None:
    assert model_named("anthropic/claude-sonnet-5.5") == "claude-sonnet-5-5"
    assert model_named("qwen/qwen3.7-plus") == "qwen3.7-plus"


def test_a_conversation() -> None:
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,QUJD"}}
    found = read(
        messages=[
            {"role": "system", "content": [{"type": "text", "text": "s", "cache_control": MARK}]},
            {"role": "user", "content": [{"type": "text", "text": "u"}, image]},
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "c", "content": [{"type": "text", "text": "r", "cache_control": MARK}]},
            {"role": "user", "content": "go on"},
        ],
    )
    assert found["system"] == [{"type": "text", "text": "s", "cache_control": MARK}]
    user, said, brought = found["messages"]
    assert user["content"][1]["source"] == {"type": "base64", "media_type": "image/png", "data": "QUJD"}
    assert said["content"] == [{"type": "tool_use", "id": "c", "name": "f", "input": {"a": 1}}]
    result, text = brought["content"]
    assert (result["content"], result["cache_control"]) == ([{"type": "text", "text": "r"}], MARK)
    assert text == {"type": "text", "text": "go on"}


def test_signed_thinking_goes_on_to_claude() -> None:
    signed = {"type": "thinking", "thinking": "hm", "signature": "sig"}
    detail = {"type": "reasoning.text", "text": "hm", "signature": "sig"}
    for message in ({"reasoning_details": [detail]}, {"thinking_blocks": [signed]}):
        found = read(messages=[{"role": "user", "content": "x"}, {"role": "assistant", "content": "y", **message}])
        assert found["messages"][1]["content"][0] == signed


@pytest.mark.parametrize(
    ("style", "members", "thinking"),
    [
        ("openrouter", {"reasoning": {"enabled": True}}, {"type": "adaptive"}),
        ("openrouter", {"reasoning": {"enabled": False}}, {"type": "disabled"}),
        ("openrouter", {}, None),
        ("litellm", {"thinking": {"type": "adaptive"}}, {"type": "adaptive"}),
        ("deepseek", {}, {"type": "adaptive"}),
        ("deepseek", {"thinking": {"type": "disabled"}}, None),
        ("qwen", {"enable_thinking": False}, None),
        ("openai", {"reasoning_effort": "low"}, {"type": "adaptive"}),
    ],
)
def test_thinking(style: str, members: dict[str, Any], thinking: dict[str, Any] | None) -> None:
    assert read(style, **members).get("thinking") == thinking


def test_what_is_no_body() -> None:
    with pytest.raises(ApiError, match="no JSON object"):
        messages_body([], STYLES["openai"])
    with pytest.raises(ApiError, match="unknown part type"):
        read(messages=[{"role": "user", "content": [{"type": "video"}]}])
