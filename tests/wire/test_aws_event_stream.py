"""AWS event streams against botocore's decoder, whatever the chunks."""

from __future__ import annotations

import datetime as dt
import struct
import zlib
from collections.abc import Iterable
from random import Random
from typing import Any

import pytest
from botocore.eventstream import EventStreamBuffer
from hypothesis import given
from hypothesis import strategies as st

from tests.wire.streams import pieces, single_bytes
from thriftgate.wire.aws_event_stream import HEADERS_BYTES_MAX, PAYLOAD_BYTES_MAX, EventStreamDecoder, Frame

KINDS: dict[int, Any] = {
    0: st.just(b""),
    1: st.just(b""),
    2: st.binary(min_size=1, max_size=1),
    3: st.binary(min_size=2, max_size=2),
    4: st.binary(min_size=4, max_size=4),
    5: st.binary(min_size=8, max_size=8),
    6: st.binary(max_size=9).map(lambda value: struct.pack(">H", len(value)) + value),
    7: st.text(max_size=9).map(lambda value: struct.pack(">H", len(value.encode())) + value.encode()),
    8: st.integers(0, 4_000_000_000_000).map(lambda value: struct.pack(">q", value)),
    9: st.binary(min_size=16, max_size=16),
}
values = st.sampled_from(sorted(KINDS)).flatmap(lambda kind: st.tuples(st.just(kind), KINDS[kind]))
header_maps = st.dictionaries(st.text(min_size=1, max_size=6), values, max_size=5)


def frame(headers: dict[str, tuple[int, bytes]], payload: bytes) -> bytes:
    """A frame as AWS writes it."""
    told = b"".join(
        bytes([len(name.encode())]) + name.encode() + bytes([kind]) + value for name, (kind, value) in headers.items()
    )
    prelude = struct.pack(">II", 16 + len(told) + len(payload), len(told))
    whole = prelude + struct.pack(">I", zlib.crc32(prelude)) + told + payload
    return whole + struct.pack(">I", zlib.crc32(whole))


def decoded(chunks: Iterable[bytes]) -> list[Frame]:
    decoder = EventStreamDecoder()
    return [found for chunk in chunks for found in decoder.feed(chunk)]


def comparable(value: object) -> object:
    """A time as botocore tells it, in the milliseconds that stand in the frame."""
    return round(value.timestamp() * 1000) if isinstance(value, dt.datetime) else value


@given(st.lists(st.tuples(header_maps, st.binary(max_size=60)), max_size=4), st.integers(0, 2**32))
def test_frames_are_read_as_botocore_reads_them_whatever_the_chunks(
    told: list[tuple[dict[str, tuple[int, bytes]], bytes]], seed: int
) -> None:
    data = b"".join(frame(headers, payload) for headers, payload in told)
    buffer = EventStreamBuffer()
    buffer.add_data(data)
    theirs = [({name: comparable(value) for name, value in one.headers.items()}, one.payload) for one in buffer]
    found = decoded(pieces(data, Random(seed)))
    assert [(dict(one.headers), one.payload) for one in found] == theirs
    assert decoded(single_bytes(data)) == found


@pytest.mark.parametrize("at", range(0, 60, 3))
def test_a_bit_that_has_changed_is_noticed(at: int) -> None:
    data = bytearray(frame({":event-type": (7, b"\x00\x05chunk")}, b"a payload of some bytes, and more of it"))
    data[at] ^= 1
    with pytest.raises(ValueError, match="checksum"):
        decoded([bytes(data)])


def test_what_is_longer_than_aws_sends_is_refused_before_it_is_there() -> None:
    for total, headers in (
        (PAYLOAD_BYTES_MAX + 100, 10),
        (HEADERS_BYTES_MAX + 100, HEADERS_BYTES_MAX + 1),
        (20, 10),
        (0, 0),
    ):
        prelude = struct.pack(">II", total, headers)
        with pytest.raises(ValueError, match="none that AWS sends"):
            decoded([prelude + struct.pack(">I", zlib.crc32(prelude))])


@pytest.mark.parametrize(
    ("told", "why"),
    [(b"\x01a\x07\x00\x09x", "cannot be read"), (b"\x01a\x0b", "unknown type 11"), (b"\x01a\x00\x01a\x00", "twice"),
     (b"\x02\xff\xfe\x00", "cannot be read"), (b"\x05a", "cannot be read")],
)  # fmt: skip
def test_headers_that_cannot_be_read_are_named(told: bytes, why: str) -> None:
    prelude = struct.pack(">II", 16 + len(told), len(told))
    whole = prelude + struct.pack(">I", zlib.crc32(prelude)) + told
    with pytest.raises(ValueError, match=why):
        decoded([whole + struct.pack(">I", zlib.crc32(whole))])


def test_a_frame_that_has_begun_is_pending() -> None:
    decoder = EventStreamDecoder()
    data = frame({}, b"x")
    assert decoder.feed(data[:-1]) == []
    assert decoder.pending
    (found,) = decoder.feed(data[-1:])
    assert (found.payload, found.text("x"), decoder.pending) == (b"x", "", False)
