"""Tools of a Responses request, and the choice among them: functions, and the web search, which Claude has as well.

platform.claude.com/docs/en/agents-and-tools/tool-use/web-search-tool, 2026-08; openai-python v3.54
`types/responses/{tool_param,web_search_tool_param,tool_choice_allowed_param}.py`.
"""

from __future__ import annotations

from typing import Any

from thriftgate.core.errors import InputError
from thriftgate.core.models import Capabilities
from thriftgate.wire.openai.losses import Report
from thriftgate.wire.openai.members import Members
from thriftgate.wire.openai.responses_losses import RESPONSE_ROWS
from thriftgate.wire.openai.tools import AUTO, REQUIRED, Tools, add_tools

SEARCH = "web_search"
_SEARCH_VERSION = "web_search_20250305"
_PLACES = ("city", "region", "country", "timezone")
_PREFIX = "tools[]."
_JUDGED = {
    row.field.removeprefix(_PREFIX): row
    for row in RESPONSE_ROWS
    if row.field.startswith(_PREFIX) and row.fate in ("reported", "refused")
}


def add_response_tools(top: Members, made: dict[str, Any], capability: Capabilities, report: Report) -> None:
    """`tools` and `tool_choice` of the Messages body. Raises InputError."""
    tools = Tools(capability, report)
    uses = top.whole("max_tool_calls")
    for tool in top.each("tools"):
        kind = tool.needed("type")
        for name, row in _JUDGED.items():
            if tool.is_left(name):
                report.judge(row, tool.value(name))
        if kind == "function":
            tools.add(tool)
        elif kind.startswith(SEARCH):
            tools.made.append(_search(tool, uses, report))
            uses = None
        else:
            raise InputError(f"{tool.at('type')}: {kind[:40]!r} {_JUDGED['type'].how}")
    if uses is not None:
        report.lose("max_tool_calls", "there is no web search")
    add_tools(top, made, tools, _chosen, report)


def _search(tool: Members, uses: int | None, report: Report) -> dict[str, Any]:
    made: dict[str, Any] = {"type": _SEARCH_VERSION, "name": SEARCH}
    if uses is not None:
        made["max_uses"] = uses
    filters = tool.inner("filters")
    if filters is not None:
        for name in ("allowed_domains", "blocked_domains"):
            if filters.items(name):
                made[name] = filters.value(name)
        filters.lose_rest(report)
    place = tool.inner("user_location")
    if place is not None:
        told = {name: text for name in _PLACES if (text := place.text(name))}
        if told:
            made["user_location"] = {"type": "approximate", **told}
        place.known("type")
        place.lose_rest(report)
    tool.lose_rest(report)
    return made


def _chosen(choice: Members, report: Report) -> tuple[str, bool]:
    """A function by its name, the search, or one of those that are allowed. Raises InputError."""
    kind = choice.needed("type")
    if kind == "allowed_tools":
        choice.known("tools")
        report.lose("tool_choice.tools")
        return (REQUIRED if choice.text("mode") == REQUIRED else AUTO), False
    if kind != "function" and not kind.startswith(SEARCH):
        raise InputError(f"tool_choice.type: {kind[:40]!r} cannot be carried; name a function")
    found = choice.needed("name") if kind == "function" else SEARCH
    choice.lose_rest(report)
    return found, True
