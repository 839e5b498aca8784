"""W3C Trace Context: the headers `traceparent` and `tracestate` (w3.org/TR/trace-context, 2021-11; level 2, 2024-03).

traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01
             version, trace, the caller's span, flags (1: the caller records it)
"""

from __future__ import annotations

import re
from typing import NamedTuple

from thriftgate.providers.transport import Headers

TRACEPARENT, TRACESTATE = b"traceparent", b"tracestate"
SAMPLED = 1
_WRITTEN = re.compile(rb"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")


class Place(NamedTuple):
    """A span in its trace, both as the integers that the headers write in hexadecimal."""

    trace_id: int
    span_id: int
    sampled: bool

    @property
    def trace(self) -> str:
        """The trace's id, as logs and tools write it."""
        return f"{self.trace_id:032x}"

    def written(self) -> bytes:
        """The value of a `traceparent` header."""
        return b"00-%032x-%016x-%02x" % (self.trace_id, self.span_id, SAMPLED * self.sampled)


def read_place(headers: Headers) -> Place | None:
    """Where the caller is; None where it does not say, or not as the specification wants it. Never raises."""
    values = [value for name, value in headers if name == TRACEPARENT]
    found = _WRITTEN.fullmatch(values[0].strip()) if len(values) == 1 else None
    if found is None:
        return None
    version, trace, span, flags, rest = found.groups()
    if version == b"ff" or (version == b"00" and rest):
        return None
    trace_id, span_id = int(trace, 16), int(span, 16)
    return Place(trace_id, span_id, bool(int(flags, 16) & SAMPLED)) if trace_id and span_id else None


def with_place(headers: Headers, place: Place) -> Headers:
    """The headers with this place in them. What vendors put into `tracestate` stays where the trace is theirs."""
    before = read_place(headers)
    dropped = {TRACEPARENT} if before is not None and before.trace_id == place.trace_id else {TRACEPARENT, TRACESTATE}
    return (*((name, value) for name, value in headers if name not in dropped), (TRACEPARENT, place.written()))
