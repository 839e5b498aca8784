"""What our own HTTP/1.1 client promises beyond the suite it shares with aiohttp's (test_aiohttp_transport.py)."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import socket
import threading
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.fixtures import until
from tests.providers.test_aiohttp_transport import all_closed, pooled, saying, staying
from tests.scripted import Received, answering, raw_answer, upstream
from thriftgate.core.errors import BrokenReply, ConfigError, Unreachable, UpstreamTimeout
from thriftgate.providers import http1_connection, http1_transport
from thriftgate.providers.http1_transport import Http1Transport
from thriftgate.providers.transport import Headers, Outgoing, Timeouts

QUICK = Timeouts(connect_s=0.3, read_s=0.3)
CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"


@pytest.fixture
async def transport() -> AsyncIterator[Http1Transport]:
    """Whatever a test does: no descriptor and no task stays."""
    before = descriptors()
    made = Http1Transport()
    yield made
    await made.close()
    assert not made._connections
    gc.collect()

    async def gone() -> bool:
        return descriptors() <= before and len(asyncio.all_tasks()) <= 1

    await until(gone)


def descriptors() -> int:
    """Open sockets of this process, where that can be counted."""
    with contextlib.suppress(OSError):
        return sum(_is_socket(fd) for fd in Path("/proc/self/fd").iterdir())
    return 0


def _is_socket(fd: Path) -> bool:
    try:
        return fd.readlink().name.startswith("socket:")
    except OSError:
        return False


def asking(url: str, method: str = "POST", *, headers: Headers = (), body: bytes = b"") -> Outgoing:
    return Outgoing(method, f"{url}/v1/messages", headers, body)


async def ask(transport: Http1Transport, url: str, method: str = "POST") -> tuple[int, bytes]:
    incoming = await transport.send(asking(url, method), QUICK)
    body = await incoming.read()
    assert incoming.at_end()
    incoming.close()
    return incoming.status, body


# --- connections -------------------------------------------------------------------------------------------------------


class Closing:
    """A server in a thread of its own that closes a connection when it is told to, while this loop sees nothing."""

    def __init__(self, answers: int) -> None:
        self.answers = answers
        self.requests: list[bytes] = []
        self.open: list[socket.socket] = []
        self.connections = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                accepted, _ = self._listener.accept()
                self.connections += 1
                self.open.append(accepted)
                threading.Thread(target=self._serve, args=(accepted,), daemon=True).start()

    def _serve(self, accepted: socket.socket) -> None:
        with contextlib.suppress(OSError):
            for _ in range(self.answers):
                if not (request := accepted.recv(2**16)):
                    return
                self.requests.append(request)
                accepted.sendall(raw_answer(b"ok"))
            if request := accepted.recv(2**16):
                self.requests.append(request)
            accepted.shutdown(socket.SHUT_RDWR)

    def close_all(self) -> None:
        for accepted in self.open:
            with contextlib.suppress(OSError):
                accepted.shutdown(socket.SHUT_RDWR)
            accepted.close()
        self.open.clear()
        time.sleep(0.05)

    def stop(self) -> None:
        self.close_all()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(5)


@contextlib.contextmanager
def closing(answers: int) -> Iterator[Closing]:
    server = Closing(answers)
    try:
        yield server
    finally:
        server.stop()


@pytest.mark.parametrize("idle", [1, 2])
async def test_stale_connections_are_replaced_before_anything_is_written(idle: int, transport: Http1Transport) -> None:
    """Closed while this loop was busy: no event has told it. Safe for a POST too, since not one byte of it has left."""
    with closing(answers=5) as server:
        waiting = [await transport.send(asking(server.url), QUICK)]
        assert await waiting[0].read() == b"ok"
        if idle == 2:
            await asyncio.gather(ask(transport, server.url), ask(transport, server.url))
        assert pooled(transport) == idle
        server.close_all()  # blocks the loop
        asked = len(server.requests)
        assert await ask(transport, server.url) == (200, b"ok")
        assert (server.connections, len(server.requests)) == (idle + 1, asked + 1)


@pytest.mark.parametrize(("method", "sent"), [("GET", 3), ("HEAD", 3), ("POST", 2), ("DELETE", 2)])
async def test_what_dies_under_a_call_is_sent_again_only_if_it_may_be(
    method: str, sent: int, transport: Http1Transport
) -> None:
    with closing(answers=1) as server:
        await ask(transport, server.url, "GET")
        if sent == 2:
            with pytest.raises(BrokenReply, match="closed the connection"):
                await ask(transport, server.url, method)
        else:
            assert (await ask(transport, server.url, method))[0] == 200
        assert len(server.requests) == sent
        assert server.connections == sent - 1


async def test_a_fresh_connection_that_dies_is_not_tried_again(transport: Http1Transport) -> None:
    with closing(answers=0) as server:
        with pytest.raises(BrokenReply):
            await ask(transport, server.url, "GET")
        assert len(server.requests) == 1


async def test_a_repeated_call_whose_fresh_connection_dies_too_is_a_broken_reply(transport: Http1Transport) -> None:
    with closing(answers=1) as server:
        await ask(transport, server.url, "GET")
        server.answers = 0
        with pytest.raises(BrokenReply):
            await ask(transport, server.url, "GET")
        assert (server.connections, len(server.requests)) == (2, 3)


async def test_a_reply_that_began_is_not_asked_for_again(transport: Http1Transport) -> None:
    async def script(_request: Received, writer: asyncio.StreamWriter) -> None:
        if len(seen.requests) == 1:
            writer.write(raw_answer(b"ok"))
        else:
            writer.write(b"HTTP/1.1 ")
            writer.close()

    async with upstream(script) as seen:
        await ask(transport, seen.url, "GET")
        with pytest.raises(BrokenReply):
            await ask(transport, seen.url, "GET")
        assert len(seen.requests) == 2


async def test_bytes_on_an_idle_connection_end_it(transport: Http1Transport) -> None:
    async def script(_request: Received, writer: asyncio.StreamWriter) -> None:
        writer.write(raw_answer(b"ok"))
        await writer.drain()
        await asyncio.sleep(0.05)
        writer.write(raw_answer(b"unasked", status=408))

    async with upstream(script) as seen:
        assert await ask(transport, seen.url) == (200, b"ok")
        await all_closed(seen)
        assert await ask(transport, seen.url) == (200, b"ok")


async def test_idle_connections_are_dropped_by_one_timer(transport: Http1Transport, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http1_transport, "IDLE_S", 0.2)
    async with upstream(answering(b"ok")) as seen:
        await asyncio.gather(*(ask(transport, seen.url) for _ in range(5)))
        assert pooled(transport) == 5
        await all_closed(seen)
        assert not transport._connections
        await asyncio.sleep(0.3)
        assert transport._sweeper is None
        assert await ask(transport, seen.url) == (200, b"ok")


async def test_no_more_than_so_many_are_kept(transport: Http1Transport, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http1_connection, "IDLE_PER_ORIGIN_MAX", 3)
    async with upstream(answering(b"ok")) as seen:
        incomings = await asyncio.gather(*(transport.send(asking(seen.url), QUICK) for _ in range(8)))
        assert [await incoming.read() for incoming in incomings] == [b"ok"] * 8
        assert pooled(transport) == 3


async def test_calls_cancelled_anywhere_leave_nothing(transport: Http1Transport) -> None:
    async def script(_request: Received, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.001)
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-le")
        await asyncio.sleep(0.001)
        if not writer.is_closing():
            writer.write(b"ngth: 50\r\n\r\nhello")

    async def call(url: str) -> None:
        incoming = await transport.send(asking(url), Timeouts())
        try:
            await incoming.read()
        finally:
            incoming.close()

    async with upstream(script) as seen:
        tasks = []
        for at in range(60):
            tasks.append(asyncio.ensure_future(call(seen.url)))
            await asyncio.sleep(0)
            asyncio.get_running_loop().call_later(at * 0.0003, tasks[-1].cancel)
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(isinstance(result, asyncio.CancelledError) for result in results)
        await all_closed(seen)
        assert pooled(transport) == 0


async def test_an_answer_given_up_tells_a_reader_that_still_waits(transport: Http1Transport) -> None:
    async with upstream(saying(CHUNKED, then=staying)) as seen:
        incoming = await transport.send(asking(seen.url), Timeouts())
        reading = asyncio.ensure_future(incoming.read())
        await asyncio.sleep(0)
        incoming.close()
        incoming.close()
        with pytest.raises(BrokenReply):
            await reading


async def test_closing_the_transport_breaks_off_what_is_under_way() -> None:
    transport = Http1Transport()
    async with upstream(saying(CHUNKED, then=staying)) as seen:
        incoming = await transport.send(asking(seen.url), Timeouts())
        await transport.close()
        with pytest.raises(BrokenReply):
            await incoming.read()
        with pytest.raises(Unreachable):
            await transport.send(asking(seen.url), QUICK)
        await transport.close()


async def test_two_hundred_streams(transport: Http1Transport) -> None:
    pieces = [b"data: %d\n\n" % number for number in range(20)]

    async def script(_request: Received, writer: asyncio.StreamWriter) -> None:
        writer.write(CHUNKED)
        for piece in pieces:
            writer.write(b"%x\r\n%b\r\n" % (len(piece), piece))
            await asyncio.sleep(0.005)
        writer.write(b"0\r\n\r\n")

    async def stream(url: str) -> bytes:
        incoming = await transport.send(asking(url), Timeouts())
        return b"".join([chunk async for chunk in incoming.chunks()])

    async with upstream(script) as seen:
        for _ in range(2):
            assert set(await asyncio.gather(*(stream(seen.url) for _ in range(200)))) == {b"".join(pieces)}
        assert seen.connections == pooled(transport) == 200


# --- what leaves -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "outgoing",
    [
        asking("http://h.example", headers=((b"x-a", b"1\r\nx-b: 2"),)),
        asking("http://h.example", headers=((b"x-a", b"1\n"),)),
        asking("http://h.example", headers=((b"x-a", b"\0"),)),
        asking("http://h.example", headers=((b"x\r\na", b"1"),)),
        asking("http://h.example/a\r\nx: y"),
        asking("http://h.example/a b"),
        asking("ftp://h.example"),
        asking("http://h.example", "GET / HTTP/1.1\r\nx: y"),
        asking("http://h.example", "GET /"),
    ],
)
async def test_what_would_be_read_as_something_else_is_refused(outgoing: Outgoing, transport: Http1Transport) -> None:
    with pytest.raises(ConfigError, match="the request cannot be sent"):
        await transport.send(outgoing, QUICK)


@pytest.mark.parametrize("url", ["http://user:secret@h.example", "http://h:0", "http://h:x", "http://[::1", "http://:80"])
async def test_an_origin_that_is_none_is_unreachable(url: str, transport: Http1Transport) -> None:
    with pytest.raises(Unreachable) as caught:
        await transport.send(asking(url), QUICK)
    assert "secret" not in str(caught.value)


async def test_framing_is_ours(transport: Http1Transport) -> None:
    theirs = ((b"content-length", b"99"), (b"transfer-encoding", b"chunked"), (b"host", b"evil"), (b"connection", b"close"))
    async with upstream(answering(b"ok")) as seen:
        for method, body in (("POST", b"abc"), ("POST", b""), ("GET", b"")):
            await (await transport.send(asking(seen.url, method, headers=theirs, body=body), QUICK)).read()
        host = ("host", seen.url.removeprefix("http://"))
        assert [request.headers for request in seen.requests] == [
            [host, ("content-length", "3")],
            [host, ("content-length", "0")],
            [host],
        ]
        await (await transport.send(Outgoing("GET", seen.url + "?a=b#part", ()), QUICK)).read()
        assert seen.requests[-1].line == "GET /?a=b HTTP/1.1"


async def test_an_ipv6_literal(transport: Http1Transport) -> None:
    hosts = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        hosts.append((await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")[1])
        writer.write(raw_answer(b"ok"))
        writer.close()

    try:
        server = await asyncio.start_server(serve, "::1", 0)
    except OSError as error:
        pytest.skip(f"no IPv6 here: {error}")
    port = server.sockets[0].getsockname()[1]
    assert await ask(transport, f"http://[::1]:{port}") == (200, b"ok")
    assert hosts == [b"host: [::1]:%d" % port]
    server.close()


async def test_the_default_port_is_not_named() -> None:
    transport = Http1Transport()
    for url, header in (("https://H.example:443", b"h.example"), ("http://h:80", b"h"), ("http://h:443", b"h:443")):
        assert transport._address(url)[0].host_header == header


# --- the event loop that serves in production ---------------------------------------------------------------------------


def test_under_uvloop() -> None:
    """The rest of this file runs on the standard loop."""
    uvloop = pytest.importorskip("uvloop", reason="no uvloop on this platform")

    async def scenario() -> None:
        transport = Http1Transport()
        async with upstream(saying(CHUNKED + b"2\r\nok\r\n0\r\n\r\n", then=staying)) as seen:
            for _ in range(3):
                assert await ask(transport, seen.url) == (200, b"ok")
            assert seen.connections == pooled(transport) == 1
        async with upstream(saying(CHUNKED + b"2\r\nok\r\n", then=staying)) as seen:
            with pytest.raises(UpstreamTimeout):
                await ask(transport, seen.url)
            await all_closed(seen)
        async with upstream(saying(b"", then=staying)) as seen:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(transport.send(asking(seen.url, body=b"x" * 5_000_000), Timeouts()), 0.3)
            await all_closed(seen)
        await transport.close()
        assert not transport._connections

    uvloop.run(scenario())
