"""A file as the body of a request, sent by both network clients without being held, whatever the server does meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.fixtures import until
from tests.providers.test_aiohttp_transport import Network, pooled, transport
from tests.providers.test_file_slices import asking, closed, file_of
from tests.scripted import MESSAGE, raw_answer
from thriftgate.core.errors import BrokenReply, UpstreamTimeout
from thriftgate.providers.aiohttp_transport import AiohttpTransport
from thriftgate.providers.file_slices import SLICE_BYTES
from thriftgate.providers.http1_transport import Http1Transport
from thriftgate.providers.transport import FileBody, Timeouts

__all__ = ["transport"]  # the fixture

QUICK = Timeouts(connect_s=0.3, read_s=0.3)
PATIENT = Timeouts(read_s=10)
LARGE = 50_000_000
HELD_MAX = 4_000_000  # of a large body, at any time


def digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> FileBody:
    """More than any socket takes unread."""
    return file_of(tmp_path_factory.mktemp("large") / "body", LARGE)


# --- a server that takes its time over what it reads ---------------------------------------------------------------------


@dataclass
class Reader:
    """What a server has read: the digests and lengths of whole bodies, and how far it came in the last one."""

    url: str = ""
    bodies: list[tuple[int, str]] = field(default_factory=list)
    got: int = 0
    connections: int = 0
    open: int = 0


Pace = Callable[[Reader, asyncio.StreamWriter], Awaitable[object]]


@contextlib.asynccontextmanager
async def reading(pace: Pace | None = None, answer: bytes = raw_answer(MESSAGE)) -> AsyncIterator[Reader]:
    """A server that keeps nothing of a body but its digest. `pace` is called before each piece is read, and can wait."""
    seen = Reader()
    tasks: set[asyncio.Task[None]] = set()

    async def body(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, length: int) -> None:
        seen.got, found = 0, hashlib.sha256()
        while seen.got < length:
            if pace is not None:
                await pace(seen, writer)
            piece = await reader.read(min(2**16, length - seen.got))
            if not piece:
                raise ConnectionResetError
            seen.got += len(piece)
            found.update(piece)
        seen.bodies.append((seen.got, found.hexdigest()))

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        seen.connections += 1
        seen.open += 1
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                assert b"transfer-encoding" not in head
                await body(reader, writer, int(head.partition(b"content-length: ")[2].partition(b"\r")[0]))
                writer.write(answer)
        seen.open -= 1
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    seen.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield seen
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def never(_seen: Reader, _writer: asyncio.StreamWriter) -> None:
    await asyncio.Event().wait()


async def given_up(seen: Reader) -> None:
    async def nobody() -> bool:
        return seen.open == 0

    await until(nobody)


async def test_a_large_file_arrives_byte_for_byte_and_is_never_held(large: FileBody, transport: Network) -> None:
    expected = (LARGE, digest(large.path))
    async with reading() as seen:
        tracemalloc.start()
        try:
            incoming = await transport.send(asking(seen.url, large), PATIENT)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert await incoming.read() == MESSAGE
        incoming.close()
        assert seen.bodies == [expected]
    assert peak < HELD_MAX
    await closed(large.path)


async def test_files_and_bytes_take_turns_on_one_connection(tmp_path: Path, transport: Network) -> None:
    sizes = [3_000_000, 0, 1, SLICE_BYTES, SLICE_BYTES + 1]
    files = [file_of(tmp_path / str(size), size) for size in sizes]
    expected = []
    async with reading() as seen:
        for body in files:
            for sent in (body, b"small"):
                incoming = await transport.send(asking(seen.url, sent), PATIENT)
                assert (incoming.status, await incoming.read()) == (200, MESSAGE)
                incoming.close()
            expected += [(body.length, digest(body.path)), (5, hashlib.sha256(b"small").hexdigest())]
        assert seen.bodies == expected
        assert (seen.connections, pooled(transport)) == (1, 1)


async def test_a_server_that_reads_slowly_is_no_timeout(tmp_path: Path, transport: Network) -> None:
    """More than the read limit in all, and never as long between two pieces."""

    async def slowly(seen: Reader, _writer: asyncio.StreamWriter) -> None:
        if seen.got // 2**20 > len(steps):
            steps.append(seen.got)
            await asyncio.sleep(0.05)

    steps: list[int] = []
    body = file_of(tmp_path / "body", 16_000_000)
    async with reading(slowly) as seen:
        incoming = await transport.send(asking(seen.url, body), Timeouts(read_s=0.4))
        assert await incoming.read() == MESSAGE
        incoming.close()
        assert len(steps) > 10
        assert seen.bodies == [(16_000_000, digest(body.path))]


async def test_a_server_that_reads_nothing_is_a_timeout(large: FileBody, transport: Network) -> None:
    async with reading(never) as seen:
        with pytest.raises(UpstreamTimeout, match=r"no answer from .* within 0\.3 s"):
            await transport.send(asking(seen.url, large), QUICK)
        assert seen.bodies == []
    assert pooled(transport) == 0
    await closed(large.path)


@pytest.mark.parametrize("status", [401, 413, 429])
@pytest.mark.parametrize("then", ["reads on", "stops reading"])
async def test_an_early_answer_is_delivered(status: int, then: str, large: FileBody, transport: Network) -> None:
    said: list[int] = []

    async def early(seen: Reader, writer: asyncio.StreamWriter) -> None:
        if not said:
            said.append(seen.got)
            writer.write(raw_answer(b"refused", status=status))
        if then == "stops reading":
            await asyncio.Event().wait()

    async with reading(early) as seen:
        incoming = await transport.send(asking(seen.url, large), PATIENT)
        assert (incoming.status, await incoming.read()) == (status, b"refused")
        incoming.close()
        await closed(large.path)
        if then == "reads on":
            await given_up(seen)  # the rest would be read as the next request
        assert seen.bodies == []
        assert pooled(transport) == 0


async def test_an_early_answer_of_a_server_that_closes_is_delivered(large: FileBody) -> None:
    """Its answer stands before the reset that what it has not read brings about."""
    transport = Http1Transport()

    async def hang_up(_reader: Reader, writer: asyncio.StreamWriter) -> None:
        writer.write(raw_answer(b"refused", status=413, headers=["connection: close"]))
        writer.close()
        raise ConnectionResetError

    async with reading(hang_up) as seen:
        for sent in (large, large.path.read_bytes()):
            incoming = await transport.send(asking(seen.url, sent), PATIENT)
            assert (incoming.status, await incoming.read()) == (413, b"refused")
    assert pooled(transport) == 0
    await closed(large.path)
    await transport.close()


async def test_a_file_that_ends_early_is_a_broken_reply(tmp_path: Path, transport: Network) -> None:
    body = FileBody(tmp_path / "body", LARGE)
    body.path.touch()
    os.truncate(body.path, LARGE)

    async def cut(seen: Reader, _writer: asyncio.StreamWriter) -> None:
        if not seen.got:
            os.truncate(body.path, LARGE - 9)

    async with reading(cut) as seen:
        with pytest.raises(BrokenReply, match="has become 9 bytes shorter"):
            await transport.send(asking(seen.url, body), PATIENT)
        await given_up(seen)
        assert seen.bodies == []
        assert seen.got <= LARGE - 9, "nothing is made up for what is not there"
    assert pooled(transport) == 0
    await closed(body.path)


async def test_a_file_that_ends_early_breaks_off_an_answer_that_has_begun(tmp_path: Path, transport: Network) -> None:
    body = FileBody(tmp_path / "body", LARGE)
    body.path.touch()
    os.truncate(body.path, LARGE)
    go_on = asyncio.Event()

    async def begin(seen: Reader, writer: asyncio.StreamWriter) -> None:
        if not seen.got:
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\nhello")
            await go_on.wait()

    async with reading(begin) as seen:
        incoming = await transport.send(asking(seen.url, body), PATIENT)
        chunks = incoming.chunks()
        assert await anext(chunks) == b"hello"
        os.truncate(body.path, LARGE - 9)
        go_on.set()
        with pytest.raises(BrokenReply):  # aiohttp cannot say why
            await anext(chunks)
        incoming.close()
        await given_up(seen)
    assert pooled(transport) == 0
    await closed(body.path)


async def test_a_call_cancelled_in_the_middle_leaves_nothing(large: FileBody, transport: Network) -> None:
    began, go_on = asyncio.Event(), asyncio.Event()

    async def halt(seen: Reader, _writer: asyncio.StreamWriter) -> None:
        if seen.got > LARGE // 10:
            began.set()
            await go_on.wait()

    async with reading(halt) as seen:
        task = asyncio.ensure_future(transport.send(asking(seen.url, large), Timeouts()))
        await began.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await closed(large.path)
        go_on.set()
        await given_up(seen)
        assert seen.bodies == []
    assert pooled(transport) == 0


async def test_closing_the_transport_in_the_middle_leaves_nothing(large: FileBody) -> None:
    transport = Http1Transport()
    async with reading(never) as seen:
        task = asyncio.ensure_future(transport.send(asking(seen.url, large), Timeouts()))

        async def began() -> bool:
            return seen.open == 1

        await until(began)
        await transport.close()
        with pytest.raises(BrokenReply):
            await task
        await closed(large.path)


async def test_a_file_is_sent_again_from_its_start_where_a_method_may_be_repeated(tmp_path: Path) -> None:
    transport = Http1Transport()
    body = file_of(tmp_path / "body", 1_000)
    left = asyncio.Event()

    async def close_once(seen: Reader, writer: asyncio.StreamWriter) -> None:
        if len(seen.bodies) == 1 and not left.is_set():
            left.set()
            writer.transport.abort()
            raise ConnectionResetError

    async with reading(close_once) as seen:
        for _ in range(2):
            incoming = await transport.send(asking(seen.url, body, "GET"), PATIENT)
            assert await incoming.read() == MESSAGE
        assert left.is_set()
        assert seen.bodies == [(1_000, digest(body.path))] * 2
        assert seen.connections == 2
    await transport.close()


@pytest.mark.parametrize("kind", [AiohttpTransport, Http1Transport])
def test_under_uvloop(kind: type[Network], large: FileBody) -> None:
    """The rest of this file runs on the standard loop."""
    uvloop = pytest.importorskip("uvloop", reason="no uvloop on this platform")

    async def scenario() -> None:
        transport = kind()
        async with reading() as seen:
            for _ in range(2):
                incoming = await transport.send(asking(seen.url, large), PATIENT)
                assert await incoming.read() == MESSAGE
                incoming.close()
            assert seen.bodies == [(LARGE, digest(large.path))] * 2
            assert seen.connections == 1
        async with reading(never) as seen:
            with pytest.raises(UpstreamTimeout):
                await transport.send(asking(seen.url, large), QUICK)
        await closed(large.path)
        await transport.close()

    uvloop.run(scenario())
