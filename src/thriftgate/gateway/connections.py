"""Connections of clients: HTTP/1.1 by uvicorn and httptools, with an end to patience and no ambiguous request.

uvicorn bounds neither how long a head or a body takes nor how long a head is. Here

    a head        must be whole within `head_s` of its first byte (of the connection, for the first one)
    a body        must not pause for `body_idle_s`, nor come slower than `body_bytes_per_s_min` in all
    an answer     must be read: where nothing of what waits is taken for `answer_idle_s`, the connection is cut
    connections   are at most so many; one more takes the place of one that only waits, or is told 503

Time in which we do not read (a body that nobody has asked for yet) is not the client's. One timer looks after all: at most a
few microseconds a second for each connection, nothing for a call.
"""

from __future__ import annotations

import asyncio
from typing import Any, cast

import httptools
import msgspec
from msgspec import Struct
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from thriftgate.gateway.request_heads import Refusal, head_refused
from thriftgate.logs import log

REST, HEAD, BODY = "rest", "head", "body"
_HEAD_PLACE_S, _REST_PLACE_S = 1.0, 10.0  # how long one must have waited to lose its place to another


class Bounds(Struct, frozen=True):
    """See `[server]` of the settings."""

    connections_max: int = 10_000
    head_s: float = 20.0
    head_bytes_max: int = 65_536
    body_idle_s: float = 30.0
    body_bytes_per_s_min: int = 500
    answer_idle_s: float = 600.0


class Watch:
    """Looks after the connections of one event loop. `cut` counts those it ended, by why."""

    def __init__(self, bounds: Bounds) -> None:
        self.bounds = bounds
        self.open: dict[Connection, None] = {}  # the oldest first
        self.cut: dict[str, int] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._every_s = max(0.02, min(1.0, min(bounds.head_s, bounds.body_idle_s, bounds.answer_idle_s) / 4))
        self._told_s = float("-inf")

    def enter(self, connection: Connection) -> bool:
        """Whether there is room for one more, if need be that of one which only waits."""
        now = connection.loop.time()
        if len(self.open) >= self.bounds.connections_max:
            waiting = next((one for one in self.open if one.waits(HEAD, now - _HEAD_PLACE_S)), None)
            waiting = waiting or next((one for one in self.open if one.waits(REST, now - _REST_PLACE_S)), None)
            self.note("full", now)
            if waiting is None:
                return False
            self.leave(waiting)
            waiting.transport.abort()
        self.open[connection] = None
        if self._timer is None:
            self._timer = connection.loop.call_later(self._every_s, self._look, connection.loop)
        return True

    def leave(self, connection: Connection) -> None:
        self.open.pop(connection, None)

    def note(self, why: str, now: float) -> None:
        """Count what was done, and tell the log once a minute: whoever floods us must not fill a disk."""
        self.cut[why] = self.cut.get(why, 0) + 1
        if now - self._told_s >= 60.0:
            self._told_s = now
            log.warning("connections cut off", open=len(self.open), **self.cut)

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        for connection in list(self.open):
            connection.look(now)
        self._timer = loop.call_later(self._every_s, self._look, loop) if self.open else None


class Connection(HttpToolsProtocol):
    """One connection. `phase` is what the client is sending: nothing, a head, or a body."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        watch: Watch,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._watch = watch
        self._head_bytes_max = watch.bounds.head_bytes_max
        self.phase = HEAD
        self._now = self._since = self._heard = self._unsent_since = 0.0
        self._got = 0  # bytes of the body
        self._loose = 0  # bytes since the last one of a body: what a head, trailers or chunks' extensions take
        self._unsent = 0
        self._refusal: Refusal | None = None
        self._over = self._told_again = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(cast("asyncio.Transport", transport))
        self._now = self._since = self.loop.time()
        if not self._watch.enter(self):
            self._refuse(Refusal(503, "there are too many connections; try again soon"))

    def connection_lost(self, exc: Exception | None) -> None:
        self._over = True
        self._watch.leave(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._over:
            return
        self._now = self.loop.time()
        if self.phase is REST:
            self._begin()
        self._loose += len(data)
        self._unset_keepalive_if_required()
        self._feed(data)
        if self._loose > self._head_bytes_max and self.phase is not REST:
            self._refuse(Refusal(431, f"a request's head may have {self._head_bytes_max} bytes"))

    def _feed(self, data: bytes) -> None:
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as end_of_head:
            self._stay(data[end_of_head.args[0] :])
        except httptools.HttpParserError:
            self.send_400_response("")

    def _stay(self, rest: bytes) -> None:
        """Nobody is offered another protocol: a request that asks for one is answered in this one (RFC 9110 section 7.8), as
        Java's client expects for each of its first. The parser takes such a request to end with its head, and its body for
        the next request: another one, told of the body alone, reads on."""
        kept = [b"%b: %b\r\n" % one for one in self.scope["headers"] if one[0] in (b"content-length", b"transfer-encoding")]
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn has it: what follows is dropped
        self._told_again = True
        self.parser.feed_data(b"POST / HTTP/1.1\r\n%b\r\n" % b"".join(kept))
        self._told_again = False
        if rest:
            self._feed(rest)

    def _begin(self) -> None:
        self.phase, self._since, self._loose = HEAD, self._now, 0

    def on_message_begin(self) -> None:
        if self._told_again:
            return
        if self.phase is REST:  # behind another in one piece
            self._begin()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        if self._told_again:
            return
        if self._loose > self._head_bytes_max:
            size = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
            if size > self._head_bytes_max:
                self._refusal = Refusal(431, f"a request's head may have {self._head_bytes_max} bytes")
                raise ValueError("too long")
        self._refusal = head_refused(self.parser.get_http_version(), self.url, tuple(self.headers))
        if self._refusal is not None:
            raise ValueError("refused")  # becomes HttpParserCallbackError, and so comes to send_400_response
        super().on_headers_complete()
        self.phase, self._since, self._heard, self._got, self._loose = BODY, self._now, self._now, 0, 0
        self.headers = []  # trailers go there: behind a body nobody may add to the headers that were judged

    def on_body(self, body: bytes) -> None:
        self._got += len(body)
        self._heard = self._now
        self._loose = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        if self.parser.should_upgrade():  # its body is still to come: see `_stay`
            return
        self.phase, self._since, self._loose = REST, self._now, 0
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """What cannot be parsed, or was refused."""
        self._refuse(self._refusal or Refusal(400, "the request is no valid HTTP/1.1"))

    def waits(self, phase: str, before: float) -> bool:
        """Whether the client has been in that phase since before then, and nothing is being answered."""
        return self.phase is phase and self._since < before and self._idle()

    def look(self, now: float) -> None:
        """Cut the connection off if its client was waited for too long."""
        bounds = self._watch.bounds
        unsent = self.transport.get_write_buffer_size()
        if unsent != self._unsent or not unsent:
            self._unsent, self._unsent_since = unsent, now
        elif now - self._unsent_since > bounds.answer_idle_s:
            self._watch.note("slow reader", now)
            self.transport.abort()
            return
        if self._over:
            return
        cycle: RequestResponseCycle | None = self.cycle
        if self.flow.read_paused or (cycle is not None and cycle.waiting_for_100_continue):
            self._since = self._heard = now
        elif self.phase is HEAD and now - self._since > bounds.head_s:
            self._watch.note("slow head", now)
            words = f"the request's head was not whole within {bounds.head_s:g} s"
            self._refuse(Refusal(408, words), tell=self._loose > 0)
        elif self.phase is BODY and self._is_slow(now):
            self._watch.note("slow body", now)
            self._refuse(Refusal(408, "the request's body came too slowly"))

    def _is_slow(self, now: float) -> bool:
        bounds = self._watch.bounds
        if now - self._heard > bounds.body_idle_s:
            return True
        rate = bounds.body_bytes_per_s_min
        return bool(rate) and now - self._since > bounds.body_idle_s + self._got / rate

    def _idle(self) -> bool:
        cycle: RequestResponseCycle | None = self.cycle  # none before the first request, though uvicorn does not say so
        return cycle is None or cycle.response_complete

    def _refuse(self, refusal: Refusal, *, tell: bool = True) -> None:
        """Read nothing more, tell why where no other answer would be broken by it, and close."""
        if self._over:
            return
        self._over = True
        cycle = self.cycle
        if self.phase is not BODY and not self._idle():  # of a request that came before; it did no wrong
            cycle.keep_alive = False
            self.pipeline.clear()
            self.flow.pause_reading()
            return
        if tell and not (self.phase is BODY and cycle.response_started) and not self.pipeline:
            self.transport.write(_told(refusal))
        if not self._idle():
            cycle.disconnected = True
            cycle.message_event.set()
        self.transport.close()


def _told(refusal: Refusal) -> bytes:
    kind = "api_error" if refusal.status >= 500 else "invalid_request_error"
    body = msgspec.json.encode({"type": "error", "error": {"type": kind, "message": refusal.words}})
    head = b"content-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n" % len(body)
    return STATUS_LINE[refusal.status] + head + body
