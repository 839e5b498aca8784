"""What was refused while the books could not be written is booked once they can; what was held in vain is given back."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.contracts.check_ledger import entry_of
from tests.fixtures import until
from tests.sqlite_books import store_of, writer_of
from thriftgate.core.control.budgets import Budget
from thriftgate.core.errors import LedgerError
from thriftgate.ledger import owed, sql
from thriftgate.ledger.entries import Hold
from thriftgate.ledger.owed import Owed
from thriftgate.ledger.sql import SqlLedger
from thriftgate.ledger.sql_budget_book import SqlBudgetBook

HOLD = Hold("a", 1000, "key_a", "claude-opus-4-8", worst_pico=900, forecast_pico=70)


def shut(ledger: SqlLedger, *, after: bool = False) -> None:
    """Fail the next write; `after` it is committed."""
    store = store_of(ledger)
    write = store.write

    def failing(work):  # type: ignore[no-untyped-def]
        del store.write
        if after:
            write(work)
        raise store.unavailable[0]("away")

    store.write = failing  # type: ignore[method-assign]


async def test_a_refused_entry_is_booked_once_and_told_of(tmp_path: Path) -> None:
    ledger = SqlLedger.open(tmp_path / "books.db")
    heard: list[str] = []
    ledger.heard.append(lambda entry: heard.append(entry.id))
    await ledger.hold(HOLD)
    for after in (False, True):
        shut(ledger, after=after)
        with pytest.raises(LedgerError, match="away"):
            await ledger.settle(entry_of("b" if after else "a"))
    await ledger.keep("anything", b"")
    assert [entry.id for entry in await ledger.entries()] == ["a", "b"]
    assert not await ledger.open_holds()
    assert heard == ["a", "b"]
    await ledger.close()


async def test_it_needs_no_other_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sql, "AGAIN_S", 0.01)
    ledger = SqlLedger.open(tmp_path / "books.db")
    shut(ledger)
    with pytest.raises(LedgerError):
        await ledger.settle(entry_of("a"))

    async def booked() -> bool:
        return await ledger.entry("a") is not None

    await until(booked)
    await ledger.close()


async def test_a_hold_whose_commit_was_not_answered_is_given_back(tmp_path: Path) -> None:
    ledger = SqlLedger.open(tmp_path / "books.db")
    book = SqlBudgetBook(ledger)
    await book.put(Budget("b1", "all", 1000, window="total"))
    shut(ledger, after=True)
    with pytest.raises(LedgerError):
        await ledger.hold(HOLD)
    assert [one.held_pico for one in await book.standings(2000)] == [900]
    await ledger.keep("anything", b"")
    assert not await ledger.open_holds()
    assert [one.held_pico for one in await book.standings(2000)] == [0]
    await ledger.close()


async def test_one_that_can_never_be_booked_keeps_no_other_from_it(tmp_path: Path) -> None:
    ledger = SqlLedger.open(tmp_path / "books.db")
    kept = Owed(ledger.store, ledger.shelf)
    loop = asyncio.get_running_loop()
    kept.add(entry_of("bad", status=2**70), loop)
    kept.add(entry_of("good"), loop)
    assert [entry.id for entry, _ in kept.pay()] == ["good"]
    assert not kept
    await ledger.close()


async def test_no_more_is_kept_than_memory_has_room_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(owed, "KEPT_MAX", 1)
    ledger = SqlLedger.open(tmp_path / "books.db")
    writer_of(ledger).execute("pragma query_only = on")
    for name in ("a", "b"):
        with pytest.raises(LedgerError):
            await ledger.settle(entry_of(name))
    writer_of(ledger).execute("pragma query_only = off")
    await ledger.close()  # a last try
    again = SqlLedger.open(tmp_path / "books.db")
    assert [entry.id for entry in await again.entries()] == ["a"]
    await again.close()
