"""Holds that killed processes left open."""

from __future__ import annotations

from pathlib import Path

from tests.fixtures import TestClock, engine_on
from thriftgate.engine.sweeping import SWEEP_S
from thriftgate.ledger.entries import Hold


def hold(process: str) -> Hold:
    return Hold(f"tg_{1:014x}{process}{1:04x}", 1, "key_a", "claude-opus-5-5", worst_pico=10**9, forecast_pico=10**8)


async def test_what_a_dead_process_held_is_booked_as_lost_and_what_this_one_holds_is_left(tmp_path: Path) -> None:
    async with engine_on(object(), ledger={"path": str(tmp_path / "books.db")}) as engine:
        mine, dead = hold(engine.worker_name), hold("deadbeef")
        await engine.ledger.hold(mine)
        await engine.ledger.hold(dead)
        assert await engine.sweeper.sweep() == 1
        entry = await engine.ledger.entry(dead.id)
        assert entry is not None
        assert (entry.outcome, entry.usage_source) == ("lost", "estimated")
        assert [one.id for one in await engine.ledger.open_holds()] == [mine.id]
        assert not engine.is_alive("deadbeef")


async def test_a_sweep_that_was_a_moment_ago_is_not_made_again() -> None:
    clock = TestClock()
    async with engine_on(object(), clock=clock) as engine:
        for number in range(3):
            await engine.ledger.hold(hold(f"dead{number:04x}"))
            engine.sweeper.soon()
            await engine.tasks.finish(2.0)
        assert len(await engine.ledger.open_holds()) == 2
        clock.advance(SWEEP_S)
        engine.sweeper.soon()
        await engine.tasks.finish(2.0)
        assert await engine.ledger.open_holds() == []
