"""Routes, and the one place where errors become answers: over a real socket where bytes matter."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest

from tests.fixtures import HEADERS, books, client, engine_on, message, serving, settings_of, simulator
from tests.scripted import Provider
from thriftgate import __version__
from thriftgate.core.errors import ConfigError, LedgerError
from thriftgate.gateway.app import Gateway, _served_path

BODY = msgspec.json.encode(message())


@pytest.fixture
def served(tmp_path: Path) -> Iterator[str]:
    with serving(simulator()) as url:
        settings = settings_of(upstream={"url": url}, ledger={"path": str(tmp_path / "books.db")})
        with serving(Gateway(settings)) as gateway:
            yield gateway


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with client() as made:
        yield made


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("HEAD", "/", None),
        ("GET", "/", {"status": "ok", "version": __version__}),
        ("HEAD", "/healthz", None),
        ("GET", "/healthz", {"status": "ok", "version": __version__}),
    ],
)
async def test_whether_it_lives(method: str, path: str, body: object, served: str, session: aiohttp.ClientSession) -> None:
    async with session.request(method, served + path) as response:
        assert response.status == 200
        got = await response.read()
    assert got == b"" if body is None else msgspec.json.decode(got) == body


async def test_readiness_names_what_it_is_ready_with(served: str, session: aiohttp.ClientSession) -> None:
    async with session.get(f"{served}/readyz") as response:
        told = msgspec.json.decode(await response.read())
    assert (told["status"], told["upstream"]) == ("ready", "anthropic")
    assert "overlay" in told["price_book"]


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/v1/messages"), ("POST", "/v1/complete"), ("GET", "/favicon.ico"), ("DELETE", "/v1/models/x"), ("PUT", "/")],
)
async def test_what_is_not_served_is_told_in_the_apis_shape(
    method: str, path: str, served: str, session: aiohttp.ClientSession
) -> None:
    async with session.request(method, served + path, headers=HEADERS) as response:
        told = msgspec.json.decode(await response.read())
        assert response.status == 404
        assert response.headers["thriftgate-error"] == "not_served"
        assert response.headers["content-type"] == "application/json"
    assert told == {
        "type": "error",
        "error": {"type": "not_found_error", "message": f"thriftgate does not serve {method} {path}"},
        "request_id": None,
    }


BAD: list[tuple[bytes, str]] = [
    (b"", "not valid JSON"),
    (b"{", "not valid JSON"),
    (b'{"model":"claude-opus-4-8","max_tokens":"many","messages":[]}', "max_tokens: Input should be a valid integer"),
    (b'{"model":"claude-nobody","max_tokens":1,"messages":[]}', "no price for model 'claude-nobody'"),
    (b'{"model":"m","max_tokens":1,"messages":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nested too deeply"),
]


@pytest.mark.parametrize(("raw", "words"), BAD, ids=[words for _, words in BAD])
async def test_bad_input_is_a_clear_error_and_in_the_books(
    raw: bytes, words: str, served: str, session: aiohttp.ClientSession, tmp_path: Path
) -> None:
    async with session.post(f"{served}/v1/messages", data=raw, headers=HEADERS) as response:
        told = msgspec.json.decode(await response.read())
        assert response.status == 400
        assert response.headers["x-should-retry"] == "false"
    assert (told["type"], told["error"]["type"]) == ("error", "invalid_request_error")
    assert words in told["error"]["message"]
    async with books(tmp_path / "books.db") as ledger:
        (entry,) = await ledger.entries()
    assert (entry.id, entry.outcome, entry.status) == (told["request_id"], "refused", 400)


async def test_a_compressed_body_is_a_clear_error(served: str, session: aiohttp.ClientSession) -> None:
    headers = HEADERS | {"content-encoding": "gzip"}
    async with session.post(f"{served}/v1/messages", data=b"\x1f\x8b", headers=headers) as response:
        assert response.status == 400
        assert "send the body uncompressed" in msgspec.json.decode(await response.read())["error"]["message"]


async def test_forty_megabytes_are_refused_by_their_length(served: str, session: aiohttp.ClientSession) -> None:
    """The answer is there while hardly anything was sent."""
    port = int(served.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"POST /v1/messages HTTP/1.1\r\nhost: x\r\ncontent-length: 40000000\r\n\r\n" + b"x" * 1000)
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
    assert head.startswith(b"HTTP/1.1 413")
    told = msgspec.json.decode(await reader.readexactly(int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])))
    assert told["error"] == {
        "type": "request_too_large",
        "message": "the request body is 40000000 bytes long; at most 33554432 are allowed",
    }
    writer.close()
    await writer.wait_closed()
    async with session.get(f"{served}/healthz") as response:
        assert response.status == 200


@pytest.mark.parametrize("length", ["content-length: 40000000", "transfer-encoding: chunked"])
async def test_forty_megabytes_are_refused_when_they_are_sent_too(length: str, served: str) -> None:
    """By a client that sends all of it before it looks for an answer."""
    piece = b"x" * 10**6
    if "chunked" in length:
        piece = b"f4240\r\n" + piece + b"\r\n"
    reader, writer = await asyncio.open_connection("127.0.0.1", int(served.rpartition(":")[2]))
    writer.write(f"POST /v1/messages HTTP/1.1\r\nhost: x\r\n{length}\r\n\r\n".encode())
    for _ in range(40):
        writer.write(piece)
        await asyncio.wait_for(writer.drain(), 10)
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
    assert head.startswith(b"HTTP/1.1 413")
    assert b"thriftgate-error: too_large" in head
    writer.close()
    await writer.wait_closed()


# --- start and end -----------------------------------------------------------------------------------------------------


async def lifespan(gateway: Gateway, *, also: Any = None) -> list[dict[str, Any]]:
    """Start it, do `also`, stop it; what it said."""
    said: list[dict[str, Any]] = []
    orders = asyncio.Queue[dict[str, Any]]()
    orders.put_nowait({"type": "lifespan.startup"})

    async def send(told: Any) -> None:
        said.append(told)
        if told["type"] == "lifespan.startup.complete":
            if also is not None:
                await also()
            orders.put_nowait({"type": "lifespan.shutdown"})

    await gateway({"type": "lifespan"}, orders.get, send)
    return said


async def test_the_engine_lives_from_start_to_end(tmp_path: Path) -> None:
    gateway = Gateway(settings_of(ledger={"path": str(tmp_path / "books.db")}))
    engine = []

    async def look() -> None:
        engine.append(gateway.engine)

    assert [told["type"] for told in await lifespan(gateway, also=look)] == [
        "lifespan.startup.complete",
        "lifespan.shutdown.complete",
    ]
    with pytest.raises(LedgerError, match="closed"):
        await engine[0].ledger.entries()


@pytest.mark.parametrize(
    ("tables", "error"),
    [
        ({"upstream": {"url": "nonsense"}}, ConfigError),
        ({"prices": {"nonsense": 1}}, ConfigError),
        ({"ledger": {"path": "/dev/full"}}, LedgerError),
    ],
)
async def test_what_cannot_start_says_why(tables: dict[str, dict[str, Any]], error: type[Exception]) -> None:
    gateway = Gateway(settings_of(**tables))
    assert [told["type"] for told in await lifespan(gateway)] == ["lifespan.startup.failed"]
    assert isinstance(gateway.failure, error)


async def exchange(gateway: Gateway, path: str = "/v1/messages", raw: bytes = BODY) -> list[dict[str, Any]]:
    """One request straight into the app; what it sent."""
    sent: list[dict[str, Any]] = []
    inbox = [{"type": "http.request", "body": raw, "more_body": False}]

    async def receive() -> dict[str, Any]:
        if inbox:
            return inbox.pop()
        await asyncio.Event().wait()
        raise AssertionError

    async def send(told: Any) -> None:
        sent.append(told)

    scope: dict[str, Any] = {
        "type": "http",
        "method": "POST" if raw else "GET",
        "path": path,
        "query_string": b"",
        "headers": [],
    }
    await gateway(scope, receive, send)
    return sent


async def test_before_the_start_it_is_not_ready() -> None:
    start, body = await exchange(Gateway(settings_of()))
    assert start["status"] == 503
    assert msgspec.json.decode(body["body"])["error"]["message"] == "the gateway is not ready"


async def test_a_closed_ledger_is_not_ready() -> None:
    async with engine_on(Provider()) as engine:
        assert (await exchange(Gateway(settings_of(), engine), "/readyz", b""))[0]["status"] == 200
        await engine.ledger.close()
        start, body = await exchange(Gateway(settings_of(), engine), "/readyz", b"")
    assert start["status"] == 503
    assert msgspec.json.decode(body["body"])["reasons"] == ["the books cannot be read: the ledger is closed"]


async def test_a_bug_is_an_error_without_its_words(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def prepare(*_arguments: object) -> Any:
        raise RuntimeError("a secret prompt")

    async with engine_on(Provider()) as engine:
        monkeypatch.setattr(type(engine.provider), "prepare", prepare)
        start, body = await exchange(Gateway(settings_of(), engine))
    assert start["status"] == 500
    assert msgspec.json.decode(body["body"])["error"]["type"] == "api_error"
    told = "".join(capsys.readouterr())
    assert "RuntimeError" in told
    assert "secret" not in told + body["body"].decode()
    assert "Traceback" not in told


async def test_a_websocket_is_turned_away() -> None:
    sent: list[Any] = []

    async def send(told: Any) -> None:
        sent.append(told)

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect"}

    await Gateway(settings_of())({"type": "websocket", "path": "/"}, receive, send)
    assert sent == [{"type": "websocket.close", "code": 1000}]


@pytest.mark.parametrize(
    ("method", "path", "told"),
    [
        ("POST", "/v1/messages", "/v1/messages"),
        ("GET", "/v1/messages", "/v1/…"),
        ("GET", "/sk-ant-" + "x" * 90, "/sk-ant-" + "x" * 13 + "/…"),
    ],
)
def test_the_log_tells_no_path_that_a_client_made_up(method: str, path: str, told: str) -> None:
    assert _served_path({"method": method, "path": path}) == told
