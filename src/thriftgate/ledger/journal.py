"""What was to be booked while the books could not be written, kept in a file of its own until they can
(`[ledger] on_loss = "journal"`).

The books are brought up to date from it in order, and before anything newer is written. What is in the books already is left
out, so a process that dies in between neither loses nor doubles a call.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from thriftgate.core.errors import LedgerError
from thriftgate.ledger.connection import Connection, Store
from thriftgate.ledger.entries import Entry, Hold
from thriftgate.ledger.sql_budgets import BudgetShelf
from thriftgate.ledger.sql_writing import Booking
from thriftgate.ledger.sqlite import transaction
from thriftgate.ledger.sqlite_file import SqliteFile, set_up
from thriftgate.logs import log

SLICE = 200
AGAIN_S = 3.0
"""How long nothing is tried after the books could not be written."""

_TABLE = "create table if not exists journal (seq integer primary key, kind text not null, thing blob not null)"
_KINDS: dict[str, type[Hold | Entry]] = {"hold": Hold, "entry": Entry}

Thing = Hold | Entry


class Journal:
    """For the books in `store`, in the file at `path`; to be used by one thread at a time. Raises LedgerError."""

    def __init__(
        self, path: str, store: Store, shelf: BudgetShelf, *, monotonic_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._path = path
        self._store = store
        self._shelf = shelf
        self._monotonic_s = monotonic_s
        self._again_s = 0.0
        self._troubles: tuple[type[Exception], ...] = (*store.unavailable, sqlite3.Error)
        self._file = SqliteFile(lambda: _opened(path))
        try:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            with self._file as file:
                self.waits = file.execute("select 1 from journal limit 1").fetchone() is not None
        except (sqlite3.Error, OSError) as error:
            raise LedgerError(f"ledger.journal: cannot open {path}: {error}") from None

    def put(self, things: Sequence[Thing]) -> None:
        """Keep them. Raises LedgerError."""
        rows = [("hold" if isinstance(one, Hold) else "entry", msgspec.msgpack.encode(one)) for one in things]
        try:
            with self._file as file, transaction(file):
                file.executemany("insert into journal (kind, thing) values (?, ?)", rows)
        except sqlite3.Error as error:
            raise LedgerError(f"neither the ledger nor its journal {self._path} can be written: {error}") from None
        if not self.waits:
            log.warning("the ledger cannot be written: calls are journaled, and no budget is checked", journal=self._path)
        self.waits = True

    def catch_up(self) -> bool:
        """Book what waits; whether nothing does any more. What is not tried yet again counts as waiting."""
        if self.waits and self._monotonic_s() >= self._again_s:
            try:
                booked = 0
                while some := self._book_some():
                    booked += some
            except self._troubles as error:
                self.failed()
                log.debug("the journal cannot be booked yet", error=type(error).__name__)
            else:
                self.waits = False
                log.info("the ledger is back: the journal is booked", written=booked)
        return not self.waits

    def failed(self) -> None:
        """The books could not be written just now."""
        self._again_s = self._monotonic_s() + AGAIN_S

    def close(self) -> None:
        self._file.close()

    def _book_some(self) -> int:
        """The next ones, in one transaction of the books; how many."""
        with self._file as file, transaction(file):  # one process at a time
            rows = file.execute("select seq, kind, thing from journal order by seq limit ?", (SLICE,)).fetchall()
            things = [msgspec.msgpack.decode(thing, type=_KINDS[kind]) for _, kind, thing in rows]
            if things:
                self._store.write(lambda connection: self._book(connection, things))
                file.execute("delete from journal where seq <= ?", (rows[-1][0],))
        return len(rows)

    def _book(self, connection: Connection, things: Sequence[Thing]) -> None:
        held, settled = (ids_in(connection, table, things) for table in ("holds", "entries"))
        booking = Booking(connection, self._shelf)
        for one in things:
            if isinstance(one, Hold):
                if one.id not in held and one.id not in settled:
                    booking.adopt(one)
            elif one.id not in settled:
                settled.add(one.id)
                booking.entry(one)
            else:
                log.warning("a journaled call stands in the books already", call=one.id)
        booking.write()


def _opened(path: str) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=10.0)
    return set_up(connection, "pragma journal_mode = wal", "pragma synchronous = full", _TABLE)


def ids_in(connection: Connection, table: str, things: Sequence[Thing]) -> set[str]:
    """Those of these calls that have a row in that table."""
    ids = msgspec.json.encode([one.id for one in things]).decode()
    found = connection.execute(
        f"select id from {table} where id in (select each.value from json_each(?) each)",  # noqa: S608  names of our own
        (ids,),
    )
    return {row[0] for row in found.fetchall()}
