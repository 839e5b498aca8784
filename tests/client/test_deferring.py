"""The official SDK with `Deferring`, through a gateway on a socket: calls wait, and nobody who makes them notices."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anthropic
import httpx2
import pytest
from anthropic.types import MessageParam

from tests.batch.queueing import CALLER, MODEL, QueueStage
from tests.batch.stage import BATCHES, error, says
from tests.fixtures import until
from tests.gateway.deferring import Setup, deferring, serving_here
from tests.scripted import Received, raw_answer, upstream
from thriftgate.client import Deferring
from thriftgate.client import deferring as face
from thriftgate.core.errors import InputError
from thriftgate.gateway.app import Gateway
from thriftgate.ledger.jobs import QUEUE
from thriftgate.simulator.config import BatchRules

AT_ONCE = BatchRules(duration_s=(1.0, 1.0))
HELD = {"thriftgate-deadline": "6h", "thriftgate-wait": "true"}


@pytest.fixture(autouse=True)
def quick_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(face, "_LONGEST_S", 0.05)


def said(text: str = "Hello [[sim: say=Good morning]]") -> list[MessageParam]:
    return [{"role": "user", "content": text}]


@contextlib.asynccontextmanager
async def sdk(url: str, deadline: str = "6h", **members: Any) -> AsyncIterator[anthropic.AsyncAnthropic]:
    values: dict[str, Any] = {"base_url": url, "api_key": CALLER, "middleware": [Deferring(deadline, look_s=0.01)]} | members
    async with anthropic.AsyncAnthropic(**values) as made:
        yield made


async def jobs_made(gateway: Setup) -> int:
    return len(await gateway.stage.queue.book.in_order(QUEUE, 0, 100))


async def text_of(client: anthropic.AsyncAnthropic, **members: Any) -> str:
    message = await client.messages.create(model=MODEL, max_tokens=50, messages=said(), **members)
    assert message.usage.service_tier == "batch"
    return "".join(block.text for block in message.content if block.type == "text")


# --- every face of the SDK ---------------------------------------------------------------------------------------------


async def test_create(tmp_path: Path) -> None:
    async with deferring(tmp_path, rules=AT_ONCE) as gateway, sdk(gateway.url) as client:
        assert await text_of(client) == "Good morning"
        assert (await jobs_made(gateway), len(await gateway.stage.entries())) == (1, 1)


async def test_many_at_once_leave_together(tmp_path: Path) -> None:
    async with deferring(tmp_path, flows=False) as gateway, sdk(gateway.url) as client:
        calls = [
            asyncio.ensure_future(
                client.messages.create(model=MODEL, max_tokens=50, messages=said(f"[[sim: say=answer {at}]]"))
            )
            for at in range(12)
        ]

        async def all_there() -> bool:
            return gateway.stage.worker.open_jobs == 12

        await until(all_there)
        gateway.stage.clock.flow()
        messages = await asyncio.gather(*calls)
        assert [message.content[0].text for message in messages if message.content[0].type == "text"] == [
            f"answer {at}" for at in range(12)
        ]
        assert [batch.jobs for batch in await gateway.stage.batches()] == [12]


async def test_a_synchronous_client(tmp_path: Path) -> None:
    def call(url: str) -> tuple[Any, Any]:
        with anthropic.Anthropic(base_url=url, api_key=CALLER, middleware=[Deferring("90m", look_s=0.01)]) as client:
            plain = client.messages.create(model=MODEL, max_tokens=50, messages=said())
            with client.messages.stream(model=MODEL, max_tokens=50, messages=said("Why? [[sim: say=Because]]")) as stream:
                return plain, ("".join(stream.text_stream), stream.get_final_message())

    async with deferring(tmp_path, rules=AT_ONCE) as gateway:
        plain, (text, message) = await asyncio.to_thread(call, gateway.url)
        assert (plain.content[0].text, plain.usage.service_tier) == ("Good morning", "batch")
        assert (text, message.usage.service_tier) == ("Because", "batch")
        assert await jobs_made(gateway) == 2


async def test_streams(tmp_path: Path) -> None:
    async with deferring(tmp_path, rules=AT_ONCE) as gateway, sdk(gateway.url) as client:
        events = await client.messages.create(model=MODEL, max_tokens=50, messages=said(), stream=True)
        kinds = [event.type async for event in events]
        assert (kinds[0], kinds[-1]) == ("message_start", "message_stop")
        async with client.messages.stream(model=MODEL, max_tokens=50, messages=said()) as stream:
            assert "".join([piece async for piece in stream.text_stream]) == "Good morning"
            message = await stream.get_final_message()
        assert (message.stop_reason, message.usage.service_tier) == ("end_turn", "batch")
        assert await jobs_made(gateway) == 2


async def test_raw_responses(tmp_path: Path) -> None:
    async with deferring(tmp_path, rules=AT_ONCE) as gateway, sdk(gateway.url) as client:
        raw = await client.messages.with_raw_response.create(model=MODEL, max_tokens=50, messages=said())
        assert (raw.status_code, raw.headers["content-type"]) == (200, "application/json")
        assert float(raw.headers["thriftgate-cost-usd"]) == float(raw.headers["thriftgate-saved-usd"]) > 0
        (entry,) = await gateway.stage.entries()
        assert raw.headers["request-id"] == raw.headers["thriftgate-request-id"] == entry.id
        assert raw.headers["thriftgate-job"].startswith("job_")
        message = await raw.parse()
        assert message._request_id == entry.id
        face = client.messages.with_streaming_response
        async with face.create(model=MODEL, max_tokens=50, messages=said()) as streamed:
            assert b'"service_tier":"batch"' in b"".join([piece async for piece in streamed.iter_bytes()])


async def test_the_beta_face(tmp_path: Path) -> None:
    async with deferring(tmp_path, rules=AT_ONCE) as gateway, sdk(gateway.url) as client:
        beta = ["context-management-2025-06-27"]
        message = await client.beta.messages.create(model=MODEL, max_tokens=50, messages=[{"role": "user", "content": "Hi"}],
                                                    betas=beta)  # fmt: skip
        assert message.usage.service_tier == "batch"


async def test_what_is_no_message_is_left_alone(tmp_path: Path) -> None:
    async with deferring(tmp_path) as gateway, sdk(gateway.url) as client:
        assert (await client.messages.count_tokens(model=MODEL, messages=said())).input_tokens > 0
        assert (await client.models.retrieve(MODEL)).type == "model"
        assert await jobs_made(gateway) == 0


async def test_what_is_made_at_once_is_answered_at_once(tmp_path: Path) -> None:
    async with deferring(tmp_path) as gateway, sdk(gateway.url, "60s") as client:
        raw = await client.messages.with_raw_response.create(model=MODEL, max_tokens=50, messages=said())
        assert raw.headers["thriftgate-deferred"].startswith("no; due in 60 s")
        assert (await raw.parse()).usage.service_tier == "standard"


def test_a_deadline_that_is_none() -> None:
    with pytest.raises(InputError, match="'soon' is no length of time"):
        Deferring("soon")


# --- errors ------------------------------------------------------------------------------------------------------------


async def test_an_error_is_the_sdks_own_and_makes_no_second_job(tmp_path: Path) -> None:
    async with deferring(tmp_path, rules=AT_ONCE) as gateway, sdk(gateway.url, max_retries=3) as client:
        for stream in (False, True):
            with pytest.raises(anthropic.BadRequestError, match="temperature") as raised:
                await client.messages.create(
                    model=MODEL, max_tokens=50, messages=said(), stream=stream, extra_body={"temperature": 7.5}
                )
            assert raised.value.response.headers["thriftgate-job"].startswith("job_")
            assert raised.value.body is not None
        assert await jobs_made(gateway) == 2


@pytest.mark.parametrize(
    ("status", "kind", "raises"),
    [
        (529, "overloaded_error", anthropic.OverloadedError),
        (429, "rate_limit_error", anthropic.RateLimitError),
        (403, "permission_error", anthropic.PermissionDeniedError),
    ],
)
async def test_errors_of_every_class_are_told_once(status: int, kind: str, raises: type[Exception], tmp_path: Path) -> None:
    """Also those an SDK would try again: the gateway has tried for long enough."""
    async with deferring(tmp_path, flows=False) as gateway, sdk(gateway.url, max_retries=3) as client:

        def refuses(_method: str, path: str) -> Any:
            return says(400, error("invalid_request_error")) if path == BATCHES else says(status, error(kind, "no luck"))

        gateway.stage.front.script = refuses
        gateway.stage.clock.flow()
        with pytest.raises(raises, match="no luck"):
            await client.messages.create(model=MODEL, max_tokens=50, messages=said())
        assert await jobs_made(gateway) == 1


async def test_a_call_that_the_gateway_refuses_is_refused_at_once(tmp_path: Path) -> None:
    async with deferring(tmp_path) as gateway, sdk(gateway.url) as client:
        with pytest.raises(anthropic.BadRequestError, match="over the limit"):
            await client.messages.create(
                model=MODEL, max_tokens=9000, messages=said(), extra_headers={"thriftgate-max-cost-usd": "0.0001"}
            )


# --- a gateway that comes and goes -------------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def life(stage: QueueStage, port: int = 0) -> AsyncIterator[str]:
    """One life of a gateway on these books."""
    gateway = Gateway(stage.settings, await stage.build())
    async with serving_here(gateway, port) as url:
        stage.serves(gateway)
        await stage.begun()
        try:
            yield url
        finally:
            gateway.stopping()


@pytest.mark.parametrize("stream", [False, True])
async def test_a_gateway_starts_anew_while_the_client_waits(stream: bool, tmp_path: Path) -> None:
    stage = QueueStage(tmp_path, flows=False, rules=AT_ONCE)
    async with life(stage) as url, contextlib.AsyncExitStack() as stack:
        client = await stack.enter_async_context(sdk(url, max_retries=0))

        async def call() -> Any:
            made: Any = await client.messages.create(model=MODEL, max_tokens=50, messages=said(), stream=stream)
            return (await anext(aiter(made))).message if stream else made

        waiting = asyncio.ensure_future(call())

        async def taken() -> bool:
            return stage.worker.open_jobs == 1

        await until(taken)
        port = int(url.rpartition(":")[2])
        keep = stack.pop_all()
    async with keep:
        await asyncio.sleep(0.1)
        assert not waiting.done(), "nobody is there, and it waits on"
        async with life(stage, port):
            stage.clock.flow()
            message = await asyncio.wait_for(waiting, 10)
            assert message.usage.service_tier == "batch"
            assert len(await stage.entries()) == len(stage.simulator.bill.calls) == 1


class Losing(httpx2.AsyncBaseTransport):
    """Loses the answers to the first POSTs: the gateway has taken them, the client never hears."""

    def __init__(self, losses: int) -> None:
        self._inner = httpx2.AsyncHTTPTransport()
        self.left = losses

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        response = await self._inner.handle_async_request(request)
        if request.method == "POST" and self.left:
            self.left -= 1
            await response.aread()
            await response.aclose()
            raise httpx2.ReadError("the answer was lost on the way", request=request)
        return response

    async def aclose(self) -> None:
        await self._inner.aclose()


async def test_a_ticket_lost_on_the_way_makes_no_second_job(tmp_path: Path) -> None:
    async with deferring(tmp_path, flows=False) as gateway:
        transport = httpx2.AsyncClient(transport=Losing(1))
        async with sdk(gateway.url, http_client=transport) as client:
            calls = [asyncio.ensure_future(text_of(client)) for _ in range(3)]

            async def all_there() -> bool:
                return gateway.stage.worker.open_jobs == 3

            await until(all_there)
            gateway.stage.clock.flow()
            assert await asyncio.gather(*calls) == ["Good morning"] * 3
        assert (await jobs_made(gateway), len(gateway.stage.simulator.bill.calls)) == (3, 3)


async def test_a_held_call_that_the_sdk_sends_again_is_the_same_job(tmp_path: Path) -> None:
    """The SDK without the middleware, its connection held: its second try is given what was made of the first."""
    async with deferring(tmp_path, rules=AT_ONCE) as gateway:
        transport = httpx2.AsyncClient(transport=Losing(1))
        async with sdk(gateway.url, http_client=transport, middleware=[]) as client:
            assert await text_of(client, extra_headers=HELD) == "Good morning"
        assert (await jobs_made(gateway), len(gateway.stage.simulator.bill.calls)) == (1, 1)


async def test_a_gateway_that_stays_away_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(face, "_PATIENCE_S", 0.2)
    stage = QueueStage(tmp_path, flows=False)
    async with life(stage) as url, contextlib.AsyncExitStack() as stack:
        client = await stack.enter_async_context(sdk(url, max_retries=0))
        waiting = asyncio.ensure_future(text_of(client))

        async def taken() -> bool:
            return stage.worker.open_jobs == 1

        await until(taken)
        keep = stack.pop_all()
    async with keep:
        with pytest.raises(anthropic.APIConnectionError):
            await asyncio.wait_for(waiting, 10)


TICKET = raw_answer(b"{}", status=202, headers=("thriftgate-job: job_1",))


@contextlib.asynccontextmanager
async def looked_at(*answers: bytes) -> AsyncIterator[tuple[anthropic.AsyncAnthropic, list[str]]]:
    """A client of a gateway that gives a ticket, and then says these things of it, the last one again and again."""
    left = list(answers)
    lines: list[str] = []

    async def script(request: Received, writer: asyncio.StreamWriter) -> None:
        lines.append(request.line)
        writer.write(TICKET if request.line.startswith("POST") else left.pop(0) if len(left) > 1 else left[0])

    async with upstream(script) as seen, sdk(seen.url, max_retries=0) as client:
        yield client, lines


ANSWERED = raw_answer(
    b'{"type":"thriftgate.job","status":"answered","http_status":200,"answer":{"id":"msg_1","type":"message",'
    b'"role":"assistant","model":"m","content":[],"stop_reason":"end_turn","usage":{"input_tokens":1,"output_tokens":1,'
    b'"service_tier":"batch"}}}'
)
WAITING = raw_answer(b'{"type":"thriftgate.job","status":"waiting"}')


async def test_a_gateway_in_trouble_is_asked_again() -> None:
    trouble = [raw_answer(b"{}", status=503), raw_answer(b"busy", status=429), raw_answer(b"<html>"), WAITING]
    async with looked_at(*trouble, ANSWERED) as (client, lines):
        assert await text_of(client) == ""
        assert lines == ["POST /v1/messages HTTP/1.1"] + ["GET /thriftgate/jobs/job_1 HTTP/1.1"] * 5


@pytest.mark.parametrize(
    ("answer", "raises"),
    [
        (
            raw_answer(b'{"type":"error","error":{"type":"not_found_error","message":"no job"}}', status=404),
            anthropic.NotFoundError,
        ),
        (raw_answer(b"{}", status=401), anthropic.AuthenticationError),
    ],
)
async def test_a_job_that_is_not_there_is_told_at_once(answer: bytes, raises: type[Exception]) -> None:
    async with looked_at(answer) as (client, lines):
        with pytest.raises(raises):
            await text_of(client)
        assert len(lines) == 2


@pytest.mark.parametrize("answer", [raw_answer(b"{}", status=503), raw_answer(b"<html>")])
async def test_trouble_that_lasts_is_told(answer: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(face, "_PATIENCE_S", 0.2)
    async with looked_at(answer) as (client, _):
        with pytest.raises(anthropic.InternalServerError):
            await text_of(client)


async def test_as_long_as_the_gateway_says_that_it_waits_the_client_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(face, "_PATIENCE_S", 0.1)
    async with looked_at(*[WAITING] * 12, ANSWERED) as (client, lines):
        assert await text_of(client) == ""
        assert len(lines) == 14
