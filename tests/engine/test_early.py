"""Answers ended early, by a real simulator over a real socket: the provider stops, its bill and the books agree closely."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from tests.fixtures import KEY, call_of, client, engine_on, message, only_entry, read_all, serving, simulator, until
from tests.scripted import Provider, Say, say_stream, sse, sse_events
from thriftgate.core.errors import BrokenReply, InputError, UpstreamTimeout
from thriftgate.core.money import pico_from_usd
from thriftgate.core.output.until import parse_until
from thriftgate.core.tokens import Family
from thriftgate.engine.early import Gathered, as_message, as_stream, gather
from thriftgate.engine.engine import Engine
from thriftgate.engine.reply import StreamReply
from thriftgate.engine.settle import Ending, Prepared, entry_for, hold_of, learn_residency
from thriftgate.ledger.entries import UPSTREAM, Entry
from thriftgate.providers.http1_transport import Http1Transport
from thriftgate.providers.transport import Incoming
from thriftgate.simulator.config import Latency
from thriftgate.wire.early_end import EarlyEnd
from thriftgate.wire.whole_message import message_of

FAMILY: Family = "claude47"
PROSE = "The rest of the answer goes on and on, and nobody is going to read what it says. "
# What the model says: (condition, the part that is wanted, what it adds to it).
ANSWERS = [
    ("first_line", "The answer is 42, as far as I can see from the documents that I was given.", "\n" + PROSE * 30),
    ("json", '{"name": "spam", "tags": ["a", "b"], "score": 0.75, "reason": "It sells pills."}', "\n\n" + PROSE * 30),
    ("items:3", "- the first item\n- the second item\n- the third item, a longer one", f"\n- item {PROSE}" * 25),
    ("regex:</answer>", "<answer>It is a bird, a plane, or a man who can fly.</answer>", PROSE * 30),
]  # fmt: skip


@contextlib.asynccontextmanager
async def far_away(**members: Any) -> AsyncIterator[tuple[Engine, str]]:
    """An engine, and the URL of the simulator that it talks to over a socket; every token takes its time."""
    app = simulator(sleep=asyncio.sleep, latency=Latency(per_output_token_s=0.001), **members)
    with serving(app) as url:
        async with engine_on(transport=Http1Transport(), upstream={"url": url}) as engine:
            yield engine, url


async def bill(url: str) -> list[dict[str, Any]]:
    async with client() as session, session.get(f"{url}/_sim/bill", headers={"x-api-key": KEY}) as answer:
        return list(msgspec.json.decode(await answer.read())["calls"])


async def billed(url: str, calls: int) -> dict[str, Any]:
    """The last of so many calls, once all are billed."""

    async def there() -> bool:
        return len(await bill(url)) == calls

    await until(there)
    return (await bill(url))[-1]


async def sent(engine: Engine, body: dict[str, Any]) -> tuple[Prepared, Incoming, Ending]:
    """The call, held and sent as a stream whatever it asks for."""
    call = call_of(body)
    prepared = engine.toucher.plan(call, engine.key_of(KEY))
    await engine.ledger.hold(hold_of(prepared, "anthropic"))
    outgoing = engine.provider.prepare("POST", "/v1/messages", "", call.headers, as_stream(prepared.plan.body))
    incoming = await engine.transport.send(outgoing, engine.limits.timeouts)
    learn_residency(prepared, engine.clock.now_s(), engine.knowledge)
    return prepared, incoming, Ending("answered", status=incoming.status)


async def booked(engine: Engine, prepared: Prepared, ending: Ending) -> Entry:
    entry = entry_for(prepared, ending, "anthropic", int(engine.clock.now_s() * 1e6), engine.knowledge)
    await engine.ledger.settle(entry)
    return entry


async def streamed(engine: Engine, body: dict[str, Any], condition: str) -> bytes:
    """What a client that asked for a stream gets."""
    prepared, incoming, ending = await sent(engine, body)
    reply = StreamReply(
        prepared,
        incoming,
        ending,
        settle=lambda end: booked(engine, prepared, end),
        tasks=engine.tasks,
        drain=engine.limits.drain,
        early=EarlyEnd(parse_until(condition), FAMILY),
    )
    got = await read_all(reply)
    assert reply.ended or condition == "regex:never said"
    return got


async def gathered(engine: Engine, body: dict[str, Any], condition: str) -> tuple[Gathered, Entry]:
    """What a client that asked for a whole message gets, and the books."""
    prepared, incoming, ending = await sent(engine, body)
    found = await gather(incoming, prepared.dialect.meter(), EarlyEnd(parse_until(condition), FAMILY))
    ending = replace(ending, outcome=found.outcome, reading=found.reading, note=found.note)
    return found, await booked(engine, prepared, ending)


def text_of(document: bytes) -> str:
    return "".join(block["text"] for block in msgspec.json.decode(document)["content"] if block["type"] == "text")


@pytest.mark.parametrize(("condition", "wanted", "more"), ANSWERS)
async def test_the_provider_stops_and_its_bill_is_close_to_the_books(condition: str, wanted: str, more: str) -> None:
    asked = message(f"[[sim: say={wanted}{more}]]", max_tokens=2_000)
    async with far_away() as (engine, url):
        answer = message_of(await streamed(engine, asked | {"stream": True}, condition))
        entry = await only_entry(engine)
        cut = await billed(url, 1)
        await engine.messages(call_of(asked))
        full = await billed(url, 2)
    assert text_of(answer) == wanted
    assert msgspec.json.decode(answer)["stop_reason"] == "end_turn"
    assert (cut["outcome"], cut["fault"]) == ("cut", "client_disconnect")
    assert Decimal(cut["cost_usd"]) < Decimal(full["cost_usd"]) / 3
    paid = -entry.posted(UPSTREAM)
    assert abs(paid / pico_from_usd(Decimal(cut["cost_usd"])) - 1) < 0.25
    assert entry.usage.total.input == cut["usage"]["input_tokens"]
    assert entry.usage.total.output >= msgspec.json.decode(answer)["usage"]["output_tokens"]
    assert (entry.outcome, entry.usage_source, entry.resolution) == ("answered", "estimated", "post")
    assert entry.note == f"ended early: {condition}"


async def test_a_whole_message_for_a_client_without_streams() -> None:
    condition, wanted, more = ANSWERS[1]
    asked = message(f"[[sim: say={wanted}{more}]]", max_tokens=2_000)
    async with far_away() as (engine, url):
        found, entry = await gathered(engine, asked, condition)
        cut = await billed(url, 1)
        plain = msgspec.json.decode((await engine.messages(call_of(asked))).body or b"")
        full = await billed(url, 2)
    got = msgspec.json.decode(found.body)
    assert found.raised is None
    assert text_of(found.body) == wanted
    assert got.keys() == plain.keys()
    assert got["usage"].keys() == plain["usage"].keys() - {"output_tokens_details"}
    assert {name: got[name] for name in ("type", "role", "model", "stop_reason", "stop_sequence")} == {
        name: plain[name] for name in ("type", "role", "model", "stop_reason", "stop_sequence")
    }
    assert got["id"] == cut["message_id"]
    assert Decimal(cut["cost_usd"]) < Decimal(full["cost_usd"]) / 3
    assert abs(-entry.posted(UPSTREAM) / pico_from_usd(Decimal(cut["cost_usd"])) - 1) < 0.25
    assert (entry.outcome, entry.usage_source, entry.note) == ("answered", "estimated", "ended early: json")


@pytest.mark.parametrize(
    "members",
    [
        {},
        {"thinking": {"type": "adaptive"}, "messages": [{"role": "user", "content": "[[sim: think=40]] why?"}]},
        {
            "tools": [{"name": "look", "input_schema": {"type": "object", "properties": {"at": {"type": "string"}}}}],
            "messages": [{"role": "user", "content": "[[sim: tool=look]] look"}],
        },
        {"system": [{"type": "text", "text": "word " * 6_000, "cache_control": {"type": "ephemeral"}}]},
    ],
)
async def test_what_ends_by_itself_is_what_it_would_have_been_without_a_stream(members: dict[str, Any]) -> None:
    asked = message("hello there", max_tokens=500) | members
    async with engine_on(simulator(instance_id="one")) as engine:
        found, entry = await gathered(engine, asked, "regex:never said")
    async with engine_on(simulator(instance_id="one")) as engine:
        plain = await engine.messages(call_of(asked))
        other = await only_entry(engine)
    assert msgspec.json.decode(found.body) == msgspec.json.decode(plain.body or b"")
    assert (entry.usage_source, entry.usage, entry.note) == ("exact", other.usage, "")
    assert entry.posted(UPSTREAM) == other.posted(UPSTREAM)


def test_a_request_for_a_stream_keeps_its_bytes() -> None:
    body = b'{ "model" :"m", "max_tokens": 1.0e2, "messages":[]}'
    assert as_stream(body) == b'{ "model" :"m", "max_tokens": 1.0e2, "messages":[],"stream":true}'
    assert as_stream(b'{"stream": false, "a": 1}') == b'{"stream": true, "a": 1}'
    with pytest.raises(InputError):
        as_stream(b"[]")


def test_the_headers_are_those_of_a_message() -> None:
    headers = ((b"request-id", b"req_1"), (b"content-type", b"text/event-stream; charset=utf-8"))
    assert as_message(headers) == ((b"request-id", b"req_1"), (b"content-type", b"application/json"))


EVENTS = sse_events("spam\nBecause")
OVERLOADED = sse("error", error={"type": "overloaded_error", "message": "Overloaded"})
TOOL = sse("content_block_start", index=0, content_block={"type": "tool_use", "id": "t", "name": "n", "input": {}})
HALF_INPUT = sse("content_block_delta", index=0, delta={"type": "input_json_delta", "partial_json": '{"a"'})


@pytest.mark.parametrize(
    ("said", "outcome", "complaint"),
    [
        (say_stream(EVENTS[0], OVERLOADED), "cut", "the stream reported overloaded_error; it may have been billed"),
        (say_stream(*EVENTS[:2]), "cut", "without message_stop"),
        (say_stream(*EVENTS[:2], ConnectionError("reset")), "cut", "broke off: reset"),
        (say_stream(EVENTS[0], TOOL, HALF_INPUT, *EVENTS[3:]), "garbage", "the input of a tool call is no JSON"),
        (Say([b"<html>"]), "cut", "without message_stop"),
    ],
)
async def test_what_breaks_off_is_told_and_booked(said: Say, outcome: str, complaint: str) -> None:
    provider = Provider(said)
    async with engine_on(provider) as engine:
        found, entry = await gathered(engine, message(), "first_line")
    assert isinstance(found.raised, BrokenReply)
    assert complaint in str(found.raised)
    assert (entry.outcome, entry.usage_source) == (outcome, "exact" if outcome == "garbage" else "estimated")
    assert -entry.posted(UPSTREAM) > 0
    assert entry.note
    assert entry.usage.total.input == (10 if entry.message_id else entry.usage.total.input)


async def test_a_stall_and_a_cancelled_call_are_told_and_booked() -> None:
    provider = Provider(say_stream(*EVENTS[:2], asyncio.Event()))
    async with engine_on(provider, upstream={"read_timeout_s": 0.05}) as engine:
        found, entry = await gathered(engine, message(), "first_line")
        assert isinstance(found.raised, UpstreamTimeout)
        assert (entry.outcome, entry.usage.total.input) == ("timeout", 10)
    async with engine_on(Provider(say_stream(EVENTS[0], asyncio.Event()))) as engine:
        prepared, incoming, _ = await sent(engine, message())
        meter = prepared.dialect.meter()
        gathering = asyncio.ensure_future(gather(incoming, meter, EarlyEnd(parse_until("first_line"), FAMILY)))

        async def begun() -> bool:
            return bool(meter.reading().message_id)

        await until(begun)
        gathering.cancel()
        found = await gathering
        assert isinstance(found.raised, asyncio.CancelledError)
        assert found.outcome == "left"


async def test_the_input_side_teaches_and_the_length_does_not() -> None:
    """The cache is believed as the stream's beginning told it; the next call reads it, and expects a usual answer."""
    system = [{"type": "text", "text": "word " * 6_000, "cache_control": {"type": "ephemeral"}}]
    asked = message(f"[[sim: say=Yes.\n{PROSE * 3}]]", system=system)
    entries = []
    for condition in ("first_line", "regex:never said"):
        async with engine_on(simulator()) as engine:
            for _ in range(2):
                assert b"message_stop" in await streamed(engine, asked, condition)
            entries.append(sorted(await engine.ledger.entries(), key=lambda entry: entry.id))
            mean = engine.knowledge.memory.output_mean(engine.key_of(KEY), asked["model"])
            assert (mean is None) == (condition == "first_line")
    for early, exact in zip(*entries, strict=True):
        assert (early.usage_source, exact.usage_source) == ("estimated", "exact")
        assert early.usage.total.prompt == exact.usage.total.prompt
        assert early.read_expected_tokens == exact.read_expected_tokens
        assert early.usage.total.output < exact.usage.total.output
        assert early.miss == exact.miss
    assert entries[0][0].usage.total.write_5m == entries[0][1].usage.total.read > 6_000


async def test_an_end_that_had_come_already_is_booked_exactly() -> None:
    """All in one piece: nothing can be saved any more, the client is shown the same, and the usage is the true one."""
    async with engine_on(Provider(say_stream(b"".join(EVENTS)))) as engine:
        answer = message_of(await streamed(engine, message(), "first_line"))
        entry = await only_entry(engine)
    assert text_of(answer) == "spam"
    assert (entry.outcome, entry.usage_source, entry.usage.total.output, entry.note) == ("answered", "exact", 5, "")
