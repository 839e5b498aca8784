"""A request at the door as part of a trace: the client's, if it tells one, else one that begins here.

With telemetry on, every request to the API has a span, and what goes to the provider carries our `traceparent`. With it off
but with the log of calls on, the client's trace is only written into the log; headers pass as they came.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from thriftgate.clock import Clock
from thriftgate.engine.tracing import TRACE, Trace
from thriftgate.gateway.asgi import Message, Receive, Scope, Send
from thriftgate.logs import bound
from thriftgate.providers.trace_context import Place, read_place, with_place
from thriftgate.telemetry.told import ToldRequest

API = "/v1/"
_ROUTES = ("/v1/messages/count_tokens", "/v1/messages/batches", "/v1/messages", "/v1/models")
_METHODS = frozenset({"GET", "POST", "DELETE", "HEAD", "PUT", "PATCH", "OPTIONS"})

App = Callable[[Scope, Receive, Send], Awaitable[None]]


class Tracing:
    """One per gateway. `tell` is handed every request that is sampled, None where nothing is sent; `sample` is the share of
    traces that begin here and are; `draw` gives so many random bits."""

    def __init__(
        self, clock: Clock, tell: Callable[[ToldRequest], None] | None, *, sample: float, draw: Callable[[int], int]
    ) -> None:
        self._clock = clock
        self._tell = tell
        self._sample = sample
        self._draw = draw

    async def serve(self, scope: Scope, receive: Receive, send: Send, app: App) -> None:
        """Let `app` answer."""
        if not scope["path"].startswith(API):
            await app(scope, receive, send)
            return
        before = read_place(tuple(scope["headers"]))
        if self._tell is None:
            with bound(**traced_fields(before)):
                await app(scope, receive, send)
            return
        place = self.begun(before)
        trace = Trace(place, self._draw)
        began_us, status = self._now_us(), 0

        async def watched(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        token = TRACE.set(trace)
        try:
            with bound(**traced_fields(place)):
                inner = {**scope, "headers": list(with_place(tuple(scope["headers"]), place))}
                await app(inner, receive, watched)
        finally:
            TRACE.reset(token)
            trace.closed = True
            if place.sampled:
                method = scope["method"] if scope["method"] in _METHODS else "_OTHER"
                parent_id = before.span_id if before is not None else 0
                self._tell(ToldRequest(place, parent_id, method, route_of(scope["path"]), status, began_us, self._now_us()))

    def begun(self, before: Place | None = None) -> Place:
        """The place of a new span: within the caller's trace, else in a new one."""
        span_id = self._draw(64) or 1
        if before is not None:
            return before._replace(span_id=span_id)
        return Place(self._draw(128) or 1, span_id, self._draw(53) < self._sample * 2**53)

    def _now_us(self) -> int:
        return int(self._clock.now_s() * 1e6)


def traced_fields(place: Place | None) -> Mapping[str, str]:
    """What the log says of a trace."""
    return {"trace": place.trace} if place is not None else {}


def route_of(path: str) -> str:
    """The route of a path, without what clients write into it."""
    for route in _ROUTES:
        if path == route:
            return route
        if path.startswith(f"{route}/"):
            return f"{route}/*"
    return f"{API}*"
