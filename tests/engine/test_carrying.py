"""Answers on their way: begun for the model, ended early, over real sockets; what is learned of them, and what not."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import anthropic
import msgspec
import pytest

from tests.engine.asking import OLD, OLDER, PLAIN, RAW, Json, answer_of, booked, executed, tables, text_of
from tests.fixtures import KEY, call_of, client, engine_on, message, read_all, serving, settings_of, simulator, until
from tests.scripted import MESSAGE, Provider, Say, say_error, say_stream, sse, sse_events
from thriftgate.core.errors import UpstreamError
from thriftgate.core.money import pico_from_usd
from thriftgate.core.output.lengths import MEAN_LEAST
from thriftgate.engine.call import Call
from thriftgate.engine.engine import Engine
from thriftgate.engine.settle import Prepared
from thriftgate.gateway.app import Gateway
from thriftgate.ledger.entries import UPSTREAM, Entry
from thriftgate.providers.http1_transport import Http1Transport
from thriftgate.simulator.config import Latency
from thriftgate.wire.assemble import Answer

PREFILL, EARLY, SCHEMA, STOP = "output.prefill", "output.early_stop", "output.schema", "output.stop"
SLOW = Latency(per_output_token_s=0.0005)
PROSE = "The rest goes on and on, and nobody is going to read what it says. " * 40


@contextlib.asynccontextmanager
async def far_away(**settings: Any) -> AsyncIterator[tuple[Engine, str]]:
    """An engine, and the URL of the simulator that it talks to over a socket; every token takes its time."""
    with serving(simulator(sleep=asyncio.sleep, latency=SLOW)) as url:
        async with engine_on(transport=Http1Transport(), **(settings | {"upstream": {"url": url}})) as engine:
            yield engine, url


async def bill(url: str, calls: int) -> list[Json]:
    """So many billed calls, once they are."""
    found: list[Json] = []

    async def there() -> bool:
        async with client() as session, session.get(f"{url}/_sim/bill", headers={"x-api-key": KEY}) as answer:
            found[:] = msgspec.json.decode(await answer.read())["calls"]
        return len(found) == calls

    await until(there)
    return found


def asked(text: str, model: str, *, stream: bool, **members: Any) -> Json:
    base = {"model": model, "max_tokens": 2_000, "messages": [{"role": "user", "content": text}]}
    return base | members | ({"stream": True} if stream else {})


def saying(text: str) -> str:
    return f"Which? [[sim: say={text}]]"


# --- begun for the model ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", [OLD, OLDER])
@pytest.mark.parametrize("stream", [False, True])
async def test_the_client_sees_the_beginning(model: str, stream: bool) -> None:
    rows = tables((PREFILL,), {"prefill": '{"label": '})
    async with far_away(**rows) as (engine, _):
        reply = await engine.messages(call_of(asked(saying('"spam"}'), model, stream=stream)))
        answer = await answer_of(reply)
        (entry,) = await booked(engine)
    assert text_of(answer) == '{"label":"spam"}'
    assert entry.usage.total.output == answer["usage"]["output_tokens"]
    assert (entry.outcome, entry.usage_source) == ("answered", "exact")


@pytest.mark.parametrize("step", [1, 7, 10_000])
async def test_whatever_the_chunks(step: int) -> None:
    stream = b"".join(sse_events("spam"))
    pieces = [stream[at : at + step] for at in range(0, len(stream), step)]
    async with engine_on(Provider(say_stream(*pieces)), **tables((PREFILL,), {"prefill": "It is "})) as engine:
        reply = await engine.messages(call_of(message(model=OLD, stream=True)))
        got = await read_all(reply)
    assert got == stream.replace(b"".join(sse_events("spam")[2:]), _delta("It is") + b"".join(sse_events("spam")[2:]))


def _delta(text: str) -> bytes:
    return sse("content_block_delta", index=0, delta={"type": "text_delta", "text": text})


async def test_a_stream_that_breaks_off_loses_no_byte() -> None:
    broken: list[Any] = [*sse_events()[:1], b"event: content_block_start\nda", UpstreamError("gone")]
    async with engine_on(Provider(say_stream(*broken)), **tables((PREFILL,), {"prefill": "It is"})) as engine:
        reply = await engine.messages(call_of(message(model=OLD, stream=True)))
        got = b""
        with contextlib.suppress(UpstreamError):
            while piece := await reply.read():
                got += piece
        await reply.leave()
        (entry,) = await booked(engine)
    assert got.startswith(sse_events()[0])
    assert entry.outcome == "cut"


async def test_errors_pass_byte_for_byte() -> None:
    async with engine_on(Provider(say_error(529, "overloaded_error")), upstream={"attempts_max": 1}, **_both()) as engine:
        for stream in (False, True):
            reply = await engine.messages(call_of(message(model=OLD, stream=stream)))
            assert await read_all(reply) == say_error(529, "overloaded_error").pieces[0]


def _both() -> dict[str, Any]:
    return tables((PREFILL, EARLY), {"prefill": "{", "until": "json"})


# --- ended early ------------------------------------------------------------------------------------------------------

ENDS = [
    ("first_line", "It is spam, as far as can be seen.", "\n" + PROSE),
    ("json", '{"label": "spam", "why": "It sells pills and more pills."}', "\n\n" + PROSE),
    ("regex:</answer>", "<answer>It is spam, or a bill.</answer>", PROSE),
]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("condition", "wanted", "more"), ENDS)
async def test_the_provider_stops_where_the_answer_is_complete(condition: str, wanted: str, more: str, stream: bool) -> None:
    body = asked(saying(wanted + more), PLAIN, stream=stream)
    async with far_away(**tables((EARLY,), {"until": condition})) as (engine, url):
        answer = await answer_of(await engine.messages(call_of(body)))
        (entry,) = await booked(engine)
        (cut,) = await bill(url, 1)
        mean_known = engine.knowledge.lengths.kept()
    full = await executed([body])
    assert text_of(answer) == wanted
    assert answer["stop_reason"] == "end_turn"
    assert cut["fault"] == "client_disconnect"
    assert pico_from_usd(Decimal(cut["cost_usd"])) < full.billed / 3
    assert (entry.outcome, entry.usage_source, entry.stream) == ("answered", "estimated", stream)
    assert abs(-entry.posted(UPSTREAM) / pico_from_usd(Decimal(cut["cost_usd"])) - 1) < 0.35
    assert msgspec.msgpack.decode(mean_known) == []  # an answer that was ended tells nothing of lengths


@pytest.mark.parametrize("stream", [False, True])
async def test_an_answer_that_ends_first_is_exact(stream: bool) -> None:
    body = asked(saying("It is spam."), PLAIN, stream=stream)
    async with far_away(**tables((EARLY,), {"until": "first_line"})) as (engine, url):
        answer = await answer_of(await engine.messages(call_of(body)))
        (entry,) = await booked(engine)
        (full,) = await bill(url, 1)
    assert text_of(answer) == "It is spam."
    assert entry.usage_source == "exact"
    assert -entry.posted(UPSTREAM) == pico_from_usd(Decimal(full["cost_usd"]))


@pytest.mark.parametrize("stream", [False, True])
async def test_begun_for_the_model_and_ended_early(stream: bool) -> None:
    """The JSON value began with what was put into the model's mouth."""
    body = asked(saying('"label": {"is": "spam"}} ' + PROSE), OLD, stream=stream)
    async with far_away(**_both()) as (engine, url):
        answer = await answer_of(await engine.messages(call_of(body)))
        (entry,) = await booked(engine)
        (cut,) = await bill(url, 1)
    assert msgspec.json.decode(text_of(answer)) == {"label": {"is": "spam"}}
    assert cut["fault"] == "client_disconnect"
    assert entry.usage_source == "estimated"


async def test_a_client_that_leaves_first() -> None:
    """What it does not read any more is read on for the books, up to where the answer is complete."""
    body = asked(saying("It is spam.\n" + PROSE), PLAIN, stream=True)
    async with far_away(**tables((EARLY,), {"until": "first_line"})) as (engine, url):
        reply = await engine.messages(call_of(body))
        await reply.read()
        await reply.leave()
        (entry,) = await booked(engine)
        (cut,) = await bill(url, 1)
    assert entry.outcome == "left"
    assert "ended early" in entry.note
    assert cut["fault"] == "client_disconnect"


@pytest.mark.parametrize("stream", [False, True])
def test_an_ordinary_client_reads_it(stream: bool, tmp_path: Path) -> None:
    """The official SDK, through gateway and sockets."""
    question: Any = {"model": OLD, "max_tokens": 900}
    question["messages"] = [{"role": "user", "content": saying('"label": 1} ' + PROSE)}]
    ledger = {"path": str(tmp_path / "books.db")}
    with serving(simulator(sleep=asyncio.sleep, latency=SLOW)) as url:
        settings = settings_of(ledger=ledger, **(_both() | {"upstream": {"url": url}}))
        with serving(Gateway(settings)) as gateway, anthropic.Anthropic(base_url=gateway, api_key=KEY) as sdk:
            if stream:
                with sdk.messages.stream(**question) as streaming:
                    found = streaming.get_final_message()
            else:
                found = sdk.messages.create(**question)
    assert [block.text for block in found.content if block.type == "text"] == ['{"label": 1}']
    assert found.stop_reason == "end_turn"
    assert found.usage.output_tokens > 0


# --- what is learned --------------------------------------------------------------------------------------------------


async def told_mean(engine: Engine, site: tuple[str, ...]) -> float | None:
    mean = engine.knowledge.lengths.mean(site)
    return mean.tokens if mean is not None else None


@pytest.mark.parametrize(
    ("levers", "answer", "learned"),
    [
        ((), Say(), True),
        ((STOP,), Say(), True),
        ((), Say([MESSAGE.replace(b'"end_turn"', b'"max_tokens"')]), True),
        ((), Say([b"{}"]), False),
        ((), say_error(500, "api_error"), False),
    ],
)
async def test_how_long_answers_are(levers: tuple[str, ...], answer: Say, learned: bool) -> None:
    rows = tables(levers, {"stop": ["nowhere"], "task": "sort"})
    call = call_of(message(), headers={"x-api-key": KEY, "thriftgate-task": "sort"})
    async with engine_on(Provider(answer), routing={"observe": False}, upstream={"attempts_max": 1}, **rows) as engine:
        for _ in range(MEAN_LEAST):
            with contextlib.suppress(UpstreamError):
                await engine.messages(call)
        key = (await booked(engine))[0].key
        site = (key, PLAIN, "sort", "")
        assert await told_mean(engine, site) == (5.0 if learned and not levers else None)
        kept = msgspec.msgpack.decode(engine.knowledge.lengths.kept())
        assert len(kept) == learned
        assert not learned or (kept[0][0][3] == "") == (not levers)


async def test_a_witness_hears_the_answer_that_the_client_got() -> None:
    class Listening:
        heard_of: list[Answer | None]

        def wants(self, call: Call, prepared: Prepared) -> bool:
            return True

        def heard(self, call: Call, prepared: Prepared, entry: Entry, answer: Answer | None) -> None:
            self.heard_of.append(answer)

    for row in ({"cap": 50}, {"brevity": "line"}):
        listening = Listening()
        listening.heard_of = []
        async with engine_on(
            Provider(), **tables(("output.cap", "output.brevity", SCHEMA), row | {"schema": RAW})
        ) as engine:
            engine.witness = listening
            await engine.messages(call_of(message()))
        assert [one.content[0]["text"] for one in listening.heard_of if one is not None] == ["scripted"]
