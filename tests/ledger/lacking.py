"""Calls that roll-ups which came later do not know of, and how they come to."""

from __future__ import annotations

from thriftgate.ledger.connection import Connection
from thriftgate.ledger.entries import Entry
from thriftgate.ledger.sql import SqlLedger
from thriftgate.ledger.sql_budgets import BudgetShelf
from thriftgate.ledger.sql_filling import Filling
from thriftgate.ledger.sql_lacking import FILLED
from thriftgate.ledger.sql_writing import Booking


class _VersionBefore:
    """A connection to whose process that table is not known."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def __getattr__(self, name: str) -> object:
        return getattr(self._connection, name)

    def add_to(self, table: str, *rest: object) -> None:
        if table != FILLED:
            self._connection.add_to(table, *rest)  # type: ignore[arg-type]


async def settled_by_the_version_before(ledger: SqlLedger, *entries: Entry) -> None:
    """Together, in one transaction."""

    def work(connection: Connection) -> None:
        booking = Booking(_VersionBefore(connection), BudgetShelf())  # type: ignore[arg-type]
        for entry in entries:
            booking.entry(entry)
        booking.write()

    await ledger.transact(work)


async def fill(ledger: SqlLedger) -> int:
    """One round: how many days it was."""
    filling, days = Filling(ledger), 0
    while await filling.step():
        days += 1
    return days
