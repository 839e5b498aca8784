"""What every wire dialect must do. A dialect is checked by handing it, with its fixtures, to each of `CHECKS`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from random import Random
from typing import Any, NamedTuple

import pytest

from tests.wire.streams import metered, pieces, single_bytes
from thriftgate.core import errors
from thriftgate.core.errors import InputError, ThriftgateError
from thriftgate.core.request import Request
from thriftgate.wire.dialect import Dialect

CUTS = 60
NOW_S = 1_795_000_000


class Fixtures(NamedTuple):
    """A dialect's two faces. Towards the engine: requests, no requests, and the provider's answers, each whole and as a
    stream. Towards the client: `seen` reads a whole answer that was told to it, `heard` a stream; the two are equal where
    the same was told."""

    requests: tuple[bytes, ...]
    unreadable: tuple[bytes, ...]
    answers: tuple[tuple[bytes, bytes], ...]
    seen: Callable[[bytes], Any]
    heard: Callable[[bytes], Any]


Check = Callable[[Dialect, Fixtures], None]


def parse_then_render_is_the_identity(dialect: Dialect, fixtures: Fixtures) -> None:
    for body in fixtures.requests:
        request = dialect.parse(body)
        assert isinstance(request, Request)
        assert dialect.render(request) == body


def a_request_reads_the_same_twice(dialect: Dialect, fixtures: Fixtures) -> None:
    for body in fixtures.requests:
        assert dialect.parse(body) == dialect.parse(body)


def what_cannot_be_read_is_an_input_error(dialect: Dialect, fixtures: Fixtures) -> None:
    for body in fixtures.unreadable:
        with pytest.raises(InputError):
            dialect.parse(body)


def its_errors_are_read_as_errors(dialect: Dialect, fixtures: Fixtures) -> None:
    """The shape its clients expect is the shape it reads from upstream, and it never looks like an answer."""
    for kind in _errors():
        reading = dialect.read(dialect.error(kind("what is wrong")))
        assert not reading.complete
        assert reading.usage is None
        assert reading.error == kind.error_type


def _errors() -> Iterator[type[ThriftgateError]]:
    for one in vars(errors).values():
        if isinstance(one, type) and issubclass(one, ThriftgateError):
            yield one


def a_stream_says_what_the_whole_answer_says(dialect: Dialect, fixtures: Fixtures) -> None:
    assert fixtures.answers
    for whole, stream in fixtures.answers:
        one, two = dialect.read(whole), metered([stream], dialect.meter())
        assert one.complete
        assert two.complete
        assert one.usage is not None
        assert two.usage is not None
        assert one.usage.usage() == two.usage.usage()
        assert one.usage.usage().total.prompt > 0
        assert (one.model, one.stop_reason) == (two.model, two.stop_reason)


def a_stream_reads_the_same_in_any_pieces(dialect: Dialect, fixtures: Fixtures) -> None:
    random = Random(1)
    for _, stream in fixtures.answers:
        reading = metered([stream], dialect.meter())
        assert metered(single_bytes(stream), dialect.meter()) == reading
        for _ in range(10):
            assert metered(pieces(stream, random), dialect.meter()) == reading


def a_stream_that_breaks_off_is_not_complete(dialect: Dialect, fixtures: Fixtures) -> None:
    """However little came, a reading can be had; completeness is told by the last event only, and at once."""
    for _, stream in fixtures.answers:
        for cut in {len(stream) * part // CUTS for part in range(CUTS)}:
            meter = dialect.meter()
            assert not meter.feed(stream[:cut])
            assert not meter.reading().complete
            assert meter.feed(stream[cut:])
            assert meter.reading().complete


def garbage_is_no_answer(dialect: Dialect, fixtures: Fixtures) -> None:
    for garbage in (b"", b"<html>", b"{", b"null", b"[]", b"\x00\xff", b"{}"):
        assert not dialect.read(garbage).complete
        assert not metered([garbage], dialect.meter()).complete


def a_client_hears_of_a_stream_what_it_sees_of_the_answer(dialect: Dialect, fixtures: Fixtures) -> None:
    for whole, stream in fixtures.answers:
        teller = dialect.teller(NOW_S)
        status, told = teller.whole(200, whole) if teller is not None else (200, whole)
        assert status == 200
        assert fixtures.seen(told) == fixtures.heard(_told(dialect, [stream]))


def a_stream_is_told_the_same_in_any_pieces(dialect: Dialect, fixtures: Fixtures) -> None:
    random = Random(2)
    for _, stream in fixtures.answers:
        told = _told(dialect, [stream])
        assert told
        assert _told(dialect, single_bytes(stream)) == told
        for _ in range(10):
            assert _told(dialect, pieces(stream, random)) == told


def a_stream_that_breaks_off_is_told_as_that(dialect: Dialect, fixtures: Fixtures) -> None:
    """Nobody may take a part for the whole: what ends an answer is not told before it has ended, and what cuts it is."""
    for _, stream in fixtures.answers:
        whole = _told(dialect, [stream])
        for cut in {len(stream) * part // CUTS for part in range(CUTS)}:
            teller = dialect.teller(NOW_S)
            if teller is None:
                return
            begun = teller.feed(stream[:cut])
            assert whole.startswith(begun)
            assert begun != whole
            assert "error" in fixtures.heard(begun + teller.end())
            assert not teller.end()


def garbage_is_told_as_an_error(dialect: Dialect, fixtures: Fixtures) -> None:
    for garbage in (b"", b"<html>", b"{", b"null", b"[]", b"\x00\xff", b"{}", b"event: message_start\ndata: {}\n\n"):
        teller = dialect.teller(NOW_S)
        if teller is None:
            return
        assert "error" in fixtures.heard(teller.feed(garbage) + teller.end())
        for status in (200, 400, 500):
            told_status, told = teller.whole(status, garbage)
            assert told_status >= 400
            assert "error" in fixtures.seen(told)


def _told(dialect: Dialect, chunks: Iterable[bytes]) -> bytes:
    """What a client gets of a stream that comes in these pieces."""
    teller = dialect.teller(NOW_S)
    if teller is None:
        return b"".join(chunks)
    return b"".join([*map(teller.feed, chunks), teller.end()])


CHECKS: tuple[Check, ...] = (
    parse_then_render_is_the_identity,
    a_request_reads_the_same_twice,
    what_cannot_be_read_is_an_input_error,
    its_errors_are_read_as_errors,
    a_stream_says_what_the_whole_answer_says,
    a_stream_reads_the_same_in_any_pieces,
    a_stream_that_breaks_off_is_not_complete,
    garbage_is_no_answer,
    a_client_hears_of_a_stream_what_it_sees_of_the_answer,
    a_stream_is_told_the_same_in_any_pieces,
    a_stream_that_breaks_off_is_told_as_that,
    garbage_is_told_as_an_error,
)
