"""Messages calls over real sockets: what comes in goes out, what comes back goes on, byte for byte and at once."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
from yarl import URL

from tests.fixtures import HEADERS, assert_sound, books, client, message, serving, settings_of, simulator, until
from tests.scripted import MESSAGE, Received, Script, Upstream, answering, raw_answer, sse, sse_events, upstream
from thriftgate.gateway.app import Gateway
from thriftgate.ledger.entries import Entry

EVENTS = sse_events()
SSE_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ntransfer-encoding: chunked\r\n\r\n"
BODY = msgspec.json.encode(message())
STREAM = msgspec.json.encode(message(stream=True))


def chunk(data: bytes) -> bytes:
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


class Setup:
    """A gateway in front of a scripted upstream, with its books in a file, and a client."""

    def __init__(self, url: str, seen: Upstream, session: aiohttp.ClientSession, path: Path) -> None:
        self.url = f"{url}/v1/messages"
        self.seen = seen
        self.session = session
        self.path = path

    async def post(self, raw: bytes = BODY, headers: Mapping[str, str] = HEADERS) -> tuple[aiohttp.ClientResponse, bytes]:
        async with self.session.post(self.url, data=raw, headers=headers) as response:
            return response, await response.read()

    async def entry(self) -> Entry:
        """The one entry, once it is there."""
        async with books(self.path) as ledger:

            async def there() -> bool:
                return bool(await ledger.entries())

            await until(there)
            await assert_sound(ledger)
            (entry,) = await ledger.entries()
            return entry


@contextlib.asynccontextmanager
async def setup(script: Script, path: Path, **tables: dict[str, Any]) -> AsyncIterator[Setup]:
    async with upstream(script) as seen, client() as session:
        tables["upstream"] = {"url": seen.url, "read_timeout_s": 5.0} | tables.get("upstream", {})
        settings = settings_of(ledger={"path": str(path / "books.db")}, **tables)
        with serving(Gateway(settings)) as url:
            yield Setup(url, seen, session, path / "books.db")


# --- there and back ----------------------------------------------------------------------------------------------------


async def test_a_request_reaches_the_provider_as_it_was(tmp_path: Path) -> None:
    raw = b'{ "model":"claude-opus-4-8" ,"max_tokens": 10, "x-new": [1.0, null],\n'
    raw += b'"messages":[{"role":"user","content":"\\u00e9"}]}'
    sent = {
        "anthropic-beta": "one-2026-01-01,two-2026-02-02",
        "anthropic-version": "2023-06-01",
        "x-nobody-knows": "kept",
        "user-agent": "claude-cli/2.1.197 (external, cli)",
        "x-stainless-retry-count": "0",
        "x-claude-code-session-id": "s-1",
    }
    async with setup(answering(MESSAGE), tmp_path) as gateway:
        async with gateway.session.post(
            URL(f"{gateway.url}?beta=true&x=%2F", encoded=True),
            data=raw,
            headers=HEADERS | sent | {"thriftgate-max-cost-usd": "5"},
        ) as response:
            assert (response.status, await response.read()) == (200, MESSAGE)
        (request,) = gateway.seen.requests
    assert request.line == "POST /v1/messages?beta=true&x=%2F HTTP/1.1"
    assert request.body == raw
    got = dict(request.headers)
    assert {name: got[name] for name in sent} == sent
    assert got["x-api-key"] == HEADERS["x-api-key"]
    assert got["accept-encoding"] == "identity"
    assert not [name for name in got if name.startswith("thriftgate-")]


@pytest.mark.parametrize("headers", [{"x-api-key": "sk-1"}, {"authorization": "Bearer sk-1"}])
async def test_both_ways_to_name_a_key(headers: dict[str, str], tmp_path: Path) -> None:
    async with setup(answering(MESSAGE), tmp_path) as gateway:
        async with gateway.session.post(gateway.url, data=BODY, headers=headers) as response:
            assert response.status == 200
        (request,) = gateway.seen.requests
        entry = await gateway.entry()
    assert {name: value for name, value in request.headers if name in ("x-api-key", "authorization")} == headers
    assert entry.key.startswith("key_")
    assert "sk-1" not in repr(entry)


async def test_the_gateways_own_key_replaces_the_clients(tmp_path: Path) -> None:
    async with setup(answering(MESSAGE), tmp_path, upstream={"api_key": "sk-own"}) as gateway:
        await gateway.post(headers=HEADERS | {"authorization": "Bearer sk-client"})
        (request,) = gateway.seen.requests
    assert [value for name, value in request.headers if name in ("x-api-key", "authorization")] == ["sk-own"]


async def test_an_answer_and_its_headers_come_back(tmp_path: Path) -> None:
    extra = ("request-id: req_7", "anthropic-ratelimit-requests-remaining: 9", "x-new: \xe4", "date: today", "server: api")
    async with setup(answering(MESSAGE, headers=extra), tmp_path) as gateway:
        response, body = await gateway.post()
        entry = await gateway.entry()
    assert body == MESSAGE
    assert response.headers["request-id"] == entry.upstream_request_id == "req_7"
    assert response.headers["anthropic-ratelimit-requests-remaining"] == "9"
    assert "x-new" in response.headers
    assert response.headers.getall("date") == ["today"]
    assert response.headers.getall("content-length") == [str(len(MESSAGE))]
    assert response.headers["thriftgate-request-id"] == entry.id


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, b'{"type": "error",  "error": {"type":"invalid_request_error","message":"messages.0: \\u00e9"}}\n'),
        (429, b'{"type":"error","error":{"type":"rate_limit_error","message":"later"}}'),
        (529, b'{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"},"request_id":"req_1"}'),
        (500, b"<html>nginx</html>"),
        (403, b""),
    ],
)
async def test_errors_of_the_provider_come_back_byte_for_byte(status: int, body: bytes, tmp_path: Path) -> None:
    extra = ("retry-after: 60", "x-should-retry: false", "request-id: req_1", "anthropic-ratelimit-tokens-reset: z")
    async with setup(answering(body, status=status, headers=extra), tmp_path) as gateway:
        response, got = await gateway.post()
        entry = await gateway.entry()
    assert (response.status, got) == (status, body)
    for line in extra:
        name, _, value = line.partition(": ")
        assert response.headers[name] == value
    assert "thriftgate-error" not in response.headers  # it is not ours
    assert (entry.outcome, entry.status) == ("failed", status)


@pytest.mark.parametrize("size", [1, 10, 100_000])
async def test_a_stream_comes_back_byte_for_byte(size: int, tmp_path: Path) -> None:
    unknown = b': a comment\n\nevent: nobody_knows\ndata: {"type":"nobody_knows"}\n\n'
    whole = b"".join([*EVENTS[:3], unknown, *EVENTS[3:]])

    async def script(_request: Received, writer: asyncio.StreamWriter) -> None:
        pieces = [whole[at : at + size] for at in range(0, len(whole), size)]
        writer.write(SSE_HEAD + b"".join(chunk(piece) for piece in pieces) + b"0\r\n\r\n")

    async with setup(script, tmp_path) as gateway:
        response, got = await gateway.post(STREAM)
        entry = await gateway.entry()
    assert got == whole
    assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert response.headers["thriftgate-request-id"] == entry.id
    assert (entry.outcome, entry.usage_source) == ("answered", "exact")


async def test_events_arrive_before_the_next_is_made(tmp_path: Path) -> None:
    """The provider writes an event only after the client has read the one before it."""
    read = [asyncio.Event() for _ in EVENTS]

    async def script(_request: Received, writer: asyncio.StreamWriter) -> None:
        writer.write(SSE_HEAD)
        for event, got in zip(EVENTS, read, strict=True):
            writer.write(chunk(event))
            await writer.drain()
            await got.wait()
        writer.write(b"0\r\n\r\n")

    async with (
        setup(script, tmp_path) as gateway,
        gateway.session.post(gateway.url, data=STREAM, headers=HEADERS) as response,
    ):
        for event, got in zip(EVENTS, read, strict=True):
            assert await response.content.readexactly(len(event)) == event
            got.set()
        assert await response.content.read() == b""


async def test_a_chunked_request_is_read_whole(tmp_path: Path) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for at in range(0, len(BODY), 10):
            yield BODY[at : at + 10]

    async with setup(answering(MESSAGE), tmp_path) as gateway:
        async with gateway.session.post(gateway.url, data=pieces(), headers=HEADERS) as response:
            assert response.status == 200
        (request,) = gateway.seen.requests
    assert request.body == BODY
    assert dict(request.headers)["content-length"] == str(len(BODY))


# --- the client's limit ------------------------------------------------------------------------------------------------


async def test_a_callers_limit_refuses_before_anything_is_sent(tmp_path: Path) -> None:
    async with setup(answering(b'{"input_tokens":9}'), tmp_path) as gateway:
        response, body = await gateway.post(headers=HEADERS | {"thriftgate-max-cost-usd": "0.000001"})
        entry = await gateway.entry()
        assert [request.line for request in gateway.seen.requests] == ["POST /v1/messages/count_tokens HTTP/1.1"]
    told = msgspec.json.decode(body)
    assert (response.status, told["type"], told["error"]["type"]) == (400, "error", "invalid_request_error")
    assert "over the limit of $0.000001" in told["error"]["message"]
    assert told["request_id"] == entry.id == response.headers["thriftgate-request-id"]
    assert response.headers["thriftgate-error"] == "refused"
    assert response.headers["x-should-retry"] == "false"


@pytest.mark.parametrize("limit", ["much", "nan", "1e-13", "1e99"])
async def test_a_limit_that_is_no_amount_is_an_error_not_no_limit(limit: str, tmp_path: Path) -> None:
    async with setup(answering(MESSAGE), tmp_path) as gateway:
        response, body = await gateway.post(headers=HEADERS | {"thriftgate-max-cost-usd": limit})
        assert not gateway.seen.requests
    assert response.status == 400
    assert "header thriftgate-max-cost-usd" in msgspec.json.decode(body)["error"]["message"]


# --- either side goes --------------------------------------------------------------------------------------------------


async def test_a_client_that_leaves_is_drained_and_booked_exactly(tmp_path: Path) -> None:
    left = asyncio.Event()

    async def script(_request: Received, writer: asyncio.StreamWriter) -> None:
        writer.write(SSE_HEAD + chunk(EVENTS[0]) + chunk(EVENTS[1]))
        await writer.drain()
        await left.wait()
        for event in EVENTS[2:]:
            writer.write(chunk(event))
            await writer.drain()
            await asyncio.sleep(0.02)  # so that they do not arrive as one piece
        writer.write(b"0\r\n\r\n")

    async with setup(script, tmp_path) as gateway:
        async with gateway.session.post(gateway.url, data=STREAM, headers=HEADERS) as response:
            await response.content.readexactly(len(EVENTS[0]))
            response.close()
        left.set()
        entry = await gateway.entry()
    assert (entry.outcome, entry.usage_source, entry.message_id) == ("left", "exact", "msg_scripted")


async def test_a_stream_that_breaks_off_breaks_off_for_the_client_too(tmp_path: Path) -> None:
    async def script(_request: Received, writer: asyncio.StreamWriter) -> None:
        writer.write(SSE_HEAD + chunk(EVENTS[0]) + chunk(EVENTS[2]))
        await writer.drain()
        writer.transport.abort()

    async with setup(script, tmp_path) as gateway:
        async with gateway.session.post(gateway.url, data=STREAM, headers=HEADERS) as response:
            assert response.status == 200
            with pytest.raises(aiohttp.ClientPayloadError):
                await response.read()
        entry = await gateway.entry()
        again, _ = await gateway.post(b"{")  # it serves on
        assert again.status == 400
    assert (entry.outcome, entry.usage_source) == ("cut", "estimated")


async def closing(_request: Received, writer: asyncio.StreamWriter) -> None:
    writer.close()


async def stalling(_request: Received, _writer: asyncio.StreamWriter) -> None:
    return


async def half(_request: Received, writer: asyncio.StreamWriter) -> None:
    writer.write(raw_answer(MESSAGE)[:-10])
    await writer.drain()
    writer.close()


@pytest.mark.parametrize(
    ("script", "status", "kind", "outcome"),
    [
        (closing, 502, "api_error", "garbage"),
        (half, 502, "api_error", "cut"),
        (stalling, 504, "timeout_error", "timeout"),
        (answering(b"<html>hello</html>"), 502, "api_error", "garbage"),
        (answering(b""), 502, "api_error", "garbage"),
    ],
    ids=["closes", "half an answer", "stalls", "html", "nothing"],
)
async def test_a_provider_gone_wrong_is_a_clear_error(
    script: Script, status: int, kind: str, outcome: str, tmp_path: Path
) -> None:
    async with setup(script, tmp_path, upstream={"read_timeout_s": 0.3}) as gateway:
        response, body = await gateway.post()
        entry = await gateway.entry()
    told = msgspec.json.decode(body)
    assert (response.status, told["type"], told["error"]["type"]) == (status, "error", kind)
    assert told["error"]["message"]
    assert (entry.outcome, entry.id, entry.usage_source) == (outcome, told["request_id"], "estimated")
    assert response.headers["thriftgate-error"]


async def test_a_dead_provider_is_a_clear_error_and_costs_nothing(tmp_path: Path) -> None:
    async with setup(answering(MESSAGE), tmp_path, upstream={"url": "http://127.0.0.1:9", "retry": "never"}) as gateway:
        response, body = await gateway.post()
        entry = await gateway.entry()
    told = msgspec.json.decode(body)
    assert (response.status, told["error"]["type"]) == (502, "api_error")
    assert "cannot reach http://127.0.0.1:9" in told["error"]["message"]
    assert (entry.outcome, entry.usage_source, entry.id) == ("unreachable", "none", told["request_id"])


# --- free calls --------------------------------------------------------------------------------------------------------


async def test_free_calls_pass_and_are_not_booked(tmp_path: Path) -> None:
    with serving(simulator()) as url:
        async with setup(answering(MESSAGE), tmp_path, upstream={"url": url}) as gateway:
            base = gateway.url.removesuffix("/messages")
            body = message()
            del body["max_tokens"]
            raw = msgspec.json.encode(body)
            async with gateway.session.post(
                f"{base}/messages/count_tokens?beta=true", data=raw, headers=HEADERS
            ) as response:
                assert msgspec.json.decode(await response.read())["input_tokens"] > 0
            async with gateway.session.get(f"{base}/models?limit=2", headers=HEADERS) as response:
                assert len(msgspec.json.decode(await response.read())["data"]) == 2
            async with gateway.session.get(f"{base}/models/claude-opus-4-8", headers=HEADERS) as response:
                assert msgspec.json.decode(await response.read())["id"] == "claude-opus-4-8"
            async with gateway.session.get(f"{base}/models/nobody", headers=HEADERS) as response:
                assert response.status == 404
                assert response.headers["x-thriftgate-simulator"] == "1"
        async with books(tmp_path / "books.db") as ledger:
            assert not await ledger.entries()


@pytest.mark.parametrize(
    "path", ["/v1/models/a%2Fb", "/v1/models/a%0d%0aX-Injected:%201", "/v1/models/a%3Fb=c", "/v1/models/%C3%A9"]
)
async def test_a_path_is_passed_on_as_it_was_written(path: str, tmp_path: Path) -> None:
    async with setup(answering(b"{}"), tmp_path) as gateway:
        port = gateway.url.split(":")[2].partition("/")[0]
        reader, writer = await asyncio.open_connection("127.0.0.1", int(port))
        writer.write(f"GET {path}?q=%20 HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n".encode())
        assert (await reader.read()).startswith(b"HTTP/1.1 200")
        writer.close()
        await writer.wait_closed()
        (request,) = gateway.seen.requests
    assert request.line == f"GET {path}?q=%20 HTTP/1.1"
    assert "x-injected" not in dict(request.headers)


async def test_a_broken_event_does_not_stop_a_stream(tmp_path: Path) -> None:
    whole = b"".join([*EVENTS[:2], b"event: content_block_delta\ndata: {broken\n\n", sse("ping"), *EVENTS[2:]])

    async def script(_request: Received, writer: asyncio.StreamWriter) -> None:
        writer.write(SSE_HEAD + chunk(whole) + b"0\r\n\r\n")

    async with setup(script, tmp_path) as gateway:
        assert (await gateway.post(STREAM))[1] == whole
        assert (await gateway.entry()).outcome == "answered"


# --- calls that wait for the provider's limits -------------------------------------------------------------------------

LIMITED = b'{"type":"error","error":{"type":"rate_limit_error","message":"rate limit of 5 requests per minute"}}'


async def test_a_call_that_cannot_be_sent_in_time_is_told_when_to_come_again(tmp_path: Path) -> None:
    async with setup(answering(LIMITED, status=429, headers=["retry-after: 40"]), tmp_path) as gateway:
        first, body = await gateway.post()
        assert (first.status, body, first.headers["retry-after"]) == (429, LIMITED, "40")
        second, body = await gateway.post()
        assert len(gateway.seen.requests) == 1
    error = msgspec.json.decode(body)["error"]
    assert (second.status, error["type"], second.headers["thriftgate-error"]) == (529, "overloaded_error", "crowded")
    assert 38 <= int(second.headers["retry-after"]) <= 40
    assert "x-should-retry" not in second.headers
    assert "thriftgate's queue" in error["message"]


async def test_a_client_that_hangs_up_while_its_call_waits_frees_its_place(tmp_path: Path) -> None:
    async with setup(answering(LIMITED, status=429, headers=["retry-after: 20"]), tmp_path) as gateway:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await gateway.post()
        entry = await gateway.entry()
        assert len(gateway.seen.requests) == 1
    assert (entry.outcome, entry.attempts, entry.usage_source) == ("left", 1, "none")


async def test_a_wish_that_cannot_be_read_is_refused_at_the_door(tmp_path: Path) -> None:
    async with setup(answering(MESSAGE), tmp_path) as gateway:
        response, body = await gateway.post(headers=HEADERS | {"thriftgate-priority": "urgent"})
        assert (response.status, gateway.seen.requests) == (400, [])
    assert b"thriftgate-priority" in body
