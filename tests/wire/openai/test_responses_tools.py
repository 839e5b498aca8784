"""Tools and the choice among them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.wire.openai.responses_asked import WEATHER, body_of, lost, taken
from thriftgate.core.errors import InputError


def test_tools() -> None:
    search = {
        "type": "web_search",
        "filters": {"allowed_domains": ["a.example"]},
        "user_location": {"type": "approximate", "city": "Bern", "country": None},
        "search_context_size": "medium",
        "external_web_access": True,
    }
    made = body_of(tools=[WEATHER, search], max_tool_calls=2, tool_choice="auto", parallel_tool_calls=False)
    assert made["tools"] == [
        {"name": "get_weather", "description": WEATHER["description"], "input_schema": WEATHER["parameters"]},
        {
            "type": "web_search_20250305",
            "name": "web_search",
            "max_uses": 2,
            "allowed_domains": ["a.example"],
            "user_location": {"type": "approximate", "city": "Bern"},
        },
    ]
    assert made["tool_choice"] == {"type": "auto", "disable_parallel_tool_use": True}


@pytest.mark.parametrize("kind", ["file_search", "computer_use_preview", "code_interpreter", "mcp", "custom", "local_shell"])
def test_other_tools_are_refused_by_name(kind: str) -> None:
    with pytest.raises(InputError, match=kind):
        taken(tools=[{"type": kind}])


@pytest.mark.parametrize(
    ("choice", "made"),
    [
        ("none", {"type": "none"}),
        ("required", {"type": "any"}),
        ({"type": "function", "name": "get_weather"}, {"type": "tool", "name": "get_weather"}),
        ({"type": "web_search_preview"}, {"type": "tool", "name": "web_search"}),
        ({"type": "allowed_tools", "mode": "required", "tools": []}, {"type": "any"}),
    ],
)
def test_the_choice_of_tools(choice: object, made: dict[str, Any]) -> None:
    asked = {"model": "claude-haiku-4-5", "tools": [WEATHER, {"type": "web_search"}], "tool_choice": choice}
    assert body_of(**asked)["tool_choice"] == made


def test_a_call_is_asked_for_and_there_are_no_tools() -> None:
    with pytest.raises(InputError, match="there are no tools"):
        taken(tool_choice="required")


def test_what_of_a_tool_has_no_counterpart_is_reported() -> None:
    assert lost(tools=[{**WEATHER, "defer_loading": True, "output_schema": {}}]) == (
        "tools[].defer_loading",
        "tools[].output_schema",
    )
    with pytest.raises(InputError, match="always live"):
        taken(tools=[{"type": "web_search", "external_web_access": False}])
