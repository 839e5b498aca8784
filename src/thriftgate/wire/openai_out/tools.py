"""Tools and the choice among them, as chat completions has them."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Raw, Struct

from thriftgate.wire.openai_out.servers import Server

_NULL = Raw(b"null")
_SCHEMA = Raw(b'{"type":"object","properties":{}}')
_CHOICES = {"auto": "auto", "any": "required", "none": "none"}


class _Tool(Struct):
    name: str
    description: str | None = None
    input_schema: Raw = _SCHEMA
    strict: bool | None = None
    cache_control: Raw = _NULL


class _Choice(Struct):
    type: str = "auto"
    name: str = ""
    disable_parallel_tool_use: bool | None = None


def chat_tools(tools: Raw, server: Server) -> list[dict[str, Any]]:
    """The definitions, in their order, with their schemas as they came."""
    found: list[dict[str, Any]] = []
    for tool in msgspec.json.decode(tools, type=list[_Tool]):
        function: dict[str, Any] = {"name": tool.name}
        if tool.description is not None:
            function["description"] = tool.description
        function["parameters"] = tool.input_schema
        if tool.strict is not None:
            function["strict"] = tool.strict
        marked = {"cache_control": tool.cache_control} if server.tool_marks and tool.cache_control != _NULL else {}
        found.append({"type": "function", "function": function, **marked})
    return found


def chat_choice(choice: Raw) -> dict[str, Any]:
    """The members of a body that say which tools may be used."""
    asked = msgspec.json.decode(choice, type=_Choice)
    told: dict[str, Any] = {
        "tool_choice": {"type": "function", "function": {"name": asked.name}}
        if asked.type == "tool"
        else _CHOICES.get(asked.type, "auto")
    }
    if asked.disable_parallel_tool_use is not None:
        told["parallel_tool_calls"] = not asked.disable_parallel_tool_use
    return told
