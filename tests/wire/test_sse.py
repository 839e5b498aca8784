"""Server-sent events against a naive reading of the standard, for any chunking and any line end."""

from __future__ import annotations

import re
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.wire import streams
from thriftgate.wire import sse
from thriftgate.wire.sse import Event, SseDecoder


def naive(data: bytes) -> list[Event]:
    """The algorithm of html.spec.whatwg.org, line by line, on the whole stream; without a byte order mark, id and retry."""
    lines = re.split(rb"\r\n|\r|\n", data)[:-1]
    found: list[Event] = []
    kind, values = b"", list[bytes]()
    for line in lines:
        if not line:
            if values:
                found.append(Event(kind or b"message", b"\n".join(values)))
            kind, values = b"", []
            continue
        name, _, value = line.partition(b":")
        value = value[1:] if value[:1] == b" " else value
        if name == b"event":
            kind = value
        elif name == b"data":
            values.append(value)
    return found


def decoded(chunks: list[bytes], only: tuple[bytes, ...] | None = None) -> list[Event]:
    decoder = SseDecoder(only)
    return [event for chunk in chunks for event in decoder.feed(chunk)]


NAMES = st.sampled_from((b"message_start", b"message_stop", b"message_stop_", b"ping", b"error", b"x", b"message", b""))
VALUES = st.sampled_from(
    (b"{}", b'{"a": "event: ping"}', b"", b" ", b"event: error", b": no", b"data: data", b"\xe2\x98\x95")
)
LINES = st.one_of(
    NAMES.map(lambda name: b"event: " + name),
    NAMES.map(lambda name: b"event:" + name),
    VALUES.map(lambda value: b"data: " + value),
    VALUES.map(lambda value: b"data:" + value),
    st.sampled_from(
        (b"data", b"event", b": a comment", b":event: ping", b"id: 7", b"retry: 10", b"eventual: ping", b" event: ping")
    ),
)
ENDS = st.sampled_from(streams.LINE_ENDS)
STREAMS = st.lists(st.tuples(LINES | st.just(b""), ENDS), max_size=25).map(
    lambda parts: b"".join(b"".join(part) for part in parts)
)
SANE = st.tuples(ENDS, st.lists(LINES | st.just(b""), max_size=25)).map(lambda drawn: drawn[0].join([*drawn[1], b"", b""]))
ONLY = st.lists(NAMES, unique=True, min_size=1, max_size=3).map(tuple)


@given(STREAMS | SANE | st.binary(max_size=60), st.randoms(use_true_random=False))
def test_fed_whole_byte_by_byte_or_in_pieces_it_is_the_standard(data: bytes, random: Random) -> None:
    expected = naive(data)
    for chunks in ([data], streams.single_bytes(data), list(streams.pieces(data, random))):
        assert decoded(list(chunks)) == expected


@given(STREAMS | SANE, ONLY, st.randoms(use_true_random=False))
def test_a_filter_gives_what_filtering_all_events_gives(data: bytes, only: tuple[bytes, ...], random: Random) -> None:
    expected = [event for event in naive(data) if event.type in only]
    for chunks in ([data], streams.single_bytes(data), list(streams.pieces(data, random))):
        assert decoded(list(chunks), only) == expected


EXAMPLES: list[tuple[str, bytes, list[tuple[bytes, bytes]]]] = [
    ("nothing", b"", []),
    ("as the API writes it", b'event: ping\ndata: {"type": "ping"}\n\n', [(b"ping", b'{"type": "ping"}')]),
    ("data before the type", b"data: 1\nevent: ping\n\n", [(b"ping", b"1")]),
    ("no type", b"data: 1\n\n", [(b"message", b"1")]),
    ("no data", b"event: ping\n\n", []),
    ("data of several lines", b"data: 1\ndata: 2\n\n", [(b"message", b"1\n2")]),
    ("comments and unknown fields", b": hi\nid: 1\nevent: ping\nretry: 5\ndata: 1\n\n", [(b"ping", b"1")]),
    ("only the first blank is dropped", b"data:  1\n\n", [(b"message", b" 1")]),
    ("unfinished", b"event: ping\ndata: 1\n", []),
    ("the last type counts", b"event: a\nevent: b\ndata: 1\n\n", [(b"b", b"1")]),
    ("CRLF", b"event: ping\r\ndata: 1\r\n\r\n", [(b"ping", b"1")]),
    ("CR", b"event: ping\rdata: 1\r\r", [(b"ping", b"1")]),
    (
        "mixed ends",
        b"event: ping\ndata: 1\n\r\ndata: 2\r\n\ndata: 3\n\r",
        [(b"ping", b"1"), (b"message", b"2"), (b"message", b"3")],
    ),
    ("a line end inside JSON is escaped", b'data: "\\n\\nevent: ping\\n"\n\n', [(b"message", b'"\\n\\nevent: ping\\n"')]),
]


@pytest.mark.parametrize(("data", "expected"), [row[1:] for row in EXAMPLES], ids=[row[0] for row in EXAMPLES])
def test_examples(data: bytes, expected: list[tuple[bytes, bytes]]) -> None:
    assert decoded([data]) == decoded(list(streams.single_bytes(data))) == [Event(*one) for one in expected]


@pytest.mark.parametrize("name", streams.ASKED)
def test_the_simulators_streams(name: str) -> None:
    data = streams.simulated(name, stream=True)
    events = decoded([data])
    assert events == naive(data)
    assert events[0].type == b"message_start"
    assert events[-1].type == b"message_stop"
    assert decoded([data], (b"message_stop",)) == events[-1:]


def test_an_event_is_told_as_soon_as_it_has_ended() -> None:
    decoder = SseDecoder((b"ping",))
    assert decoder.feed(b"event: ping\ndata: 1\n") == []
    assert decoder.pending
    assert decoder.feed(b"\n") == [Event(b"ping", b"1")]
    assert not decoder.pending


def test_a_peer_that_never_ends_its_event(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "EVENT_BYTES_MAX", 100)
    decoder = SseDecoder()
    decoder.feed(b"data: " + b"x" * 90)
    with pytest.raises(ValueError, match="no end of event"):
        decoder.feed(b"x" * 10)


def test_events_that_are_skipped_may_be_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "EVENT_BYTES_MAX", 100)
    decoder = SseDecoder((b"ping",))
    assert decoder.feed(b"event: other\ndata: " + b"x" * 200 + b"\n\nevent: ping\ndata: 1\n\n") == [Event(b"ping", b"1")]
