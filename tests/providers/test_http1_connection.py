"""Answers as our own HTTP/1.1 client reads them: whole, cut anyhow, too slow, too large, or none at all."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.providers.test_aiohttp_transport import all_closed, pooled, saying, staying
from tests.providers.test_http1_transport import CHUNKED, QUICK, ask, asking, transport
from tests.scripted import Received, raw_answer, upstream
from thriftgate.core.errors import BrokenReply, UpstreamTimeout
from thriftgate.providers.file_slices import SLICE_BYTES
from thriftgate.providers.http1_connection import BUFFER_BYTES_MAX, HEAD_BYTES_MAX, Connection, Origin
from thriftgate.providers.http1_transport import Http1Transport
from thriftgate.providers.transport import Timeouts

__all__ = ["transport"]  # the fixture

# --- answers -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "said", "expected", "kept"),
    [
        ("POST", b"HTTP/1.1 100 Continue\r\nx-no: 1\r\n\r\n" + raw_answer(b"ok"), (200, b"ok"), 1),
        ("POST", b"HTTP/1.1 103 Early Hints\r\n\r\n" * 3 + raw_answer(b"ok"), (200, b"ok"), 1),
        ("DELETE", b"HTTP/1.1 204 No Content\r\n\r\n", (204, b""), 1),
        ("GET", b"HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n\r\n", (304, b""), 1),
        ("HEAD", b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n", (200, b""), 0),
        ("HEAD", CHUNKED, (200, b""), 0),
        ("POST", b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", (200, b""), 1),
        ("POST", b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok", (200, b"ok"), 0),
        ("POST", b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok", (200, b"ok"), 0),
        ("POST", CHUNKED + b"2;ext=1\r\nok\r\n0\r\ntrailer: x\r\n\r\n", (200, b"ok"), 1),
        ("POST", raw_answer(b"ok") + b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil", (200, b"ok"), 0),
        ("POST", raw_answer(b"ok") + b"garbage", (200, b"ok"), 0),
        ("POST", b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok and more", (200, b"ok"), 0),
    ],
)
async def test_answers_that_end_by_themselves(
    method: str, said: bytes, expected: tuple[int, bytes], kept: int, transport: Http1Transport
) -> None:
    async with upstream(saying(said, then=staying)) as seen:
        assert await ask(transport, seen.url, method) == expected
        assert pooled(transport) == kept
        assert await ask(transport, seen.url, method) == expected
        assert seen.connections == 2 - kept
        if not kept:
            await all_closed(seen)


@pytest.mark.parametrize(
    "said",
    [
        b"HTTP/1.0 200 OK\r\n\r\nto the end",
        b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nto the end",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\nto the end",
    ],
)
async def test_a_body_that_ends_with_the_connection(said: bytes, transport: Http1Transport) -> None:
    async with upstream(saying(said)) as seen:
        assert await ask(transport, seen.url) == (200, b"to the end")
        assert pooled(transport) == 0
        await all_closed(seen)


@pytest.mark.parametrize(
    "said",
    [
        b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ncontent-length: 2\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" * 20_000,
        b"HTTP/1.1 200 OK\r\nx-long: " + b"x" * HEAD_BYTES_MAX + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\ncontent-length: 2\n\nok",
        CHUNKED + b"2\r\nok\r\n0\r\n" + b"trailer: x\r\n" * 20_000,
        CHUNKED + b"2;" + b"x" * 2**20,
    ],
)
async def test_what_is_no_answer(said: bytes, transport: Http1Transport) -> None:
    async with upstream(saying(said, then=staying)) as seen:
        with pytest.raises(BrokenReply) as caught:
            await ask(transport, seen.url)
        await all_closed(seen)
    assert len(str(caught.value)) < 500


async def test_headers_keep_their_order_and_their_doubles(transport: Http1Transport) -> None:
    said = b"HTTP/1.1 200 OK\r\nX-B: \t1 \t\r\nx-a: \xe4\r\nX-b:\r\ncontent-length: 0\r\n\r\n"
    async with upstream(saying(said, then=staying)) as seen:
        incoming = await transport.send(asking(seen.url), QUICK)
    assert incoming.headers == ((b"x-b", b"1"), (b"x-a", b"\xe4"), (b"x-b", b""), (b"content-length", b"0"))


@pytest.mark.parametrize("answer", [raw_answer(b"hello"), CHUNKED + b"2\r\nhe\r\n3\r\nllo\r\n0\r\nt: 1\r\n\r\n"])
async def test_byte_by_byte(answer: bytes, transport: Http1Transport) -> None:
    async def script(_request: Received, writer: asyncio.StreamWriter) -> None:
        for byte in answer:
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(0)

    async with upstream(script) as seen:
        for _ in range(2):
            assert await ask(transport, seen.url) == (200, b"hello")
        assert seen.connections == 1


async def test_slow_is_allowed_and_silence_is_not(transport: Http1Transport) -> None:
    async def script(_request: Received, writer: asyncio.StreamWriter) -> None:
        for piece in (b"HTTP/1.1 200 OK\r\n", b"content-length: 50\r\n\r\n", b"a", b"b", b"c"):
            await asyncio.sleep(0.2)
            writer.write(piece)

    async with upstream(script) as seen:
        incoming = await transport.send(asking(seen.url), QUICK)
        got = b""
        started = asyncio.get_running_loop().time()
        with pytest.raises(UpstreamTimeout, match="in the middle"):  # noqa: PT012
            async for chunk in incoming.chunks():
                got += chunk
        assert got == b"abc"
        assert 0.6 < asyncio.get_running_loop().time() - started < 5
        await all_closed(seen)


async def test_a_reader_that_pauses_is_not_the_providers_fault(transport: Http1Transport) -> None:
    go_on = asyncio.Event()

    async def script(_request: Received, writer: asyncio.StreamWriter) -> None:
        writer.write(CHUNKED + b"2\r\nok\r\n")
        await go_on.wait()
        await asyncio.sleep(0.1)
        writer.write(b"0\r\n\r\n")

    async with upstream(script) as seen:
        incoming = await transport.send(asking(seen.url), QUICK)
        await asyncio.sleep(1)
        go_on.set()
        assert await incoming.read() == b"ok"


async def test_a_server_that_never_reads_is_a_timeout(transport: Http1Transport) -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        outgoing = asking(f"http://127.0.0.1:{deaf.getsockname()[1]}", body=b"x" * 50_000_000)
        with pytest.raises(UpstreamTimeout):
            await transport.send(outgoing, QUICK)


async def test_back_pressure_pauses_the_server(transport: Http1Transport) -> None:
    pieces, size = 200, 2**18
    written = 0

    async def script(_request: Received, writer: asyncio.StreamWriter) -> None:
        nonlocal written
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % (pieces * size))
        for number in range(pieces):
            writer.write(bytes([number]) * size)
            await writer.drain()
            written += 1

    async with upstream(script) as seen:
        incoming = await transport.send(asking(seen.url), QUICK)
        await asyncio.sleep(1)
        assert written < pieces / 2
        assert incoming.size < 3 * BUFFER_BYTES_MAX
        assert await incoming.read() == b"".join(bytes([number]) * size for number in range(pieces))
        assert pooled(transport) == 1


async def test_an_early_answer_gives_the_connection_up(transport: Http1Transport) -> None:
    """The rest of the request would be read as the next one."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(raw_answer(b"too large", status=413))
        with contextlib.suppress(ConnectionError):
            while await reader.read(2**16):
                await asyncio.sleep(0.01)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, limit=2**16)
    incoming = await transport.send(
        asking(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", body=b"x" * 30_000_000), Timeouts(read_s=5)
    )
    assert (incoming.status, await incoming.read()) == (413, b"too large")
    assert pooled(transport) == 0
    server.close()


async def test_a_large_body_leaves_the_other_calls_their_turns() -> None:
    """However much the socket takes: one slice a turn."""

    class Noting(Wire):
        written = 0

        def write(self, data: object) -> None:
            assert isinstance(data, bytes | memoryview)
            self.written += len(data)

    connection = Connection(Origin("http://h.example"), asyncio.get_running_loop(), set().discard)
    wire = Noting({"socket": socket.socket()})
    connection.connection_made(wire)
    connection.ask("POST", b"head", b"x" * (3 * SLICE_BYTES + 1), 60)
    seen = [wire.written]
    while wire.written < 4 + 3 * SLICE_BYTES + 1:
        await asyncio.sleep(0)
        seen.append(wire.written)
    connection.resume_writing()
    assert sorted(set(seen)) == [4 + SLICE_BYTES, 4 + 2 * SLICE_BYTES, 4 + 3 * SLICE_BYTES, 4 + 3 * SLICE_BYTES + 1]
    assert wire.written == seen[-1]
    connection.abort()
    wire.get_extra_info("socket").close()


# --- any cutting of any answer -----------------------------------------------------------------------------------------


class Wire(asyncio.Transport):
    """A transport that only notes what is done to it."""

    aborted = paused = False

    def write(self, data: object) -> None: ...

    def abort(self) -> None:
        self.aborted = True

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False

    def get_write_buffer_size(self) -> int:
        return 0


@given(
    bodies=st.lists(st.lists(st.binary(min_size=1, max_size=40), max_size=6), min_size=1, max_size=3),
    chunked=st.booleans(),
    informed=st.integers(0, 2),
    cuts=st.lists(st.integers(0, 400), max_size=30),
)
def test_however_an_answer_is_cut_its_body_is_the_same(
    bodies: list[list[bytes]], chunked: bool, informed: int, cuts: list[int]
) -> None:
    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        origin = Origin("http://h.example")
        connection = Connection(origin, loop, set().discard)
        wire = Wire({"socket": socket.socket()})
        connection.connection_made(wire)
        for pieces in bodies:
            incoming = connection.ask("POST", b"", b"", 60)
            answer = answer_of(pieces, chunked=chunked, informed=informed)
            marks = sorted({0, len(answer), *(cut for cut in cuts if cut < len(answer))})
            for start, stop in itertools.pairwise(marks):
                connection.data_received(answer[start:stop])
            assert await (await incoming.head()).read() == b"".join(pieces)
            assert incoming.at_end()
            assert not wire.aborted
            assert origin.idle.pop() is connection
        connection.abort()
        wire.get_extra_info("socket").close()

    asyncio.run(scenario())


def answer_of(pieces: list[bytes], *, chunked: bool, informed: int) -> bytes:
    before = b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n" * informed
    if not chunked:
        return before + raw_answer(b"".join(pieces))
    framed = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
    return before + CHUNKED + framed + b"0\r\nx-trailer: 1\r\n\r\n"


@given(
    answer=st.binary(max_size=300),
    prefix=st.sampled_from([b"", b"HTTP/1.1 200 OK\r\n", CHUNKED, CHUNKED + b"5\r\nhello\r\n"]),
)
def test_whatever_comes_ends_in_one_of_three_ways(answer: bytes, prefix: bytes) -> None:
    """Whole, broken, or still waiting; never another error."""

    async def scenario() -> None:
        origin = Origin("http://h.example")
        connection = Connection(origin, asyncio.get_running_loop(), set().discard)
        wire = Wire({"socket": socket.socket()})
        connection.connection_made(wire)
        incoming = connection.ask("POST", b"", b"", 60)
        connection.data_received(prefix + answer)
        if not wire.aborted:
            connection.eof_received()
            connection.connection_lost(None)
        with contextlib.suppress(BrokenReply):
            await (await incoming.head()).read()
            assert incoming.at_end()
        connection.abort()
        wire.get_extra_info("socket").close()

    asyncio.run(scenario())
