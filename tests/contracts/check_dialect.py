"""What every wire dialect must do. A dialect is checked by handing it, with its fixtures, to each of `CHECKS`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from random import Random
from typing import NamedTuple

import pytest

from tests.wire.streams import metered, pieces, single_bytes
from thriftgate.core import errors
from thriftgate.core.errors import InputError, ThriftgateError
from thriftgate.core.request import Request
from thriftgate.wire.dialect import Dialect

CUTS = 60


class Fixtures(NamedTuple):
    """What clients of a dialect send and get: requests, no requests, and answers, each whole and as a stream."""

    requests: tuple[bytes, ...]
    unreadable: tuple[bytes, ...]
    answers: tuple[tuple[bytes, bytes], ...]


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


CHECKS: tuple[Check, ...] = (
    parse_then_render_is_the_identity,
    a_request_reads_the_same_twice,
    what_cannot_be_read_is_an_input_error,
    its_errors_are_read_as_errors,
    a_stream_says_what_the_whole_answer_says,
    a_stream_reads_the_same_in_any_pieces,
    a_stream_that_breaks_off_is_not_complete,
    garbage_is_no_answer,
)
