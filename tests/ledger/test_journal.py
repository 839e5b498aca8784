"""What is booked later, because the books could not be written."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contracts.check_budgets import budget_of, taking
from tests.contracts.check_ledger import entry_of, hold_of
from tests.postgres_books import fresh_books, server
from tests.relay import Relay, relay_to
from thriftgate.core.errors import LedgerError
from thriftgate.ledger import journal as module
from thriftgate.ledger.sql import SqlLedger
from thriftgate.ledger.sql_budget_book import SqlBudgetBook

PATIENCE_S = 30.0


@pytest.fixture
def relay(monkeypatch: pytest.MonkeyPatch) -> Iterator[Relay]:
    monkeypatch.setattr(module, "AGAIN_S", 0.2)
    monkeypatch.setattr("thriftgate.ledger.sql.AGAIN_S", 0.2)
    with relay_to(server().port) as made:
        yield made


def through(relay: Relay, url: str) -> str:
    return url.replace(f":{server().port}/", f":{relay.port}/")


async def booked(ledger: SqlLedger, ids: set[str]) -> None:
    """Once the books have these."""
    for _ in range(int(PATIENCE_S / 0.1)):
        found = {entry.id for entry in await ledger.entries()}
        if found == ids:
            return
        await asyncio.sleep(0.1)
    raise AssertionError(found)


async def test_calls_go_on_while_the_server_is_away_and_are_booked_once_it_is_back(relay: Relay, tmp_path: Path) -> None:
    url = fresh_books()
    ledger = SqlLedger.open(through(relay, url), journal=str(tmp_path / "journal.db"))
    direct = SqlLedger.open(url)
    await SqlBudgetBook(direct).put(budget_of(limit_pico=3 * 10**12))
    await ledger.hold(taking("before", 1))
    relay.cut()
    assert await ledger.hold(taking("during", 1)) == ()
    assert await ledger.hold(taking("open", 1)) == ()
    assert await ledger.hold(taking("beyond", 1)) == ()  # no budget is checked now, and that is what the setting says
    await asyncio.gather(*(ledger.settle(entry_of(one)) for one in ("before", "during")))
    assert ledger.counters.calls == {"answered": 2}
    relay.mend()
    await booked(direct, {"before", "during"})
    assert {hold.id for hold in await direct.open_holds()} == {"open", "beyond"}
    (standing,) = await SqlBudgetBook(direct).standings(taking("x", 1).opened_us)
    assert standing.held_pico == 2 * 10**12
    await ledger.settle(entry_of("open"))
    await booked(direct, {"before", "during", "open"})
    await ledger.close()
    await direct.close()


async def test_what_a_process_left_is_booked_by_the_next_and_nothing_twice(tmp_path: Path) -> None:
    path, journal = tmp_path / "books.db", str(tmp_path / "journal.db")
    first = SqlLedger.open(path, journal=journal)
    await first.settle(entry_of("there"))
    assert first._journal is not None
    first._journal.put([hold_of("there"), entry_of("there"), hold_of("a"), entry_of("a"), hold_of("b")])
    first._journal.put([entry_of("a")])
    await first.close()
    again = SqlLedger.open(path, journal=journal)
    await again.settle(entry_of("c"))
    assert [entry.id for entry in await again.entries()] == ["a", "c", "there"]
    assert [hold.id for hold in await again.open_holds()] == ["b"]
    assert not await again.unbalanced()
    await again.close()
    with sqlite3.connect(journal) as file:
        assert file.execute("select count(*) from journal").fetchone() == (0,)
    file.close()


async def test_where_neither_can_be_written_calls_are_refused(relay: Relay, tmp_path: Path) -> None:
    ledger = SqlLedger.open(through(relay, fresh_books()), journal=str(tmp_path / "journal.db"))
    assert ledger._journal is not None
    with ledger._journal._file as file:
        file.execute("pragma query_only = on")
    relay.cut()
    with pytest.raises(LedgerError, match="neither the ledger nor its journal"):
        await ledger.hold(hold_of("a"))
    await ledger.close()


async def test_without_a_journal_calls_are_refused(relay: Relay, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("thriftgate.ledger.sql.PATIENCE_S", 0.5)
    ledger = SqlLedger.open(through(relay, fresh_books()))
    relay.cut()
    with pytest.raises(LedgerError, match="cannot write the ledger"):
        await ledger.hold(hold_of("a"))
    relay.mend()
    await ledger.hold(hold_of("a"))
    await ledger.close()


def test_a_journal_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(LedgerError, match=r"ledger\.journal: cannot open"):
        SqlLedger.open(tmp_path / "books.db", journal=str(tmp_path / "folder"))
