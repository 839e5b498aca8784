"""Requests and answers of the Messages API as teams log them themselves: one call a line, in one of the usual envelopes.

    {"timestamp": …, "request": {…}, "response": {…}}     also request_body/response_body, body/response, params/message,
                                                          input/output; either side may be HTTP ({"headers", "body", …})
    {"type": "message", "role": "assistant", "usage": …}  the answer alone, with or without a time of its own
    {"model": …, "messages": …, "max_tokens": …}          the request alone: not told what it used

The objects inside are those of platform.claude.com/docs/en/api/messages, 2026-08.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec
from msgspec import Raw, Struct

from thriftgate.audit.importers.answers import claimed_pico
from thriftgate.audit.importers.anthropic_answers import NULL, record_of
from thriftgate.audit.importers.anthropic_terms import NO_TIME
from thriftgate.audit.importers.rows import unquoted
from thriftgate.audit.importers.tally import UNREADABLE
from thriftgate.audit.layout import Piece
from thriftgate.audit.moments import micros
from thriftgate.audit.records import API_ERROR, MALFORMED, NO_USAGE, NOT_A_CALL, Depth, Issue, Record
from thriftgate.audit.sources import HEAD_BYTES, Head, Source
from thriftgate.core.errors import InputError

_PAIRS = (("request", "response"), ("request_body", "response_body"), ("body", "response"), ("params", "message"))
_STARTS = ("timestamp", "time", "created_at", "ts", "started_at", "start_time")
_ENDS = ("ended_at", "end_time", "completed_at", "ended", "completed", "finished_at", "logged_at")
_EARLIEST_US = 1_577_836_800_000_000  # 2020: what lies before is a duration or a broken clock, no call to Claude
_FOREIGN = frozenset(
    {"sessionId", "parentUuid", "uuid", "parent_tool_use_id", "custom_id", "ai_org", "ai_model", "schemaType", "modelId"}
    | {"traceId", "run_type", "dotted_order", "usageDetails", "usage_details", "startTime", "resourceSpans", "call_type"}
    | {"request_created_at", "helicone_user", "prompt_tokens", "completion_tokens", "total_tokens", "spend", "response_cost"}
)
"""Keys that the lines of other formats have, and ours have not."""


class _Moments(Struct):
    """When a call, or one side of it, began and ended, in whatever spelling."""

    timestamp: Any = None
    time: Any = None
    created_at: Any = None
    ts: Any = None
    started_at: Any = None
    start_time: Any = None
    ended_at: Any = None
    end_time: Any = None
    completed_at: Any = None
    ended: Any = None
    completed: Any = None
    finished_at: Any = None
    logged_at: Any = None

    def first(self, names: tuple[str, ...]) -> int:
        """Microseconds since 1970 of the first of these that is a moment; 0 if none is."""
        for name in names:
            value = getattr(self, name)
            if value is not None:
                try:
                    moment = micros(value)
                except InputError:
                    continue
                if moment >= _EARLIEST_US:
                    return moment
        return 0


class _Line(_Moments):
    request: Raw = Raw(NULL)
    request_body: Raw = Raw(NULL)
    params: Raw = Raw(NULL)
    body: Raw = Raw(NULL)
    input: Raw = Raw(NULL)
    response: Raw = Raw(NULL)
    response_body: Raw = Raw(NULL)
    message: Raw = Raw(NULL)
    output: Raw = Raw(NULL)
    error: Raw = Raw(NULL)
    usage: Raw = Raw(NULL)
    messages: Raw = Raw(NULL)
    type: Any = None
    request_id: str | None = None
    session_id: str | int | None = None
    conversation_id: str | int | None = None
    user_id: str | int | None = None
    project: str | None = None
    api_key_id: str | None = None
    workspace_id: str | None = None
    cost_usd: Decimal | None = None


class _Side(_Moments):
    """One side of an HTTP exchange. Of a bare body only the moments apply."""

    body: Raw = Raw(NULL)
    body_raw: str | None = None
    headers: dict[str, Any] | None = None
    status: Any = None
    status_code: Any = None


class _Content(NamedTuple):
    data: bytes
    around: _Side


_LINE = msgspec.json.Decoder(_Line)
_SIDE = msgspec.json.Decoder(_Side)
_KNOWN = frozenset(_Line.__struct_fields__) | {"model", "max_tokens", "system", "tools", "metadata", "stream", "temperature"}
_ERROR_KEYS = frozenset({"type", "error", "request_id", *_STARTS})
_NOTHING = _Content(b"", _Side())


class AnthropicMessagesLog:
    """See `contract.Importer`. A line that tells a single time is taken to tell when the request was sent."""

    id = "anthropic-messages"
    title = "Anthropic Messages requests and answers (JSONL)"
    depth: Depth = "body"
    input_includes_cache: bool | None = False
    cannot_know = (
        "when calls were made whose lines hold no time: they have no price and are counted as no_time",
        "the prompts of lines that hold the answer only",
    )

    def sniff(self, head: Head) -> bool:
        if head.keys & _FOREIGN:
            return False
        if len(head.data) >= HEAD_BYTES:
            return _begins_as_ours(head)
        return {"type", "error"} <= head.keys <= _ERROR_KEYS or (head.has("claude") and _is_ours(head))

    def read(self, source: Source) -> Iterator[Record | Issue]:
        for piece in source.values():
            yield _read(source, piece)


def _is_ours(head: Head) -> bool:
    """Whether the first line, of which all is there, is a call."""
    keys = head.keys
    if {"type", "role", "usage"} <= keys:
        return head.has('"assistant"')
    if {"model", "messages", "max_tokens"} <= keys or ({"input", "output"} <= keys and "messages" in head.inner_keys):
        return True
    if keys & {"response", "response_body"} and head.has("stop_reason", "usage", "assistant"):
        return True
    paired = any(ask in keys and (answer in keys or "error" in keys) for ask, answer in _PAIRS)
    return paired and head.has("messages", "max_tokens")


def _begins_as_ours(head: Head) -> bool:
    """The same of a first line that goes on behind what is there: no key in it may be strange."""
    keys = head.keys
    asks = keys & {"request", "request_body", "params", "body"} or {"messages", "model"} <= keys
    return bool(asks) and keys <= _KNOWN and head.has("messages")


def _read(source: Source, piece: Piece) -> Record | Issue:
    where = source.where(piece.position)
    if not piece.whole:
        return Issue(MALFORMED, where, "the line is cut off")
    try:
        line = _LINE.decode(piece.data)
        asked, answered = _sides(line, piece.data)
    except UNREADABLE:
        return Issue(MALFORMED, where, "no JSON object, or one with fields of the wrong type")
    if not answered.data:
        return _unanswered(line, asked, where)
    if _failed(answered.around):
        return Issue(API_ERROR, where, "the API answered with an error")
    start = line.first(_STARTS) or asked.around.first(_STARTS)
    end = line.first(_ENDS) or answered.around.first((*_ENDS, *_STARTS))
    base = Record(
        source=source.name,
        position=piece.position,
        at_us=start or end,
        ended_us=end if end >= start else 0,
        at_is_end=not start,
        model="",
        request_id=_request_id(answered.around) or line.request_id or "",
        session=str(line.session_id or line.conversation_id or ""),
        user=str(line.user_id or ""),
        project=line.project or "",
        key=line.api_key_id or "",
        workspace=line.workspace_id or "",
        reported_pico=claimed_pico(line.cost_usd),
        body=asked.data,
    )
    found = record_of(base, answered.data, where)
    if isinstance(found, Record) and not found.at_us:
        return Issue(NO_TIME, where, "nothing in the line tells when the call was made")
    return found


def _sides(line: _Line, data: bytes) -> tuple[_Content, _Content]:
    """What was asked and what was answered; b"" for a side that is not there."""
    asked = _content(line.request, line.request_body, line.params, line.body, line.input)
    answered = _content(line.response, line.response_body, line.message, line.output)
    if line.type in ("message", "error") or (not answered.data and bytes(line.usage) != NULL):
        return asked, _Content(data, _Side())
    if not asked.data and bytes(line.messages) != NULL:
        asked = _Content(data, _Side())
    return asked, answered


def _content(*candidates: Raw) -> _Content:
    """The first that is there, without what HTTP loggers put around it: {"headers", "body"}, or JSON written as a text."""
    for raw in candidates:
        data = unquoted(raw)
        if data:
            around = _SIDE.decode(data) if data.startswith(b"{") else _Side()
            inner = unquoted(around.body) or (around.body_raw or "").strip().encode()
            return _Content(inner or data, around)
    return _NOTHING


def _unanswered(line: _Line, asked: _Content, where: str) -> Issue:
    if bytes(line.error) != NULL:
        return Issue(API_ERROR, where, "the call ended with an error")
    if b'"messages"' in asked.data:
        return Issue(NO_USAGE, where, "a request without its answer")
    return Issue(NOT_A_CALL, where, "neither a request nor an answer of the Messages API")


def _failed(around: _Side) -> bool:
    status = around.status_code if around.status_code is not None else around.status
    return isinstance(status, int) and status >= 400


def _request_id(around: _Side) -> str:
    for name, value in (around.headers or {}).items():
        if name.lower() == "request-id" and isinstance(value, str):
            return value
    return ""
