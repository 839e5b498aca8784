"""What was learned is there again after a restart; what cannot be read is left aside."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fixtures import TestClock, call_of, engine_on, message, simulator
from thriftgate.engine.keeping import KEEP_EVERY_S, Keeper
from thriftgate.engine.tasks import Tasks
from thriftgate.ledger.sql import SqlLedger


class Word:
    """Something learned."""

    def __init__(self, value: bytes = b"") -> None:
        self.value = value

    def kept(self) -> bytes:
        return self.value

    def restore(self, data: bytes) -> None:
        if data == b"garbage":
            raise ValueError("garbage")
        self.value = data


async def test_what_is_kept_comes_back(tmp_path: Path) -> None:
    ledger = SqlLedger.open(tmp_path / "books.db")
    keeper = Keeper({"one": Word(b"1"), "two": Word(b"garbage")}, ledger, TestClock(), Tasks())
    await keeper.keep()
    one, two, three = Word(), Word(b"as it was"), Word(b"as it was")
    await Keeper({"one": one, "two": two, "three": three}, ledger, TestClock(), Tasks()).restore()
    assert (one.value, two.value, three.value) == (b"1", b"as it was", b"as it was")
    await ledger.close()


async def test_it_is_kept_every_few_minutes(tmp_path: Path) -> None:
    ledger = SqlLedger.open(tmp_path / "books.db")
    clock, tasks = TestClock(), Tasks()
    keeper = Keeper({"one": Word(b"1")}, ledger, clock, tasks)
    clock.advance(KEEP_EVERY_S - 1)
    keeper.keep_if_due()
    await tasks.finish(1.0)
    assert await ledger.kept("one") is None
    clock.advance(1)
    keeper.keep_if_due()
    await tasks.finish(1.0)
    assert await ledger.kept("one") == b"1"
    await ledger.close()


async def test_a_closed_ledger_is_no_reason_to_fail(tmp_path: Path) -> None:
    ledger = SqlLedger.open(tmp_path / "books.db")
    await ledger.close()
    await Keeper({"one": Word(b"1")}, ledger, TestClock(), Tasks()).keep()


@pytest.mark.parametrize("restarts", [False, True])
async def test_an_engine_that_is_started_again_knows_what_it_knew(tmp_path: Path, restarts: bool) -> None:
    """The entry written before the restart is counted on after it, and so is what was learned of the prompts."""
    app = simulator()
    body = message("word " * 3_000)
    path = str(tmp_path / ("kept.db" if restarts else "other.db"))
    async with engine_on(app, ledger={"path": path}) as engine:
        for _ in range(3):
            await engine.messages(call_of(body))
    after = path if restarts else str(tmp_path / "empty.db")
    async with engine_on(app, ledger={"path": after}) as engine:
        snapshot = engine.knowledge.snapshot(
            call_of(body).dialect.parse(call_of(body).body), engine.key_of(call_of(body).credential), engine.clock.now_s()
        )
        assert bool(snapshot.state.residency) is restarts
        assert (snapshot.state.outlook.seen_at is not None) is restarts


async def test_one_that_is_added_later_takes_up_what_was_kept_of_it(tmp_path: Path) -> None:
    ledger = SqlLedger.open(tmp_path / "books.db")
    await Keeper({"one": Word(b"1"), "late": Word(b"2"), "bad": Word(b"garbage")}, ledger, TestClock(), Tasks()).keep()
    keeper = Keeper({"one": Word(b"new")}, ledger, TestClock(), Tasks())
    late, bad, never = Word(), Word(b"as it was"), Word(b"as it was")
    await keeper.add("late", late)
    await keeper.add("bad", bad)
    await keeper.add("never", never)
    assert (late.value, bad.value, never.value) == (b"2", b"as it was", b"as it was")
    late.value = b"3"
    await keeper.keep()
    assert [await ledger.kept(name) for name in ("one", "late", "bad")] == [b"new", b"3", b"as it was"]
    await ledger.close()
