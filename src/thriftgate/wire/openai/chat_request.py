"""A chat completion request as a Messages body.

The same request gives the same bytes, and a conversation that has grown the same bytes up to where it grew: the turns stand
last, and nothing of an earlier one depends on a later one. What the model at hand does not take is left out and reported;
see `chat_losses.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import msgspec
from msgspec import Struct

from thriftgate.core.errors import InputError
from thriftgate.core.models import Capabilities, ModelTable
from thriftgate.wire.openai.chat_losses import CHAT_ROWS
from thriftgate.wire.openai.chat_messages import tell
from thriftgate.wire.openai.conversation import Conversation
from thriftgate.wire.openai.formats import Form, object_form, schema_form
from thriftgate.wire.openai.losses import Report
from thriftgate.wire.openai.members import Members
from thriftgate.wire.openai.models import claude_model
from thriftgate.wire.openai.reasoning import thought_of
from thriftgate.wire.openai.sampling import sampling_of, stops_of
from thriftgate.wire.openai.tools import AUTO, REQUIRED, Tools, add_tools, schema_of

_JUDGED = tuple(row for row in CHAT_ROWS if row.fate in ("reported", "refused") and row.field.isidentifier())
_NEEDLESS = tuple(row.field for row in CHAT_ROWS if row.fate == "needless" and row.field.isidentifier())


class Terms(Struct, frozen=True):
    """What a translation goes by, beside the request: the capability table, names of models that are mapped to Claude's,
    which models there are, the answer's length where a client names none (0: the model's most), and the day (UTC days since
    1970-01-01)."""

    models: ModelTable
    aliases: Mapping[str, str]
    is_known: Callable[[str], bool]
    max_tokens: int = 0
    day: int = 0


class Taken(NamedTuple):
    """The Messages body, what was lost, and what the client wants of its answer."""

    body: bytes
    model: str
    report: Report
    include_usage: bool


def take(body: bytes, terms: Terms) -> Taken:
    """The request as Messages. Raises InputError for what cannot be read or carried at all, ModelNotFound."""
    top, report = Members(body), Report()
    model = claude_model(top.needed("model"), terms.aliases, terms.is_known)
    capability = terms.models[model]
    made: dict[str, Any] = {"model": model, "max_tokens": max_tokens_of(top, terms, capability, report)}
    include_usage = _streaming(top, made, report)
    served(top, made, capability, terms.day, report)
    thought = thought_of(
        top.text("reasoning_effort"),
        top.raw("thinking"),
        field="reasoning_effort",
        capability=capability,
        report=report,
    )
    if thought.thinking is not None:
        made["thinking"] = thought.thinking
    made |= sampling_of(
        top.number("temperature"), top.number("top_p"), thinks=thought.on, capability=capability, report=report
    )
    stops = stops_of(top.raw("stop"), report)
    if stops:
        made["stop_sequences"] = stops
    form = _form(top, capability, report)
    config = ({"effort": thought.effort} if thought.effort else {}) | ({"format": form.format} if form.format else {})
    if config:
        made["output_config"] = config
    _tools(top, made, capability, report)
    for row in _JUDGED:
        if top.is_left(row.field):
            report.judge(row, top.value(row.field))
    _turns(top, made, form, capability, report)
    top.known(*_NEEDLESS)
    top.lose_rest(report)
    return Taken(msgspec.json.encode(made), model, report, include_usage)


def max_tokens_of(top: Members, terms: Terms, capability: Capabilities, report: Report) -> int:
    """How long the answer may become, by either of two fields. Raises InputError."""
    field, wanted = "max_completion_tokens", top.whole("max_completion_tokens")
    older = top.whole("max_tokens")
    if wanted is None:
        field, wanted = "max_tokens", older
    return length_of(field, wanted, terms, capability, report)


def length_of(field: str, wanted: int | None, terms: Terms, capability: Capabilities, report: Report) -> int:
    """How long the answer may become, where a field asks for so much (None: for nothing). Raises InputError."""
    most = capability.output_tokens_max
    if wanted is None:
        return min(terms.max_tokens, most) or most
    if wanted < 1:
        raise InputError(f"{field}: Input should be greater than or equal to 1")
    if wanted > most:
        report.lose(field, f"as {most}, the most of {capability.id}")
    return min(wanted, most)


def _streaming(top: Members, made: dict[str, Any], report: Report) -> bool:
    """Whether the last chunk is to tell the usage."""
    options = top.inner("stream_options")
    wanted = options.flag("include_usage") if options is not None else None
    if options is not None:
        options.known("include_obfuscation")
        options.lose_rest(report)
    if top.flag("stream"):
        made["stream"] = True
    return bool(wanted)


def served(top: Members, made: dict[str, Any], capability: Capabilities, day: int, report: Report) -> None:
    """For whom the call is, and how fast it is to be served. Raises InputError."""
    user, identifier = top.text("user"), top.text("safety_identifier")
    if identifier or user:
        made["metadata"] = {"user_id": identifier or user}
    if identifier and user and user != identifier:
        report.lose("user", "safety_identifier goes first")
    tier = top.text("service_tier")
    if tier == "default":
        made["service_tier"] = "standard_only"
    elif tier in ("fast", "priority"):
        if capability.has_fast(day) and not capability.fast_beta:
            made["speed"] = "fast"
        else:
            report.lose("service_tier", f"{capability.id} has no fast mode")
    elif tier is not None and tier != "auto":
        report.lose("service_tier")


def _form(top: Members, capability: Capabilities, report: Report) -> Form:
    """How the answer is to look. Raises InputError."""
    wanted = top.inner("response_format")
    if wanted is None:
        return Form()
    kind = wanted.needed("type")
    inner = wanted.inner("json_schema")
    wanted.lose_rest(report)
    if kind == "text":
        return Form()
    if kind == "json_object":
        return object_form()
    if kind != "json_schema" or inner is None:
        raise InputError("response_format: Input should be text, json_object, or json_schema with a json_schema")
    inner.known("name", "description")
    strict = bool(inner.flag("strict"))
    schema = schema_of(inner, "schema")
    inner.lose_rest(report)
    return schema_form(schema, field="response_format.json_schema", strict=strict, capability=capability, report=report)


def _tools(top: Members, made: dict[str, Any], capability: Capabilities, report: Report) -> None:
    """Tools, and the choice among them. Raises InputError."""
    tools = Tools(capability, report)
    for tool in top.each("tools"):
        function = tool.inner("function")
        if tool.text("type") not in (None, "function") or function is None:
            raise InputError(f"{tool.at('type')}: custom tools have no counterpart in Messages; use a function")
        tools.add(function)
        tool.lose_rest(report)
    add_tools(top, made, tools, _chosen, report)


def _chosen(choice: Members, report: Report) -> tuple[str, bool]:
    """A function by its name, or one of those that are allowed. Raises InputError."""
    kind, function, allowed = choice.needed("type"), choice.inner("function"), choice.inner("allowed_tools")
    choice.lose_rest(report)
    if kind == "function" and function is not None:
        return function.needed("name"), True
    if kind == "allowed_tools" and allowed is not None:
        allowed.known("tools")
        report.lose("tool_choice.allowed_tools")
        return (REQUIRED if allowed.text("mode") == REQUIRED else AUTO), False
    raise InputError("tool_choice: Input should be auto, none, required, or name a function")


def _turns(top: Members, made: dict[str, Any], form: Form, capability: Capabilities, report: Report) -> None:
    """The instructions and the conversation, which stands last. Raises InputError."""
    conversation = Conversation(
        takes_system=capability.mid_conversation_system, report=report, field="messages[].role=system"
    )
    for message in top.each("messages"):
        tell(message, conversation, report)
    conversation.end(made, form.words)
