"""Holds and entries on their way into the books: all that one transaction is to hold of them, and what goes with it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import msgspec

from thriftgate.core.control.budgets import Standing
from thriftgate.core.errors import LedgerError
from thriftgate.ledger import sql_rollups
from thriftgate.ledger.connection import Connection, upsert
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

UTF8_MOST, NAME_BYTES = 4, 256
"""All names of a cell together must stay below 2,704 bytes (postgresql.org/docs/current/btree.html, 2026-11)."""
_NAMED = ("model", "served_model", "asked_model", "provider", "mode", "geo", "task", "upstream", "endpoint")
_Booked = TypeVar("_Booked", Hold, Entry)
_KEEP = upsert("memories", ("name", "value"), ("name",))


def _within_bounds(thing: _Booked) -> _Booked:
    """With its names cut that have no end, such as one that a provider told: a database refuses keys that are too long."""
    long = {name: value for name in _NAMED if len(value := getattr(thing, name, "")) > NAME_BYTES // UTF8_MOST}
    cut = {name: value.encode(errors="ignore")[:NAME_BYTES].decode(errors="ignore") for name, value in long.items()}
    return msgspec.structs.replace(thing, **cut) if cut else thing


class Booking:
    """What is written in one transaction, which must be open: all rows of a table at once."""

    def __init__(self, connection: Connection, shelf: BudgetShelf) -> None:
        self._connection = connection
        self._till = Till(connection, shelf.read(connection))
        self._holds: list[Row] = []
        self._entries: list[Entry] = []
        self._memories: dict[str, bytes] = {}

    def expect(self, settled: Sequence[str]) -> None:
        """The ids of the entries to come, so that what their calls have taken is read at once."""
        self._till.expect(settled)

    def hold(self, hold: Hold) -> tuple[Standing, ...]:
        """Raises BudgetExceeded; then nothing of it is written."""
        hold = _within_bounds(hold)
        standings = self._till.take(hold)
        self._holds.append(hold_row(hold))
        return standings

    def adopt(self, hold: Hold) -> None:
        """A call that is under way already, whether any budget has room for it or not."""
        hold = _within_bounds(hold)
        self._till.adopt(hold)
        self._holds.append(hold_row(hold))

    def take_back(self, hold: Hold) -> None:
        """Undo a hold that was written, of a call that was never sent."""
        self._till.release(hold.id)
        self._connection.execute("delete from holds where id = ?", (hold.id,))

    def entry(self, entry: Entry) -> None:
        """Raises LedgerError for one that does not balance."""
        if entry.balance():
            raise LedgerError(f"entry {entry.id} does not balance: off by {entry.balance()} pico-USD")
        entry = _within_bounds(entry)
        self._till.settle(entry)
        self._entries.append(entry)

    def memory(self, name: str, value: bytes) -> None:
        self._memories[name] = value

    def write(self) -> None:
        """Raises the database's errors, such as for an id that is there already."""
        connection = self._connection
        connection.insert("holds", HOLD_COLUMNS, self._holds)
        connection.insert("entries", ENTRY_COLUMNS, [entry_row(entry) for entry in self._entries])
        connection.insert("postings", POSTING_COLUMNS, [row for entry in self._entries for row in posting_rows(entry)])
        for memory in self._memories.items():
            connection.execute(_KEEP, memory)
        self._till.write()
        sql_rollups.add(connection, self._entries)
