"""Calls that can wait, through the gateway: tickets, connections that are held, rules, and what is made at once."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest

from tests.batch.queueing import GATEWAY, ask
from tests.fixtures import Running, books, client, running, until
from tests.gateway.deferring import HEADERS, HELD, WAITS, Setup, deferring
from tests.wire.streams import metered
from thriftgate.gateway import deferral
from thriftgate.simulator.config import BatchRules
from thriftgate.wire.sse import SseDecoder
from thriftgate.wire.whole_stream import PING

AT_ONCE = BatchRules(duration_s=(1.0, 1.0))
BAD = ask(temperature=7.5)  # what only the provider can judge, and refuses
RETRY = {"x-stainless-retry-count": "1"}


@pytest.fixture
def quick_beats(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deferral, "HEARTBEAT_S", 0.02)


# --- tickets -----------------------------------------------------------------------------------------------------------


async def test_a_ticket(tmp_path: Path) -> None:
    async with deferring(tmp_path, flows=False) as gateway:
        got = await gateway.ask(ask(), WAITS)
        assert (got.status, got.headers["content-type"]) == (202, "application/json")
        told = got.document
        assert got.headers["thriftgate-job"] == told["id"]
        assert (told["type"], told["status"], told["url"]) == ("thriftgate.job", "waiting", f"/thriftgate/jobs/{told['id']}")
        assert told["deadline"] == "2026-11-21T18:00:00.000Z"
        assert told["reason"].startswith("a batch ends within ")
        assert float(told["forecast_usd"]) == float(told["forecast_saved_usd"]) > 0
        assert "thriftgate-error" not in got.headers


@pytest.mark.parametrize(
    ("deadline", "due"),
    [
        ("90m", "13:30:00"),
        ("1h30m", "13:30:00"),
        ("2026-11-21T15:00:00Z", "15:00:00"),
        ("2026-11-21T15:00:00.5+01:00", "14:00:00"),
        ("2026-11-21 14:00:00-00:30", "14:30:00"),
    ],
)
async def test_a_deadline_is_a_length_of_time_or_a_moment(deadline: str, due: str, tmp_path: Path) -> None:
    async with deferring(tmp_path, flows=False) as gateway:
        got = await gateway.ask(ask(), {"thriftgate-deadline": deadline})
        assert got.status == 202, got
        assert got.document["deadline"].startswith(f"2026-11-21T{due}")


@pytest.mark.parametrize(
    ("headers", "words"),
    [
        ({"thriftgate-deadline": "soon"}, "'soon' is neither a length of time such as 6h nor an RFC 3339 time"),
        ({"thriftgate-deadline": "-6h"}, "'-6h' is neither"),
        ({"thriftgate-deadline": "6"}, "'6' is neither"),
        ({"thriftgate-deadline": "2026-11-21T18:00:00"}, "names no time zone; write it as 2026-11-21T18:00:00Z"),
        ({"thriftgate-deadline": "2026-11-21"}, "names no time zone"),
        ({"thriftgate-deadline": "29d"}, "'29d' is more than 672.0 h ahead"),
        ({"thriftgate-deadline": "9999999999999999999d"}, "ahead"),
        ({"thriftgate-deadline": "9999-12-31T23:59:59-23:59"}, "ahead"),
        (
            {"thriftgate-deadline": "6h", "thriftgate-wait": "maybe"},
            "header thriftgate-wait: 'maybe' is neither true nor false",
        ),
        ({"thriftgate-webhook": "https://x.example"}, "only a call with a thriftgate-deadline is answered later"),
        (
            {"thriftgate-deadline": "6h", "thriftgate-webhook": "https://x.example"},
            "is not allowed here; batch.webhooks names",
        ),
        ({"thriftgate-deadline": "6h", "thriftgate-webhook": "nonsense"}, "header thriftgate-webhook: 'nonsense' is not"),
    ],
)
async def test_headers_that_cannot_be_read(headers: dict[str, str], words: str, tmp_path: Path) -> None:
    async with deferring(tmp_path) as gateway:
        got = await gateway.ask(ask(), headers)
        assert (got.status, got.headers["thriftgate-error"]) == (400, "bad_input")
        assert got.headers["x-should-retry"] == "false"
        assert (got.document["type"], got.document["error"]["type"]) == ("error", "invalid_request_error")
        assert words in got.document["error"]["message"]
        assert not gateway.stage.front.seen


async def test_a_moment_long_ago_is_no_mistake(tmp_path: Path) -> None:
    async with deferring(tmp_path) as gateway:
        got = await gateway.ask(ask(), {"thriftgate-deadline": "0001-01-01T00:00:00+23:59"})
        assert got.status == 200
        assert got.headers["thriftgate-deferred"] == "no; due in 0 s: no time to wait for a batch"


# --- held connections --------------------------------------------------------------------------------------------------


async def test_a_held_call_is_answered_like_any_call(tmp_path: Path) -> None:
    async with deferring(tmp_path, rules=AT_ONCE) as gateway:
        got = await gateway.ask(ask(), HELD)
        assert (got.status, got.headers["content-type"]) == (200, "application/json")
        assert got.document["usage"]["service_tier"] == "batch"
        (entry,) = await gateway.stage.entries()
        assert got.headers["thriftgate-request-id"] == got.headers["request-id"] == entry.id
        assert float(got.headers["thriftgate-cost-usd"]) == float(got.headers["thriftgate-saved-usd"]) > 0
        assert got.headers["thriftgate-job"].startswith("job_")


async def test_a_held_stream_is_answered_as_a_stream(tmp_path: Path) -> None:
    async with deferring(tmp_path, rules=AT_ONCE) as gateway:
        got = await gateway.ask(ask(stream=True), HELD)
        assert (got.status, got.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
        assert float(got.headers["thriftgate-cost-usd"]) > 0
        reading = metered([got.body])
        assert reading.complete
        assert reading.usage is not None
        assert reading.usage.service_tier == "batch"


@pytest.mark.usefixtures("quick_beats")
async def test_blanks_come_while_it_waits_and_json_allows_them(tmp_path: Path) -> None:
    async with deferring(tmp_path, flows=False) as gateway, _begun(gateway, ask(), HELD) as response:
        assert (response.status, response.headers["content-type"]) == (200, "application/json")
        assert (await gateway.job(response.headers["thriftgate-job"]))["status"] == "waiting"
        first = await response.content.readexactly(3)
        gateway.stage.clock.flow()
        body = first + await response.read()
        assert body.startswith(b"   ")
        assert msgspec.json.decode(body)["usage"]["service_tier"] == "batch"


@pytest.mark.usefixtures("quick_beats")
async def test_pings_come_while_a_stream_waits(tmp_path: Path) -> None:
    async with deferring(tmp_path, flows=False) as gateway, _begun(gateway, ask(stream=True), HELD) as response:
        assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert response.headers["cache-control"] == "no-cache"
        first = await response.content.readexactly(len(PING) * 2)
        gateway.stage.clock.flow()
        events = list(SseDecoder().feed(first + await response.read()))
        kinds = [event.type for event in events]
        assert kinds[:2] == [b"ping"] * 2
        assert kinds[-6:] == [b"message_start", b"content_block_start", b"content_block_delta", b"content_block_stop",
                              b"message_delta", b"message_stop"]  # fmt: skip


def _begun(gateway: Setup, body: dict[str, Any], headers: dict[str, str]) -> Any:
    """A call whose answer has begun."""
    return gateway.session.post(f"{gateway.url}/v1/messages", data=msgspec.json.encode(body), headers=HEADERS | headers)


@pytest.mark.parametrize("stream", [False, True])
async def test_an_error_has_its_status_where_nothing_was_sent(stream: bool, tmp_path: Path) -> None:
    async with deferring(tmp_path, rules=AT_ONCE) as gateway:
        got = await gateway.ask(BAD | {"stream": stream}, HELD)
        assert (got.status, got.headers["content-type"]) == (400, "application/json")
        assert got.headers["x-should-retry"] == "false", "sent again it would make another job"
        assert got.document["error"]["type"] == "invalid_request_error"
        assert "temperature" in got.document["error"]["message"]


@pytest.mark.usefixtures("quick_beats")
async def test_an_error_after_blanks_is_no_answer(tmp_path: Path) -> None:
    """Its status was 200, so it must not look whole; who sends the call again is told."""
    async with deferring(tmp_path, flows=False) as gateway:
        async with _begun(gateway, BAD, HELD) as response:
            gateway.stage.clock.flow()
            with pytest.raises(aiohttp.ClientPayloadError):
                await response.read()
        again = await gateway.ask(BAD, HELD | RETRY)
        assert again.status == 400
        assert again.headers["thriftgate-job"] == response.headers["thriftgate-job"]


@pytest.mark.usefixtures("quick_beats")
async def test_an_error_after_pings_is_an_event(tmp_path: Path) -> None:
    async with deferring(tmp_path, flows=False) as gateway, _begun(gateway, BAD | {"stream": True}, HELD) as response:
        gateway.stage.clock.flow()
        events = list(SseDecoder().feed(await response.read()))
        assert {event.type for event in events[:-1]} == {b"ping"}
        assert events[-1].type == b"error"
        assert msgspec.json.decode(events[-1].data)["error"]["type"] == "invalid_request_error"


@pytest.mark.usefixtures("quick_beats")
async def test_who_leaves_can_ask_for_the_job(tmp_path: Path) -> None:
    async with deferring(tmp_path, flows=False) as gateway:
        async with _begun(gateway, ask(), HELD) as response:
            name = response.headers["thriftgate-job"]
        await until(lambda: _nobody_waits(gateway))
        gateway.stage.clock.flow()
        document = await gateway.in_status(name, "answered")
        assert document["answer"]["usage"]["service_tier"] == "batch"
        assert len(await gateway.stage.entries()) == 1


async def _nobody_waits(gateway: Setup) -> bool:
    return not gateway.stage.queue._waiters._held


@pytest.mark.usefixtures("quick_beats")
@pytest.mark.parametrize("stream", [False, True])
async def test_who_sends_the_call_again_is_given_the_same_job(stream: bool, tmp_path: Path) -> None:
    async with deferring(tmp_path, flows=False) as gateway:
        async with _begun(gateway, ask(stream=stream), HELD | {"x-stainless-retry-count": "0"}) as response:
            name = response.headers["thriftgate-job"]
        await until(lambda: _nobody_waits(gateway))
        again = asyncio.ensure_future(gateway.ask(ask(stream=stream), HELD | RETRY))
        await asyncio.sleep(0.05)
        gateway.stage.clock.flow()
        got = await again
        assert (got.status, got.headers["thriftgate-job"]) == (200, name)
        assert len(gateway.stage.simulator.bill.calls) == 1


async def test_a_ticket_that_was_lost_is_given_again(tmp_path: Path) -> None:
    async with deferring(tmp_path, flows=False) as gateway:
        first = await gateway.ask(ask(), WAITS | {"thriftgate-idempotency-key": "mine"})
        again = await gateway.ask(ask(), WAITS | {"thriftgate-idempotency-key": "mine"})
        assert (again.status, again.document["id"]) == (202, first.document["id"])
        assert again.document["reason"] == "sent again: this is the job that was made of it"
        assert "forecast_usd" not in again.document
        gateway.stage.clock.flow()
        await gateway.in_status(first.document["id"], "answered")
        late = await gateway.ask(ask(), WAITS | {"thriftgate-idempotency-key": "mine"})
        assert late.document["status"] == "answered"


# --- the end of a gateway ----------------------------------------------------------------------------------------------


async def test_the_end_lets_those_go_who_wait(tmp_path: Path) -> None:
    async with deferring(tmp_path, flows=False) as gateway:
        waiting = asyncio.ensure_future(gateway.ask(ask(), HELD))
        await until(lambda: _somebody_waits(gateway))
        gateway.gateway.stopping()
        got = await waiting
        assert (got.status, got.headers["thriftgate-error"]) == (503, "let_go")
        assert "x-should-retry" not in got.headers, "an SDK sends it again, and is given the same job"
        assert "the gateway is stopping; the job goes on" in got.document["error"]["message"]


async def _somebody_waits(gateway: Setup) -> bool:
    return not await _nobody_waits(gateway)


@pytest.mark.usefixtures("quick_beats")
async def test_the_end_is_an_event_in_a_stream_and_no_answer_as_json(tmp_path: Path) -> None:
    async with (
        deferring(tmp_path, flows=False) as gateway,
        _begun(gateway, ask(1, stream=True), HELD) as stream,
        _begun(gateway, ask(2), HELD) as plain,
    ):
        gateway.gateway.stopping()
        events = list(SseDecoder().feed(await stream.read()))
        assert events[-1].type == b"error"
        told = msgspec.json.decode(events[-1].data)["error"]
        assert stream.headers["thriftgate-job"] in told["message"]
        with pytest.raises(aiohttp.ClientPayloadError):
            await plain.read()


def serve(folder: Path, simulator: str) -> Running:
    environ = {"THRIFTGATE_UPSTREAM__API_KEY": GATEWAY, "THRIFTGATE_BATCH__WINDOW_S": "1"}
    options = ("--port", "0", "--upstream", simulator, "--ledger", str(folder / "books.db"))
    return Running("serve", *options, environ=environ, cwd=folder)


async def answered(session: aiohttp.ClientSession, url: str, names: list[str]) -> list[dict[str, Any]]:
    """The documents of these jobs, once all are answered."""
    found: dict[str, dict[str, Any]] = {}

    async def all_of_them() -> bool:
        for name in names:
            async with session.get(f"{url}/thriftgate/jobs/{name}", headers=HEADERS) as response:
                found[name] = msgspec.json.decode(await response.read())
        return {document["status"] for document in found.values()} == {"answered"}

    await until(all_of_them)
    return list(found.values())


async def test_killed_between_ticket_and_answer(tmp_path: Path) -> None:
    """In the next life the jobs are answered, once, and billed once: one that waited, one that was in a batch."""
    with running("simulate", "--port", "0") as simulator:
        async with client() as session:
            await session.post(f"{simulator.url}/_sim/batches", json={"duration_s": [0.5, 1.0]})
            gateway = await asyncio.to_thread(serve, tmp_path, simulator.url)
            try:
                names = []
                for number in (1, 2):
                    async with session.post(
                        f"{gateway.url}/v1/messages", json=ask(number), headers=HEADERS | WAITS
                    ) as response:
                        names.append(response.headers["thriftgate-job"])
                    if number == 1:
                        await until(lambda: _has_batches(session, simulator.url))
                await asyncio.to_thread(gateway.stop, 9)
                gateway = await asyncio.to_thread(serve, tmp_path, simulator.url)
                documents = await answered(session, gateway.url, names)
                async with session.get(f"{simulator.url}/_sim/bill") as response:
                    bill = msgspec.json.decode(await response.read())
            finally:
                await asyncio.to_thread(gateway.stop)
    assert "Traceback" not in gateway.stderr
    assert len(bill["calls"]) == 2
    async with books(tmp_path / "books.db") as ledger:
        entries = await ledger.entries()
        assert not await ledger.open_holds()
        assert not await ledger.unbalanced()
    assert sorted(one.message_id for one in entries if one.message_id) == sorted(
        call["message_id"] for call in bill["calls"]
    )
    assert sorted(one["answer"]["id"] for one in documents) == sorted(call["message_id"] for call in bill["calls"])


async def _has_batches(session: aiohttp.ClientSession, url: str) -> bool:
    async with session.get(f"{url}/_sim/state") as response:
        return bool(msgspec.json.decode(await response.read())["batches"])


async def test_a_held_connection_does_not_hold_up_the_end(tmp_path: Path) -> None:
    with running("simulate", "--port", "0") as simulator:
        async with client() as session:
            gateway = await asyncio.to_thread(serve, tmp_path, simulator.url)
            url = f"{gateway.url}/v1/messages"
            try:
                held = asyncio.ensure_future(session.post(url, json=ask(1), headers=HEADERS | HELD))
                await until(lambda: _shows(session, gateway.url, "thriftgate_queue_jobs 1.0"))
            finally:
                began = asyncio.get_running_loop().time()
                await asyncio.to_thread(gateway.stop)
            took_s = asyncio.get_running_loop().time() - began
            assert (await held).status == 503
    assert took_s < 5, "nobody waits for server.shutdown_s"
    assert "Traceback" not in gateway.stderr
    assert "cut off" not in gateway.stderr


async def _shows(session: aiohttp.ClientSession, url: str, line: str) -> bool:
    async with session.get(f"{url}/thriftgate/metrics") as response:
        return line in (await response.text()).splitlines()
