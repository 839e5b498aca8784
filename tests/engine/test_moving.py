"""Calls whose model was changed find a target that has it, or stay with the model that was asked for."""

from __future__ import annotations

from typing import Any

from tests.fixtures import HEADERS, MODEL, assert_sound, call_of, engine_on, message, read_all, simulator
from thriftgate.engine.engine import Engine
from thriftgate.simulator import Simulator

DEEP = "deepseek/deepseek-flash"
TARGET = {
    "name": "deep",
    "provider": "deepseek",
    "url": "http://sim/deepseek",
    "key": "k",
    "models": {DEEP: "deepseek-flash"},
}
EASY = HEADERS | {"thriftgate-task": "easy"}


def tables(*targets: dict[str, Any], to: str = DEEP) -> dict[str, Any]:
    return {
        "targets": list(targets),
        "policy": {"levers": ["cache.breakpoints", "route.rules"]},
        "routing": {"rules": [{"name": "cheap", "to": to, "task": "easy"}]},
    }


async def asked(engine: Engine, **members: Any) -> int:
    reply = await engine.messages(call_of(message("hello [[sim: out=30]]", **members), headers=EASY))
    await read_all(reply)
    return reply.status


async def told(engine: Engine) -> list[tuple[str, str, str]]:
    await assert_sound(engine.ledger)
    return sorted((entry.model, entry.asked_model, entry.provider) for entry in await engine.ledger.entries())


async def test_a_routed_call_goes_to_the_target_that_has_the_model() -> None:
    async with engine_on(simulator(), **tables(TARGET)) as engine:
        assert await asked(engine) == 200
        assert await told(engine) == [(DEEP, MODEL, "deepseek")]


async def test_without_a_target_the_model_that_was_asked_for_serves() -> None:
    async with engine_on(simulator(), **tables()) as engine:
        assert await asked(engine) == 200
        assert await told(engine) == [(MODEL, "", "anthropic")]
    async with engine_on(simulator(), **tables(), upstream={"api_key": "sk-ant-sim-x-1"}) as engine:
        assert await asked(engine) == 200
        assert await told(engine) == [(MODEL, "", "anthropic")]


async def test_what_cannot_be_carried_there_is_not_routed() -> None:
    document = {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "x"}}
    asks = [document, {"type": "text", "text": "hello [[sim: out=30]]"}]
    async with engine_on(simulator(), **tables(TARGET)) as engine:
        assert await asked(engine, messages=[{"role": "user", "content": asks}]) == 200
        assert await told(engine) == [(MODEL, "", "anthropic")]
        decisions = {one.lever: one.reason for one in (await engine.ledger.entries())[0].decisions}
        assert "it takes no document blocks" in decisions["route.rules"]


def broken(app: Simulator) -> Simulator:
    app.chat.balance = False
    return app


async def test_a_routed_call_that_fails_is_made_with_the_model_that_was_asked_for() -> None:
    async with engine_on(broken(simulator()), **tables(TARGET)) as engine:
        assert await asked(engine) == 200
        assert await told(engine) == [(MODEL, "", "anthropic"), (DEEP, MODEL, "deepseek")]
        served, failed = sorted(await engine.ledger.entries(), key=lambda entry: entry.model)
        assert (failed.outcome, failed.usage_source) == ("failed", "none")
        assert served.outcome == "answered"
