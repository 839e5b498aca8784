"""Slow, silent and many connections, on real sockets: they end, and nobody else notices."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.fixtures import client, message, serving, settings_of
from tests.gateway.keyed import staged
from tests.scripted import MESSAGE as ANSWER
from tests.scripted import Received, answering, sse_events, upstream
from tests.security.raw import BODY, POST, TE, request, say
from thriftgate.gateway.app import Gateway
from thriftgate.gateway.connections import Bounds, Watch
from thriftgate.gateway.entrance import Entrance

QUICK = {"head_s": 0.4, "body_idle_s": 0.4, "body_bytes_per_s_min": 2_000, "answer_idle_s": 0.4}
HEAD = request(POST, b"content-length: 100000", body=b"", sized=False)
CHUNKS = request(POST, TE, body=b"", sized=False)
# What slow clients begin with, and what they go on with, again and again.
SLOW: dict[str, tuple[bytes, bytes]] = {
    "silent": (b"", b""),
    "head that stops": (HEAD[:60], b""),
    "head byte by byte": (HEAD[:60], b"x"),
    "blank lines": (b"\r\n", b"\r\n"),
    "blank lines behind an answer": (request(b"GET /healthz HTTP/1.1", body=b"", sized=False), b"\r\n"),
    "body that stops": (HEAD + b"{", b""),
    "body byte by byte": (HEAD + b"{", b" "),
    "chunk's extension": (CHUNKS + b"1;", b"x"),
    "chunk by chunk": (CHUNKS, b"1\r\n \r\n"),
    "trailers": (CHUNKS + b"1\r\n{\r\n0\r\nx: ", b"x"),
    "body nobody asked for": (request(b"GET /healthz HTTP/1.1", b"content-length: 100", body=b"", sized=False), b"x"),
}


async def hang_on(url: str, first: bytes, more: bytes) -> bytes:
    """Be slow until the connection is closed; what was said by then. TimeoutError where it is not."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
    got = b""

    async def drip() -> None:
        while more:
            writer.write(more)
            await asyncio.sleep(0.05)

    writer.write(first)
    dripping = asyncio.create_task(drip())
    try:
        async with asyncio.timeout(20):
            with contextlib.suppress(ConnectionError):
                while piece := await reader.read(65_536):
                    got += piece
    finally:
        dripping.cancel()
        writer.close()
    return got


@contextlib.asynccontextmanager
async def gateway_before(script: Any, **server: Any) -> AsyncIterator[str]:
    """A gateway with these bounds before a scripted provider."""
    async with upstream(script) as provider:
        settings = settings_of(upstream={"url": provider.url}, server=server)
        with serving(Gateway(settings), Entrance(settings.server)) as url:
            yield url


async def slow_stream(_request: Received, writer: asyncio.StreamWriter) -> None:
    """A stream with pauses, far longer than any bound of `QUICK`."""
    writer.write(b"HTTP/1.1 200 X\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n")
    for event in sse_events("a" * 1000):
        writer.write(event)
        await writer.drain()
        await asyncio.sleep(0.25)
    writer.close()


async def test_slow_ones_are_cut_off_and_a_stream_goes_on() -> None:
    """Two hundred of them, while calls are answered and a stream lives four times as long as a head may take."""
    async with gateway_before(slow_stream, **QUICK) as url, client() as session:

        async def stream() -> bytes:
            async with session.post(f"{url}/v1/messages", json=message(stream=True)) as reply:
                assert reply.status == 200
                return await reply.read()

        async def healthy() -> int:
            async with session.get(f"{url}/healthz") as reply:
                return reply.status

        streaming = asyncio.create_task(stream())
        kinds = list(SLOW.values())
        slow = [asyncio.create_task(hang_on(url, *kinds[at % len(kinds)])) for at in range(200)]
        for _ in range(10):
            assert await healthy() == 200
            await asyncio.sleep(0.05)
        told = await asyncio.gather(*slow)
        assert (await streaming).endswith(sse_events("a" * 1000)[-1])
        for (name, _), said in zip(SLOW.items(), told, strict=False):
            expected = {
                "silent": b"",
                "blank lines behind an answer": b"HTTP/1.1 200",
                "body nobody asked for": b"HTTP/1.1 200",
            }
            assert said.startswith(expected.get(name, b"HTTP/1.1 408")), (name, said)


async def test_a_body_that_keeps_its_pace_is_taken() -> None:
    """Slower than the bounds in all, and never silent for too long."""
    async with gateway_before(answering(ANSWER), **(QUICK | {"body_bytes_per_s_min": 50})) as url:
        pieces = [BODY[at : at + 5] for at in range(0, len(BODY), 5)]
        reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
        writer.write(request(POST, b"content-length: %d" % len(BODY), body=b"", sized=False))
        for piece in pieces:
            await asyncio.sleep(0.06)
            writer.write(piece)
        assert (await asyncio.wait_for(reader.readline(), 10)).startswith(b"HTTP/1.1 200")
        writer.close()


async def test_a_client_that_reads_nothing_is_cut_off() -> None:
    async def flood(_request: Received, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 X\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            for _ in range(2_000):
                writer.write(sse_events("a" * 60_000)[2])
                await writer.drain()
        writer.close()

    async with gateway_before(flood, **QUICK) as url:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]), limit=1024)
        writer.write(request(body=BODY[:-1] + b',"stream":true}'))
        await asyncio.sleep(2)  # what is not read fills the socket's buffers
        got = 0
        with contextlib.suppress(ConnectionError):
            while piece := await asyncio.wait_for(reader.read(1 << 20), 10):
                got += len(piece)
        assert got < 100_000_000  # 120 MB would have come
        writer.close()


async def test_no_more_than_so_many_connections(tmp_path: Path) -> None:
    async with staged(tmp_path, server={"connections_max": 5, "head_s": 30.0}) as stage:
        port = int(stage.url.rpartition(":")[2])
        assert (await stage.call()).status == 200
        fresh = [await asyncio.open_connection("127.0.0.1", port) for _ in range(4)]
        said = await say(stage.url, request(), answers=2)
        assert (said.statuses, said.closed) == ([503], True)  # none has waited long enough to lose its place
        assert b"too many connections" in said.body
        await asyncio.sleep(1.2)
        for _ in range(6):  # by then those that say nothing give way, the oldest first
            assert (await say(stage.url, request())).statuses == [200]
        assert (await stage.call()).status == 200  # and one that called is still there
        assert await asyncio.wait_for(fresh[0][0].read(), 10) == b""
        for _, writer in fresh:
            writer.close()


def test_what_was_cut_off_is_told_once_a_minute(capfd: pytest.CaptureFixture[str]) -> None:
    watch = Watch(Bounds())
    for at in range(130):
        watch.note("slow head", float(at))
    assert watch.cut == {"slow head": 130}
    assert capfd.readouterr().err.count("connections cut off") == 3
