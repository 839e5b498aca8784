"""The Messages dialect: requests, whole answers, streams."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import msgspec
from msgspec import Raw

from fuzz import seeds
from fuzz.part import Part, cuttings, unless
from thriftgate.core.errors import InputError
from thriftgate.core.output.until import parse_until
from thriftgate.core.request import parse_request
from thriftgate.wire.anthropic_messages import AnthropicMessages, count_body, read_count
from thriftgate.wire.assemble import Assembler, read_answer
from thriftgate.wire.dialect import Meter
from thriftgate.wire.early_end import EarlyEnd
from thriftgate.wire.given_again import as_given_again, used_by
from thriftgate.wire.meter import StreamMeter, read_message
from thriftgate.wire.ping import forbids_ping, plain_ping
from thriftgate.wire.prefilled import Beginning, with_beginning
from thriftgate.wire.sse import SseDecoder
from thriftgate.wire.whole_message import message_of
from thriftgate.wire.whole_stream import stream_of

UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What parsers let through that leave garbage to their callers, by their own word."""
_TOP = msgspec.json.Decoder(dict[str, Raw])


def check_request(data: bytes) -> None:
    """Only InputError; a request that is taken is the bytes that came, and each member stands where it says."""
    request = unless((InputError,), lambda: AnthropicMessages().parse(data))
    if request is None:
        return
    assert AnthropicMessages().render(request) is data
    assert parse_request(data) == request
    values = _TOP.decode(data)
    assert list(request.members) == list(values)
    for name, raw in values.items():
        assert request.raw(name) == bytes(raw), name
    assert request.max_tokens >= 0
    counted = unless((InputError,), lambda: count_body(request))
    assert counted is None or set(_TOP.decode(counted)) <= set(values)
    assert isinstance(forbids_ping(request), str)
    ping = unless((InputError,), lambda: plain_ping(data))
    if ping is not None:
        assert parse_request(ping).max_tokens == 0
        assert not parse_request(ping).stream
        for name, raw in values.items():
            assert name in ("max_tokens", "stream") or parse_request(ping).raw(name) == bytes(raw), name


def check_answer(data: bytes) -> None:
    """Nobody stumbles over a whole answer; what is made of one can be read again, and tells the same."""
    reading = read_message(data)
    assert not (reading.complete and reading.usage is None)
    if reading.usage is not None:
        assert reading.usage.usage().total.prompt >= 0
    read_answer(data)
    read_count(data)
    began = with_beginning(data, "Sure: ")
    assert began == data or read_answer(began) is not None or read_answer(data) is None
    again = unless((*UNREADABLE, InputError), lambda: as_given_again(data))
    if again is not None:
        assert b"\n" not in used_by(data)
        told = read_message(again)
        assert told.usage is None or told.usage.usage() == type(told.usage)().usage()
    stream = unless(UNREADABLE, lambda: stream_of(data))
    if stream is not None and reading.complete:
        told = _metered(StreamMeter(), [stream])
        assert (told.complete, told.model, told.stop_reason) == (True, reading.model, reading.stop_reason)


def _metered(meter: Meter, chunks: Iterable[bytes]) -> Any:
    for chunk in chunks:
        meter.feed(chunk)
    return meter.reading()


def _decoded(only: tuple[bytes, ...] | None) -> Callable[[Iterable[bytes]], object]:
    def run(chunks: Iterable[bytes]) -> object:
        decoder = SseDecoder(only)
        events = [event for chunk in chunks for event in decoder.feed(chunk)]
        return events, decoder.pending

    return run


def _assembled(chunks: Iterable[bytes]) -> object:
    assembler = Assembler(10_000)
    for chunk in chunks:
        assembler.feed(chunk)
    return assembler.answer()


def _begun(chunks: Iterable[bytes]) -> object:
    beginning = Beginning("Sure: ")
    return b"".join([*(beginning.feed(chunk) for chunk in chunks), beginning.rest()])


def _ended_early(until: str) -> Callable[[Iterable[bytes]], object]:
    condition = parse_until(until)

    def run(chunks: Iterable[bytes]) -> object:
        early = EarlyEnd(condition, "claude47")
        out = b"".join([*(early.feed(chunk) for chunk in chunks), early.rest()])
        return out, early.met

    return run


READERS: dict[str, Callable[[Iterable[bytes]], object]] = {
    "sse": _decoded(None),
    "sse, some types": _decoded((b"message_start", b"message_delta", b"message_stop", b"error")),
    "meter": lambda chunks: _metered(StreamMeter(), chunks),
    "assembler": _assembled,
    "beginning": _begun,
    "early end: line": _ended_early("first_line"),
    "early end: json": _ended_early("json"),
    "early end: items": _ended_early("items:2"),
}
"""Whatever reads streams piece by piece. None of them raises, for any stream."""


def check_stream(data: bytes) -> None:
    """Every reader says the same of a stream, whatever the pieces it comes in."""
    for name, read in READERS.items():
        whole = read([data])
        for chunks in cuttings(data):
            assert read(chunks) == whole, name
    unless((ValueError,), lambda: message_of(data))


def check_filter(data: bytes) -> None:
    """Events that are picked out by a search are those that a full reading finds."""
    wanted = (b"message_start", b"message_delta", b"message_stop", b"error")
    full = [event for event in SseDecoder().feed(data) if event.type in wanted]
    picked = SseDecoder(wanted).feed(data)
    if b"event:  " not in data and b"event :" not in data and b"event\n" not in data:
        assert picked == full


MESSAGES = (
    Part("request", check_request, seeds.requests),
    Part("answer", check_answer, seeds.answers),
    Part("stream", check_stream, seeds.streams),
    Part("filter", check_filter, seeds.streams),
)
