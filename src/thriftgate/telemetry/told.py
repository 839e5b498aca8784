"""What is handed to the exporter: a booked call, and a request at the door, each with its place in a trace."""

from __future__ import annotations

from typing import NamedTuple

from thriftgate.engine.tracing import Held
from thriftgate.ledger.entries import Entry
from thriftgate.providers.trace_context import Place


class ToldCall(NamedTuple):
    """A booked call. `place` is its own span; `parent_id` the span that it is part of (0: it stands alone, maybe with a
    `link` to the request that led to it); `heard_us` when its entry was durable."""

    entry: Entry
    place: Place
    parent_id: int
    heard_us: int
    held: Held | None = None
    link: Place | None = None


class ToldRequest(NamedTuple):
    """A request at the door (microseconds since 1970). `parent_id` is the client's span, 0 where it told none."""

    place: Place
    parent_id: int
    method: str
    route: str
    status: int
    began_us: int
    ended_us: int


Told = ToldCall | ToldRequest
