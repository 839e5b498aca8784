"""Batches of clients through the gateway over real sockets: the same bytes as without it, every request booked once."""

from __future__ import annotations

import asyncio
import contextlib
import io
from collections.abc import AsyncIterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest

from tests.fixtures import HEADERS, KEY, assert_sound, books, client, message, serving, settings_of, simulator, until
from tests.scripted import Received, Script, raw_answer, upstream
from thriftgate.core.money import usd_from_pico
from thriftgate.gateway.app import Gateway
from thriftgate.ledger.entries import BASELINE, UPSTREAM, Entry
from thriftgate.simulator import SimClock, Simulator
from thriftgate.simulator.config import BatchRules
from thriftgate.simulator.faults import Faults
from thriftgate.wire.anthropic_batches import with_results_at

PATH = "/v1/messages/batches"


def requests(*texts: str, **members: Any) -> bytes:
    rows = [{"custom_id": f"row-{at}", "params": message(text, **members)} for at, text in enumerate(texts)]
    return msgspec.json.encode({"requests": rows})


class Setup:
    """A gateway in front of a simulator that runs on a clock of its own, both on sockets; its books in a file."""

    def __init__(self, url: str, direct: str, provider: Simulator, session: aiohttp.ClientSession, path: Path) -> None:
        self.url = url
        self.direct = direct
        self.provider = provider
        self.path = path
        self._session = session

    async def ask(
        self,
        method: str,
        path: str = "",
        body: bytes | None = None,
        headers: Mapping[str, str] = HEADERS,
        *,
        direct: bool = False,
    ) -> tuple[aiohttp.ClientResponse, bytes]:
        url = (self.direct if direct else self.url) + PATH + path
        async with self._session.request(method, url, data=body, headers=headers) as response:
            return response, await response.read()

    async def create(self, body: bytes) -> dict[str, Any]:
        response, answer = await self.ask("POST", body=body)
        assert response.status == 200, answer
        made: dict[str, Any] = msgspec.json.decode(answer)
        return made

    def pass_time(self, seconds: float = 7200.0) -> None:
        clock = self.provider.config.clock
        assert isinstance(clock, SimClock)
        clock.advance(seconds)

    async def entries(self) -> list[Entry]:
        async with books(self.path) as ledger:
            return list(await ledger.entries(limit=100_000))

    async def sound(self) -> list[Entry]:
        """All entries, once every hold is resolved; they are what the simulator bills, to the last digit."""
        async with books(self.path) as ledger:

            async def settled() -> bool:
                return not await ledger.open_holds()

            await until(settled)
            await assert_sound(ledger)
            entries = list(await ledger.entries(limit=100_000))
        billed = {call.message_id: call.cost for call in self.provider.bill.calls}
        booked = {one.message_id: Decimal(usd_from_pico(-one.posted(UPSTREAM))) for one in entries if one.message_id}
        assert booked == billed
        assert all(one.posted(BASELINE) == -one.posted(UPSTREAM) for one in entries)
        return entries


@contextlib.asynccontextmanager
async def setup(path: Path, *, faults: Faults | None = None, **tables: dict[str, Any]) -> AsyncIterator[Setup]:
    provider = simulator(faults=faults or Faults(), batches=BatchRules(duration_s=(60.0, 60.0)))
    with serving(provider) as direct:
        tables["upstream"] = {"url": direct} | tables.get("upstream", {})
        settings = settings_of(ledger={"path": str(path / "books.db")}, **tables)
        async with client() as session:
            with serving(Gateway(settings)) as url:
                yield Setup(url, direct, provider, session, path / "books.db")


async def test_from_creation_to_results(tmp_path: Path) -> None:
    async with setup(tmp_path) as gateway:
        made = await gateway.create(requests("one", "two", "three"))
        async with books(gateway.path) as ledger:
            holds = list(await ledger.open_holds())
        assert len(holds) == 3
        assert all(hold.worst_pico > hold.forecast_pico > 0 and hold.batch for hold in holds)
        gateway.pass_time()
        response, lines = await gateway.ask("GET", f"/{made['id']}/results")
        assert response.headers["content-type"] == "application/x-jsonl"
        _, direct = await gateway.ask("GET", f"/{made['id']}/results", direct=True)
        assert lines == direct
        entries = await gateway.sound()
        assert len(entries) == 3
        for entry in entries:
            assert (entry.endpoint, entry.mode, entry.outcome, entry.status) == (
                "anthropic.batches",
                "batch",
                "answered",
                200,
            )
            assert entry.upstream_request_id == made["id"]
            assert entry.usage_source == "exact"
        assert {entry.id for entry in entries} == {hold.id for hold in holds}
        assert KEY.encode() not in gateway.path.read_bytes()


# --- there and back ----------------------------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def scripted(
    script: Script, path: Path, **tables: dict[str, Any]
) -> AsyncIterator[tuple[Any, str, aiohttp.ClientSession]]:
    """A gateway in front of an upstream that says exactly what it is told to."""
    async with upstream(script) as seen, client() as session:
        tables["upstream"] = {"url": seen.url, "read_timeout_s": 5.0} | tables.get("upstream", {})
        settings = settings_of(ledger={"path": str(path / "books.db")}, **tables)
        with serving(Gateway(settings)) as url:
            yield seen, url, session


def says(body: bytes, status: int = 200, *headers: str) -> Script:
    async def script(_request: Received, writer: asyncio.StreamWriter) -> None:
        writer.write(raw_answer(body, status=status, headers=headers))

    return script


BATCH = b"""{ "id": "msgbatch_1", "processing_status":"in_progress", "request_counts": {"processing":1, "new": 1.0e2},
 "created_at":"2026-11-21T12:00:00Z", "results_url": null, "x-new": "\\u00e9"}"""


async def test_bytes_in_bytes_out(tmp_path: Path) -> None:
    body = (
        b' {"requests" : [ {"params":{"max_tokens":10,"model":"claude-opus-4-8","messages":[],"x":1.0}, "custom_id":"a"}]}'
    )
    sent = {"anthropic-beta": "one-2026-01-01", "x-nobody-knows": "kept", "anthropic-workspace-id": "wrkspc_1"}
    async with scripted(says(BATCH, 200, "request-id: req_9", "x-new: y"), tmp_path) as (seen, url, session):
        async with session.post(
            f"{url}{PATH}?beta=true", data=body, headers=HEADERS | sent | {"thriftgate-x": "1"}
        ) as response:
            assert await response.read() == BATCH
            assert (response.headers["request-id"], response.headers["x-new"]) == ("req_9", "y")
            assert response.headers["thriftgate-batch"].startswith("tgb_")
            assert Decimal(response.headers["thriftgate-forecast-usd"]) > 0
        (request,) = seen.requests
    assert request.line == f"POST {PATH}?beta=true HTTP/1.1"
    assert request.body == body
    got = dict(request.headers)
    assert {name: got[name] for name in sent} == sent
    assert got["x-api-key"] == KEY
    assert not [name for name in got if name.startswith("thriftgate-")]


async def test_the_other_calls_go_through(tmp_path: Path) -> None:
    calls = [
        ("GET", "?limit=2&after_id=x%2Fy"),
        ("GET", "/msgbatch_1"),
        ("POST", "/msgbatch_1/cancel?beta=true"),
        ("DELETE", "/msgbatch_1"),
    ]
    async with scripted(says(BATCH), tmp_path) as (seen, url, session):
        for method, path in calls:
            async with session.request(method, f"{url}{PATH}{path}".replace("%2F", "%252F"), headers=HEADERS) as response:
                assert await response.read() == BATCH
    lines = [request.line for request in seen.requests]
    assert lines == [f"{method} {PATH}{path} HTTP/1.1".replace("%2F", "%252F") for method, path in calls]


async def test_errors_of_the_provider_come_back_as_they_are(tmp_path: Path) -> None:
    body = b'{"type":"error", "error":{"type":"rate_limit_error","message":"slow down"},"new":1.0}'
    async with scripted(says(body, 429, "retry-after: 700"), tmp_path) as (_, url, session):
        for method, path, data in (("GET", "", None), ("GET", "/m/results", None), ("POST", "", requests("a"))):
            async with session.request(method, f"{url}{PATH}{path}", data=data, headers=HEADERS) as response:
                assert (response.status, await response.read()) == (429, body)
                assert response.headers["retry-after"] == "700"
                assert "thriftgate-error" not in response.headers


async def test_results_are_fetched_through_the_gateway(tmp_path: Path) -> None:
    """The SDKs follow `results_url` as it stands: it leads where the client came in, and nothing else is changed."""
    told = b'{"id":"m", "results_url" : "https://api.anthropic.com/v1/messages/batches/m/results","x":1.0}'
    page = b'{"data":[%b, %b],"has_more":false}' % (told, BATCH)
    host = {"host": "gateway.example:81"}
    for body, origin, more in (
        (told, b"http://gateway.example:81", {}),
        (page, b"https://gateway.example:81", {"x-forwarded-proto": "https"}),
    ):
        async with (
            scripted(says(body), tmp_path / more.get("x-forwarded-proto", "plain")) as (_, url, session),
            session.get(f"{url}{PATH}/m", headers=HEADERS | host | more) as response,
        ):
            assert await response.read() == body.replace(b"https://api.anthropic.com", origin)


@pytest.mark.parametrize(
    ("method", "path"),
    [("PUT", ""), ("DELETE", ""), ("POST", "/m"), ("GET", "/m/cancel"), ("POST", "/m/results"), ("GET", "/m/x")],
)
async def test_what_is_not_served(method: str, path: str, tmp_path: Path) -> None:
    async with scripted(says(b"{}"), tmp_path) as (seen, url, session):
        async with session.request(method, f"{url}{PATH}{path}", headers=HEADERS) as response:
            assert response.status == 404
            assert response.headers["thriftgate-error"] == "not_served"
        assert not seen.requests


# --- refused here ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (b"no json", 400, "the request body is not valid JSON"),
        (b'{"requests":[{"custom_id":"a"}]}', 400, "requests.0: custom_id and params are required"),
        (requests("a", "b", model="claude-nobody-1"), 400, "requests.0: no price for model 'claude-nobody-1'"),
        (requests("a", "b").replace(b"row-1", b"row-0"), 400, "custom_id must be unique; found duplicate: row-0"),
        (requests("a", "b", inference_geo="mars"), 400, "requests.0: "),
        (requests("x" * 3_000_000), 413, "2000000"),
    ],
)
async def test_refused_before_anything_is_sent(body: bytes, status: int, words: str, tmp_path: Path) -> None:
    async with scripted(says(BATCH), tmp_path, server={"batch_bytes_max": 2_000_000}) as (seen, url, session):
        async with session.post(url + PATH, data=io.BytesIO(body), headers=HEADERS) as response:
            assert response.status == status
            told = msgspec.json.decode(await response.read())["error"]["message"]
            assert words in told
        assert not seen.requests
        async with books(tmp_path / "books.db") as ledger:
            (entry,) = await ledger.entries()
            await assert_sound(ledger)
    assert (entry.outcome, entry.endpoint, entry.mode, entry.status) == ("refused", "anthropic.batches", "batch", status)
    assert entry.note == told


async def test_a_refusal_is_heard_though_the_body_is_long(tmp_path: Path) -> None:
    body = requests(*["x" * 100_000] * 80, model="claude-nobody-1")
    async with scripted(says(BATCH), tmp_path) as (seen, url, session):
        async with session.post(url + PATH, data=io.BytesIO(body), headers=HEADERS) as response:
            assert (response.status, response.headers["thriftgate-error"]) == (400, "unpriced")
        assert not seen.requests
        assert not list((tmp_path / "books.db-batches").glob("*"))


async def test_limits_on_cost(tmp_path: Path) -> None:
    dear = requests("a", "b", max_tokens=10_000)
    async with scripted(says(BATCH), tmp_path, policy={"cost_limit_usd": "0.01"}) as (seen, url, session):
        async with session.post(url + PATH, data=dear, headers=HEADERS) as response:
            assert (response.status, response.headers["thriftgate-error"]) == (400, "refused")
            assert b"requests.0 could cost up to $0.1" in await response.read()
        limit = {"thriftgate-max-cost-usd": "0.001"}
        async with session.post(url + PATH, data=requests("a", "b", max_tokens=50), headers=HEADERS | limit) as response:
            assert b"the first 2 requests of this batch could cost" in await response.read()
        assert not seen.requests
        async with session.post(url + PATH, data=requests("a", max_tokens=10), headers=HEADERS) as response:
            assert response.status == 200


# --- on its way --------------------------------------------------------------------------------------------------------


async def test_a_long_body_goes_through_a_file(tmp_path: Path) -> None:
    """Which is gone afterwards."""
    body = requests(*["y" * 100_000] * 30)
    folder = tmp_path / "books.db-batches"
    during: list[list[str]] = []

    async def script(_request: Received, writer: asyncio.StreamWriter) -> None:
        during.append([path.name[:7] for path in folder.glob("*")])
        writer.write(raw_answer(BATCH))

    async with (
        scripted(script, tmp_path) as (seen, url, session),
        session.post(url + PATH, data=io.BytesIO(body), headers=HEADERS) as response,
    ):
        assert await response.read() == BATCH
    assert seen.requests[0].body == body
    assert during == [["upload_"]]
    assert not list(folder.glob("*"))


async def test_a_client_that_leaves_while_it_uploads(tmp_path: Path) -> None:
    async with scripted(says(BATCH), tmp_path) as (seen, url, _):
        host, port = url.removeprefix("http://").split(":")
        _, writer = await asyncio.open_connection(host, int(port))
        writer.write(
            f"POST {PATH} HTTP/1.1\r\nhost: x\r\ncontent-length: 9000000\r\n\r\n".encode()
            + b'{"requests":['
            + b" " * 4_000_000
        )
        folder = tmp_path / "books.db-batches"

        async def spooled() -> bool:
            return bool(list(folder.glob("*")))

        await until(spooled)
        writer.transport.abort()

        async def gone() -> bool:
            return not list(folder.glob("*"))

        await until(gone)
        assert not seen.requests


async def test_an_answer_that_is_lost(tmp_path: Path) -> None:
    """The client is told not to try again: the batch may be there."""
    async with setup(tmp_path, faults=Faults(batch_post_lost=1.0)) as gateway:
        response, body = await gateway.ask("POST", body=requests("a", "b"))
        assert response.status == 502
        assert response.headers["x-should-retry"] == "false"
        assert response.headers["thriftgate-request-id"].startswith("tgb_")
        assert msgspec.json.decode(body)["error"]["type"] == "api_error"
        gateway.provider.faults = Faults()
        gateway.pass_time()
        _, listed = await gateway.ask("GET")
        (found,) = msgspec.json.decode(listed)["data"]
        await gateway.ask("GET", f"/{found['id']}/results")
        assert len(await gateway.sound()) == 2


async def test_nothing_is_sent_twice(tmp_path: Path) -> None:
    """Not even where nobody was reached: that is the client's to decide."""
    async with scripted(says(b"{}", 529), tmp_path, upstream={"retry": "always"}) as (seen, url, session):
        async with session.post(url + PATH, data=requests("a"), headers=HEADERS) as response:
            assert response.status == 529
        assert len(seen.requests) == 1


async def test_a_client_that_leaves_midway_and_comes_again(tmp_path: Path) -> None:
    async with setup(tmp_path) as gateway:
        made = await gateway.create(requests(*(f"text {at}" for at in range(1500)), max_tokens=1000))
        gateway.pass_time()
        host, port = gateway.url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port), limit=2**14)
        lines = [
            f"GET {PATH}/{made['id']}/results HTTP/1.1",
            "host: x",
            f"x-api-key: {KEY}",
            "anthropic-version: 2023-06-01",
        ]
        writer.write("\r\n".join([*lines, "", ""]).encode())
        await reader.readexactly(20_000)
        writer.transport.abort()
        _, told = await gateway.ask("GET", f"/{made['id']}/results")
        assert told.count(b"\n") == 1500
        assert len(await gateway.sound()) == 1500


async def test_metrics_count_them(tmp_path: Path) -> None:
    async with setup(tmp_path) as gateway:
        made = await gateway.create(requests("a", "b"))
        gateway.pass_time()
        await gateway.ask("GET", f"/{made['id']}/results")
        async with client() as session, session.get(f"{gateway.url}/thriftgate/metrics") as response:
            page = await response.text()
        entries = await gateway.sound()
    paid = sum(-entry.posted(UPSTREAM) for entry in entries)
    assert 'thriftgate_calls_total{outcome="answered"} 2' in page
    assert f"thriftgate_paid_usd_total {usd_from_pico(paid)}" in page


# --- where results are fetched -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no json",
        b'{"results_url": null}',
        b'{"results_url": "https://elsewhere.example/results"}',
        b'{"results_url": 7}',
        b'{"results_url": "x/v1/messages/batches/m", "results_url": null}',
        b'[{"results_url": "x/v1/messages/batches/m/results"}]',
        b'{"other": {"results_url": "x/v1/messages/batches/m/results"}}',
    ],
)
def test_what_is_no_batch_stays_as_it_is(body: bytes) -> None:
    assert with_results_at("http://here", body) == body


def test_behind_a_path() -> None:
    """An upstream below a path, and a query: what the gateway serves begins at /v1."""
    body = b'{"results_url":"https://proxy.example/claude/v1/messages/batches/m/results?beta=true"}'
    assert with_results_at("http://h:1", body) == b'{"results_url":"http://h:1/v1/messages/batches/m/results?beta=true"}'
