"""`output.schema`: answers held to a JSON schema by the provider, and tools held to theirs.

Source: platform.claude.com/docs/en/build-with-claude/structured-outputs (what it does not go with, limits of a request), and
…/agents-and-tools/tool-use/programmatic-tool-calling (no strict tools with it), 2026-10.
"""

from __future__ import annotations

import msgspec
from msgspec import Raw, Struct

from thriftgate.core.blocks import lenient
from thriftgate.core.errors import InputError
from thriftgate.core.models import Capabilities
from thriftgate.core.output.facts import Facts, barred, said
from thriftgate.core.output.rules import OutputRule
from thriftgate.core.output.schema_limits import (
    OPTIONAL_MAX,
    STRICT_TOOLS_MAX,
    UNIONS_MAX,
    Weight,
    check_schema,
    holds_to_schema,
    weigh,
)
from thriftgate.core.request import Request
from thriftgate.core.routing.task import schema_of
from thriftgate.core.splice import Edit, object_members

_PLAIN = frozenset({"type", "name", "description", "input_schema", "cache_control"})
_FULL = Weight(OPTIONAL_MAX, UNIONS_MAX)  # what cannot be read may use up all there is


class _Tool(Struct):
    type: str | None = None
    strict: bool | None = None
    input_schema: Raw = Raw(b"null")


class _Format(Struct):
    schema: Raw = Raw(b"null")


def format_aside(request: Request, facts: Facts, rule: OutputRule, *, bar: str) -> str:
    """Why the answer cannot be held to the rule's schema by the provider, or ""; the model takes structured outputs."""
    checks = (
        (facts.has_format, "the call asks for a format of its own"),
        (not facts.readable, "output_config has a form that is not known"),
        (facts.forced, "the answer must be a call of a tool"),
        (facts.last_role != "user", "the answer has begun already"),
        (facts.cites, "citations do not go with structured outputs"),
        (facts.warms, "the call has no answer"),
        (bool(bar), bar),
        (bool(check_schema(rule.schema)), f"the schema is not one that can be held to: {check_schema(rule.schema)}"),
    )
    found = next((reason for holds, reason in checks if holds), "")
    return found or _strict_in(request)[1].plus(weigh(rule.schema)).excess()


def format_of(rule: OutputRule) -> tuple[str, bytes]:
    """The member of `output_config` that asks for the rule's schema."""
    return "format", b'{"type":"json_schema","schema":' + rule.schema + b"}"


def strict_edits(
    request: Request, facts: Facts, rule: OutputRule, capability: Capabilities, *, begun: bool, warm: bool
) -> tuple[tuple[Edit, ...], str]:
    """`"strict": true` for the tools whose schemas allow it, from the first on until the limits are reached, and what to
    tell. The schema of the rule is counted whether or not this call is held to it, so that tools stay as they are."""
    if not holds_to_schema(capability):
        return (), f"{capability.id} takes no strict tools"
    tools = lenient(request.raw("tools"), list[Raw]) if said(request, "tools") else None
    if not tools:
        return (), "the call has no tools"
    bar = barred(facts, capability, begun=begun, warm=warm, head=True)
    if bar:
        return (), bar
    count, used = _strict_in(request)
    used = used.plus(_own_format(request)).plus(weigh(rule.schema) if rule.schema else Weight())
    edits: list[Edit] = []
    for at, raw in enumerate(tools):
        schema = _may_be_strict(bytes(raw))
        if not schema or count >= STRICT_TOOLS_MAX or used.plus(weigh(schema)).excess():
            continue
        count, used = count + 1, used.plus(weigh(schema))
        edits.append(Edit(("tools", at, "strict"), b"true"))
    if not edits:
        return (), "no tool has a schema that can be held to"
    return tuple(edits), f"{len(edits)} of {len(tools)} tools are held to their schemas"


def _may_be_strict(raw: bytes) -> bytes:
    """The schema of a custom tool that has nothing else to it and can be held to; b"" for any other."""
    tool = lenient(raw, _Tool)
    if tool is None or tool.type not in (None, "custom"):
        return b""
    try:
        plain = object_members(raw, 0, len(raw)).keys() <= _PLAIN
    except InputError:  # a key stands twice
        return b""
    schema = bytes(tool.input_schema)
    if not plain or check_schema(schema) or (lenient(schema, dict[str, Raw]) or {}).get("type") != msgspec.Raw(b'"object"'):
        return b""
    return schema


def _strict_in(request: Request) -> tuple[int, Weight]:
    """How many tools the client has made strict, and what their schemas use of the limits."""
    count, used = 0, Weight()
    for tool in lenient(request.raw("tools"), list[_Tool]) or [] if said(request, "tools") else []:
        if tool.strict:
            count, used = count + 1, used.plus(_weight(bytes(tool.input_schema)))
    return count, used


def _own_format(request: Request) -> Weight:
    raw = schema_of(request)
    if not raw:
        return Weight()
    wanted = lenient(raw, _Format)
    return _weight(bytes(wanted.schema)) if wanted is not None else _FULL


def _weight(schema: bytes) -> Weight:
    return _FULL if check_schema(schema) else weigh(schema)
