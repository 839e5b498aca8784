"""What one answer says about its own cost. Reads a copy of the bytes; never holds the answer up.

A stream tells its input side in `message_start` (with the 5m/1h split, tier, geo and speed, and a placeholder output
count) and its totals in the last `message_delta`; both must be merged
(platform.claude.com/docs/en/build-with-claude/streaming, 2026-08).
"""

from __future__ import annotations

import msgspec
from msgspec import Raw, Struct

from thriftgate.core.misses import Told
from thriftgate.wire.sse import Event, SseDecoder
from thriftgate.wire.usage import ApiUsage, Count, StopDetails

# Of an event with one text delta, what is not text (its frame), in bytes.
DELTA_FRAME_BYTES = 117
_DELTA_LINE = b"event: content_block_delta"
_WANTED = (b"message_start", b"message_delta", b"message_stop", b"error")


class Reading(Struct, frozen=True):
    """All the meter saw.

    `complete` says that the answer reached its end; only then is `usage` the final word. `output_bytes` is the length of
    the content seen so far, for an estimate where the final usage never came. `error` is the type of an error the provider
    reported, in the body or in the stream. `cache_miss` is the provider's own diagnosis, where the client asked for one.
    `stopped_early`: we left the stream because the answer was complete (`early_end.py`); then `received_tokens` estimates
    the output that had come, `received_thinking` the thinking in it, and the usage tells of the input side only.
    """

    complete: bool
    usage: ApiUsage | None = None
    model: str = ""
    message_id: str = ""
    stop_reason: str = ""
    stop_category: str | None = None
    output_bytes: int = 0
    error: str = ""
    cache_miss: Told | None = None
    stopped_early: bool = False
    received_tokens: int = 0
    received_thinking: int = 0


class _Error(Struct):
    type: str = ""


class _Message(Struct):
    id: str = ""
    model: str = ""
    usage: ApiUsage | None = None
    stop_reason: str | None = None
    stop_details: StopDetails | None = None
    type: str = ""
    error: _Error | None = None
    diagnostics: Raw = Raw(b"null")


class _MissReason(Struct):
    type: str
    cache_missed_input_tokens: Count | None = 0


class _Diagnostics(Struct):
    cache_miss_reason: _MissReason | None = None


class _Start(Struct):
    message: _Message


class _Delta(Struct):
    stop_reason: str | None = None
    stop_details: StopDetails | None = None


class _MessageDelta(Struct):
    delta: _Delta = msgspec.field(default_factory=_Delta)
    usage: ApiUsage | None = None


class _ErrorEvent(Struct):
    error: _Error = msgspec.field(default_factory=_Error)


_MESSAGE = msgspec.json.Decoder(_Message)
_START = msgspec.json.Decoder(_Start)
_DELTA = msgspec.json.Decoder(_MessageDelta)
_ERROR = msgspec.json.Decoder(_ErrorEvent)
_DIAGNOSTICS = msgspec.json.Decoder(_Diagnostics)


def read_message(body: bytes) -> Reading:
    """Meter a whole JSON answer. One that is not a message (garbage, an error body) is not `complete`."""
    try:
        message = _MESSAGE.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Reading(complete=False, output_bytes=len(body))
    if message.error is not None:
        return Reading(complete=False, error=message.error.type)
    category = message.stop_details.category if message.stop_details is not None else None
    return Reading(
        complete=message.usage is not None,
        usage=message.usage,
        model=message.model,
        message_id=message.id,
        stop_reason=message.stop_reason or "",
        stop_category=category,
        output_bytes=len(body),
        cache_miss=_told(message.diagnostics),
    )


def _told(raw: Raw) -> Told | None:
    """The reason in a `diagnostics` object; None where there is none, or none that can be read: a remark is no reason to
    doubt the answer (platform.claude.com/docs/en/build-with-claude/cache-diagnostics, 2026-09)."""
    if bytes(raw) == b"null":
        return None
    try:
        reason = _DIAGNOSTICS.decode(raw).cache_miss_reason
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return Told(reason.type, reason.cache_missed_input_tokens or 0) if reason is not None else None


class StreamMeter:
    """Meters a stream of Messages events, chunk by chunk; equal for any chunking."""

    __slots__ = ("_bytes", "_carry", "_complete", "_decoder", "_deltas", "_error", "_message", "_opening", "_stop", "_usage")

    def __init__(self) -> None:
        self._decoder = SseDecoder(_WANTED)
        self._usage: ApiUsage | None = None
        self._message = _Message()
        self._stop = _Delta()
        self._complete = False
        self._error = ""
        self._bytes = 0
        self._opening = 0
        self._deltas = 0
        self._carry = b""

    def feed(self, chunk: bytes) -> bool:
        """Read a chunk; True once the message has ended: the chunk holds its last event."""
        counted = self._carry + chunk
        if not self._deltas:  # what comes before the first delta is no output
            first = counted.find(_DELTA_LINE)
            self._opening = self._bytes - len(self._carry) + first if first >= 0 else self._opening
        self._bytes += len(chunk)
        self._deltas += counted.count(_DELTA_LINE)
        # One byte less than the marker: a marker is counted once, wherever chunks part.
        self._carry = counted[-(len(_DELTA_LINE) - 1) :]
        try:
            for event in self._decoder.feed(chunk):
                self._read(event)
        except ValueError:
            self._error = "unreadable_stream"
        return self._complete

    def reading(self) -> Reading:
        category = self._stop.stop_details.category if self._stop.stop_details is not None else None
        return Reading(
            complete=self._complete and self._usage is not None,
            usage=self._usage,
            model=self._message.model,
            message_id=self._message.id,
            stop_reason=self._stop.stop_reason or "",
            stop_category=category,
            output_bytes=max(0, self._bytes - self._opening - self._deltas * DELTA_FRAME_BYTES) if self._deltas else 0,
            error=self._error,
            cache_miss=_told(self._message.diagnostics),
        )

    def _read(self, event: Event) -> None:
        try:
            if event.type == b"message_start":
                self._message = _START.decode(event.data).message
                self._usage = self._message.usage
            elif event.type == b"message_delta":
                delta = _DELTA.decode(event.data)
                if delta.delta.stop_reason is not None:
                    self._stop = delta.delta
                if delta.usage is not None:
                    self._usage = self._usage.merged(delta.usage) if self._usage is not None else delta.usage
            elif event.type == b"message_stop":
                self._complete = True
            else:
                self._error = _ERROR.decode(event.data).error.type or "unknown"
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            self._error = "unreadable_event"
