"""Tools and the choice among them, as Messages has them.

platform.claude.com/docs/en/agents-and-tools/tool-use/{define-tools,strict-tool-use,parallel-tool-use}, 2026-10;
openai-python v3.54 `types/shared_params/function_definition.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import Raw

from thriftgate.core.errors import InputError
from thriftgate.core.models import Capabilities
from thriftgate.core.output.schema_limits import STRICT_TOOLS_MAX, Weight, check_schema, holds_to_schema, weigh
from thriftgate.core.splice import Edit, apply
from thriftgate.wire.openai.losses import Report
from thriftgate.wire.openai.members import Members

Chosen = Callable[[Members, Report], tuple[str, bool]]
"""A `tool_choice` that is an object → auto or required, or the name of a tool, and whether it is one. Raises InputError."""
AUTO, NONE, REQUIRED = "auto", "none", "required"
_OBJECT = msgspec.json.Decoder(dict[str, Raw])
_NO_PARAMETERS = b'{"type":"object","properties":{}}'
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class Tools:
    """The tools of one request, in order. Strict ones are asked for as far as the limits of a request go."""

    def __init__(self, capability: Capabilities, report: Report) -> None:
        self.made: list[dict[str, Any]] = []
        self.capability = capability
        self._report = report
        self._weight = Weight()
        self._strict = 0

    def add(self, function: Members) -> None:
        """A function: `name`, `description`, `parameters`, `strict`. Raises InputError."""
        tool: dict[str, Any] = {"name": function.needed("name")}
        description = function.text("description")
        if description:
            tool["description"] = description
        schema = schema_of(function, "parameters")
        tool["input_schema"] = Raw(schema)
        if function.flag("strict"):
            trouble = self._not_strict(schema)
            if trouble:
                self._report.lose(f"{function.kind}.strict", trouble)
            else:
                tool["strict"] = True
        function.lose_rest(self._report)
        self.made.append(tool)

    def _not_strict(self, schema: bytes) -> str:
        """Why the provider does not hold this tool to its schema; "" where it does, and then its weight is taken."""
        if not holds_to_schema(self.capability):
            return f"not taken by {self.capability.id}"
        if self._strict == STRICT_TOOLS_MAX:
            return f"{STRICT_TOOLS_MAX} tools at most can be strict"
        weight = self._weight.plus(weigh(schema))
        trouble = (check_schema(schema) and "the schema holds what Claude does not take in strict tools") or weight.excess()
        if not trouble:
            self._weight, self._strict = weight, self._strict + 1
        return trouble


def schema_of(members: Members, name: str) -> bytes:
    """The schema of an object, as it was written; it gets a `type` where it has none, which Messages insists on. Raises
    InputError."""
    raw = members.raw(name) or _NO_PARAMETERS
    try:
        fields = _OBJECT.decode(raw)
    except _UNREADABLE:
        raise InputError(f"{members.at(name)}: Input should be a JSON schema") from None
    return raw if "type" in fields else apply(raw, [Edit(("type",), b'"object"')])


def add_tools(top: Members, made: dict[str, Any], tools: Tools, named: Chosen, report: Report) -> None:
    """`tools` and `tool_choice` of the Messages body; `named` reads a choice that is no plain word. Raises InputError."""
    parallel = top.flag("parallel_tool_calls")
    wanted, is_name = AUTO, False
    if top.is_text("tool_choice"):
        wanted = top.needed("tool_choice")
        if wanted not in (AUTO, NONE, REQUIRED):
            raise InputError(f"tool_choice: {wanted[:40]!r} is none of auto, none, required")
    elif (choice := top.inner("tool_choice")) is not None:
        wanted, is_name = named(choice, report)
    if not tools.made:
        if is_name or wanted == REQUIRED:
            raise InputError("tool_choice: a call is asked for, and there are no tools")
        return
    chosen = choice_of(wanted, named=is_name, parallel=parallel, capability=tools.capability, report=report)
    if chosen is not None:
        made["tool_choice"] = chosen
    made["tools"] = tools.made


def choice_of(
    wanted: str, *, named: bool, parallel: bool | None, capability: Capabilities, report: Report
) -> dict[str, Any] | None:
    """`tool_choice`: `wanted` is auto, none, required, or (`named`) the name of a tool. None where it says nothing."""
    kind = "tool" if named else {AUTO: "auto", NONE: "none", REQUIRED: "any"}[wanted]
    if kind in ("tool", "any") and not capability.forced_tool_choice:
        report.lose("tool_choice", f"{capability.id} cannot be made to call a tool: it may")
        kind = "auto"
    choice: dict[str, Any] = {"type": kind}
    if kind == "tool":
        choice["name"] = wanted
    if parallel is False and kind != "none":
        choice["disable_parallel_tool_use"] = True
    return choice if choice != {"type": "auto"} else None


def input_of(arguments: str) -> Raw:
    """What a tool was called with: the model's own bytes, so that its prefix stays what it was. Text that is no JSON object,
    as other models write at times, stands in a member of its own."""
    raw = arguments.strip().encode() or b"{}"
    try:
        _OBJECT.decode(raw)
    except _UNREADABLE:
        return Raw(msgspec.json.encode({"arguments": arguments}))
    return Raw(raw)
