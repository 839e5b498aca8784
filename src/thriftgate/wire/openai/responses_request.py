"""A Responses request as a Messages body, and what of it the response repeats.

The same request gives the same bytes, and a conversation that has grown the same bytes up to where it grew: the turns stand
last, and nothing of an earlier one depends on a later one. What cannot be carried: `responses_losses`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec
from msgspec import Raw

from thriftgate.core.errors import InputError
from thriftgate.core.models import Capabilities
from thriftgate.wire.openai.chat_request import Terms, length_of, served
from thriftgate.wire.openai.conversation import Conversation
from thriftgate.wire.openai.formats import Form, object_form, schema_form
from thriftgate.wire.openai.losses import Report
from thriftgate.wire.openai.members import Members
from thriftgate.wire.openai.models import claude_model
from thriftgate.wire.openai.parts import text_block
from thriftgate.wire.openai.reasoning import Thought, thought_of
from thriftgate.wire.openai.responses_answer import Frame
from thriftgate.wire.openai.responses_items import Recall, listed_input, read_items
from thriftgate.wire.openai.responses_losses import RESPONSE_ROWS
from thriftgate.wire.openai.responses_output import Told
from thriftgate.wire.openai.responses_tools import add_response_tools
from thriftgate.wire.openai.sampling import sampling_of
from thriftgate.wire.openai.tools import schema_of

_JUDGED = tuple(row for row in RESPONSE_ROWS if row.fate in ("reported", "refused") and row.field.isidentifier())
_NEEDLESS = tuple(row.field for row in RESPONSE_ROWS if row.fate == "needless" and row.field.isidentifier())
_ROWS = {row.field: row for row in RESPONSE_ROWS}
_SOURCES = "web_search_call.action.sources"
_ALWAYS = "reasoning.encrypted_content"  # and what a client may ask for that an answer holds anyway
# What a response repeats.
_REPEATED = (
    *("instructions", "max_output_tokens", "max_tool_calls", "metadata", "parallel_tool_calls", "prompt_cache_key"),
    *("reasoning", "safety_identifier", "temperature", "text", "tool_choice", "tools", "top_p", "user"),
)


class TakenResponse(NamedTuple):
    """The Messages body, what was lost, and what the response is told with. `items` is the whole conversation, for whoever
    keeps it; `stored`: the client does not mind."""

    body: bytes
    model: str
    report: Report
    frame: Frame
    items: tuple[bytes, ...]
    stored: bool


def take_response(body: bytes, terms: Terms, recall: Recall | None = None) -> TakenResponse:
    """The request as Messages. `recall`: what is kept of earlier responses, if anything is. Raises InputError for what
    cannot be read or carried at all, ModelNotFound, and NotThere for a response that is not kept."""
    top, report = Members(body), Report()
    asked: dict[str, Any] = {name: Raw(top.raw(name)) for name in _REPEATED if name in top}
    model = claude_model(top.needed("model"), terms.aliases, terms.is_known)
    capability = terms.models[model]
    length = length_of("max_output_tokens", top.whole("max_output_tokens"), terms, capability, report)
    made: dict[str, Any] = {"model": model, "max_tokens": length}
    if top.flag("stream"):
        made["stream"] = True
    served(top, made, capability, terms.day, report)
    told = _reasoning(top, made, capability, report)
    form = _text(top, made, capability, report)
    add_response_tools(top, made, capability, report)
    told = told._replace(sources=_includes(top, report))
    top.inner("metadata")  # which must be an object, whatever is in it
    stored = recall is not None and top.flag("store") is not False
    if stored:
        asked["store"] = True
    if "input" not in top:
        raise InputError("input: Field required")
    items = listed_input(top, recall)
    if recall is not None and "previous_response_id" in top:
        asked["previous_response_id"] = Raw(top.raw("previous_response_id"))
    for row in _JUDGED:
        if top.is_left(row.field):
            report.judge(row, top.value(row.field))
    _turns(top, items, made, form, capability, report)
    top.known(*_NEEDLESS)
    top.lose_rest(report)
    frame = Frame({**asked, "model": model}, told)
    return TakenResponse(msgspec.json.encode(made), model, report, frame, tuple(items), stored)


def _reasoning(top: Members, made: dict[str, Any], capability: Capabilities, report: Report) -> Told:
    """Thinking and what goes with it; whether the client is to be told of it. Raises InputError."""
    wanted = top.inner("reasoning")
    effort = wanted.text("effort") if wanted is not None else None
    summary = bool(wanted is not None and (wanted.text("summary") or wanted.text("generate_summary")))
    if wanted is not None:
        for name in ("context", "mode"):
            if name in wanted:
                report.judge(_ROWS[f"reasoning.{name}"], wanted.value(name))
        wanted.known("generate_summary")
        wanted.lose_rest(report)
    thought = thought_of(effort, b"", field="reasoning.effort", capability=capability, report=report)
    thinking = _shown(thought, capability, report) if summary else thought.thinking
    if thinking is not None:
        made["thinking"] = thinking
    if thought.effort:
        made["output_config"] = {"effort": thought.effort}
    made |= sampling_of(
        top.number("temperature"), top.number("top_p"), thinks=thought.on, capability=capability, report=report
    )
    return Told(summary=summary)


def _shown(thought: Thought, capability: Capabilities, report: Report) -> dict[str, Any] | None:
    """Thinking whose text is shown, which newer models do only when they are asked to
    (platform.claude.com/docs/en/build-with-claude/adaptive-thinking, 2026-10)."""
    if not thought.on or "adaptive" not in capability.thinking:
        report.lose("reasoning.summary", "the model does not think on this call, or does not show it")
        return thought.thinking
    return {"type": "adaptive", "display": "summarized"}


def _text(top: Members, made: dict[str, Any], capability: Capabilities, report: Report) -> Form:
    """How the answer is to look. Raises InputError."""
    text = top.inner("text")
    if text is None:
        return Form()
    if "verbosity" in text:
        report.judge(_ROWS["text.verbosity"], text.value("verbosity"))
    wanted = text.inner("format")
    text.lose_rest(report)
    form = _form(wanted, capability, report) if wanted is not None else Form()
    if form.format is not None:
        made["output_config"] = {**made.get("output_config", {}), "format": form.format}
    return form


def _form(wanted: Members, capability: Capabilities, report: Report) -> Form:
    kind = wanted.needed("type")
    if kind == "json_schema":
        wanted.known("name", "description")
        strict = bool(wanted.flag("strict"))
        schema = schema_of(wanted, "schema")
        wanted.lose_rest(report)
        return schema_form(schema, field="text.format", strict=strict, capability=capability, report=report)
    wanted.lose_rest(report)
    if kind == "json_object":
        return object_form()
    if kind != "text":
        raise InputError(f"text.format.type: {kind[:40]!r} is none of text, json_object, json_schema")
    return Form()


def _includes(top: Members, report: Report) -> bool:
    """Whether the client wants the sources of searches."""
    wanted = top.value("include") or []
    if not isinstance(wanted, list):
        raise InputError("include: Input should be a list")
    if any(one not in (_SOURCES, _ALWAYS) for one in wanted):
        report.lose("include", f"but for {_SOURCES} and {_ALWAYS}")
    return _SOURCES in wanted


def _turns(  # noqa: PLR0917  what a request is made of
    top: Members, items: list[bytes], made: dict[str, Any], form: Form, capability: Capabilities, report: Report
) -> None:
    """The instructions and the conversation, which stands last. Raises InputError."""
    conversation = Conversation(takes_system=capability.mid_conversation_system, report=report, field="input[].role=system")
    instructions = text_block(top.text("instructions") or "")
    if instructions is not None:
        conversation.instruct([instructions])
    read_items(items, conversation, report)
    conversation.end(made, form.words)
