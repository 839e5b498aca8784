"""One HTTP/1.1 connection to a provider, and the answer that comes on it. `http1_transport` opens and keeps them."""

from __future__ import annotations

import asyncio
import select
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import cast
from urllib.parse import urlsplit

import httptools

from thriftgate.core.errors import BrokenReply, Unreachable, UpstreamError, UpstreamTimeout
from thriftgate.providers.file_slices import SLICE_BYTES, FileSlices
from thriftgate.providers.transport import Headers

HEAD_BYTES_MAX = 2**16  # of an answer; nginx allows one page, h11 16 kB, curl 300 kB
IDLE_PER_ORIGIN_MAX = 256
BUFFER_BYTES_MAX = 2**18  # of a body nobody has taken yet; above it the socket is not read
JOINED_BYTES_MAX = 2**14  # a small body leaves in one piece with its head; a larger one is not copied


class Http1Incoming:
    """See `transport.Incoming`. Its connection serves the next call as soon as the whole message is here."""

    __slots__ = ("_connection", "_done", "_failure", "_pieces", "_waiter", "headers", "size", "status", "waiting_since")

    def __init__(self, connection: Connection) -> None:
        self.status = 0
        self.headers: Headers = ()
        self.size = 0  # bytes not taken yet
        self.waiting_since: float | None = None
        self._connection: Connection | None = connection
        self._pieces: list[bytes] = []
        self._done = False
        self._failure: UpstreamError | None = None
        self._waiter: asyncio.Future[None] | None = None

    async def chunks(self) -> AsyncIterator[bytes]:
        while True:
            if self._pieces:
                yield self._take()
            elif self._done:
                return
            else:
                await self._wait()

    async def read(self) -> bytes:
        if self._done:  # the usual case: a small answer comes in one packet
            return self._take()
        return b"".join([chunk async for chunk in self.chunks()])

    def at_end(self) -> bool:
        return self._done and not self._pieces

    def close(self) -> None:
        if self._connection is not None:
            self._connection.fail(BrokenReply("the answer was given up before its end"))

    async def head(self) -> Http1Incoming:
        """Wait for status and headers."""
        while not self.status:
            await self._wait()
        return self

    def add(self, pieces: list[bytes]) -> None:
        self._pieces += pieces
        self.size += sum(map(len, pieces))

    def finish(self, failure: UpstreamError | None = None) -> None:
        """Nothing more will come: the message is whole, or it failed."""
        self._connection = None
        self._failure = failure
        self._done = failure is None
        self.wake()

    def wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _take(self) -> bytes:
        pieces = self._pieces
        self._pieces = []
        self.size = 0
        if self._connection is not None:
            self._connection.resume()
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    async def _wait(self) -> None:
        """Until anything changed."""
        if self._failure is not None:
            raise self._failure
        assert self._connection is not None
        loop = self._connection.loop
        self.waiting_since = loop.time()
        self._waiter = loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = self.waiting_since = None


class Origin:
    """Scheme, host and port, and the connections to it that are free."""

    def __init__(self, name: str) -> None:
        try:
            parts = urlsplit(name)
            host, port = parts.hostname or "", parts.port
            ascii_host = host.encode("ascii" if ":" in host else "idna").decode() if host else ""
        except ValueError:
            raise Unreachable("cannot reach the provider: its URL names no host and port") from None
        if not host or "@" in parts.netloc or port == 0:  # not quoted: it may hold a password
            raise Unreachable("cannot reach the provider: its URL must be a scheme, a host and maybe a port")
        self.tls = parts.scheme.lower() == "https"
        self.host = host
        self.port = port or (443 if self.tls else 80)
        shown = f"[{ascii_host}]" if ":" in host else ascii_host
        self.host_header = (shown if self.port == (443 if self.tls else 80) else f"{shown}:{self.port}").encode()
        self.name = f"{parts.scheme.lower()}://{self.host_header.decode()}"
        self.idle: deque[Connection] = deque()  # the one used last is at the right


class Connection(asyncio.Protocol):
    """One connection: writes a request, feeds the parser, and knows the answer under way, if any."""

    open = False
    idle_since = 0.0
    heard = 0  # bytes since the request or the last piece of its body: what a head or trailers take
    _wrong = ""  # what the parser does not mind and we do
    _whole = _reusable = _head_only = False  # whole: the message has ended
    _write_paused = _read_paused = _looked = False
    _unsent: memoryview | FileSlices = memoryview(b"")
    _unsent_before = 0
    _read_s = _heard_at = _timer_due = 0.0

    def __init__(self, origin: Origin, loop: asyncio.AbstractEventLoop, lost: Callable[[Connection], None]) -> None:
        self.loop = loop
        self._origin = origin
        self._lost = lost
        self._incoming: Http1Incoming | None = None
        self._staged: list[bytes] = []
        self.on_body = self._staged.append  # called by the parser for each piece: nothing is cheaper
        self._headers: list[tuple[bytes, bytes]] = []
        self._parser = httptools.HttpResponseParser(self)
        self._timer: asyncio.TimerHandle | None = None
        self._next_slice: asyncio.Handle | None = None

    def ask(self, method: str, head: bytes, body: bytes | FileSlices, read_s: float) -> Http1Incoming:
        """Write a request. Its answer is what comes next. A file is closed by the end of the call at the latest."""
        assert self._incoming is None
        incoming = self._incoming = Http1Incoming(self)
        self.heard = 0
        self._headers = []
        self._staged.clear()
        self._whole = self._reusable = False
        self._head_only = method == "HEAD"
        self._read_s = read_s
        self._heard_at = self.loop.time()
        self._arm(self._heard_at + read_s)
        if isinstance(body, bytes) and len(body) <= JOINED_BYTES_MAX:
            self._transport.write(head + body)
        else:
            self._transport.write(head)
            self._unsent = memoryview(body) if isinstance(body, bytes) else body
            self._looked = isinstance(body, bytes)  # a first slice at hand leaves at once
            self._write_more()
        return incoming

    def stale(self) -> bool:
        """Whether the server has closed it, or said something unasked, while nobody looked: nothing is lost by not using it.

        The loop may not have noticed yet, after a pause or under load. One system call, below a microsecond."""
        return not self.open or self._can_read()

    def fail(self, error: UpstreamError) -> None:
        """End the answer under way, and the connection with it."""
        incoming, self._incoming = self._incoming, None
        self.abort()
        if incoming is not None:
            incoming.add(self._staged)
            self._staged.clear()
            incoming.finish(error)

    def abort(self) -> None:
        """Close at once: waiting for the peer's TLS farewell gains nothing."""
        self.open = False
        if isinstance(self._unsent, FileSlices):
            self._unsent.close()
        self._unsent = memoryview(b"")
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._transport.abort()

    def resume(self) -> None:
        if self._read_paused:
            self._read_paused = False
            self._transport.resume_reading()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self.open = True
        self._poll = select.poll() if hasattr(select, "poll") else None  # Windows has none
        if self._poll is not None:
            self._poll.register(transport.get_extra_info("socket").fileno(), select.POLLIN)

    def data_received(self, data: bytes) -> None:
        incoming = self._incoming
        if incoming is None:  # unasked, or behind an answer: whatever it is, it would be taken for the next answer
            self.abort()
            return
        self._heard_at = self.loop.time()
        self.heard += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._reusable = False  # behind a whole message it is no fault of that message
            self._wrong = self._wrong or words(error)
        if self._whole:
            self._finish(incoming)
        elif self._wrong:
            self._break(self._wrong)
        elif self._staged:
            self._move(incoming)
            self.heard = 0
            incoming.wake()
        elif self.heard > HEAD_BYTES_MAX:
            self._break(f"more than {HEAD_BYTES_MAX} bytes of headers")
        elif incoming.status:
            incoming.wake()

    def eof_received(self) -> None:
        if self._incoming is not None and _ends_with_connection(self._incoming):
            self._reusable = False
            self._finish(self._incoming)

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost(self)
        if self._incoming is not None:
            self._break(words(exc) if exc is not None else "the server closed the connection")
        self.abort()

    def pause_writing(self) -> None:
        self._write_paused = True

    def resume_writing(self) -> None:
        self._write_paused = False
        self._write_more()

    def on_message_begin(self) -> None:
        if self._whole:  # a second answer to one request
            self._reusable = False

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name.lower(), value.rstrip(b" \t")))

    def on_headers_complete(self) -> None:
        incoming, status = self._incoming, self._parser.get_status_code()
        if incoming is None or self._whole:
            return
        if status == 101:
            self._wrong = "it switches protocols unasked"
        if self.heard > HEAD_BYTES_MAX and sum(len(name) + len(value) for name, value in self._headers) > HEAD_BYTES_MAX:
            self._wrong = f"more than {HEAD_BYTES_MAX} bytes of headers"
        if status < 200:
            self._headers = []
        elif not self._wrong:
            incoming.headers = tuple(self._headers)
            incoming.status = status
            self._whole = self._head_only  # the parser expects a body; nothing else may come on this connection

    def on_message_complete(self) -> None:
        if self._whole or self._incoming is None or not self._incoming.status:
            return
        self._whole = True
        self._reusable = self._parser.should_keep_alive()
        self._move(self._incoming)

    def _move(self, incoming: Http1Incoming) -> None:
        incoming.add(self._staged)
        self._staged.clear()
        if incoming.size > BUFFER_BYTES_MAX and not self._read_paused:
            self._read_paused = True
            self._transport.pause_reading()

    def _finish(self, incoming: Http1Incoming) -> None:
        self._incoming = None
        # A server that answers before it has read the whole request: the rest would come before the next request.
        if self._reusable and not self._unsent and not self._transport.get_write_buffer_size():
            self.resume()
            self.idle_since = self._heard_at
            self._origin.idle.append(self)
            if len(self._origin.idle) > IDLE_PER_ORIGIN_MAX:
                self._origin.idle.popleft().abort()
        else:
            self.abort()
        incoming.finish()

    def _break(self, words: str) -> None:
        began = self._incoming is not None and self._incoming.status
        what = "the provider's answer broke off" if began else f"no usable HTTP answer from {self._origin.name}"
        self.fail(BrokenReply(f"{what}: {words}"))

    def _write_more(self) -> None:
        """One slice, where the socket takes more; before the next the other calls have their turns. What has come by then is
        read first: a server that answers early may close, and an error of writing would take its answer away."""
        if self._write_paused or not self._unsent:
            return
        self._looked = not self._looked and self._can_read()
        if not self._looked:
            try:
                self._transport.write(self._slice())
            except BrokenReply as error:
                self.fail(error)
        if self._unsent and not self._write_paused:
            if self._next_slice is not None:
                self._next_slice.cancel()
            self._next_slice = self.loop.call_later(0, self._write_more)  # unlike call_soon, behind what can be read

    def _can_read(self) -> bool:
        return self._poll is not None and bool(self._poll.poll(0))

    def _slice(self) -> bytes | memoryview:
        if isinstance(self._unsent, FileSlices):
            return self._unsent.read()
        piece, self._unsent = self._unsent[:SLICE_BYTES], self._unsent[SLICE_BYTES:]
        return piece

    def _arm(self, due: float) -> None:
        """One timer per connection, moved only to earlier times: it looks again when it fires, which is rarely."""
        if self._timer is None or self._timer_due > due:
            if self._timer is not None:
                self._timer.cancel()
            self._timer_due = due
            self._timer = self.loop.call_at(due, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        incoming = self._incoming
        if incoming is None:
            return
        now = self.loop.time()
        unsent = len(self._unsent) + self._transport.get_write_buffer_size()
        if unsent != self._unsent_before:  # the server reads what we write
            self._unsent_before = unsent
            self._heard_at = now
        # Silence counts while somebody waits for it: a slow reader is not the provider's fault.
        since = now if incoming.waiting_since is None else max(self._heard_at, incoming.waiting_since)
        if since + self._read_s > now:
            self._arm(since + self._read_s)
        elif incoming.status:
            self.fail(UpstreamTimeout("the provider stopped sending in the middle of its answer"))
        else:
            self.fail(UpstreamTimeout(f"no answer from {self._origin.name} within {self._read_s:g} s"))


def _ends_with_connection(incoming: Http1Incoming) -> bool:
    """Whether the body has no other end (RFC 9112 section 6.3)."""
    coding = [value for name, value in incoming.headers if name == b"transfer-encoding"]
    if coding:
        return coding[-1].rpartition(b",")[2].strip().lower() != b"chunked"
    return incoming.status > 0 and all(name != b"content-length" for name, _ in incoming.headers)


def words(error: BaseException) -> str:
    """The error's own, cut short: it can quote what the peer sent."""
    return str(error)[:300] or type(error).__name__
