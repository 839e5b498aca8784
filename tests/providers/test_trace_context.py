"""`traceparent` and `tracestate`: the examples of the specification, and what it forbids."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thriftgate.providers.trace_context import Place, read_place, with_place

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
HERE = Place(int(TRACE, 16), int(SPAN, 16), True)


def parent(value: str) -> tuple[tuple[bytes, bytes], ...]:
    return ((b"traceparent", value.encode("latin-1")),)


@pytest.mark.parametrize(
    ("value", "sampled"),
    [
        (f"00-{TRACE}-{SPAN}-01", True),
        (f"00-{TRACE}-{SPAN}-00", False),
        (f"00-{TRACE}-{SPAN}-03", True),  # another flag, of level 2: random
        (f"cc-{TRACE}-{SPAN}-01-what-will-come", True),  # a later version may say more
        (f" 00-{TRACE}-{SPAN}-01 ", True),
    ],
)
def test_read(value: str, sampled: bool) -> None:
    assert read_place(parent(value)) == HERE._replace(sampled=sampled)


@pytest.mark.parametrize(
    "value",
    [
        "",
        f"00-{TRACE}-{SPAN}",
        f"00-{TRACE}-{SPAN}-01-more",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-1",
        f"00-{TRACE}-{SPAN}-01\n00",
        "é" * 55,
    ],
)
def test_what_is_no_place(value: str) -> None:
    assert read_place(parent(value)) is None


def test_two_are_none() -> None:
    assert read_place(parent(f"00-{TRACE}-{SPAN}-01") * 2) is None
    assert read_place(()) is None


@given(st.binary(max_size=80))
def test_nothing_raises(value: bytes) -> None:
    read_place(((b"traceparent", value),))


def test_written_is_read() -> None:
    assert HERE.written() == f"00-{TRACE}-{SPAN}-01".encode()
    assert HERE.trace == TRACE
    small = Place(1, 2, False)
    assert read_place(((b"traceparent", small.written()),)) == small


def test_state_stays_with_its_trace() -> None:
    came = (*parent(f"00-{TRACE}-{SPAN}-01"), (b"tracestate", b"vendor=1"), (b"accept", b"*/*"))
    inner = HERE._replace(span_id=7)
    assert with_place(came, inner) == (
        (b"tracestate", b"vendor=1"),
        (b"accept", b"*/*"),
        (b"traceparent", inner.written()),
    )
    other = Place(9, 7, True)
    assert with_place(came, other) == ((b"accept", b"*/*"), (b"traceparent", other.written()))
