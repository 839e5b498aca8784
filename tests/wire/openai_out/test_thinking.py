"""Thinking, in the words of each server."""

from __future__ import annotations

from typing import Any

import pytest

from tests.wire.openai_out.samples import chat_of, messages_call

ON, OFF, BUDGET = {"type": "adaptive"}, {"type": "disabled"}, {"type": "enabled", "budget_tokens": 5_000}


@pytest.mark.parametrize(
    ("server", "thinking", "effort", "told"),
    [
        ("deepseek", None, None, {"thinking": {"type": "disabled"}}),
        ("deepseek", ON, "max", {"thinking": {"type": "enabled"}, "reasoning_effort": "max"}),
        ("deepseek", OFF, "low", {"thinking": {"type": "disabled"}}),
        ("qwen", None, None, {"enable_thinking": False}),
        ("qwen", BUDGET, None, {"enable_thinking": True, "thinking_budget": 5_000}),
        ("openrouter", None, None, {}),
        ("openrouter", ON, None, {"reasoning": {"enabled": True}}),
        ("openrouter", BUDGET, None, {"reasoning": {"max_tokens": 5_000}}),
        ("openrouter", ON, "low", {"reasoning": {"effort": "low"}}),
        ("openrouter", OFF, None, {"reasoning": {"enabled": False}}),
        ("litellm", None, "high", {"reasoning_effort": "high"}),
        ("litellm", BUDGET, None, {"thinking": BUDGET}),
        ("litellm", ON, None, {"thinking": ON}),
        ("litellm", OFF, None, {"thinking": OFF}),
        ("openai", None, None, {}),
        ("openai", ON, None, {"reasoning_effort": "high"}),
        ("openai", BUDGET, None, {"reasoning_effort": "medium"}),
        ("openai", None, "max", {"reasoning_effort": "xhigh"}),
        ("openai_compatible", None, "xhigh", {"reasoning_effort": "high"}),
        ("vllm", None, None, {}),
    ],
)
def test_each_server_is_told_in_its_own_words(
    server: str, thinking: dict[str, Any] | None, effort: str | None, told: dict[str, Any]
) -> None:
    body = messages_call(thinking=thinking, output_config={"effort": effort})
    chat = chat_of(body, server)
    assert {
        name: value
        for name, value in chat.items()
        if name not in ("model", "messages", "max_tokens", "max_completion_tokens")
    } == told
