"""AWS event streams: frames with checksums, and what Bedrock says in them."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterable

from fuzz import seeds
from fuzz.part import Outcome, Part, cuttings, outcome
from thriftgate.wire.aws_answers import MessagesStream, translated
from thriftgate.wire.aws_event_stream import EventStreamDecoder

_SPLIT = b"\n--\n"


def check_bytes(data: bytes) -> None:
    """ValueError or frames, the same in any pieces."""
    _same_in_any_pieces(data)


def check_frames(data: bytes) -> None:
    """Frames with right checksums, made of the parts of the input: header block, payload, header block, payload …"""
    parts = data.split(_SPLIT)
    _same_in_any_pieces(b"".join(frame(headers, payload) for headers, payload in zip(parts[::2], parts[1::2], strict=False)))


def frame(headers: bytes, payload: bytes) -> bytes:
    """A frame whose checksums are right, whatever is in it."""
    prelude = struct.pack(">II", 16 + len(headers) + len(payload), len(headers))
    begun = prelude + struct.pack(">I", zlib.crc32(prelude)) + headers + payload
    return begun + struct.pack(">I", zlib.crc32(begun))


def _same_in_any_pieces(data: bytes) -> None:
    def frames(chunks: Iterable[bytes]) -> object:
        decoder = EventStreamDecoder()
        return [one for chunk in chunks for one in decoder.feed(chunk)], decoder.pending

    def messages(chunks: Iterable[bytes]) -> object:
        stream = MessagesStream()
        return b"".join([stream.feed(chunk) for chunk in chunks]), stream.pending

    readers: tuple[Callable[[Iterable[bytes]], object], ...] = (frames, messages)
    for read in readers:
        whole = _tried(read, [data])
        for chunks in cuttings(data):
            assert _tried(read, chunks) == whole


def _tried(read: Callable[[Iterable[bytes]], object], chunks: Iterable[bytes]) -> Outcome:
    return outcome((ValueError,), lambda: read(chunks))


def check_errors(data: bytes) -> None:
    """Any error body is told in the Messages API's shape."""
    for status in (400, 403, 429, 500):
        for exception in ("", "ValidationException", "ThrottlingException:http://internal.amazon.invalid/"):
            told, body = translated(status, exception, data)
            assert 400 <= told < 600
            assert body


EVENT_STREAMS = (
    Part("event_stream", check_bytes, seeds.event_streams),
    Part("event_frames", check_frames, seeds.event_frames),
    Part("event_errors", check_errors, seeds.aws_errors),
)
