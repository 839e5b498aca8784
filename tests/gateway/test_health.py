"""Liveness and readiness: what is asked, how often, and what is answered where something is wrong."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.fixtures import TestClock, engine_on, settings_of, simulator
from tests.scripted import Provider
from thriftgate.core.health.faults import Fault
from thriftgate.engine.engine import Engine
from thriftgate.gateway import health
from thriftgate.gateway.app import Gateway
from thriftgate.gateway.health import AGAIN_S, Health

KEYED = {"url": "http://upstream.invalid", "api_key": "sk-ant-sim-health-1"}
TWO = [{"name": "other", "provider": "anthropic", "url": "http://other.invalid", "key": "sk-ant-sim-health-2"}]


async def kill(engine: Engine, name: str, model: str = "") -> None:
    """As many failures as it takes for a target to be left alone."""
    fault = Fault("auth") if not model else Fault("model")
    engine.upstreams.failed(name, model or "claude-opus-5-5", fault, engine.clock.now_s())


async def test_all_is_well() -> None:
    async with engine_on(Provider()) as engine:
        found = await Health().readiness(engine)
    assert (found.status, found.reasons, found.ledger, found.draining, found.left_alone) == ("ready", (), "ok", False, {})


async def test_a_draining_gateway_is_not_ready() -> None:
    async with engine_on(Provider()) as engine:
        found = await Health().readiness(engine, draining=True)
    assert found.status == "not ready"
    assert found.reasons == ("the gateway is stopping",)
    assert found.ledger == "ok", "what is under way is still booked"


async def test_stopping_is_draining() -> None:
    async with engine_on(Provider()) as engine:
        gateway = Gateway(settings_of(), engine)
        gateway.stopping()
        assert gateway.rooms.draining.on


async def test_books_that_cannot_be_read_and_can_again(monkeypatch: pytest.MonkeyPatch) -> None:
    async with engine_on(simulator()) as engine:
        own = Health()
        assert isinstance(engine.clock, TestClock)
        await engine.ledger.close()
        found = await own.readiness(engine)
        assert found.status == "not ready"
        assert found.reasons[0].startswith("the books cannot be read: ")
        monkeypatch.setattr(engine.ledger, "entry", lambda _: asyncio.sleep(0))
        assert (await own.readiness(engine)).status == "not ready", "it is not asked again at once"
        engine.clock.advance(AGAIN_S)
        assert (await own.readiness(engine)).status == "ready"


async def test_books_that_never_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    async with engine_on(Provider()) as engine:
        monkeypatch.setattr(health, "LEDGER_S", 0.01)
        monkeypatch.setattr(engine.ledger, "entry", lambda _: asyncio.Event().wait())
        assert (await Health().readiness(engine)).ledger == "no answer within 0.01 s"


async def test_many_who_ask_are_one_question(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = 0

    async def entry(_: str) -> None:
        nonlocal asked
        asked += 1
        await asyncio.sleep(0)

    async with engine_on(Provider()) as engine:
        monkeypatch.setattr(engine.ledger, "entry", entry)
        own = Health()
        await asyncio.gather(*(own.readiness(engine) for _ in range(50)))
    assert asked == 1


async def test_no_target_that_can_be_used() -> None:
    async with engine_on(simulator(), upstream=KEYED) as engine:
        await kill(engine, engine.upstreams.first)
        own = Health()
        found = await own.readiness(engine)
        assert (found.status, found.reasons) == ("not ready", ("no target can be used now",))
        assert list(found.left_alone.values()) == ["auth"]
        assert (await own.readiness(engine, upstream=False)).status == "ready"


async def test_one_target_of_two_is_enough_and_so_are_the_other_models() -> None:
    async with engine_on(simulator(), upstream=KEYED, targets=TWO) as engine:
        await kill(engine, "other")
        found = await Health().readiness(engine)
        assert (found.status, found.left_alone) == ("ready", {"other": "auth"})
    async with engine_on(simulator(), upstream=KEYED) as engine:
        await kill(engine, engine.upstreams.first, model="claude-opus-5-5")
        assert (await Health().readiness(engine)).status == "ready"


async def test_it_is_ready_for_the_call_that_finds_out() -> None:
    """A gateway that no call comes to would never learn that its provider is back."""
    async with engine_on(simulator(), upstream=KEYED) as engine:
        assert isinstance(engine.clock, TestClock)
        await kill(engine, engine.upstreams.first)
        (left,) = engine.upstreams.left_alone()
        engine.clock.advance(left.until_s - engine.clock.now_s())
        assert engine.upstreams.left_alone(), "a probe has yet to get through"
        assert (await Health().readiness(engine)).status == "ready"


async def test_where_calls_are_journaled_the_gateway_is_ready_without_books(tmp_path: Path) -> None:
    async with engine_on(simulator(), ledger={"on_loss": "journal", "journal": str(tmp_path / "journal.db")}) as engine:
        await engine.ledger.close()
        found = await Health().readiness(engine)
        assert (found.status, found.reasons) == ("ready", ())
        assert found.ledger == "the ledger is closed"
