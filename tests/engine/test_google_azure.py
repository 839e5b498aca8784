"""Claude on Google Cloud and in Foundry, end to end: a real engine, targets, the simulator's own clouds, tokens that end.
What the books say is what the simulator bills."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from tests.fixtures import (
    HEADERS,
    MODEL,
    assert_books_are_the_bill,
    call_of,
    engine_on,
    message,
    read_all,
    serving,
    simulator,
    told,
)
from tests.providers.clouds import knowing
from thriftgate.core.errors import InputError, UnknownPrice, Unreachable
from thriftgate.engine.engine import Engine
from thriftgate.ledger.entries import UPSTREAM, Entry
from thriftgate.providers.http1_transport import Http1Transport
from thriftgate.simulator import Faults, LimitRules, Simulator
from thriftgate.simulator.clouds.azure import Deployment

LOGIN = "http://127.0.0.1/login.microsoftonline"
ROWS: dict[str, dict[str, Any]] = {
    "vertex": {"url": "http://sim/aiplatform/v1"},
    "google_cloud": {"url": "http://sim/claude.googleapis/v1/projects/p-1/locations/global/workspaces/w-1/invoke"},
    "foundry": {"url": "http://sim/services.ai.azure/res/anthropic", "tenant": "t.example", "client_id": "app"}
    | {"client_secret": "sim-secret", "authority": LOGIN},
}
EVERY = pytest.mark.parametrize("provider", list(ROWS))
TEXT = "The desk answers each mail. " * 400
SYSTEM = [{"type": "text", "text": TEXT, "cache_control": {"type": "ephemeral"}}]
TOOL = {"name": "look", "input_schema": {"type": "object", "properties": {"at": {"type": "string"}}}}
SDK = {"x-stainless-retry-count": "0"}  # a client that does its own retries


def row(app: Simulator, provider: str, **members: Any) -> dict[str, Any]:
    own = ROWS[provider] if provider == "foundry" else ROWS[provider] | {"credentials": knowing(app)}
    return {"name": provider, "provider": provider} | own | members


def tokens_of(app: Simulator, provider: str) -> Any:
    return app.azure.tokens if provider == "foundry" else app.google.tokens


@asynccontextmanager
async def served_by(app: Simulator, *rows: dict[str, Any], **tables: Any) -> AsyncIterator[Engine]:
    async with engine_on(app, targets=rows, **tables) as engine:
        yield engine


async def asked(engine: Engine, body: dict[str, Any], **headers: str) -> tuple[int, Any, Entry]:
    """The status, the answer, and its entry."""
    reply = await engine.messages(call_of(body, headers=HEADERS | SDK | headers))
    answer = await read_all(reply)
    entry = await engine.ledger.entry(told(reply.headers, "thriftgate-request-id"))
    assert entry is not None
    return reply.status, answer if body.get("stream") else msgspec.json.decode(answer), entry


@EVERY
async def test_a_call_is_answered_and_booked_as_it_is_billed(provider: str) -> None:
    app = simulator()
    async with served_by(app, row(app, provider)) as engine:
        status, answer, entry = await asked(engine, message())
        assert (status, answer["type"], answer["model"]) == (200, "message", MODEL)
        assert (entry.provider, entry.upstream, entry.model) == (provider, provider, MODEL)
        assert entry.upstream_request_id == app.bill.calls[0].request_id
        await assert_books_are_the_bill(engine, app)


@EVERY
async def test_a_stream_is_the_messages_apis(provider: str) -> None:
    app, plain = simulator(instance_id="x"), simulator(instance_id="x")
    body = message("[[sim: out=80]] tell me", stream=True, tools=[TOOL])
    async with served_by(app, row(app, provider)) as engine, engine_on(plain) as direct:
        plain.ids.make("req")  # the token's
        ours, theirs = await asked(engine, body), await asked(direct, body)
        assert ours[1] == theirs[1]
        assert ours[1].startswith(b"event: message_start")
        await assert_books_are_the_bill(engine, app)


@EVERY
async def test_conversations_are_read_from_the_cache_and_tools_are_used(provider: str) -> None:
    app = simulator()
    async with served_by(app, row(app, provider)) as engine:
        turns: list[dict[str, Any]] = [{"role": "user", "content": "[[sim: tool=look]] where is it?"}]
        _, first, entry = await asked(engine, message() | {"system": SYSTEM, "tools": [TOOL], "messages": turns})
        assert entry.usage.total.write_5m + entry.usage.total.write_1h > 2_000
        (call,) = [block for block in first["content"] if block["type"] == "tool_use"]
        assert first["stop_reason"] == "tool_use"
        result = {"type": "tool_result", "tool_use_id": call["id"], "content": "here"}
        turns += [{"role": "assistant", "content": first["content"]}, {"role": "user", "content": [result]}]
        _, second, entry = await asked(engine, message() | {"system": SYSTEM, "tools": [TOOL], "messages": turns})
        assert second["stop_reason"] == "end_turn"
        assert entry.usage.total.read > 2_000
        await assert_books_are_the_bill(engine, app)


@pytest.mark.parametrize(
    ("provider", "members", "place"),
    [
        ("vertex", {"region": "us-east5"}, "regional"),
        ("vertex", {"region": "eu"}, "regional"),
        ("foundry", {"region": "us", "models": {MODEL: f"{MODEL}-datazone"}}, "us-data-zone"),
    ],
)
async def test_a_place_costs_a_tenth_more_and_the_books_say_so(provider: str, members: dict[str, Any], place: str) -> None:
    app, plain = simulator(), simulator()
    async with served_by(app, row(app, provider, **members)) as engine, engine_on(plain) as direct:
        for stream in (False, True):
            _, _, entry = await asked(engine, message("[[sim: out=100]]", system=SYSTEM, stream=stream))
            assert entry.geo == place
            await asked(direct, message("[[sim: out=100]]", system=SYSTEM, stream=stream))
        assert app.bill.total == plain.bill.total * Decimal("1.1")
        await assert_books_are_the_bill(engine, app)


async def test_older_models_keep_their_price_in_a_region() -> None:
    app = simulator(lifecycle=False)
    async with served_by(app, row(app, "vertex", region="europe-west1")) as engine:
        _, answer, entry = await asked(engine, message(model="claude-opus-4-1-20250805"))
        assert (answer["model"], entry.geo) == ("claude-opus-4-1-20250805", "regional")
        await assert_books_are_the_bill(engine, app)


@EVERY
async def test_tokens_end_and_are_renewed_without_a_call_noticing(provider: str) -> None:
    app = simulator()
    async with served_by(app, row(app, provider)) as engine:
        for _ in range(8):
            assert (await asked(engine, message()))[0] == 200
            app.config.clock.advance(1_200)  # type: ignore[attr-defined]
        assert tokens_of(app, provider).issued == 3  # in two hours and forty minutes
        tokens_of(app, provider).revoke()
        assert (await asked(engine, message()))[0] == 200
        assert tokens_of(app, provider).issued == 4
        await assert_books_are_the_bill(engine, app)


@EVERY
async def test_calls_that_come_together_ask_for_one_token(provider: str) -> None:
    app = simulator()
    async with served_by(app, row(app, provider)) as engine:
        found = await asyncio.gather(*(asked(engine, message(f"call {n}")) for n in range(12)))
        assert {status for status, _, _ in found} == {200}
        assert tokens_of(app, provider).issued == 1


@EVERY
async def test_without_a_token_nothing_is_sent_and_the_call_goes_elsewhere(provider: str) -> None:
    app = simulator()
    tokens_of(app, provider).fails = 3
    async with served_by(app, row(app, provider), failover={"on": False}) as engine:
        with pytest.raises(Unreachable, match=r"no access token from 127.0.0.1: 503.*the call was not sent"):
            await engine.messages(call_of(message(), headers=HEADERS | SDK))
        (entry,) = await engine.ledger.entries()
        assert (entry.outcome, entry.resolution, entry.posted(UPSTREAM), app.messages) == ("unreachable", "void", 0, 0)
    app = simulator()
    tokens_of(app, provider).fails = 100
    other = {"name": "anthropic", "provider": "anthropic", "url": "http://sim", "key": "sk-ant-sim-x-1", "order": 1}
    async with served_by(app, row(app, provider), other) as engine:
        status, _, entry = await asked(engine, message())
        assert (status, entry.upstream) == (200, "anthropic")
        assert {one.upstream: one.resolution for one in await engine.ledger.entries()} == {
            "anthropic": "post",
            provider: "void",
        }
        await assert_books_are_the_bill(engine, app)


@EVERY
async def test_an_anthropic_target_that_fails_is_replaced(provider: str) -> None:
    app, broken = simulator(), simulator(faults=Faults.parse({"overloaded": 1.0}))
    with serving(broken) as url:
        first = {"name": "anthropic", "provider": "anthropic", "url": url, "key": "sk-ant-sim-x-1"}
        with serving(app) as there:
            moved = {"url": row(app, provider)["url"].replace("http://sim", there), "order": 1}
            if provider == "foundry":
                moved["authority"] = LOGIN.replace("http://127.0.0.1", there)
            else:
                key = msgspec.json.decode(knowing(app)) | {"token_uri": f"{there}/oauth2.googleapis/token"}
                moved["credentials"] = msgspec.json.encode(key).decode()
            rows = (first, row(app, provider, project="p-1", **moved))
            async with engine_on(app, transport=Http1Transport(), targets=rows) as engine:
                status, _, entry = await asked(engine, message())
                assert (status, entry.upstream) == (200, provider)
                status, events, entry = await asked(engine, message(stream=True))
                assert (status, events.count(b"event: message_stop"), entry.upstream) == (200, 1, provider)
                await assert_books_are_the_bill(engine, app)


@pytest.mark.parametrize(
    ("provider", "faults", "expected"),
    [
        ("vertex", {"rate_limit": 1.0, "retry_after_s": 7}, (429, "rate_limit_error", "RESOURCE_EXHAUSTED: Quota exceeded")),
        ("foundry", {"rate_limit": 1.0, "retry_after_s": 7}, (429, "rate_limit_error", "RateLimitReached: Your requests")),
        ("google_cloud", {"rate_limit": 1.0, "retry_after_s": 7}, (429, "rate_limit_error", "Simulated rate limit")),
        ("vertex", {"overloaded": 1.0}, (529, "overloaded_error", "Overloaded")),
        ("foundry", {"internal_error": 1.0}, (500, "api_error", "Internal server error")),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
async def test_errors_of_a_cloud_are_told_as_claudes(
    provider: str, faults: dict[str, Any], expected: tuple[int, str, str], stream: bool
) -> None:
    status, kind, says = expected
    app = simulator(faults=Faults.parse(faults))
    tables = {"governor": {"on": False}, "failover": {"on": False}}
    async with served_by(app, row(app, provider), **tables) as engine:
        reply = await engine.messages(call_of(message(stream=stream), headers=HEADERS | SDK))
        error = msgspec.json.decode(await read_all(reply))["error"]
        assert (reply.status, error["type"]) == (status, kind)
        assert error["message"].startswith(says)
        if status == 429:
            assert told(reply.headers, "retry-after") == "7"


async def test_a_limit_at_one_cloud_sends_calls_to_the_other() -> None:
    app, free = simulator(limits=LimitRules(rpm=2)), simulator()
    with serving(app) as one, serving(free) as two:
        key = msgspec.json.decode(knowing(app)) | {"token_uri": f"{one}/oauth2.googleapis/token"}
        vertex = row(app, "vertex", url=f"{one}/aiplatform/v1", credentials=msgspec.json.encode(key).decode())
        foundry = row(free, "foundry", url=f"{two}/services.ai.azure/res/anthropic", order=1)
        foundry |= {"authority": f"{two}/login.microsoftonline"}
        async with engine_on(app, transport=Http1Transport(), targets=(vertex, foundry), governor={"on": False}) as engine:
            used = [(await asked(engine, message(f"call {n}")))[2].upstream for n in range(5)]
        assert used == ["vertex", "vertex", "foundry", "foundry", "foundry"]


async def test_what_a_cloud_cannot_take_goes_elsewhere_or_is_refused_unsent() -> None:
    app = simulator()
    rows = (row(app, "vertex"), row(app, "google_cloud", order=1))
    async with served_by(app, *rows) as engine:
        _, _, entry = await asked(engine, message(), **{"anthropic-beta": "files-api-2025-04-14"})
        assert entry.upstream == "google_cloud"
        _, _, entry = await asked(
            engine, message(), **{"anthropic-beta": "claude-code-20250219,prompt-caching-scope-2026-01-05"}
        )
        assert entry.upstream == "vertex"
        with pytest.raises(InputError, match=r"vertex: it takes no inference_geo; google_cloud: it takes no inference_geo"):
            await engine.messages(call_of(message(inference_geo="us")))
        with pytest.raises(UnknownPrice):
            await engine.messages(call_of(message(model="gpt-5")))


@pytest.mark.parametrize("region", ["global", "us"])
async def test_fast_mode_where_it_is_sold(region: str) -> None:
    app = simulator()
    rows = (row(app, "vertex", region=region), row(app, "foundry", order=1))
    async with served_by(app, *rows) as engine:
        for model, where in (("claude-fable-5-2", "vertex"), ("claude-opus-5-5", "foundry")):
            status, answer, entry = await asked(engine, message("[[sim: out=50]]", model=model, speed="fast"))
            assert (status, entry.upstream, entry.mode) == (200, where, "fast"), answer
        await assert_books_are_the_bill(engine, app)


async def test_a_deployment_is_priced_as_the_model_that_it_is() -> None:
    app = simulator()
    app.azure.deployments["my-opus"] = Deployment(MODEL)
    async with served_by(app, row(app, "foundry", models={MODEL: "my-opus"})) as engine:
        status, _, entry = await asked(engine, message())
        assert (status, entry.model) == (200, MODEL)
        await assert_books_are_the_bill(engine, app)


@pytest.mark.parametrize(("provider", "kind"), [("vertex", "not_found_error"), ("foundry", "not_found_error")])
async def test_a_model_that_is_not_there_is_told_and_looked_for_elsewhere(provider: str, kind: str) -> None:
    app = simulator()
    gone = row(app, provider, models={MODEL: "claude-nowhere-9"})
    async with served_by(app, gone) as engine:
        status, answer, _ = await asked(engine, message())
        assert (status, answer["error"]["type"]) == (404, kind)
    async with served_by(app, gone, row(app, "google_cloud", order=1)) as engine:
        _, _, entry = await asked(engine, message())
        assert entry.upstream == "google_cloud"


async def test_a_static_token_is_used_as_it_is() -> None:
    app = simulator()
    token = app.google.tokens.give("p-1", app.now())
    async with served_by(app, row(app, "vertex", credentials="", key=token, project="p-1")) as engine:
        assert (await asked(engine, message()))[0] == 200
        app.config.clock.advance(3_600)  # type: ignore[attr-defined]
        status, answer, _ = await asked(engine, message())
        assert (status, answer["error"]["type"]) == (401, "authentication_error")
        assert token not in str(answer)
