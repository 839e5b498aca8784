"""Budgets in SQLite: what the contract does not see."""

from __future__ import annotations

from pathlib import Path

from tests.contracts.check_budgets import DAY_US, NOW_US, budget_of, costing, stands, taking
from tests.contracts.check_budgets import Books as Both
from tests.sqlite_books import reader_of, writer_of
from thriftgate.ledger.sql import SqlLedger
from thriftgate.ledger.sql_budget_book import SqlBudgetBook
from thriftgate.ledger.sql_budgets import KEPT_WINDOWS, BudgetShelf


async def test_old_windows_are_forgotten_in_time() -> None:
    ledger = SqlLedger.open(":memory:")
    book = SqlBudgetBook(ledger)
    await book.put(budget_of("days", window="day"))
    await book.put(budget_of("rolling", window="rolling 1h"))
    for day in range(KEPT_WINDOWS + 20):
        hold = taking(f"id{day:04}", 0.01, at_us=NOW_US + day * DAY_US)
        await ledger.hold(hold)
        await ledger.settle(costing(hold, 0.01))
    assert KEPT_WINDOWS <= len(await book.past("bud_days")) <= KEPT_WINDOWS + 2
    assert len(await book.past("bud_rolling")) <= 2
    await ledger.close()


async def test_what_another_process_makes_counts_from_the_next_call_on(tmp_path: Path) -> None:
    path = tmp_path / "books.db"
    ledger, beside = SqlLedger.open(path), SqlLedger.open(path)
    assert await ledger.hold(taking("a")) == ()
    await SqlBudgetBook(beside).put(budget_of())
    assert len(await ledger.hold(taking("b"))) == 1
    assert await stands(Both(ledger, SqlBudgetBook(beside))) == {"all": (0, 2, 0)}
    await beside.settle(costing(taking("b"), 0.5))
    assert await stands(Both(ledger, SqlBudgetBook(ledger))) == {"all": (0.5, 1, 0)}
    await ledger.close()
    await beside.close()


async def test_without_budgets_nothing_is_asked_of_them() -> None:
    ledger = SqlLedger.open(":memory:")
    asked: list[str] = []
    await ledger.hold(taking("a"))
    writer_of(ledger).set_trace_callback(asked.append)
    await ledger.hold(taking("b"))
    await ledger.settle(costing(taking("a"), 1))
    assert not [one for one in asked if "from budgets" in one or "budget_slots" in one]
    assert sum("name = 'budgets'" in one for one in asked) == 2  # once in each transaction
    await ledger.close()


async def test_the_shelf_is_read_again_only_where_something_was_written(tmp_path: Path) -> None:
    ledger = SqlLedger.open(tmp_path / "books.db")
    beside = SqlLedger.open(tmp_path / "books.db")
    other = SqlBudgetBook(beside)
    shelf, asked = BudgetShelf(), list[str]()
    reader = reader_of(ledger)
    assert shelf.read(reader) == ()
    await other.put(budget_of("a"))
    reader.set_trace_callback(asked.append)
    for _ in range(3):
        assert [one.id for one in shelf.read(reader)] == ["bud_a"]
    assert sum("from budgets" in one for one in asked) == 1
    await other.put(budget_of("a", limit_pico=7))
    assert [one.limit_pico for one in shelf.read(reader)] == [7]
    assert sum("from budgets" in one for one in asked) == 2
    await beside.close()
    await ledger.close()
