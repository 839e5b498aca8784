"""Tools and the choice among them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.wire.openai_out.samples import MARK, TOOL, chat_of, messages_call


def test_a_definition() -> None:
    found = chat_of(messages_call(tools=[TOOL | {"strict": True}]))["tools"]
    function = {"name": "find", "description": "finds", "parameters": TOOL["input_schema"], "strict": True}
    assert found == [{"type": "function", "function": function}]


def test_marks_on_tools_go_where_they_are_heard() -> None:
    marked = messages_call(tools=[TOOL | {"cache_control": MARK}])
    assert chat_of(marked, "litellm")["tools"][0]["cache_control"] == MARK
    assert "cache_control" not in chat_of(marked, "openrouter")["tools"][0]


@pytest.mark.parametrize(
    ("choice", "told"),
    [
        ({"type": "auto"}, {"tool_choice": "auto"}),
        ({"type": "any"}, {"tool_choice": "required"}),
        ({"type": "none"}, {"tool_choice": "none"}),
        ({"type": "tool", "name": "find"}, {"tool_choice": {"type": "function", "function": {"name": "find"}}}),
        ({"type": "auto", "disable_parallel_tool_use": True}, {"tool_choice": "auto", "parallel_tool_calls": False}),
    ],
)
def test_the_choice(choice: dict[str, Any], told: dict[str, Any]) -> None:
    chat = chat_of(messages_call(tools=[TOOL], tool_choice=choice))
    assert {name: chat[name] for name in chat if name in ("tool_choice", "parallel_tool_calls")} == told


def test_no_tools_no_choice() -> None:
    assert "tool_choice" not in chat_of(messages_call(tools=[], tool_choice={"type": "auto"}))
