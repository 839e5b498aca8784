"""AWS event streams (`application/vnd.amazon.eventstream`): frames with headers, a payload and two checksums.

    total length (4) | headers' length (4) | CRC of these (4) | headers | payload | CRC of all before it (4)

Format: docs.aws.amazon.com/transcribe/latest/dg/streaming-setting-up.html#streaming-event-stream and
smithy.io/2.0/aws/amazon-eventstream.html, 2026-10. Tests hold it against botocore's decoder, chunked in any way.
"""

from __future__ import annotations

import struct
import zlib

from msgspec import Struct

HEADERS_BYTES_MAX = 128 * 1024
PAYLOAD_BYTES_MAX = 24 * 1024 * 1024
_PRELUDE = struct.Struct(">III")
_CRC = struct.Struct(">I")
_FRAME_BYTES = _PRELUDE.size + _CRC.size

HeaderValue = bool | int | bytes | str
_TRUE, _FALSE, _BYTES, _STRING, _UUID = 0, 1, 6, 7, 9
_NUMBERS = {
    2: struct.Struct(">b"),
    3: struct.Struct(">h"),
    4: struct.Struct(">i"),
    5: struct.Struct(">q"),
    8: struct.Struct(">q"),
}
_LENGTH = struct.Struct(">H")


class Frame(Struct, frozen=True):
    """One message of a stream."""

    headers: dict[str, HeaderValue]
    payload: bytes

    def text(self, header: str) -> str:
        """A header that is a text; "" where there is none."""
        value = self.headers.get(header, "")
        return value if isinstance(value, str) else ""


class EventStreamDecoder:
    """Feed it chunks; it returns the frames completed by each. Raises ValueError for what is no event stream, for a wrong
    checksum, and for a frame longer than AWS sends."""

    __slots__ = ("_tail",)

    def __init__(self) -> None:
        self._tail = bytearray()

    @property
    def pending(self) -> bool:
        """Whether a frame has begun and not ended."""
        return bool(self._tail)

    def feed(self, chunk: bytes) -> list[Frame]:
        self._tail += chunk
        frames: list[Frame] = []
        position = 0
        while (length := self._length(position)) and len(self._tail) - position >= length:
            frames.append(_frame(bytes(self._tail[position : position + length])))
            position += length
        del self._tail[:position]
        return frames

    def _length(self, position: int) -> int:
        """The length of the frame that begins there; 0 where that has not come yet."""
        if len(self._tail) - position < _PRELUDE.size:
            return 0
        total, headers, crc = _PRELUDE.unpack_from(self._tail, position)
        if zlib.crc32(self._tail[position : position + 8]) != crc:
            raise ValueError("the checksum of an event's beginning is wrong")
        payload = total - headers - _FRAME_BYTES
        if payload < 0 or headers > HEADERS_BYTES_MAX or payload > PAYLOAD_BYTES_MAX:
            raise ValueError(f"an event of {total} bytes with {headers} bytes of headers is none that AWS sends")
        return int(total)


def _frame(data: bytes) -> Frame:
    if zlib.crc32(data[: -_CRC.size]) != _CRC.unpack_from(data, len(data) - _CRC.size)[0]:
        raise ValueError("the checksum of an event is wrong")
    end = _PRELUDE.size + _PRELUDE.unpack_from(data)[1]
    return Frame(_headers(data[_PRELUDE.size : end]), data[end : -_CRC.size])


def _headers(data: bytes) -> dict[str, HeaderValue]:
    found: dict[str, HeaderValue] = {}
    position = 0
    try:
        while position < len(data):
            end = position + 1 + data[position]
            name = data[position + 1 : end].decode()
            if name in found:
                raise ValueError(f"an event has the header {name!r} twice")
            found[name], position = _value(data, end + 1, data[end])
    except (IndexError, struct.error, UnicodeDecodeError):
        raise ValueError("the headers of an event cannot be read") from None
    if position != len(data):
        raise ValueError("the headers of an event cannot be read")
    return found


def _value(data: bytes, position: int, kind: int) -> tuple[HeaderValue, int]:
    """The value of a header, and where it ends."""
    if kind in (_TRUE, _FALSE):
        return kind == _TRUE, position
    if kind in _NUMBERS:
        number = _NUMBERS[kind]
        return int(number.unpack_from(data, position)[0]), position + number.size
    if kind == _UUID:
        return data[position : position + 16], position + 16
    if kind not in (_BYTES, _STRING):
        raise ValueError(f"an event has a header of the unknown type {kind}")
    start = position + _LENGTH.size
    end = start + _LENGTH.unpack_from(data, position)[0]
    return data[start:end].decode() if kind == _STRING else data[start:end], end
