"""What Bedrock answers, as the Messages API would have written it: errors, and streams.

The bytes of a chunk stand in the event as they came. Sources: docs.aws.amazon.com/bedrock/latest/APIReference
(InvokeModel, InvokeModelWithResponseStream, ResponseStream) and the model of bedrock-runtime in botocore 1.44.5, 2026-11;
the messages that part one meaning of an exception from another are as seen in practice.
"""

from __future__ import annotations

import re
from typing import NamedTuple

import msgspec
from msgspec import Struct

from thriftgate.wire.aws_event_stream import EventStreamDecoder, Frame


class Meaning(NamedTuple):
    """An error as the Messages API tells it."""

    status: int
    type: str


INVALID = Meaning(400, "invalid_request_error")
NO_IDENTITY = Meaning(401, "authentication_error")
NOT_ALLOWED = Meaning(403, "permission_error")
NO_MODEL = Meaning(404, "not_found_error")
TOO_LARGE = Meaning(413, "request_too_large")
RATE = Meaning(429, "rate_limit_error")
FAILED = Meaning(500, "api_error")
TOO_SLOW = Meaning(504, "timeout_error")
OVERLOADED = Meaning(529, "overloaded_error")

MEANINGS: dict[str, Meaning] = {
    "ValidationException": INVALID,
    "ConflictException": INVALID,
    "SerializationException": INVALID,
    "UnrecognizedClientException": NO_IDENTITY,
    "InvalidSignatureException": NO_IDENTITY,
    "IncompleteSignatureException": NO_IDENTITY,
    "SignatureDoesNotMatch": NO_IDENTITY,
    "InvalidClientTokenId": NO_IDENTITY,
    "ExpiredTokenException": NO_IDENTITY,
    "ExpiredToken": NO_IDENTITY,
    "RequestExpired": NO_IDENTITY,
    "MissingAuthenticationTokenException": NO_IDENTITY,
    "AccessDeniedException": NOT_ALLOWED,
    "OptInRequired": NOT_ALLOWED,
    "ResourceNotFoundException": NO_MODEL,
    "RequestEntityTooLargeException": TOO_LARGE,
    "ThrottlingException": RATE,
    "TooManyRequestsException": RATE,
    "ServiceQuotaExceededException": RATE,  # 400 at AWS: the request is well, the account's quota is not
    "ModelNotReadyException": OVERLOADED,  # 429 at AWS: its SDKs wait and try again
    "ServiceUnavailableException": OVERLOADED,
    "InternalServerException": FAILED,
    "InternalFailure": FAILED,
    "ModelErrorException": FAILED,
    "ModelStreamErrorException": FAILED,
    "ModelTimeoutException": TOO_SLOW,
}
"""AWS's exceptions. What is not here is told by its status."""

MODEL_ONLY = re.compile(
    r"model identifier is invalid|on-demand throughput isn.t supported|access to the model with the specified model ID|"
    r"reached the end of its life|doesn.t support counting tokens",
    re.IGNORECASE,
)
"""A ValidationException or AccessDeniedException that says so speaks of the model alone: this account does not have it."""

_BY_STATUS = {
    400: INVALID, 401: NO_IDENTITY, 403: NOT_ALLOWED, 404: NO_MODEL, 408: TOO_SLOW, 413: TOO_LARGE, 424: FAILED, 429: RATE,
    503: OVERLOADED, 504: TOO_SLOW, 529: OVERLOADED,
}  # fmt: skip


class _Said(Struct):
    """What AWS writes: `message` or `Message`, and in a chunk of a stream `bytes`."""

    message: str | None = None
    shouted: str | None = msgspec.field(default=None, name="Message")
    kind: str | None = msgspec.field(default=None, name="__type")
    type: str | None = None
    error: _Error | None = None

    def text(self, otherwise: str) -> str:
        inner = self.error.message if self.error is not None else None
        return next((one for one in (self.message, self.shouted, inner) if one), otherwise)


class _Error(Struct):
    type: str | None = None
    message: str | None = None


class _Chunk(Struct):
    data: bytes = msgspec.field(name="bytes")


class _Event(Struct):
    type: str


_SAID = msgspec.json.Decoder(_Said)
_CHUNK = msgspec.json.Decoder(_Chunk)
_EVENT = msgspec.json.Decoder(_Event)
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def translated(status: int, exception: str, body: bytes, request_id: str = "") -> tuple[int, bytes]:
    """An answer that is no success as the Messages API would have told it, with AWS's own words. One that is in the
    Messages API's shape already stays as it is. `exception` is the header x-amzn-errortype."""
    try:
        said = _SAID.decode(body)
    except _UNREADABLE:
        said = _Said()
    if said.type == "error" and said.error is not None and said.error.type:
        return status, body
    name = (exception or said.kind or "").partition(":")[0].rpartition("#")[2]
    text = said.text(body.decode("utf-8", "replace").strip() or name or f"AWS answered {status}")
    meaning = meaning_of(name, status, text)
    return meaning.status, error_body(meaning, text, request_id)


def meaning_of(exception: str, status: int, text: str) -> Meaning:
    """What an exception means: by its name, else by the status it came with."""
    found = MEANINGS.get(exception[:1].upper() + exception[1:]) or _BY_STATUS.get(
        status, INVALID if status < 500 else FAILED
    )
    return NO_MODEL if found in (INVALID, NOT_ALLOWED) and MODEL_ONLY.search(text) else found


def error_body(meaning: Meaning, text: str, request_id: str = "") -> bytes:
    """The body of an error, in the Messages API's shape."""
    told: dict[str, object] = {"type": "error", "error": {"type": meaning.type, "message": text}}
    return msgspec.json.encode(told | ({"request_id": request_id} if request_id else {}))


class MessagesStream:
    """Turns the frames of an answer of `invoke-with-response-stream` into the events of a Messages stream, chunk by chunk;
    equal for any chunking. Raises ValueError for what is no such answer."""

    __slots__ = ("_frames",)

    def __init__(self) -> None:
        self._frames = EventStreamDecoder()

    @property
    def pending(self) -> bool:
        """Whether an event has begun and not ended."""
        return self._frames.pending

    def feed(self, chunk: bytes) -> bytes:
        return b"".join([_event(frame) for frame in self._frames.feed(chunk)])


def _event(frame: Frame) -> bytes:
    """The bytes of an event. Kinds of frames that are not known say nothing that a Messages stream could."""
    kind = frame.text(":message-type")
    if kind in ("exception", "error"):
        return _failure(frame, frame.text(":exception-type") or frame.text(":error-code"))
    if kind != "event" or frame.text(":event-type") != "chunk":
        return b""
    try:
        data = _CHUNK.decode(frame.payload).data
        name = _EVENT.decode(data).type
    except _UNREADABLE:
        raise ValueError("an event of the stream holds no event of the Messages API") from None
    lines = data.replace(b"\r", b"").replace(b"\n", b"\ndata: ")
    return b"event: %b\ndata: %b\n\n" % (name.encode(), lines)


def _failure(frame: Frame, exception: str) -> bytes:
    try:
        text = _SAID.decode(frame.payload).text("")
    except _UNREADABLE:
        text = ""
    text = text or frame.text(":error-message") or exception or "the stream ended with an error"
    return b"event: error\ndata: %b\n\n" % error_body(meaning_of(exception, 500, text), text)
