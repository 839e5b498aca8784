"""Several processes on the same books: whose calls are lost, whose are under way, who keeps what was learned."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.fixtures import MODEL, TestClock, assert_sound, call_of, engine_on, message, settings_of, simulator, until
from tests.scripted import MESSAGE, Provider, Say
from thriftgate.core.control.budgets import Budget
from thriftgate.core.errors import BudgetExceeded, LedgerError
from thriftgate.engine import leading
from thriftgate.engine.build import build_engine
from thriftgate.engine.keeping import KEEP_EVERY_S
from thriftgate.ledger.entries import Hold
from thriftgate.ledger.liveness import process_of
from thriftgate.ledger.sql import SqlLedger
from thriftgate.ledger.sql_budget_book import SqlBudgetBook
from thriftgate.providers.asgi_transport import AsgiTransport

ALIVE = """
import sys
from thriftgate.ledger.liveness import Liveness
liveness = Liveness(sys.argv[1], sys.argv[2])
print("alive", flush=True)
sys.stdin.read()
"""


def id_of(process: str, number: int) -> str:
    """An id as a process of that name gives it."""
    return f"tg_{number:014x}{process}{number:04x}"


def hold_of(hold_id: str, batch: str = "") -> Hold:
    return Hold(hold_id, 1000, "key_a", MODEL, worst_pico=900, forecast_pico=70, batch=batch)


async def test_money_that_a_killed_process_holds_is_freed_while_others_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At once where a call needs it, sooner than the one that leads looks by itself."""
    monkeypatch.setattr(leading, "EVERY_S", 3600.0)
    path = str(tmp_path / "books.db")
    async with engine_on(simulator(), ledger={"path": path}) as engine:
        ledger = engine.ledger
        assert isinstance(ledger, SqlLedger)
        await SqlBudgetBook(ledger).put(Budget("bud_1", "all", 2 * 10**10, window="total", stages=()))
        await ledger.hold(replace(hold_of(id_of("bbbbbbbb", 1)), worst_pico=19 * 10**9))
        with pytest.raises(BudgetExceeded, match="is held by calls under way"):
            await engine.messages(call_of(message(max_tokens=400)))

        async def freed() -> bool:
            return not await ledger.open_holds()

        await until(freed)
        (standing,) = await SqlBudgetBook(ledger).standings(10**15)
        assert (standing.held_pico, standing.doubt_pico) == (0, 19 * 10**9 - 70)
        assert [entry.outcome for entry in await ledger.entries()] == ["lost", "refused"]


async def test_what_waits_for_a_batch_or_belongs_to_a_living_process_is_left_open(tmp_path: Path) -> None:
    """A worker is killed: only then are its calls lost, and what it had put into batches waits on."""
    path = str(tmp_path / "books.db")
    ledger = SqlLedger.open(path)
    theirs, batched, old = (
        hold_of(id_of("bbbbbbbb", 1)),
        hold_of(id_of("bbbbbbbb", 2), "tgb_1"),
        hold_of(id_of("cccccccc", 3)),
    )
    orphan = hold_of(id_of("cccccccc", 4), "tgb_2")
    for hold in (theirs, batched, old, orphan):
        await ledger.hold(hold)
    await ledger.close()
    process = subprocess.Popen(
        [sys.executable, "-c", ALIVE, path, "bbbbbbbb"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stdout.readline() == "alive\n"
    async with engine_on(Provider(), ledger={"path": path}) as engine:
        assert engine.is_alive("bbbbbbbb")
        assert not engine.is_alive("cccccccc")
        assert await engine.ledger.open_holds() == [theirs, batched, orphan]
        assert [entry.id for entry in await engine.ledger.entries()] == [old.id]
        assert await engine.recover() == 0
        os.kill(process.pid, signal.SIGKILL)
        process.wait(timeout=20)
        assert not engine.is_alive("bbbbbbbb")
        assert await engine.recover() == 1
        assert await engine.ledger.open_holds() == [batched, orphan]
        assert await engine.ledger.unbalanced() == []
    process.stdin.close()
    process.stdout.close()


async def test_a_call_that_is_settled_while_others_look_is_not_lost(tmp_path: Path) -> None:
    """Two that start at once after a crash: each call it left is booked once, and both start."""
    path = str(tmp_path / "books.db")
    ledger = SqlLedger.open(path)
    for number in range(20):
        await ledger.hold(hold_of(id_of("dddddddd", number)))
    await ledger.close()
    settings = settings_of(ledger={"path": path})  # the books have no salt yet, either
    engines = await asyncio.gather(
        *(build_engine(settings, transport=AsgiTransport(Provider()), beside=beside) for beside in (False, True, True))
    )
    assert len(await engines[0].ledger.entries()) == 20
    assert len({engine.key_of("sk-one") for engine in engines}) == 1
    await assert_sound(engines[0].ledger)
    for engine in engines:
        await engine.close()


async def test_a_worker_may_make_calls_beside_a_gateway(tmp_path: Path) -> None:
    """Whichever starts first; neither takes the other's calls for lost, and no two gateways serve."""
    settings = settings_of(ledger={"path": str(tmp_path / "books.db")})
    going = Say([asyncio.Event(), MESSAGE])
    worker = await build_engine(settings, transport=AsgiTransport(Provider(going)), beside=True)
    under_way = asyncio.ensure_future(worker.messages(call_of(message())))
    while not await worker.ledger.open_holds():
        await asyncio.sleep(0.001)
    gateway = await build_engine(settings, transport=AsgiTransport(Provider()))
    assert worker.worker_name != gateway.worker_name
    assert worker.is_alive(gateway.worker_name)
    assert gateway.is_alive(worker.worker_name)
    assert not gateway.is_alive(gateway.worker_name)
    with pytest.raises(LedgerError, match="in use by another thriftgate"):
        await build_engine(settings, transport=AsgiTransport(Provider()))
    assert len(await gateway.ledger.open_holds()) == 1
    wait = going.pieces[0]
    assert isinstance(wait, asyncio.Event)
    wait.set()
    assert (await under_way).status == 200
    await gateway.messages(call_of(message("another")))
    assert [entry.outcome for entry in await gateway.ledger.entries()] == ["answered", "answered"]
    assert gateway.key_of("sk-one") == worker.key_of("sk-one")
    await gateway.close()
    assert not worker.is_alive(gateway.worker_name)
    await worker.close()
    assert not list(tmp_path.glob("*-live-*"))


async def test_a_worker_keeps_no_memories(tmp_path: Path) -> None:
    """It has what the gateway learned, and leaves it as it is."""
    settings = settings_of(ledger={"path": str(tmp_path / "books.db")})
    body = message("word " * 3_000)
    kept: list[dict[str, bytes | None]] = []
    for beside in (False, True, True):
        clock = TestClock()
        engine = await build_engine(settings, transport=AsgiTransport(simulator()), clock=clock, beside=beside)
        call = call_of(body)
        snapshot = engine.knowledge.snapshot(call.dialect.parse(call.body), engine.key_of(call.credential), clock.now_s())
        assert bool(snapshot.state.residency) is bool(kept and kept[0])
        for _ in range(2):
            assert (await engine.messages(call_of(body))).status == 200
            clock.advance(KEEP_EVERY_S + 1)
        await engine.close()
        ledger = SqlLedger.open(tmp_path / "books.db")
        kept.append({name: await ledger.kept(name) for name in engine.knowledge.memories})
        await ledger.close()
    assert any(kept[0].values())
    assert kept[0] == kept[1] == kept[2]


async def test_books_in_memory_are_one_process_own() -> None:
    async with engine_on(Provider()) as engine:
        assert len(engine.worker_name) == 8
        assert process_of(engine.new_id()) == engine.worker_name
        assert not engine.is_alive("bbbbbbbb")


async def test_who_leads_frees_what_a_killed_process_holds_by_itself(tmp_path: Path) -> None:
    async with engine_on(simulator(), ledger={"path": str(tmp_path / "books.db")}) as engine:
        await engine.ledger.hold(hold_of(id_of("bbbbbbbb", 1)))

        async def freed() -> bool:
            return not await engine.ledger.open_holds()

        await until(freed)
        assert [entry.outcome for entry in await engine.ledger.entries()] == ["lost"]
