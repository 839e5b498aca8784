"""The network, against a server that does whatever a server can do wrong: exactly three errors, and no connection stays.

The same for both clients, aiohttp's and our own; what only our own promises is in test_http1_transport.py.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from tests.fixtures import until
from tests.scripted import MESSAGE, Received, Script, Upstream, answering, raw_answer, upstream
from thriftgate.core.errors import BrokenReply, Unreachable, UpstreamTimeout
from thriftgate.providers.aiohttp_transport import LARGE_BYTES, AiohttpTransport
from thriftgate.providers.http1_transport import Http1Transport
from thriftgate.providers.transport import Outgoing, Timeouts

QUICK = Timeouts(connect_s=0.3, read_s=0.3)
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"


Network = AiohttpTransport | Http1Transport


@pytest.fixture(params=[AiohttpTransport, Http1Transport])
async def transport(request: pytest.FixtureRequest) -> AsyncIterator[Network]:
    made = request.param()
    yield made
    await made.close()


def asking(url: str, body: bytes = b"{}") -> Outgoing:
    return Outgoing("POST", f"{url}/v1/messages", ((b"content-type", b"application/json"),), body)


async def all_closed(seen: Upstream) -> None:
    async def closed() -> bool:
        return seen.open == 0

    await until(closed)


def pooled(transport: Network) -> int:
    """Connections kept for the next call."""
    if isinstance(transport, Http1Transport):
        assert not [kept for kept in transport._connections if kept._incoming is not None], (
            "a connection was never given back"
        )
        return sum(not kept.stale() for origin in transport._origins.values() for kept in origin.idle)
    connector = transport._session.connector
    assert connector is not None
    assert not connector._acquired, "a connection was never given back"
    return sum(kept.is_connected() for pool in connector._conns.values() for kept, _since in pool)


# --- before the head of an answer --------------------------------------------------------------------------------------


def saying(data: bytes, *, then: Callable[[asyncio.StreamWriter], object] | None = None) -> Script:
    """Write these bytes, then close (or whatever `then` does)."""

    async def script(_request: Received, writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        await writer.drain()
        (then or asyncio.StreamWriter.close)(writer)

    return script


def resetting(writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()


def staying(_writer: asyncio.StreamWriter) -> None:
    """Say no more, and do not close."""


NO_ANSWER: dict[str, Script] = {
    "closes at once": saying(b""),
    "resets at once": saying(b"", then=resetting),
    "says something that is not HTTP": saying(b"220 mail.example ESMTP ready\r\n"),
    "says binary garbage": saying(bytes(range(256)) * 10),
    "closes inside the head": saying(b"HTTP/1.1 200 OK\r\ncontent-ty"),
    "names a length that is no number": saying(b"HTTP/1.1 200 OK\r\ncontent-length: many\r\n\r\n"),
    "names two lengths": saying(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello"),
    "sends a megabyte of headers": saying(b"HTTP/1.1 200 OK\r\nx-long: " + b"x" * 2**20 + b"\r\n\r\n", then=staying),
    "sends a megabyte of small headers": saying(b"HTTP/1.1 200 OK\r\n" + b"x-a: 1\r\n" * 131_072 + b"\r\n", then=staying),
    "has an impossible status": saying(b"HTTP/1.1 9999999999 Huh\r\n\r\n"),
}


@pytest.mark.parametrize("script", NO_ANSWER.values(), ids=list(NO_ANSWER))
async def test_what_is_no_answer_is_a_broken_reply(script: Script, transport: Network) -> None:
    async with upstream(script) as seen:
        with pytest.raises(BrokenReply) as caught:
            await transport.send(asking(seen.url), QUICK)
        await all_closed(seen)
    assert len(str(caught.value)) < 500
    assert pooled(transport) == 0


async def test_a_server_that_never_answers_is_a_timeout(transport: Network) -> None:
    async with upstream(saying(b"", then=staying)) as seen:
        with pytest.raises(UpstreamTimeout, match=r"no answer from .* within 0\.3 s"):
            await transport.send(asking(seen.url), QUICK)
        await all_closed(seen)
    assert pooled(transport) == 0


async def test_a_head_that_drips_is_a_timeout_or_comes(transport: Network) -> None:
    """The read limit is between two pieces: slow is allowed, silence is not."""

    async def script(_request: Received, writer: asyncio.StreamWriter) -> None:
        for at, byte in enumerate(raw_answer(b"ok")):
            writer.write(bytes([byte]))
            await writer.drain()
            if at % 10 == 0:
                await asyncio.sleep(0.05)

    async with upstream(script) as seen:
        incoming = await transport.send(asking(seen.url), QUICK)
        assert await incoming.read() == b"ok"
        incoming.close()


async def test_nobody_listens(transport: Network) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: refused
        with pytest.raises(Unreachable, match="cannot reach http://127"):
            await transport.send(asking(f"http://127.0.0.1:{taken.getsockname()[1]}"), QUICK)


async def test_no_such_host(transport: Network) -> None:
    with pytest.raises(Unreachable, match=r"cannot reach http://no-such-host\.invalid"):
        await transport.send(asking("http://no-such-host.invalid"), Timeouts(connect_s=5, read_s=5))


async def test_a_connection_that_is_never_made(transport: Network) -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        waiting = []
        for _ in range(3):  # the queue of connections nobody accepts is full now: further ones hang
            waiting.append(socket.socket())
            waiting[-1].setblocking(False)
            waiting[-1].connect_ex(full.getsockname())
        with pytest.raises(Unreachable):
            await transport.send(asking(f"http://127.0.0.1:{full.getsockname()[1]}"), QUICK)
        for one in waiting:
            one.close()


async def test_plain_http_where_tls_is_expected(transport: Network) -> None:
    async with upstream(answering(b"")) as seen:
        with pytest.raises(Unreachable):
            await transport.send(asking(seen.url.replace("http://", "https://")), QUICK)


# --- inside the body ---------------------------------------------------------------------------------------------------

BROKEN_BODIES: dict[str, tuple[Script, type[Exception], bytes]] = {
    "closes before the promised length": (saying(HEAD + b"content-length: 50\r\n\r\nhello"), BrokenReply, b"hello"),
    "resets before the promised length": (
        saying(HEAD + b"content-length: 50\r\n\r\nhello", then=resetting),
        BrokenReply,
        b"",
    ),
    "closes between chunks": (saying(HEAD + b"transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n"), BrokenReply, b"hello"),
    "closes inside a chunk": (saying(HEAD + b"transfer-encoding: chunked\r\n\r\n50\r\nhello"), BrokenReply, b"hello"),
    "sends a chunk length that is none": (
        saying(HEAD + b"transfer-encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\nhello\r\n", then=staying),
        BrokenReply,
        b"",
    ),
    "stalls in the body": (saying(HEAD + b"content-length: 50\r\n\r\nhello", then=staying), UpstreamTimeout, b"hello"),
    "stalls between chunks": (
        saying(HEAD + b"transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n", then=staying),
        UpstreamTimeout,
        b"hello",
    ),
}


@pytest.mark.parametrize(("script", "error", "first"), BROKEN_BODIES.values(), ids=list(BROKEN_BODIES))
@pytest.mark.parametrize("how", ["chunks", "read"])
async def test_a_body_that_breaks_off(
    script: Script, error: type[Exception], first: bytes, how: str, transport: AiohttpTransport
) -> None:
    async with upstream(script) as seen:
        got = b""
        with pytest.raises(error):  # noqa: PT012  either the head or the body meets the break
            incoming = await transport.send(asking(seen.url), QUICK)
            try:
                if how == "read":
                    await incoming.read()
                else:
                    async for chunk in incoming.chunks():
                        got += chunk
            finally:
                incoming.close()
        await all_closed(seen)
    assert how == "read" or got.startswith(first)
    assert pooled(transport) == 0


async def test_a_body_without_length_ends_with_the_connection(transport: Network) -> None:
    async with upstream(saying(HEAD + b"\r\nhello")) as seen:
        incoming = await transport.send(asking(seen.url), QUICK)
        assert await incoming.read() == b"hello"
        incoming.close()
        await all_closed(seen)


async def test_chunks_come_as_they_are_sent(transport: Network) -> None:
    """The second piece is not written before the first has been read."""
    first_read = asyncio.Event()

    async def script(_request: Received, writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD + b"transfer-encoding: chunked\r\n\r\n5\r\nfirst\r\n")
        await writer.drain()
        await first_read.wait()
        writer.write(b"6\r\nsecond\r\n0\r\n\r\n")

    async with upstream(script) as seen:
        incoming = await transport.send(asking(seen.url), Timeouts(read_s=10))
        chunks = incoming.chunks()
        assert await anext(chunks) == b"first"
        first_read.set()
        assert [chunk async for chunk in chunks] == [b"second"]
        incoming.close()
        assert pooled(transport) == 1


# --- connections -------------------------------------------------------------------------------------------------------


async def test_a_finished_answer_gives_its_connection_to_the_next_call(transport: Network) -> None:
    async with upstream(answering(MESSAGE)) as seen:
        for _ in range(3):
            incoming = await transport.send(asking(seen.url), QUICK)
            assert await incoming.read() == MESSAGE
            incoming.close()
        assert seen.connections == 1
        assert pooled(transport) == 1


async def test_an_answer_given_up_closes_its_connection(transport: Network) -> None:
    async with upstream(saying(HEAD + b"content-length: 50\r\n\r\nhello", then=staying)) as seen:
        incoming = await transport.send(asking(seen.url), Timeouts())
        incoming.close()
        await all_closed(seen)
    assert pooled(transport) == 0


async def test_a_call_cancelled_while_waiting_closes_its_connection(transport: Network) -> None:
    async with upstream(saying(b"", then=staying)) as seen:
        task = asyncio.ensure_future(transport.send(asking(seen.url), Timeouts()))

        async def asked() -> bool:
            return bool(seen.requests)

        await until(asked)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await all_closed(seen)
    assert pooled(transport) == 0


async def test_a_kept_connection_that_died_is_replaced(transport: Network) -> None:
    async def script(_request: Received, writer: asyncio.StreamWriter) -> None:
        writer.write(raw_answer(b"ok"))
        await writer.drain()
        writer.close()

    async with upstream(script) as seen:
        for number in range(1, 4):
            incoming = await transport.send(asking(seen.url), QUICK)
            assert await incoming.read() == b"ok"
            incoming.close()
            await all_closed(seen)
            await settled(lambda: pooled(transport) == 0)
            assert seen.connections == number


async def settled(condition: Callable[[], bool]) -> None:
    async def holds() -> bool:
        return condition()

    await until(holds)


async def test_a_kept_connection_that_dies_under_a_call_is_never_sent_twice(transport: Network) -> None:
    """The provider may have begun to work: only the caller can decide to pay again."""
    answered = 0

    async def script(_request: Received, writer: asyncio.StreamWriter) -> None:
        nonlocal answered
        answered += 1
        if answered == 1:
            writer.write(raw_answer(b"ok"))
        else:
            writer.close()

    async with upstream(script) as seen:
        incoming = await transport.send(asking(seen.url), QUICK)
        await incoming.read()
        incoming.close()
        with pytest.raises(BrokenReply):
            await transport.send(asking(seen.url), QUICK)
        assert len(seen.requests) == 2


async def many(count: int, one: Callable[[], Awaitable[bytes]]) -> list[bytes]:
    return await asyncio.gather(*(one() for _ in range(count)))


async def test_two_hundred_at_once(transport: Network) -> None:
    everybody = asyncio.Event()

    async with upstream(script := waiting_for(everybody, 200)) as seen:
        assert script is not None

        async def one() -> bytes:
            incoming = await transport.send(asking(seen.url), Timeouts())
            body = await incoming.read()
            incoming.close()
            return body

        assert await many(200, one) == [b"ok"] * 200
        assert seen.connections == 200


def waiting_for(everybody: asyncio.Event, count: int) -> Script:
    """Answer nobody before `count` have asked."""
    asked = 0

    async def script(_request: Received, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        asked += 1
        if asked == count:
            everybody.set()
        await everybody.wait()
        writer.write(raw_answer(b"ok"))

    return script


# --- what leaves -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, LARGE_BYTES, LARGE_BYTES + 1, 3 * LARGE_BYTES])
async def test_a_request_leaves_as_it_is(size: int, transport: Network) -> None:
    body = b"x" * size
    headers = ((b"x-one", b"1"), (b"x-many", b"a"), (b"x-many", b"b"), (b"x-utf-8", "ä€".encode()))
    async with upstream(answering(b"{}")) as seen:
        outgoing = Outgoing("POST", f"{seen.url}/v1/a%2Fb%0d?beta=true&x=%20y", headers, body)
        incoming = await transport.send(outgoing, Timeouts())
        await incoming.read()
        incoming.close()
        (request,) = seen.requests
    assert request.line == "POST /v1/a%2Fb%0d?beta=true&x=%20y HTTP/1.1"
    assert request.body == body
    added = [header for header in request.headers if header[0] not in {"host", "content-length"}]
    assert added == [("x-one", "1"), ("x-many", "a"), ("x-many", "b"), ("x-utf-8", "ä€".encode().decode("latin-1"))]


async def test_redirects_and_compressed_answers_are_passed_on(transport: Network) -> None:
    location = ("location: /elsewhere", "content-encoding: gzip", "set-cookie: a=b")
    async with upstream(answering(b"\x1f\x8bnot really", status=307, headers=location)) as seen:
        incoming = await transport.send(asking(seen.url), QUICK)
        assert (incoming.status, await incoming.read()) == (307, b"\x1f\x8bnot really")
        incoming.close()
        assert (b"location", b"/elsewhere") in incoming.headers
        await (await transport.send(asking(seen.url), QUICK)).read()
        assert "cookie" not in dict(seen.requests[-1].headers)
