"""Between the SDK and the network: which calls are the engine's, and that nothing is lost or added on the way."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anthropic
import httpx2
import pytest

from tests.client.stand import HAIKU, KEY, OPUS, PLAIN, Stand, ask, standing
from tests.clients.stack import fetch
from tests.scripted import Received, answering, raw_answer, upstream
from thriftgate import AsyncClient, Client
from thriftgate.client.carrier import asked_of

OURS = ("thriftgate-", "content-length", "date", "transfer-encoding", "connection", "x-should-retry")
ANSWER = (
    b'{"id":"msg_1","type":"message","role":"assistant","model":"claude-opus-4-8","content":[{"type":"text","text":"hi"}],'
)
ANSWER += b'"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":9,"output_tokens":2},  "unknown":  [1, 2]}'


@pytest.mark.parametrize(
    ("method", "url", "upstream", "path"),
    [
        ("POST", "https://api.anthropic.com/v1/messages", "https://api.anthropic.com", "/v1/messages"),
        ("POST", "https://a.com/v1/messages?beta=true", "https://a.com", "/v1/messages"),
        ("POST", "http://p:81/x/y/v1/messages/count_tokens", "http://p:81/x/y", "/v1/messages/count_tokens"),
        ("GET", "https://a.com/v1/messages/batches?limit=1", "https://a.com", "/v1/messages/batches"),
        ("POST", "https://a.com/v1/messages/batches", "https://a.com", "/v1/messages/batches"),
        ("DELETE", "https://a.com/v1/messages/batches/b_1", "https://a.com", "/v1/messages/batches/b_1"),
        ("POST", "https://a.com/v1/messages/batches/b_1/cancel", "https://a.com", "/v1/messages/batches/b_1/cancel"),
        ("GET", "https://a.com/v1/messages/batches/b_1/results", "https://a.com", "/v1/messages/batches/b_1/results"),
        ("GET", "https://a.com/thriftgate/jobs/job_1", "https://a.com", "/thriftgate/jobs/job_1"),
    ],
)
def test_what_the_engine_serves(method: str, url: str, upstream: str, path: str) -> None:
    asked = asked_of(httpx2.Request(method, url, headers={"X-Own": "1"}))
    assert asked is not None
    assert (asked.upstream, asked.scope["path"], asked.scope["raw_path"]) == (upstream, path, path.encode())
    assert (b"x-own", b"1") in asked.scope["headers"]
    assert b"host" not in dict(asked.scope["headers"])


@pytest.mark.parametrize(
    ("method", "url"),
    [
        ("GET", "https://a.com/v1/models"),
        ("GET", "https://a.com/v1/messages"),
        ("POST", "https://a.com/v1/files"),
        ("POST", "https://a.com/v1/messages/b_1"),
        ("POST", "https://a.com/v1/messages/threads"),
        ("GET", "https://a.com/thriftgate/jobs/a/b"),
    ],
)
def test_what_goes_on(method: str, url: str) -> None:
    assert asked_of(httpx2.Request(method, url)) is None


def plainly(received: Received) -> tuple[str, list[tuple[str, str]], bytes]:
    """A request without what each connection makes anew."""
    made_anew = {"host", "connection", "accept-encoding", "content-length"}
    kept = [(name.lower(), value) for name, value in received.headers if name.lower() not in made_anew]
    return received.line, sorted(kept), received.body


async def test_the_provider_gets_what_the_sdk_has_made(tmp_path: Path) -> None:
    """Byte for byte, headers and all, and the bytes that come back are the provider's."""
    asked: dict[str, Any] = {
        "model": PLAIN,
        "max_tokens": 50,
        "messages": ask("Grüße, 你好 🙂"),
        "extra_headers": {"x-own": "ünïcode".encode().decode("latin-1"), "anthropic-beta": "one,two"},
        "extra_body": {"unheard_of": {"b": 1, "a": [1.0, None]}},
        "extra_query": {"q": "a b+c"},
    }
    members: dict[str, Any] = {"api_key": KEY, "max_retries": 0, "default_headers": {"x-mine": "1"}}
    async with upstream(answering(ANSWER)) as provider:
        async with AsyncClient(base_url=provider.url, ledger=tmp_path / "books.db", **members) as client:
            through = await client.messages.with_raw_response.create(**asked)
        async with anthropic.AsyncAnthropic(base_url=provider.url, **members) as plain:
            straight = await plain.messages.with_raw_response.create(**asked)
        first, second = provider.requests
    assert plainly(first) == plainly(second)
    assert await through.read() == await straight.read() == ANSWER


def told(stand: Stand, client: Any) -> list[tuple[int, list[tuple[str, str]], bytes]]:
    """Everything that a client can see of some calls of every kind."""
    asked: list[tuple[str, str, Any]] = [
        ("POST", "/v1/messages", {"model": HAIKU, "max_tokens": 60, "messages": ask("Hello")}),
        ("POST", "/v1/messages", {"model": PLAIN, "max_tokens": 90, "messages": ask("Stream"), "stream": True}),
        ("POST", "/v1/messages?beta=true", {"model": OPUS, "max_tokens": 60, "messages": ask("Hello")}),
        ("POST", "/v1/messages", {"model": OPUS, "max_tokens": 50, "messages": ask("Hi"), "temperature": 0.3}),
        ("POST", "/v1/messages/count_tokens", {"model": PLAIN, "messages": ask("How long?")}),
        ("POST", "/v1/messages/batches", {"requests": [row("a"), row("b")]}),
        ("GET", "/v1/messages/batches?limit=5", None),
        ("GET", "/v1/messages/batches/msgbatch_none", None),
        ("GET", "/v1/models", None),
    ]
    seen = []
    for method, url, body in asked:
        response = client._client.request(method, f"{stand.url}{url}", json=body, headers=client.default_headers | {
            "x-api-key": KEY, "authorization": ""})  # fmt: skip
        kept = [one for one in response.headers.multi_items() if not one[0].startswith(OURS)]
        seen.append((response.status_code, kept, response.content))
    return seen


def row(name: str) -> dict[str, Any]:
    return {"custom_id": name, "params": {"model": PLAIN, "max_tokens": 50, "messages": ask(name)}}


@pytest.fixture
def twins(tmp_path: Path) -> Iterator[tuple[Stand, Stand]]:
    """Two simulators that say the same."""
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    with standing(tmp_path / "a", instance_id="t") as one, standing(tmp_path / "b", instance_id="t") as other:
        yield one, other


def test_the_same_with_and_without(twins: tuple[Stand, Stand]) -> None:
    with_, without = twins
    through = told(with_, with_.client())
    with anthropic.Anthropic(base_url=without.url, api_key=KEY, max_retries=0) as plain:
        straight = told(without, plain)
    for ours, theirs in zip(through, straight, strict=True):
        assert (ours[0], ours[2].replace(with_.url.encode(), without.url.encode())) == (theirs[0], theirs[2])
        assert sorted(ours[1]) == sorted(theirs[1])
    fetch(f"{with_.url}/_sim/clock", {"advance_s": 7200})
    client = with_.client()
    for batch in client.messages.batches.list():
        assert len(list(client.messages.batches.results(batch.id))) == 2
    with_.close()
    with_.check()


async def test_several_upstreams_and_prefixes(tmp_path: Path) -> None:
    """A copy with another base_url has another upstream; what stands before /v1 stays there."""
    async with upstream(answering(ANSWER)) as one, upstream(answering(ANSWER)) as other:

        def call() -> None:
            with Client(base_url=f"{one.url}/proxy/x", api_key=KEY, ledger=tmp_path / "books.db") as client:
                for made in (client, client.with_options(base_url=other.url)):
                    made.messages.create(model=PLAIN, max_tokens=50, messages=ask("Hi"))

        await asyncio.to_thread(call)
    assert [request.line for request in one.requests] == ["POST /proxy/x/v1/messages HTTP/1.1"]
    assert [request.line for request in other.requests] == ["POST /v1/messages HTTP/1.1"]


async def test_a_batch_that_may_be_there_is_not_created_again(tmp_path: Path) -> None:
    """The connection broke after the batch was sent: the SDK is told not to try again, whatever it would do by itself."""

    async def script(_request: Received, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async with upstream(script) as provider:
        async with AsyncClient(base_url=provider.url, api_key=KEY, max_retries=3, ledger=tmp_path / "books.db") as client:
            with pytest.raises(anthropic.InternalServerError) as raised:
                await client.messages.batches.create(requests=[row("a")])  # type: ignore[list-item]
        assert raised.value.response.headers["x-should-retry"] == "false"
        assert len(provider.requests) == 1


async def test_compressed_answers_are_asked_for_plainly(tmp_path: Path) -> None:
    async with upstream(answering(ANSWER)) as provider:
        async with AsyncClient(base_url=provider.url, api_key=KEY, ledger=tmp_path / "books.db") as client:
            await client.messages.create(model=PLAIN, max_tokens=50, messages=ask("Hi"))
        assert provider.requests[0].header("accept-encoding") == "identity"
    assert raw_answer(b"").startswith(b"HTTP/1.1 200")
