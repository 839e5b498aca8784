"""The three ways to Claude on AWS, end to end: a real engine, targets, and the simulator's own AWS. What the books say is
what the simulator bills."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.fixtures import (
    HEADERS,
    MODEL,
    TestClock,
    assert_books_are_the_bill,
    call_of,
    engine_on,
    message,
    read_all,
    serving,
    simulator,
    told,
)
from thriftgate.core.errors import InputError
from thriftgate.engine.call import Reply
from thriftgate.engine.engine import Engine
from thriftgate.ledger.entries import UPSTREAM, Entry
from thriftgate.providers.http1_transport import Http1Transport
from thriftgate.simulator import Faults, Simulator

KEY = {"access_key_id": "AKIASIMACME", "secret_access_key": "simulated-secret-of-AKIASIMACME"}
ROWS: dict[str, dict[str, Any]] = {
    "aws_platform": KEY | {"url": "http://sim/aws-external-anthropic", "region": "us-east-1", "workspace": "wrkspc_main"},
    "bedrock": KEY | {"url": "http://sim/bedrock-mantle/anthropic", "region": "us-east-1"},
    "bedrock_legacy": KEY | {"url": "http://sim/bedrock-runtime", "region": "us-east-1"},
}
EVERY = pytest.mark.parametrize("provider", list(ROWS))
TEXT = "The desk answers each mail. " * 400
SYSTEM = [{"type": "text", "text": TEXT, "cache_control": {"type": "ephemeral"}}]
TOOL = {"name": "look", "input_schema": {"type": "object", "properties": {"at": {"type": "string"}}}}


def row(provider: str, **members: Any) -> dict[str, Any]:
    return {"name": provider, "provider": provider} | ROWS[provider] | members


@asynccontextmanager
async def served_by(app: Simulator, *rows: dict[str, Any], **tables: Any) -> AsyncIterator[Engine]:
    async with engine_on(app, targets=rows, **tables) as engine:
        yield engine


async def entry_of(engine: Engine, reply: Reply) -> Entry:
    entry = await engine.ledger.entry(told(reply.headers, "thriftgate-request-id"))
    assert entry is not None
    return entry


async def asked(engine: Engine, body: dict[str, Any], headers: dict[str, str] | None = None) -> tuple[Any, Entry]:
    """A whole answer and its entry."""
    reply = await engine.messages(call_of(body, headers=HEADERS | (headers or {})))
    answer = await read_all(reply)
    assert reply.status == 200, answer
    return msgspec.json.decode(answer), await entry_of(engine, reply)


@EVERY
async def test_a_call_is_answered_and_booked_as_it_is_billed(provider: str) -> None:
    app = simulator()
    async with served_by(app, row(provider)) as engine:
        answer, entry = await asked(engine, message())
        assert (answer["type"], answer["role"], answer["model"]) == ("message", "assistant", MODEL)
        assert (entry.provider, entry.upstream, entry.model) == (provider, provider, MODEL)
        assert entry.upstream_request_id == app.bill.calls[0].request_id
        await assert_books_are_the_bill(engine, app)


@EVERY
async def test_a_stream_is_the_messages_apis(provider: str) -> None:
    app, plain = simulator(instance_id="x"), simulator(instance_id="x")
    body = message("[[sim: out=80]] tell me", stream=True, tools=[TOOL])
    async with served_by(app, row(provider)) as engine, engine_on(plain) as direct:
        streams = []
        for one in (engine, direct):
            reply = await one.messages(call_of(body))
            assert told(reply.headers, "content-type") == "text/event-stream; charset=utf-8"
            streams.append(await read_all(reply))
        theirs, ours = streams
        metrics = theirs.find(b',"amazon-bedrock-invocationMetrics"')
        if metrics >= 0:
            theirs = theirs[:metrics] + theirs[theirs.index(b"}}", metrics) + 1 :]
        assert theirs == ours
        await assert_books_are_the_bill(engine, app)


@EVERY
async def test_conversations_are_read_from_the_cache(provider: str) -> None:
    app = simulator()
    async with served_by(app, row(provider)) as engine:
        messages: list[dict[str, Any]] = [{"role": "user", "content": "first"}]
        for turn in range(3):
            answer, entry = await asked(engine, message(messages=messages, system=SYSTEM, tools=[TOOL]))
            assert bool(entry.usage.total.read) == bool(turn)
            messages += [{"role": "assistant", "content": answer["content"]}, {"role": "user", "content": f"and {turn}"}]
        await assert_books_are_the_bill(engine, app)


@EVERY
async def test_unmarked_prompts_are_cached_for_the_client(provider: str) -> None:
    """The lever places its marks where the provider counts them."""
    app = simulator()
    async with served_by(app, row(provider)) as engine:
        for number in range(3):
            await asked(engine, message(f"question {number}", system=TEXT))
        entries = await engine.ledger.entries()
        assert sum(entry.usage.total.read for entry in entries) > 0
        await assert_books_are_the_bill(engine, app)


@EVERY
async def test_tools_are_called_and_answered(provider: str) -> None:
    app = simulator()
    async with served_by(app, row(provider)) as engine:
        asks = [{"role": "user", "content": "[[sim: tool=look]] look"}]
        answer, _ = await asked(engine, message(messages=asks, tools=[TOOL]))
        (block,) = [one for one in answer["content"] if one["type"] == "tool_use"]
        result = [{"type": "tool_result", "tool_use_id": block["id"], "content": "there"}]
        again = [*asks, {"role": "assistant", "content": answer["content"]}, {"role": "user", "content": result}]
        answer, _ = await asked(engine, message(messages=again, tools=[TOOL]))
        assert answer["stop_reason"] == "end_turn"
        await assert_books_are_the_bill(engine, app)


async def test_a_region_costs_a_tenth_more() -> None:
    app = simulator()
    regional = {MODEL: f"us.anthropic.{MODEL}"}
    rows = (row("bedrock_legacy"), row("bedrock_legacy", name="us", models=regional), row("bedrock"))
    booked = []
    for one in rows:
        async with served_by(app, one) as engine:
            _, entry = await asked(engine, message())
            booked.append((entry.geo, Fraction(-entry.posted(UPSTREAM), 10**12)))
    assert [geo for geo, _ in booked] == ["global", "regional", "regional"]
    assert [paid for _, paid in booked] == [Fraction(call.cost) for call in app.bill.calls]
    assert [call.cost / app.bill.calls[0].cost for call in app.bill.calls] == [Decimal(1), Decimal("1.1"), Decimal("1.1")]


@EVERY
async def test_tokens_are_counted_there(provider: str) -> None:
    app = simulator()
    async with served_by(app, row(provider)) as engine:
        found = engine.upstreams.provider(provider)
        body = msgspec.json.encode({"model": MODEL, "messages": [{"role": "user", "content": TEXT}]})
        headers = call_of(message()).headers
        outgoing = found.prepare("POST", found.count_path, "", headers, body)
        incoming = await engine.transport.send(outgoing, engine.limits.timeouts)
        counted = msgspec.json.decode(await incoming.read())
        assert counted == {"input_tokens": sum(tokens for _, tokens in app.count_blocks(msgspec.json.decode(body)))}


@pytest.mark.parametrize(
    ("fault", "status", "kind"),
    [("rate_limit", 429, "rate_limit_error"), ("internal_error", 500, "api_error"), ("overloaded", 529, "overloaded_error")],
)
@EVERY
async def test_errors_are_the_messages_apis(provider: str, fault: str, status: int, kind: str) -> None:
    app = simulator(faults=Faults.parse({fault: 1.0}))
    async with served_by(app, row(provider), upstream={"retry": "never"}, governor={"on": False}) as engine:
        reply = await engine.messages(call_of(message()))
        error = msgspec.json.decode(await read_all(reply))
        assert (reply.status, error["type"], error["error"]["type"]) == (status, "error", kind)
        assert error["error"]["message"] in ("Simulated rate limit", "Internal server error", "Overloaded")
        await assert_books_are_the_bill(engine, app)


@EVERY
async def test_a_stream_that_breaks_off_says_so(provider: str) -> None:
    app = simulator(faults=Faults(error_event=1.0))
    async with served_by(app, row(provider)) as engine:
        reply = await engine.messages(call_of(message("[[sim: out=200]] tell me", stream=True)))
        answer = await read_all(reply)
        assert b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}' in answer
        (entry,) = await engine.ledger.entries()
        assert entry.outcome == "cut"


async def test_what_a_target_cannot_take_goes_to_one_that_can() -> None:
    app = simulator()
    upstream = {"url": "http://sim", "keys": ({"name": "own", "key": "sk-ant-sim-own.main-1"},)}
    calls: list[tuple[dict[str, Any], dict[str, str]]] = [
        (message(cache_control={"type": "ephemeral"}), {}),
        (message(inference_geo="us"), {}),
        (message(), {"anthropic-beta": "files-api-2025-04-14"}),
        (message(tools=[{"type": "web_search_20250305", "name": "web_search"}]), {}),
    ]
    async with served_by(app, row("bedrock_legacy"), upstream=upstream, failover={"upstream_order": 1}) as engine:
        for body, headers in calls:
            _, entry = await asked(engine, body, headers)
            assert entry.upstream == "own", (body, headers)
        _, entry = await asked(engine, message(), {"anthropic-beta": "claude-code-20250219,context-1m-2025-08-07"})
        assert entry.upstream == "bedrock_legacy"
        await assert_books_are_the_bill(engine, app)
    async with served_by(app, row("bedrock_legacy")) as engine:
        with pytest.raises(InputError, match="bedrock_legacy: it takes no cache_control at the top"):
            await engine.messages(call_of(calls[0][0]))


@pytest.mark.parametrize("provider", ["bedrock", "bedrock_legacy"])
async def test_a_call_that_fails_there_is_made_at_anthropics_and_the_other_way(provider: str) -> None:
    wrong = {"secret_access_key": "simulated-secret-of-somebody-else"}
    keys = ({"name": "own", "key": "sk-ant-sim-own.main-1"},)
    for rows, first_order, served in (((row(provider, **wrong),), 1, "own"), ((row(provider),), 0, provider)):
        app = simulator()
        upstream: dict[str, Any] = {"url": "http://sim", "keys": keys}
        if not first_order:
            upstream = {"url": "http://sim/nowhere", "keys": keys}
        late = tuple(one | {"order": 0 if first_order else 1} for one in rows)
        async with served_by(app, *late, upstream=upstream, failover={"upstream_order": first_order}) as engine:
            answer, entry = await asked(engine, message())
            assert (entry.upstream, answer["type"]) == (served, "message")
            failed, done = sorted(await engine.ledger.entries(), key=lambda one: one.opened_us)
            assert (failed.outcome, done.outcome, failed.posted(UPSTREAM)) == ("failed", "answered", 0)
            await assert_books_are_the_bill(engine, app)


@EVERY
@pytest.mark.parametrize("stream", [False, True])
async def test_over_a_socket_with_a_model_whose_id_has_a_colon(provider: str, stream: bool) -> None:
    app = simulator()
    body = message("[[sim: out=60]] go on", model="claude-haiku-4-5-20251001", stream=stream)
    with serving(app) as url:
        there = ROWS[provider]["url"].replace("http://sim", url)
        clock = TestClock(app.config.clock)  # type: ignore[arg-type]
        async with engine_on(transport=Http1Transport(), clock=clock, targets=(row(provider, url=there),)) as engine:
            reply = await engine.messages(call_of(body))
            answer = await read_all(reply)
            assert reply.status == 200, answer
            assert (b"event: message_stop" in answer) is stream
            await assert_books_are_the_bill(engine, app)


async def test_old_keys_are_told_and_new_ones_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The row names nobody: the shared files do, and once AWS refuses what they said they are read again."""
    app, files = simulator(), tmp_path / "credentials"
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(files))
    for name in ("AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_BEARER_TOKEN_BEDROCK", "ANTHROPIC_AWS_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    plain = row("bedrock", access_key_id="", secret_access_key="", profile="team")
    async with served_by(app, plain, upstream={"retry": "never"}) as engine:
        for key, status in (("AKIASIMACME", 401), ("AKIASIMACME", 200)):
            secret = KEY["secret_access_key"] if status == 200 else "an old one"
            files.write_text(f"[team]\naws_access_key_id = {key}\naws_secret_access_key = {secret}\n")
            reply = await engine.messages(call_of(message()))
            answer = await read_all(reply)
            assert (reply.status, b"signature we calculated" in answer) == (status, status == 401)
            engine.upstreams.clear("bedrock")
        await assert_books_are_the_bill(engine, app)
