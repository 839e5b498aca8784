"""Holds and entries on their way into the books."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

import pytest

from tests.contracts.check_ledger import entry_of, hold_of
from thriftgate.core.errors import LedgerError
from thriftgate.ledger.entries import BASELINE, Posting
from thriftgate.ledger.rows import ENTRY_COLUMNS
from thriftgate.ledger.sql_budgets import BudgetShelf
from thriftgate.ledger.sql_writing import Booking
from thriftgate.ledger.sqlite import VALUES_PER_STATEMENT, SqliteConnection, migrate, transaction

CALLS = 2 * (VALUES_PER_STATEMENT // len(ENTRY_COLUMNS))


@pytest.fixture
def connection() -> Iterator[SqliteConnection]:
    made = sqlite3.connect(":memory:", isolation_level=None, factory=SqliteConnection)
    migrate(made)
    yield made
    made.close()


def count(connection: SqliteConnection, table: str) -> int:
    found: int = connection.execute(f"select count(*) from {table}").fetchone()[0]
    return found


def test_each_table_is_written_by_few_statements(connection: SqliteConnection) -> None:
    asked: list[str] = []
    with transaction(connection):
        booking = Booking(connection, BudgetShelf())
        for number in range(CALLS):
            booking.hold(hold_of(f"id{number}"))
            booking.entry(entry_of(f"id{number}"))
        booking.memory("a", b"b")
        connection.set_trace_callback(asked.append)
        booking.write()
    written = [one for one in asked if one.startswith("insert")]
    assert sum("into rollup_" not in one for one in written) == 1 + 2 + 1 + 1  # entries have the most columns
    assert sum("into rollup_" in one for one in written) == 2 + 4  # the names of one kind of call, and their sums
    assert (count(connection, "holds"), count(connection, "entries"), count(connection, "memories")) == (CALLS, CALLS, 1)


def test_all_of_it_or_nothing(connection: SqliteConnection) -> None:
    def twice() -> None:
        with transaction(connection):
            booking = Booking(connection, BudgetShelf())
            booking.entry(entry_of("a"))
            booking.entry(entry_of("a"))
            booking.write()

    with pytest.raises(sqlite3.IntegrityError):
        twice()
    assert not connection.in_transaction
    assert count(connection, "entries") == 0


def test_what_does_not_balance_is_not_written(connection: SqliteConnection) -> None:
    with transaction(connection):
        booking = Booking(connection, BudgetShelf())
        with pytest.raises(LedgerError, match="off by 3"):
            booking.entry(entry_of("a", postings=(Posting(BASELINE, 3),)))
        booking.write()
    assert count(connection, "entries") == 0
