"""Where a call stands in a trace, while it is under way. Without tracing there is nothing here but one look at an empty
variable; what is made of it, and sent where, is not the engine's business."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from typing import NamedTuple

from thriftgate.clock import Clock
from thriftgate.providers.trace_context import Place, with_place
from thriftgate.providers.transport import Headers


class Held(NamedTuple):
    """A call whose hold is taken, about to be sent: the span that the provider is told of, when its hold was asked for
    (microseconds since 1970), and how long that took."""

    span_id: int
    asked_us: int
    took_us: int


class Trace:
    """One request at the door. `place` is its own span; `draw` gives so many random bits. Calls that settle when it is
    `closed` are no part of it any more."""

    __slots__ = ("closed", "draw", "held", "place")

    def __init__(self, place: Place, draw: Callable[[int], int]) -> None:
        self.place = place
        self.draw = draw
        self.held: dict[str, Held] = {}
        self.closed = False


TRACE: ContextVar[Trace | None] = ContextVar("trace", default=None)


def traced(headers: Headers, call_id: str, clock: Clock, began_monotonic_s: float) -> Headers:
    """The headers with which a call goes out. `began_monotonic_s` is when its hold was asked for."""
    trace = TRACE.get()
    if trace is None or trace.closed:
        return headers
    took_us = int((clock.monotonic_s() - began_monotonic_s) * 1e6)
    span_id = trace.draw(64) or 1
    trace.held[call_id] = Held(span_id, int(clock.now_s() * 1e6) - took_us, took_us)
    return with_place(headers, trace.place._replace(span_id=span_id))
