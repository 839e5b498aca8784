"""One answer of the Messages API, as it was logged, → a record.

An answer is the whole JSON message, an error body, or the text of a stream. The request beside it, where there is one, gives
the body and what the caller asked for (platform.claude.com/docs/en/api/messages, 2026-08).
"""

from __future__ import annotations

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType
from msgspec.structs import replace

from thriftgate.audit.importers.tally import UNREADABLE
from thriftgate.audit.names import is_claude
from thriftgate.audit.records import (
    API_ERROR,
    MALFORMED,
    NO_USAGE,
    NOT_A_CALL,
    OTHER_PROVIDER,
    Issue,
    Record,
)
from thriftgate.wire.meter import Reading, StreamMeter, read_message
from thriftgate.wire.usage import Count

NULL = b"null"


class _Metadata(Struct):
    user_id: str | None = None


class _Request(Struct):
    model: str | None = None
    max_tokens: Count | None = None
    stream: bool | None = None
    metadata: _Metadata | None = None


class _Answer(Struct):
    """What the meter does not tell: which kind of object it is, and whether it was still being written."""

    type: str | None = None
    model: str | None = None
    usage: Raw = Raw(NULL)
    stop_reason: str | UnsetType | None = UNSET
    request_id: str | None = None
    sdk_request_id: str | None = msgspec.field(name="_request_id", default=None)


class _Kind(Struct):
    type: str = ""


_EVENTS = msgspec.json.Decoder(list[Raw])
_KIND = msgspec.json.Decoder(_Kind)
_REQUEST = msgspec.json.Decoder(_Request)
_ANSWER = msgspec.json.Decoder(_Answer)


def record_of(base: Record, answer: bytes, where: str) -> Record | Issue:
    """`base` (where, when, and the body of the request where it was logged) with all that answer and body tell. An answer
    may be the text of a stream (`event: …`) or a list of its events; one that broke off tells at least so many tokens."""
    asked = _asked(base.body)
    try:
        if answer.startswith((b"event:", b"[")):
            return _filled(replace(base, streamed=True), _streamed(answer), _Answer(), asked, where)
        told = _ANSWER.decode(answer)
    except UNREADABLE:
        return Issue(MALFORMED, where, "the answer is no JSON object, or has a field of the wrong type")
    reading = read_message(answer)
    if told.type == "error" or reading.error:
        return Issue(API_ERROR, where, "the API answered with an error")
    foreign = told.model or asked.model
    if foreign and not is_claude(foreign):
        return Issue(OTHER_PROVIDER, where, "the model is not Claude")
    if bytes(told.usage) == NULL:
        kind = NOT_A_CALL if told.type is None and not asked.max_tokens else NO_USAGE
        return Issue(kind, where, "the answer tells no usage")
    return _filled(base, reading, told, asked, where)


def _streamed(answer: bytes) -> Reading:
    meter = StreamMeter()
    if answer.startswith(b"["):
        for event in _EVENTS.decode(answer):
            meter.feed(b"event: %b\ndata: %b\n\n" % (_KIND.decode(event).type.encode(), bytes(event).replace(b"\n", b" ")))
    else:
        meter.feed(answer + b"\n\n")
    return meter.reading()


def _asked(body: bytes) -> _Request:
    """What a request asks for; nothing of one that cannot be read, which is the provider's to judge."""
    try:
        return _REQUEST.decode(body) if body else _Request()
    except UNREADABLE:
        return _Request()


def _filled(base: Record, reading: Reading, told: _Answer, asked: _Request, where: str) -> Record | Issue:
    if reading.usage is None:
        if reading.error:
            return Issue(API_ERROR, where, "the API answered with an error")
        return Issue(MALFORMED, where, "the usage or another field of the answer cannot be read")
    model = reading.model or asked.model or ""
    if not is_claude(model):
        return Issue(OTHER_PROVIDER if model else MALFORMED, where, "the model is not Claude, or none is named")
    if reading.usage.input_tokens is None and reading.usage.output_tokens is None and not reading.usage.iterations:
        return Issue(NO_USAGE, where, "the answer counts no tokens")
    usage = reading.usage.usage()
    total, miss = usage.total, reading.cache_miss
    return replace(
        base,
        model=model,
        call_id=reading.message_id,
        request_id=base.request_id or told.sdk_request_id or told.request_id or "",
        user=base.user or (asked.metadata.user_id if asked.metadata is not None else "") or "",
        mode=reading.usage.mode() if base.mode == "standard" else base.mode,
        geo=reading.usage.inference_geo or "",
        input=total.input,
        write_5m=total.write_5m,
        write_1h=total.write_1h,
        read=total.read,
        output=total.output,
        thinking=total.thinking,
        web_searches=usage.web_searches,
        iterations=usage.iterations,
        max_tokens=asked.max_tokens or 0,
        streamed=base.streamed or bool(asked.stream),
        stop_reason=reading.stop_reason,
        stop_category=reading.stop_category or "",
        miss_reason=miss.reason if miss is not None else "",
        miss_tokens=miss.tokens if miss is not None else 0,
        output_is_floor=not reading.complete or told.stop_reason is None,
    )
