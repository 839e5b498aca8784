"""Message batches: the body that is read as it comes, and the lines of results."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from msgspec import Raw

from fuzz import seeds
from fuzz.part import Part, cuttings, outcome, unless
from thriftgate.core.errors import InputError
from thriftgate.wire.anthropic_batches import (
    read_batch,
    read_error,
    read_page,
    read_result,
    result_line,
    whole_lines,
    with_results_at,
)
from thriftgate.wire.batch_body import BatchBody, Item

_ORIGIN = "http://gateway.invalid"


class _Request(msgspec.Struct):
    custom_id: str
    params: Raw


class _Body(msgspec.Struct):
    requests: list[_Request]


def _items(chunks: Iterable[bytes]) -> list[Item]:
    body = BatchBody()
    found = [item for chunk in chunks for item in body.feed(chunk)]
    return [*found, *body.close()]


def check_body(data: bytes) -> None:
    """The same requests in any pieces, and those that a JSON parser finds in the whole."""
    whole = outcome((InputError,), lambda: _items([data]))
    for chunks in cuttings(data):
        assert outcome((InputError,), lambda chunks=chunks: _items(chunks)) == whole  # type: ignore[misc]
    parsed = unless((msgspec.DecodeError, UnicodeDecodeError, RecursionError), lambda: msgspec.json.decode(data, type=_Body))
    if parsed is None or whole.raised:
        return
    expected = [(one.custom_id, bytes(one.params)) for one in parsed.requests]
    assert isinstance(whole.value, list)
    assert [(item.custom_id, item.params) for item in whole.value] == expected


def check_results(data: bytes) -> None:
    """Result lines are the same in any pieces; each is one, or an InputError; told under another id they say the same."""

    def lines(chunks: Iterable[bytes]) -> list[bytes]:
        found, rest = [], b""
        for chunk in chunks:
            complete, rest = whole_lines(rest, chunk)
            found += complete
        return [*found, rest]

    whole = lines([data])
    for chunks in cuttings(data):
        assert lines(chunks) == whole
    for line in whole:
        result = unless((InputError,), lambda line=line: read_result(line))  # type: ignore[misc]
        if result is not None:
            again = read_result(result_line("another", result.result))
            assert again == result._replace(custom_id="another")


def check_objects(data: bytes) -> None:
    """Batch objects and pages: nothing is raised, and a page leads to us without anything else having changed."""
    read_error(data)
    batch, page = read_batch(data), read_page(data)
    there = with_results_at(_ORIGIN, data)
    assert with_results_at(_ORIGIN, there) == there
    if batch is not None:
        assert read_batch(there) == batch
        assert isinstance(batch.created_us + batch.ended_us + batch.request_counts.total, int)
    if page is not None:
        assert read_page(there) == page


BATCHES = (
    Part("batch_body", check_body, seeds.batch_bodies),
    Part("batch_results", check_results, seeds.batch_results),
    Part("batch_objects", check_objects, seeds.batch_objects),
)
