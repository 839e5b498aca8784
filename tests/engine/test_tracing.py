"""Where a call stands in a trace: headers on their way out."""

from __future__ import annotations

from tests.fixtures import TestClock
from thriftgate.engine.tracing import TRACE, Trace, traced
from thriftgate.providers.trace_context import Place, read_place

HERE = Place(5, 6, True)
HEADERS = ((b"accept", b"*/*"), (b"traceparent", HERE.written()), (b"tracestate", b"vendor=1"))


def test_without_a_trace_headers_are_the_same_object() -> None:
    clock = TestClock()
    assert traced(HEADERS, "tg_1", clock, clock.monotonic_s()) is HEADERS


def test_the_provider_is_told_of_a_span_that_is_remembered() -> None:
    clock = TestClock()
    trace = Trace(HERE, lambda bits: bits)
    token = TRACE.set(trace)
    try:
        asked_s = clock.monotonic_s()
        clock.advance(0.25)
        out = traced(HEADERS, "tg_1", clock, asked_s)
        assert read_place(out) == HERE._replace(span_id=64)
        assert (b"tracestate", b"vendor=1") in out
        held = trace.held["tg_1"]
        assert (held.span_id, held.took_us) == (64, 250_000)
        assert abs(held.asked_us + held.took_us - clock.now_s() * 1e6) < 2
        trace.closed = True
        assert traced(HEADERS, "tg_2", clock, asked_s) is HEADERS
    finally:
        TRACE.reset(token)
