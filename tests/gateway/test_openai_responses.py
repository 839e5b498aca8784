"""`/v1/responses` over real sockets: what reaches the provider, what comes back and when. The official SDK's view of it:
tests/clients/test_openai_responses.py."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest

from tests.fixtures import MODEL, books, client, serving, settings_of
from tests.scripted import MESSAGE, Received, Script, Upstream, answering, raw_answer, sse_events, upstream
from thriftgate.gateway.app import Gateway

HEADERS = {
    "authorization": "Bearer sk-1",
    "content-type": "application/json",
    "openai-project": "p",
    "x-stainless-retry-count": "0",
    "thriftgate-queue-s": "0",
}
SSE_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ntransfer-encoding: chunked\r\n\r\n"


@contextlib.asynccontextmanager
async def stage(script: Script, path: Path, **tables: Any) -> AsyncIterator[tuple[str, Upstream, aiohttp.ClientSession]]:
    async with upstream(script) as seen, client() as session:
        settings = settings_of(upstream={"url": seen.url}, ledger={"path": str(path / "books.db")}, **tables)
        with serving(Gateway(settings)) as url:
            yield f"{url}/v1/responses", seen, session


async def post(session: aiohttp.ClientSession, url: str, **asked: Any) -> tuple[aiohttp.ClientResponse, Any]:
    body = msgspec.json.encode({"model": MODEL, "input": "Hi", **asked})
    async with session.post(url, data=body, headers=HEADERS) as response:
        return response, await response.read()


async def test_the_provider_gets_a_messages_call(tmp_path: Path) -> None:
    async with stage(answering(MESSAGE, headers=("request-id: req_1",)), tmp_path) as (url, seen, session):
        response, body = await post(session, f"{url}?beta=true", instructions="Be brief")
    assert response.status == 200
    assert msgspec.json.decode(body)["object"] == "response"
    (request,) = seen.requests
    assert request.line == "POST /v1/messages HTTP/1.1"
    assert request.header("anthropic-version") == "2023-06-01"
    assert not [name for name, _ in request.headers if name.startswith(("openai-", "thriftgate-"))]
    assert msgspec.json.decode(request.body)["system"][0]["text"] == "Be brief"
    assert response.headers["x-request-id"] == "req_1"


async def test_all_or_nothing(tmp_path: Path) -> None:
    """Where the operator wants no call that loses anything."""
    async with stage(answering(MESSAGE), tmp_path, openai={"not_carried": "refuse"}) as (url, seen, session):
        response, body = await post(session, url, store=True)
    assert response.status == 400
    assert "store" in msgspec.json.decode(body)["error"]["message"]
    assert not seen.requests


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff", b'{"model":"claude-opus-4-8"}', b'{"input":"x"}'])
async def test_garbage_is_a_400_in_openais_shape(body: bytes, tmp_path: Path) -> None:
    async with (
        stage(answering(MESSAGE), tmp_path) as (url, seen, session),
        session.post(url, data=body, headers=HEADERS) as response,
    ):
        assert response.status == 400
        assert (await response.json())["error"]["type"] == "invalid_request_error"
    assert not seen.requests


@pytest.mark.parametrize(
    ("status", "kind"), [(400, "invalid_request_error"), (429, "rate_limit_error"), (529, "overloaded_error")]
)
async def test_the_providers_errors_keep_their_words(status: int, kind: str, tmp_path: Path) -> None:
    body = msgspec.json.encode({"type": "error", "error": {"type": kind, "message": "what is wrong"}})

    async def script(_request: Received, writer: asyncio.StreamWriter) -> None:
        writer.write(raw_answer(body, status=status, headers=("x-should-retry: false",)))

    async with stage(script, tmp_path) as (url, _, session):
        response, told = await post(session, url)
    assert response.status == status
    error = msgspec.json.decode(told)["error"]
    assert (error["message"], error["type"]) == ("what is wrong", kind)


async def test_the_end_of_a_stream_waits_for_the_books(tmp_path: Path) -> None:
    """Nothing says that a response is complete before its entry is there; all before it comes as it came."""
    events = sse_events()
    go_on = asyncio.Event()

    async def script(_request: Received, writer: asyncio.StreamWriter) -> None:
        writer.write(SSE_HEAD + _chunk(b"".join(events[:-1])))
        await writer.drain()
        await go_on.wait()
        writer.write(_chunk(events[-1]) + b"0\r\n\r\n")

    async with stage(script, tmp_path) as (url, _, session):
        asked = msgspec.json.encode({"model": MODEL, "input": "Hi", "stream": True})
        async with session.post(url, data=asked, headers=HEADERS) as response, books(tmp_path / "books.db") as ledger:
            told = await response.content.readuntil(b"event: response.content_part.done\n")
            assert b"response.completed" not in told
            assert not await ledger.entries()
            go_on.set()
            await response.content.readuntil(b"event: response.completed\n")
            (entry,) = await ledger.entries()
    assert (entry.endpoint, entry.outcome) == ("openai.responses", "answered")


def _chunk(data: bytes) -> bytes:
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"
