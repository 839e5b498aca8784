"""How message batches are written and read: request lines, the batch object, pages of them, result lines.

Shapes: platform.claude.com/docs/en/api/messages/batches, 2026-08, and anthropic-sdk-python v0.121.0 (2026-08-07),
`types/messages/`. The custom ids name the batch and the job, so that results find their way home and a batch whose answer
to the POST was lost can be known again by its results.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import msgspec
from msgspec import Raw, Struct

from thriftgate.core.errors import InputError
from thriftgate.core.splice import Edit, apply
from thriftgate.wire.meter import Reading, read_message

PATH = "/v1/messages/batches"
REQUESTS_MAX = 100_000
BYTES_MAX = 256_000_000  # "256 MB", read cautiously as decimal
KEPT_S = 29 * 86_400.0  # results can be fetched so long after the batch was created
HEAD, BETWEEN, TAIL = b'{"requests":[', b",\n", b"]}"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_OURS = re.compile(r"tg_([0-9a-f]{20})_([0-9a-f]{1,16})")


class Counts(Struct):
    """`request_counts`: all in `processing` until the whole batch has ended; the sum is constant."""

    processing: int = 0
    succeeded: int = 0
    errored: int = 0
    canceled: int = 0
    expired: int = 0

    @property
    def total(self) -> int:
        return self.processing + self.succeeded + self.errored + self.canceled + self.expired


class MessageBatch(Struct):
    """The batch object. Times are RFC 3339 texts; `processing_status` is in_progress, canceling or ended."""

    id: str
    processing_status: str
    request_counts: Counts = msgspec.field(default_factory=Counts)
    created_at: str = ""
    expires_at: str = ""
    ended_at: str | None = None

    @property
    def ended(self) -> bool:
        return self.processing_status == "ended"

    @property
    def created_us(self) -> int:
        """By the provider's clock; 0 where it does not say."""
        return micros(self.created_at)

    @property
    def ended_us(self) -> int:
        return micros(self.ended_at)


class Page(Struct):
    """One page of the list, newest first."""

    data: list[MessageBatch]
    has_more: bool = False
    last_id: str | None = None


class ErrorBody(Struct):
    """What an error says; `type` is empty where there is none to read."""

    type: str = ""
    message: str = ""


class _Envelope(Struct):
    error: ErrorBody = msgspec.field(default_factory=ErrorBody)


class _Result(Struct):
    type: str
    message: Raw = Raw(b"")
    error: Raw = Raw(b"")


class _Line(Struct):
    custom_id: str
    result: Raw


class ResultLine(NamedTuple):
    """One line of a results stream. `kind` is succeeded, errored, canceled or expired; `result` the raw JSON behind
    `"result":`; `reading` is there for a succeeded one, `error` for an errored one."""

    custom_id: str
    kind: str
    result: bytes
    reading: Reading | None
    error: ErrorBody


class JobName(NamedTuple):
    """What one of our custom ids says."""

    fingerprint: str
    seq: int


_BATCH = msgspec.json.Decoder(MessageBatch)
_PAGE = msgspec.json.Decoder(Page)
_LINE = msgspec.json.Decoder(_Line)
_RESULT = msgspec.json.Decoder(_Result)
_ENVELOPE = msgspec.json.Decoder(_Envelope)
_NONE = ErrorBody()


class _Located(Struct):
    """A batch object, or (with `data`) a page of them."""

    results_url: str | None = None
    data: list[_Located] = []


_LOCATED = msgspec.json.Decoder(_Located)


def custom_id(fingerprint: str, seq: int) -> str:
    """The id of a job on the wire, at most 40 characters: `^[a-zA-Z0-9_-]{1,64}$` is the API's rule."""
    return f"tg_{fingerprint}_{seq:x}"


def job_name(text: str) -> JobName | None:
    """Back from `custom_id`; None where it is not one of ours."""
    found = _OURS.fullmatch(text)
    return None if found is None else JobName(found[1], int(found[2], 16))


def request_line(custom: str, params: bytes) -> bytes:
    """One element of `requests`, the params byte for byte."""
    return b'{"custom_id":"%b","params":%b}' % (custom.encode(), params)


def result_line(name: str, result: bytes) -> bytes:
    """A line of results under the caller's own id."""
    return b'{"custom_id":%b,"result":%b}\n' % (msgspec.json.encode(name), result)


def succeeded(message: bytes) -> bytes:
    """The result of a call that was answered synchronously, as a batch would tell it."""
    return b'{"type":"succeeded","message":%b}' % message.strip()


def errored(kind: str, message: str) -> bytes:
    """The result of a job that brought no answer, as a batch would tell it."""
    inner = {"type": "error", "error": {"type": kind, "message": message}, "request_id": None}
    return msgspec.json.encode({"type": "errored", "error": inner})


def rejected(body: bytes) -> bytes:
    """The result of a call that was answered with an error, as a batch would tell it: in the provider's own words."""
    return b'{"type":"errored","error":%b}' % msgspec.json.format(body, indent=-1)


def read_batch(body: bytes) -> MessageBatch | None:
    """The batch object; None where it is none."""
    try:
        return _BATCH.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def read_page(body: bytes) -> Page | None:
    """A page of the list; None where it is none."""
    try:
        return _PAGE.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def with_results_at(origin: str, body: bytes) -> bytes:
    """A batch object, or a page of them, whose `results_url` leads to `origin` (scheme and host) instead of the provider's
    own; every other byte stays as it is, and so does a body of another kind.

    The SDKs fetch results from that URL as it stands, whatever base URL they were given (anthropic-sdk-python v0.121.0,
    `resources/messages/batches.py`): left alone it would lead them, with their key, past the gateway they were told to use.
    """
    if b'"results_url"' not in body:
        return body
    try:
        top = _LOCATED.decode(body)
        places = [((), top), *((("data", at), one) for at, one in enumerate(top.data))]
        edits = [
            Edit((*place, "results_url"), msgspec.json.encode(origin + url[url.index(PATH) :]))
            for place, one in places
            if (url := one.results_url or "") and f"{PATH}/" in url
        ]
        return apply(body, edits)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, InputError):
        return body


def read_error(body: bytes) -> ErrorBody:
    """The error of an error answer; empty where it cannot be read."""
    try:
        return _ENVELOPE.decode(body).error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ErrorBody()


def read_result(line: bytes) -> ResultLine:
    """One line of results. Raises InputError where it is none."""
    try:
        outer = _LINE.decode(line)
        result = _RESULT.decode(outer.result)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as wrong:
        raise InputError(f"a line of batch results cannot be read: {wrong}") from None
    reading = read_message(bytes(result.message)) if result.type == "succeeded" else None
    error = read_error(bytes(result.error)) if result.type == "errored" else _NONE
    return ResultLine(outer.custom_id, result.type, bytes(outer.result), reading, error)


def whole_lines(rest: bytes, chunk: bytes) -> tuple[list[bytes], bytes]:
    """The lines that are complete with this chunk, and what is left for the next."""
    *lines, rest = (rest + chunk).split(b"\n")
    return [line for line in lines if line.strip()], rest


def micros(moment: str | None) -> int:
    """Microseconds since 1970 of an RFC 3339 text; 0 for none, or for one that cannot be read."""
    if not moment:
        return 0
    try:
        at = datetime.fromisoformat(moment)
    except ValueError:
        return 0
    return (at - _EPOCH) // _MICROSECOND if at.tzinfo is not None else 0
