"""Holds and entries on their way into a SQLite file: all that one transaction is to hold of them, and what goes with it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import lru_cache

from thriftgate.core.control.budgets import Standing
from thriftgate.core.errors import LedgerError
from thriftgate.ledger import sql_rollups
from thriftgate.ledger.entries import Entry, Hold
from thriftgate.ledger.rows import (
    ENTRY_COLUMNS,
    HOLD_COLUMNS,
    POSTING_COLUMNS,
    Row,
    entry_row,
    hold_row,
    posting_rows,
)
from thriftgate.ledger.sql_budgets import BudgetShelf, Till

ROWS_PER_STATEMENT = 64  # × 51 columns stays far under SQLite's 32,766 parameters (sqlite.org/limits.html, 2026-08)

_COLUMNS = {
    "holds": HOLD_COLUMNS,
    "entries": ENTRY_COLUMNS,
    "postings": POSTING_COLUMNS,
    "memories": ("name", "value"),
}


class Booking:
    """What is written in one transaction, which must be open. Each table gets one multi-row statement, because sqlite3 lets
    go of the interpreter lock once per step and a busy event loop hands it back slowly."""

    def __init__(self, connection: sqlite3.Connection, shelf: BudgetShelf) -> None:
        self._connection = connection
        self._till = Till(connection, shelf.read(connection))
        self._rows: list[tuple[str, Row]] = []
        self._entries: list[Entry] = []

    def hold(self, hold: Hold) -> tuple[Standing, ...]:
        """Raises BudgetExceeded; then nothing of it is written."""
        standings = self._till.take(hold)
        self._rows.append(("holds", hold_row(hold)))
        return standings

    def entry(self, entry: Entry) -> None:
        """Raises LedgerError for one that does not balance."""
        if entry.balance():
            raise LedgerError(f"entry {entry.id} does not balance: off by {entry.balance()} pico-USD")
        self._till.settle(entry)
        self._entries.append(entry)
        self._rows.append(("entries", entry_row(entry)))
        self._rows += [("postings", row) for row in posting_rows(entry)]

    def memory(self, name: str, value: bytes) -> None:
        self._rows.append(("memories", (name, value)))

    def write(self) -> None:
        """Raises sqlite3's errors, such as for an id that is there already."""
        _insert_rows(self._connection, self._rows)
        self._till.write()
        sql_rollups.add(self._connection, self._entries)


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All of it or nothing."""
    connection.execute("begin immediate")
    try:
        yield
        connection.execute("commit")
    except BaseException:
        if connection.in_transaction:
            connection.execute("rollback")
        raise


def _insert_rows(connection: sqlite3.Connection, rows: Iterable[tuple[str, Row]]) -> None:
    tables: dict[str, list[Row]] = {}
    for table, row in rows:
        tables.setdefault(table, []).append(row)
    for table in _COLUMNS:
        for at in range(0, len(tables.get(table, ())), ROWS_PER_STATEMENT):
            some = tables[table][at : at + ROWS_PER_STATEMENT]
            connection.execute(_insert(table, len(some)), [value for row in some for value in row])


@lru_cache(maxsize=512)
def _insert(table: str, rows: int) -> str:
    columns = _COLUMNS[table]
    one = f"({', '.join('?' * len(columns))})"
    verb = "insert or replace" if table == "memories" else "insert"
    return f"{verb} into {table} ({', '.join(columns)}) values {', '.join([one] * rows)}"
