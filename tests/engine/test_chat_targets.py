"""Calls to servers that speak chat completions, through a real engine: what comes back, and that the books are the bill."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tests.fixtures import HEADERS, assert_sound, call_of, engine_on, message, read_all, simulator
from thriftgate.core.errors import UnknownPrice
from thriftgate.core.money import pico_from_usd
from thriftgate.engine.engine import Engine
from thriftgate.ledger.entries import UPSTREAM, Entry
from thriftgate.simulator import Simulator
from thriftgate.simulator.faults import Faults
from thriftgate.wire.whole_message import message_of

DEEP, SONNET = "deepseek/deepseek-flash", "claude-sonnet-4-6"
TOOL = {"name": "find", "input_schema": {"type": "object", "properties": {"q": {"type": "string"}}, "required": ["q"]}}
LONG = "A long instruction that never changes. " * 400
MARK = {"type": "ephemeral"}
HELLO = "hello [[sim: out=30]]"


def target(style: str, models: dict[str, str], **members: Any) -> dict[str, Any]:
    url = {"openrouter": "http://sim/openrouter/api/v1"}.get(style, f"http://sim/{style}")
    return {"name": style, "provider": style, "url": url, "key": "sk-sim-key", "models": models} | members


DEEPSEEK = target("deepseek", {DEEP: "deepseek-flash"})
CLAUDES = [
    target("openrouter", {SONNET: "anthropic/claude-sonnet-4.6"}),
    target("litellm", {SONNET: "anthropic/claude-sonnet-4-6"}),
]


async def asked(
    engine: Engine, text: Any = "hello [[sim: out=30]]", headers: dict[str, str] = HEADERS, **members: Any
) -> Any:
    """The message that comes of it, whether or not it is streamed."""
    reply = await engine.messages(call_of(message(text, **members), headers=headers))
    body = await read_all(reply)
    if members.get("stream") and reply.status == 200:
        body = message_of(body)
    return msgspec.json.decode(body) | {"status": reply.status}


async def booked(engine: Engine, app: Simulator) -> list[Entry]:
    """The entries, which come to what the servers charge."""
    await assert_sound(engine.ledger)
    entries = await engine.ledger.entries()
    assert -sum(entry.posted(UPSTREAM) for entry in entries) == pico_from_usd(str(app.bill.total))
    return list(entries)


@pytest.mark.parametrize("stream", [False, True])
async def test_prefixes_that_the_server_caches_are_booked_as_reads(stream: bool) -> None:
    app = simulator()
    async with engine_on(app, targets=[DEEPSEEK]) as engine:
        for _ in range(2):
            found = await asked(engine, LONG + "[[sim: out=30]]", model=DEEP, stream=stream)
            assert (found["status"], found["model"], found["usage"]["output_tokens"]) == (200, DEEP, 30)
        entries = await booked(engine, app)
        assert {entry.usage_source for entry in entries} == {"exact"}
        assert {entry.provider for entry in entries} == {"deepseek"}
        assert {entry.upstream_request_id.startswith("req_") for entry in entries} == {True}
        assert max(entry.usage.total.read for entry in entries) > 1_000
        assert not any(entry.posted("saved:cache.breakpoints") for entry in entries)


@pytest.mark.parametrize("stream", [False, True])
async def test_a_loop_of_tools(stream: bool) -> None:
    app = simulator()
    async with engine_on(app, targets=[DEEPSEEK]) as engine:
        text = 'look [[sim: tool=find input={"q": "a"}]] [[sim: tool=find input={"q": "b"}]]'
        body: dict[str, Any] = {"model": DEEP, "tools": [TOOL], "stream": stream, "thinking": {"type": "adaptive"}}
        found = await asked(engine, text, **body)
        calls = [block for block in found["content"] if block["type"] == "tool_use"]
        assert (found["stop_reason"], [one["input"] for one in calls]) == ("tool_use", [{"q": "a"}, {"q": "b"}])
        assert found["content"][0]["type"] == "thinking"
        results = [{"type": "tool_result", "tool_use_id": one["id"], "content": "found"} for one in calls]
        turns = [
            {"role": "user", "content": text},
            {"role": "assistant", "content": found["content"]},
            {"role": "user", "content": results},
        ]
        assert (await asked(engine, messages=turns, **body))["status"] == 200  # DeepSeek got back what it thought
        assert app.chat.asked[1]["messages"][:1] == app.chat.asked[0]["messages"]
        assert app.chat.asked[1]["messages"][1]["reasoning_content"]
        await booked(engine, app)


@pytest.mark.parametrize("row", CLAUDES, ids=lambda row: row["name"])
@pytest.mark.parametrize("stream", [False, True])
async def test_claude_behind_a_gateway_hears_marks_and_is_booked_by_them(row: dict[str, Any], stream: bool) -> None:
    app = simulator()
    async with engine_on(app, targets=[row], policy={"levers": ["cache.breakpoints"]}) as engine:
        system = [{"type": "text", "text": LONG, "cache_control": MARK}]
        for _ in range(3):
            assert (await asked(engine, model=SONNET, system=system, stream=stream))["status"] == 200
        entries = await booked(engine, app)
        assert sum(entry.usage.total.write_5m > 1_000 for entry in entries) == 1
        assert sum(entry.usage.total.read > 1_000 for entry in entries) == 2
        assert {entry.model for entry in entries} == {SONNET}


@pytest.mark.parametrize("row", CLAUDES, ids=lambda row: row["name"])
async def test_claudes_thinking_goes_back_with_its_signature(row: dict[str, Any]) -> None:
    app = simulator()
    async with engine_on(app, targets=[row]) as engine:
        body: dict[str, Any] = {"model": SONNET, "max_tokens": 4_000, "thinking": {"type": "adaptive"}, "tools": [TOOL]}
        text = 'think [[sim: think=60]] [[sim: tool=find input={"q": "a"}]]'
        found = await asked(engine, text, **body)
        thought, *_, call = found["content"]
        assert thought["type"] == "thinking"
        assert thought["signature"]
        turns = [
            {"role": "user", "content": text},
            {"role": "assistant", "content": found["content"]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": call["id"], "content": "x"}]},
        ]
        assert (await asked(engine, messages=turns, **body))["status"] == 200
        await booked(engine, app)


async def test_a_price_factor_holds() -> None:
    app = simulator()
    async with engine_on(
        app, targets=[target("openrouter", {SONNET: "anthropic/claude-sonnet-4.6"}, price_factor="1.05")]
    ) as e:
        await asked(e, model=SONNET)
        paid = -(await e.ledger.entries())[0].posted(UPSTREAM)
        assert paid == pico_from_usd(str(app.bill.total)) * 105 // 100


@pytest.mark.parametrize("stream", [False, True])
async def test_a_server_that_tells_no_usage_is_booked_by_estimate_and_never_as_free(stream: bool) -> None:
    app = simulator()
    app.chat.tells_usage = False
    async with engine_on(app, targets=[target("vllm", {DEEP: "deepseek-flash"})]) as engine:
        assert (await asked(engine, model=DEEP, stream=stream))["status"] == 200
        (entry,) = await engine.ledger.entries()
        await assert_sound(engine.ledger)
        assert (entry.usage_source, entry.outcome) == ("estimated", "answered")
        assert -entry.posted(UPSTREAM) >= pico_from_usd(str(app.bill.total)) > 0


BOTH: dict[str, Any] = {
    "targets": [target("openrouter", {SONNET: "anthropic/claude-sonnet-4.6"}, order=0)],
    "upstream": {"api_key": "sk-ant-sim-own-1"},
    "failover": {"upstream_order": 1},
}


@pytest.mark.parametrize("fault", ["overloaded", "internal_error", "rate_limit", "empty_body"])
async def test_a_call_that_fails_there_is_made_at_anthropics(fault: str) -> None:
    app = simulator()
    app.chat.faults = Faults(**{fault: 1.0})  # type: ignore[arg-type]
    async with engine_on(app, **BOTH) as engine:
        assert (await asked(engine, model=SONNET))["status"] == 200
        await assert_sound(engine.ledger)
        entries = sorted((one.provider, one.usage_source) for one in await engine.ledger.entries())
        billed = "estimated" if fault == "empty_body" else "none"
        assert entries == [("anthropic", "exact"), ("openrouter", billed)]


async def test_an_empty_balance_leaves_the_target_alone_at_once() -> None:
    app = simulator()
    app.chat.balance = False
    async with engine_on(app, **BOTH) as engine:
        for _ in range(3):
            assert (await asked(engine, model=SONNET))["status"] == 200
        entries = await booked(engine, app)
        assert sorted(entry.provider for entry in entries) == ["anthropic"] * 3 + ["openrouter"]
        assert [(one.target, one.kind) for one in engine.upstreams.left_alone()] == [("openrouter", "balance")]


@pytest.mark.parametrize("fault", ["cut_stream", "error_event"])
async def test_a_stream_that_breaks_off_is_told_and_booked_as_that(fault: str) -> None:
    app = simulator(faults=Faults(**{fault: 1.0}))  # type: ignore[arg-type]
    async with engine_on(app, targets=[DEEPSEEK]) as engine:
        reply = await engine.messages(call_of(message("hello [[sim: out=30]]", model=DEEP, stream=True)))
        events = await read_all(reply)
        assert (b"event: error" in events) is (fault == "error_event")
        assert b"message_stop" not in events
        (entry,) = await engine.ledger.entries()
        assert (entry.outcome, entry.usage_source) == ("cut", "estimated")
        assert entry.usage.total.input > 0
        assert -entry.posted(UPSTREAM) > 0


async def test_an_answer_of_nothing_is_no_free_answer() -> None:
    app = simulator(faults=Faults(empty_body=1.0))
    async with engine_on(app, targets=[DEEPSEEK], upstream={"retry": "never"}) as engine:
        with pytest.raises(Exception, match="no chat answer"):
            await asked(engine, model=DEEP)
        (entry,) = await engine.ledger.entries()
        assert entry.usage_source == "estimated"
        assert -entry.posted(UPSTREAM) > 0


async def test_a_routed_call_saves_against_the_model_that_was_asked_for() -> None:
    app = simulator()
    tables: dict[str, Any] = {
        "targets": [DEEPSEEK],
        "policy": {"levers": ["cache.breakpoints", "route.rules"]},
        "routing": {"rules": [{"name": "cheap", "to": DEEP, "task": "easy"}]},
    }
    async with engine_on(app, **tables) as engine:
        found = await asked(engine, headers=HEADERS | {"thriftgate-task": "easy"}, model="claude-opus-4-8")
        assert found["status"] == 200
        (entry,) = await booked(engine, app)
        assert (entry.model, entry.asked_model) == (DEEP, "claude-opus-4-8")
        used = entry.usage.total
        assert entry.choice is not None
        ratio = entry.choice.ratio
        opus = round(used.input * ratio) * 5_000_000 + round(used.output * ratio) * 25_000_000
        assert entry.posted("baseline") == opus
        assert entry.posted("saved:route.rules") == -(opus + entry.posted(UPSTREAM))


async def test_a_model_without_a_price_is_told_at_the_start_and_refused(
    capsys: pytest.CaptureFixture[str],
) -> None:
    app = simulator()
    async with engine_on(app, targets=[target("deepseek", {"deepseek/unheard-of": "deepseek-flash"})]) as engine:
        assert engine.upstreams.pool.foreign == {"deepseek/unheard-of"}
        with pytest.raises(UnknownPrice, match=r"prices\.models"):
            await asked(engine, model="deepseek/unheard-of")
    assert app.bill.calls == []
    assert "a target's model has no price" in capsys.readouterr().err


async def test_an_answer_may_be_as_long_as_the_vendor_says() -> None:
    app = simulator()
    async with engine_on(app, targets=[DEEPSEEK]) as engine:
        found = await asked(engine, model=DEEP, max_tokens=384_000)
    assert found["status"] == 200
