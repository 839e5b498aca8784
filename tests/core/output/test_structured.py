"""Formats and strict tools, and the limits they share."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tests.core.output.shaping import (
    CITED,
    FORMAT,
    HAIKU,
    OLDER,
    PLAIN,
    RAW,
    SAID,
    SCHEMA,
    TOOL,
    USER,
    made,
    reason,
    rule,
    shaped,
)
from thriftgate.core.output.rules import SCHEMA as LEVER
from thriftgate.core.output.structured import format_of

ANY = {"type": "any"}
LOOSE = {"name": "loose", "input_schema": {"type": "object", "properties": {}}}


def options(count: int, prefix: str = "p") -> dict[str, Any]:
    """A schema with so many parameters that are not required."""
    properties = {f"{prefix}{n}": {"type": "string"} for n in range(count)}
    return {"type": "object", "properties": properties, "additionalProperties": False}


def tool(name: str, schema: dict[str, Any] = SCHEMA, **members: Any) -> dict[str, Any]:
    return {"name": name, "input_schema": schema} | members


def test_the_format() -> None:
    assert shaped(rule(schema=RAW))["output_config"] == {"format": FORMAT}
    found = shaped(rule(schema=RAW, effort="low"), output_config={"effort": "high"})
    assert found["output_config"] == {"effort": "low", "format": FORMAT}
    assert format_of(rule(schema=b'{"type" : "string"}'))[1].endswith(b'{"type" : "string"}}')


@pytest.mark.parametrize(
    ("sent", "why"),
    [
        ({"output_config": {"format": FORMAT}}, "the call asks for a format of its own"),
        ({"output_format": FORMAT}, "the call asks for a format of its own"),
        ({"tools": [TOOL], "tool_choice": ANY}, "the answer must be a call of a tool"),
        ({"messages": [USER, {"role": "assistant", "content": "So"}]}, "the answer has begun already"),
        ({"messages": [{"role": "user", "content": [CITED]}]}, "citations do not go with structured outputs"),
        ({"max_tokens": 0}, "the call has no answer"),
        ({"messages": [USER, SAID, USER]}, "the conversation began without it"),
        (
            {"tools": [tool("a", options(12), strict=True), tool("b", options(13), strict=True)]},
            "25 parameters are not required",
        ),
    ],
    ids=str,
)
def test_no_format(sent: dict[str, Any], why: str) -> None:
    assert reason(rule(schema=RAW), LEVER, **sent).startswith(why)


def test_a_schema_that_the_api_refuses_is_not_sent() -> None:
    assert reason(rule(schema=b'{"type":"object"}'), LEVER).startswith("the schema is not one that can be held to: $: ")


def test_tools_that_may_be_strict_are() -> None:
    deferred = tool("later", defer_loading=True)
    called = tool("called", allowed_callers=["code_execution_20260120"])
    server = {"type": "web_search_20250305", "name": "web_search"}
    tools = [LOOSE, tool("a"), tool("b", type="custom"), deferred, called, server, tool("own", strict=False)]
    found = shaped(rule(strict_tools=True), tools=tools)["tools"]
    assert [one["name"] for one in found if one.get("strict")] == ["a", "b"]
    assert [
        {name: value for name, value in one.items() if one["name"] == "own" or name != "strict"} for one in found
    ] == tools
    assert made(rule(strict_tools=True), tools=tools).told[LEVER].reason == "2 of 7 tools are held to their schemas"


def test_no_more_strict_tools_than_there_may_be() -> None:
    tools = [tool(f"t{n}") for n in range(25)]
    tools[24]["strict"] = True
    found = shaped(rule(strict_tools=True), tools=tools)["tools"]
    assert [at for at, one in enumerate(found) if one.get("strict")] == [*range(19), 24]


@pytest.mark.parametrize(
    ("sent", "schema", "strict"),
    [
        ({}, b"", ["a", "b"]),
        ({}, msgspec.json.encode(options(5)), ["a"]),
        ({"output_config": {"format": {"type": "json_schema", "schema": options(14)}}}, b"", ["a"]),
        ({"output_config": {"format": {"type": "json_schema", "schema": {"oneOf": []}}}}, b"", []),
    ],
)
def test_the_limits_are_shared(sent: dict[str, Any], schema: bytes, strict: list[str]) -> None:
    tools = [tool("a", options(10)), tool("b", options(10))]
    found = shaped(rule(strict_tools=True, schema=schema), tools=tools, **sent)
    assert [one["name"] for one in found["tools"] if one.get("strict")] == strict


@pytest.mark.parametrize(
    ("sent", "why"),
    [
        ({}, "the call has no tools"),
        ({"tools": [LOOSE]}, "no tool has a schema that can be held to"),
        ({"tools": [TOOL], "messages": [USER, SAID, USER]}, "the conversation began without it"),
        ({"tools": [TOOL], "model": OLDER, "now_s": 0.0}, f"{OLDER} takes no strict tools"),
    ],
    ids=str,
)
def test_no_strict_tools(sent: dict[str, Any], why: str) -> None:
    assert reason(rule(strict_tools=True), LEVER, **sent).startswith(why)


def test_format_and_strict_tools_go_together() -> None:
    found = made(rule(schema=RAW, strict_tools=True), model=HAIKU, tools=[TOOL])
    assert found.told[LEVER].reason == "the answer is held to the schema; 1 of 1 tools are held to their schemas"
    assert (found.schema, found.fences, found.in_prompt) == (RAW, False, True)
    assert made(rule(), model=PLAIN).told[LEVER].reason == "the rule names no schema"
