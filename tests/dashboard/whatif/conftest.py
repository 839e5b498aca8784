"""Real traffic with trails: a conversation and single calls through the engine to the simulator."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.fixtures import TestClock, call_of, engine_on, message, read_all, simulator
from thriftgate.core.plan import Policy
from thriftgate.dashboard.whatif.replayed import Known
from thriftgate.pricing.load import load_book, load_models
from thriftgate.simulator import SimClock

HANDBOOK = "Answer briefly, and only from what the customer has told you. " * 120
CALLS = 14


@pytest.fixture(scope="session")
def known() -> Known:
    return Known(load_book(), load_models(), Policy())


@pytest.fixture(scope="session")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("traffic") / "ledger.db"
    asyncio.run(_record(path))
    return path


async def _record(path: Path) -> None:
    provider = simulator(clock=SimClock.frozen())
    assert isinstance(provider.config.clock, SimClock)
    clock = TestClock(provider.config.clock)
    async with engine_on(provider, clock=clock, ledger={"path": str(path)}) as engine:
        turns: list[dict[str, Any]] = []
        for at in range(8):
            turns.append({"role": "user", "content": f"question {at}"})
            body = message(model="claude-opus-5-5", system=HANDBOOK) | {"messages": list(turns)}
            await read_all(await engine.messages(call_of(body)))
            turns.append({"role": "assistant", "content": f"answer {at}"})
            clock.advance(20)
        for at in range(CALLS - 8):
            await read_all(await engine.messages(call_of(message(f"what of {at}?", model="claude-haiku-5-5"))))
            clock.advance(5)
