"""The network, by a lean HTTP/1.1 client of our own: a handful of known hosts, kept connections, nothing clever.

Why not aiohttp: it is most of the CPU a small call costs (benchmarks/README.md). What it does and this leaves out, on
purpose: redirects, cookies, decompression, and proxies: HTTPS_PROXY and its like in the environment are not honoured.
TLS is the event loop's, with full verification.
"""

from __future__ import annotations

import asyncio
import re
import ssl

import aiohappyeyeballs

from thriftgate.core.errors import BrokenReply, ConfigError, Unreachable
from thriftgate.providers.file_slices import FileSlices, check
from thriftgate.providers.http1_connection import Connection, Http1Incoming, Origin, words
from thriftgate.providers.receivers import Resolve, found_for_operator
from thriftgate.providers.transport import FileBody, Outgoing, Timeouts

IDLE_S = 15.0  # as aiohttp's default: below the keep-alive of common servers (nginx 75 s, uvicorn's 5 s is for tests)
EYEBALLS_S = 0.25  # RFC 8305 section 5: the head start of one address before the next is tried too

# Repeating one of these changes nothing (RFC 9110 section 9.2.2). A POST is never repeated: it may be paid twice.
_REPEATABLE = frozenset({"GET", "HEAD", "OPTIONS"})
_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})
_FRAMING = frozenset({b"host", b"content-length", b"transfer-encoding", b"connection"})  # ours to write
_URL = re.compile(r"(https?://[^/?#\s]+)([^#\s\x00-\x20\x7f]*)(?:#[^\s]*)?", re.IGNORECASE)


class Http1Transport:
    """See `transport.Transport`. `ssl_context` replaces the system's trust store; it must verify what it shall trust. `find`
    answers with the addresses of a host, and raises OSError for one that must not be connected to."""

    def __init__(self, *, ssl_context: ssl.SSLContext | None = None, find: Resolve = found_for_operator) -> None:
        self._ssl = ssl_context
        self._find = find
        self._origins: dict[str, Origin] = {}
        self._connections: set[Connection] = set()
        self._sweeper: asyncio.TimerHandle | None = None
        self._closed = False

    async def send(self, outgoing: Outgoing, timeouts: Timeouts) -> Http1Incoming:
        origin, target = self._address(outgoing.url)
        head = _head(outgoing, origin.host_header, target)
        check(outgoing.body)
        loop = asyncio.get_running_loop()
        if self._sweeper is None:
            self._sweeper = loop.call_later(IDLE_S, self._sweep, loop)
        kept = _kept(origin, loop.time() - IDLE_S)
        if kept is not None:
            try:
                return await _answer(kept, outgoing, head, timeouts)
            except BrokenReply:
                # It closed while the request was on its way: most servers have not read it then, but only a method
                # that may be repeated is sent again without asking (RFC 9112 section 9.3.1); once, on a fresh connection.
                if kept.heard or outgoing.method not in _REPEATABLE:
                    raise
        return await _answer(await self._connect(origin, timeouts.connect_s), outgoing, head, timeouts)

    async def close(self) -> None:
        """Close every connection; answers under way break off."""
        self._closed = True
        if self._sweeper is not None:
            self._sweeper.cancel()
        for connection in list(self._connections):
            connection.abort()
        for _ in range(10):  # the loop closes them within its next rounds; what it does not is not waited for
            if self._connections:
                await asyncio.sleep(0)

    def _address(self, url: str) -> tuple[Origin, bytes]:
        found = _URL.fullmatch(url)
        if found is None:
            raise ConfigError("the request cannot be sent: its URL is no http:// or https:// URL or holds a blank")
        name, target = found.groups()
        origin = self._origins.get(name)
        if origin is None:
            origin = self._origins[name] = Origin(name)
        return origin, (target if target.startswith("/") else f"/{target}").encode()

    async def _connect(self, origin: Origin, connect_s: float) -> Connection:
        loop = asyncio.get_running_loop()
        if origin.tls and self._ssl is None:
            self._ssl = ssl.create_default_context()
            self._ssl.set_alpn_protocols(["http/1.1"])
        try:
            async with asyncio.timeout(connect_s):
                found = await self._find(origin.host, origin.port)
                sock = await aiohappyeyeballs.start_connection(found, happy_eyeballs_delay=EYEBALLS_S, interleave=1)
                _, connection = await loop.create_connection(
                    lambda: Connection(origin, loop, self._connections.discard),
                    sock=sock,
                    ssl=self._ssl if origin.tls else None,
                    server_hostname=origin.host if origin.tls else None,
                )
        except TimeoutError:
            raise Unreachable(f"cannot reach {origin.name}: no connection within {connect_s:g} s") from None
        except (OSError, ValueError) as error:  # a certificate or a name that is none can be a ValueError
            raise Unreachable(f"cannot reach {origin.name}: {words(error)}") from None
        if self._closed or not connection.open:
            connection.abort()
            raise Unreachable(f"cannot reach {origin.name}: the connection was closed before anything was sent")
        self._connections.add(connection)  # not before: a cancelled create_connection closes what it made, and tells nobody
        return connection

    def _sweep(self, loop: asyncio.AbstractEventLoop) -> None:
        """Drop what was idle too long. One timer for all, and none where nothing is open."""
        oldest = loop.time() - IDLE_S
        for origin in self._origins.values():
            while origin.idle and origin.idle[0].idle_since <= oldest:
                origin.idle.popleft().abort()
        first = min((origin.idle[0].idle_since for origin in self._origins.values() if origin.idle), default=loop.time())
        self._sweeper = loop.call_at(first + IDLE_S, self._sweep, loop) if self._connections else None


async def _answer(connection: Connection, outgoing: Outgoing, head: bytes, timeouts: Timeouts) -> Http1Incoming:
    body = outgoing.body if isinstance(outgoing.body, bytes) else _opened(outgoing.body, connection)
    incoming = connection.ask(outgoing.method, head, body, timeouts.read_s)
    try:
        return await incoming.head()
    except BaseException:
        incoming.close()
        raise


def _opened(body: FileBody, connection: Connection) -> FileSlices:
    try:
        return FileSlices(body)
    except Unreachable:
        connection.abort()
        raise


def _kept(origin: Origin, oldest: float) -> Connection | None:
    """The free connection used last, if it is surely fit; those that are not are dropped."""
    while origin.idle:
        connection = origin.idle.pop()
        if connection.idle_since > oldest and not connection.stale():
            return connection
        connection.abort()
    return None


def _head(outgoing: Outgoing, host: bytes, target: bytes) -> bytes:
    """Request line and headers. What would end a line early is refused, wherever it stands."""
    method = outgoing.method.encode()
    lines = [b"%b %b HTTP/1.1" % (method, target), b"host: " + host]
    lines += [name + b": " + value for name, value in outgoing.headers if name not in _FRAMING]
    length = len(outgoing.body) if isinstance(outgoing.body, bytes) else outgoing.body.length
    if length or outgoing.method in _WITH_BODY:
        lines.append(b"content-length: %d" % length)
    count = len(lines) + 1
    lines += (b"", b"")
    head = b"\r\n".join(lines)
    if head.count(b"\n") != count or head.count(b"\r") != count or b"\0" in head or not method.isalpha():
        raise ConfigError("the request cannot be sent: its method or a header holds a line break or a null byte")
    return head
