"""Spans and log events of OpenTelemetry as files hold them.

OTLP JSON (`resourceSpans`, `resourceLogs`; one export request a line or one for the whole file), and single spans or events,
one a value, with their attributes as a plain object or as OTLP's list of keys and values (the exporters of the SDKs for
files and consoles, Phoenix). Source: opentelemetry.io/docs/specs/otlp and .../specs/otel/protocol/file-exporter, 2026-11.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import msgspec
from msgspec import Raw, Struct

from thriftgate.audit.importers.answers import claimed_pico
from thriftgate.audit.importers.tally import UNREADABLE, Tally, decoded
from thriftgate.audit.moments import micros
from thriftgate.audit.records import MALFORMED, NOT_A_CALL, Issue, Record, checked
from thriftgate.audit.sources import Head, Source
from thriftgate.core.errors import InputError

Attributes = dict[str, object]
RAW_BYTES_MAX = 65_536  # an attribute longer than this is content, not a figure
_ERRORS = (2, "2", "ERROR", "STATUS_CODE_ERROR")


class _Many(Struct, gc=False):
    values: list[_Any] | None = None


class _Any(Struct, gc=False):
    text: str | None = msgspec.field(name="stringValue", default=None)
    whole: int | str | float | None = msgspec.field(name="intValue", default=None)
    real: float | str | None = msgspec.field(name="doubleValue", default=None)
    truth: bool | None = msgspec.field(name="boolValue", default=None)
    many: _Many | None = msgspec.field(name="arrayValue", default=None)


class _Pair(Struct, gc=False):
    key: str = ""
    value: _Any | None = None


_Pairs = list[_Pair] | dict[str, Raw] | None
_Moment = str | int | float | None


class _Resource(Struct, gc=False):
    attributes: _Pairs = None


class _Scope(Struct, gc=False):
    name: str | None = None


class _Status(Struct, gc=False):
    code: str | int | None = None
    status_code: str | int | None = None


class _Context(Struct, gc=False):
    trace_id: str | None = None
    span_id: str | None = None


class _Span(Struct, gc=False):
    name: str | None = None
    trace: str | None = msgspec.field(name="traceId", default=None)
    context: _Context | None = None
    nano_start: _Moment = msgspec.field(name="startTimeUnixNano", default=None)
    nano_end: _Moment = msgspec.field(name="endTimeUnixNano", default=None)
    start_time: _Moment = None
    end_time: _Moment = None
    attributes: _Pairs = None
    status: _Status | None = None
    status_code: str | int | None = None
    scope: _Scope | None = None
    resource: _Resource | None = None


class _ScopeSpans(Struct, gc=False):
    scope: _Scope | None = None
    spans: list[_Span] | None = None


class _ResourceSpans(Struct, gc=False):
    resource: _Resource | None = None
    scope_spans: list[_ScopeSpans] | None = msgspec.field(name="scopeSpans", default=None)


class _SpanValue(_Span, gc=False):
    exported: list[_ResourceSpans] | None = msgspec.field(name="resourceSpans", default=None)
    batches: list[_ResourceSpans] | None = None  # as Grafana Tempo answers


class _Event(Struct, gc=False):
    name: str | None = msgspec.field(name="eventName", default=None)
    nano: _Moment = msgspec.field(name="timeUnixNano", default=None)
    observed: _Moment = msgspec.field(name="observedTimeUnixNano", default=None)
    timestamp: _Moment = None
    body: _Any | str | None = None
    attributes: _Pairs = None


class _ScopeLogs(Struct, gc=False):
    records: list[_Event] | None = msgspec.field(name="logRecords", default=None)


class _ResourceLogs(Struct, gc=False):
    scope_logs: list[_ScopeLogs] | None = msgspec.field(name="scopeLogs", default=None)


class _EventValue(_Event, gc=False):
    exported: list[_ResourceLogs] | None = msgspec.field(name="resourceLogs", default=None)


_SPAN_VALUE = msgspec.json.Decoder(_SpanValue)
_EVENT_VALUE = msgspec.json.Decoder(_EventValue)


class Span(NamedTuple):
    """One span. Times are microseconds since 1970, 0 where unknown; `scope` names the instrumentation, `service` the
    program; `failed` when its status is an error."""

    position: int
    name: str
    trace: str
    start_us: int
    end_us: int
    attributes: Attributes
    scope: str
    service: str
    failed: bool


class InputReading:
    """Whether the inputs of one file include cached tokens, by who wrote them.

    The conventions say that they do (github.com/open-telemetry/semantic-conventions-genai, docs/gen-ai/gen-ai-spans.md,
    2026-11; OpenInference: `llm.token_count.prompt`). Some instrumentations pass on Anthropic's count, which does not. An
    input smaller than its cached parts cannot include them: from that span on, every input of the same instrumentation is
    taken as exclusive.
    """

    def __init__(self) -> None:
        self._exclusive: set[str] = set()

    def fresh(self, scope: str, told: int, cached: int) -> int:
        """The input tokens that were neither read from a cache nor written to one."""
        if cached > told:
            self._exclusive.add(scope)
        return told if scope in self._exclusive else told - cached


class Event(NamedTuple):
    """One log event, with the name that its body or attributes give it."""

    position: int
    name: str
    at_us: int
    attributes: Attributes


def holds_spans(head: Head) -> bool:
    """Whether the file may hold spans in one of these forms."""
    keys = head.keys
    return bool(keys & {"resourceSpans", "batches"}) or (
        "attributes" in keys and bool(keys & {"traceId", "context", "span_kind", "startTimeUnixNano"}) and "body" not in keys
    )


def holds_events(head: Head) -> bool:
    """Whether the file may hold log events, or metrics that the same collector wrote, in one of these forms."""
    keys = head.keys
    return bool(keys & {"resourceLogs", "resourceMetrics"}) or (
        "attributes" in keys and bool(keys & {"body", "timeUnixNano", "eventName"})
    )


def spans(source: Source, tally: Tally) -> Iterator[Span]:
    """All spans of a file; what is none goes to the tally."""
    for position, value in decoded(source, _SPAN_VALUE, tally):
        exported = value.exported if value.exported is not None else value.batches
        if exported is None:
            if value.attributes is None:
                tally.add(NOT_A_CALL, position)
            else:
                yield from _span(position, value, value.scope, value.resource, tally)
            continue
        for of_resource in exported:
            for of_scope in of_resource.scope_spans or ():
                for span in of_scope.spans or ():
                    yield from _span(position, span, of_scope.scope, of_resource.resource, tally)


def of_calls(
    source: Source, record: Callable[[Source, Span, Tally, InputReading], Record | None]
) -> Iterator[Record | Issue]:
    """What `record` makes of each span of a file, then what was left out. None where the tally took a span."""
    tally, reading = Tally(source), InputReading()
    for span in spans(source, tally):
        found = record(source, span, tally, reading)
        if found is not None:
            yield found
    yield from tally.issues()


def events(source: Source, tally: Tally) -> Iterator[Event]:
    """All log events of a file; what is none goes to the tally."""
    for position, value in decoded(source, _EVENT_VALUE, tally):
        if value.exported is None:
            if value.attributes is None:
                tally.add(NOT_A_CALL, position)
            else:
                yield from _event(position, value, tally)
            continue
        for of_resource in value.exported:
            for of_scope in of_resource.scope_logs or ():
                for record in of_scope.records or ():
                    yield from _event(position, record, tally)


def count(attributes: Attributes, *names: str) -> int:
    """The first of these attributes that is there, as a count; 0 where none is. Raises InputError for what is no count."""
    return checked(first(attributes, *names), names[0])


def claim(value: object) -> int | None:
    """Pico-USD of an amount in dollars that an attribute claims; None for what is none."""
    return claimed_pico(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else None


def text(attributes: Attributes, *names: str) -> str:
    """The first of these attributes that is a text and not empty; of a list, its first text."""
    for name in names:
        value = attributes.get(name)
        if isinstance(value, list) and value:
            value = value[0]
        if isinstance(value, str) and value:
            return value
    return ""


def first(attributes: Attributes, *names: str) -> object:
    """The first of these attributes that is there."""
    for name in names:
        value = attributes.get(name)
        if value is not None:
            return value
    return None


def _span(position: int, span: _Span, scope: _Scope | None, resource: _Resource | None, tally: Tally) -> Iterator[Span]:
    try:
        start_us = _moment(span.nano_start, span.start_time)
        end_us = _moment(span.nano_end, span.end_time)
        attributes = _attributes(span.attributes)
        service = text(_attributes(resource.attributes), "service.name") if resource is not None else ""
    except InputError:
        tally.add(MALFORMED, position, "a time of the span is no moment")
        return
    except UNREADABLE:
        tally.add(MALFORMED, position, "an attribute cannot be read")
        return
    context, status = span.context, span.status
    code = span.status_code if status is None else status.code if status.code is not None else status.status_code
    yield Span(
        position,
        span.name or "",
        span.trace or (context.trace_id if context is not None else "") or "",
        start_us,
        end_us,
        attributes,
        (scope.name or "") if scope is not None else "",
        service,
        code in _ERRORS,
    )


def _event(position: int, event: _Event, tally: Tally) -> Iterator[Event]:
    try:
        attributes = _attributes(event.attributes)
        at_us = _moment(event.nano, event.timestamp, attributes.get("event.timestamp"), event.observed)
    except InputError:
        tally.add(MALFORMED, position, "the time of the event is no moment")
        return
    except UNREADABLE:
        tally.add(MALFORMED, position, "an attribute cannot be read")
        return
    body = event.body.text if isinstance(event.body, _Any) else event.body
    yield Event(position, text(attributes, "event.name") or event.name or body or "", at_us, attributes)


def _moment(*values: object) -> int:
    """The first that is told; 0 where none is. Raises InputError for what is no moment."""
    for value in values:
        if value not in (None, "", 0, "0"):
            return micros(value)
    return 0


def _attributes(pairs: _Pairs) -> Attributes:
    """As a plain dict. Raises what decoding raises."""
    found: Attributes = {}
    if pairs is None:
        return found
    if isinstance(pairs, list):
        for pair in pairs:
            if pair.value is not None:
                found[pair.key] = _plain(pair.value)
        return found
    for key, raw in pairs.items():
        data = bytes(raw)
        if len(data) <= RAW_BYTES_MAX:
            _flatten(key, msgspec.json.decode(data), found)
    return found


def _flatten(key: str, value: object, into: Attributes) -> None:
    """{"llm": {"model_name": …}} is the same as {"llm.model_name": …}."""
    if isinstance(value, dict):
        for name, inner in value.items():
            _flatten(f"{key}.{name}", inner, into)
    else:
        into[key] = value


def _plain(value: _Any) -> object:
    if value.text is not None:
        return value.text
    if value.whole is not None:
        return value.whole
    if value.real is not None:
        return value.real
    if value.many is not None:
        return [_plain(one) for one in value.many.values or ()]
    return value.truth
