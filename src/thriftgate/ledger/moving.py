"""Whole books copied into another database (`thriftgate migrate`): every table there is, slice by slice, from one state of
the source.

Rows of calls are committed as they come, so what was interrupted goes on where it was: rows that are there and equal are
left alone. All other tables are small and change: they are replaced together, in one transaction, at the end. Books that
have something of their own are not written to.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from thriftgate.core.errors import LedgerError
from thriftgate.ledger.connection import Connection, Store, upsert
from thriftgate.ledger.heartbeats import BEAT_S
from thriftgate.ledger.partitions import KEYS, make_month, month_of
from thriftgate.ledger.partitions import TABLES as OF_CALLS
from thriftgate.ledger.sql_rollups_made import are_wanted, make_wanted
from thriftgate.ledger.tables import Row, Table, paired, rows_of, slices, tables_of
from thriftgate.ledger.urls import is_url

UNCHANGED = frozenset({"entries", "postings"})
"""Their rows are written once."""
LASTING = frozenset({"orgs", "teams", "users", "virtual_keys", "provider_keys", "budgets", "limits"})
"""Small tables whose rows are never deleted: one that the source does not know is of other books."""
WATCHED_S = 2 * BEAT_S + 1.0
"""In which a living process counts up its beats."""

_LAST_US = 4_102_444_800_000_000  # 2100: a later time in an id is none
_TOKEN = re.compile(r"[0-9a-f]{8}")
_BEATS = "select token, beats from processes order by token"


class Copied(NamedTuple):
    """How many rows of a table were written, and how many were there already."""

    table: str
    written: int
    already: int


def claim_idle(store: Store, *, watched_s: float = WATCHED_S) -> None:
    """Be the only process at work on these books, until the store is closed. Raises LedgerError where another one is."""
    refusal = f"the ledger {store.name} is in use: stop the gateway and whatever else works on it, then run this again"
    if not store.try_lead():
        raise LedgerError(refusal)
    if not is_url(store.path):
        presence = store.presence("migrate")
        try:
            path = Path(store.path).resolve()
            tokens = [one.name.rpartition("-live-")[2] for one in path.parent.glob(f"{path.name}-live-*")]
            if any(presence.is_alive(token) for token in tokens if _TOKEN.fullmatch(token)):
                raise LedgerError(refusal)
        finally:
            presence.close()
        return
    before = store.read(_beats)
    if before:
        threading.Event().wait(watched_s)
        if any(one not in before for one in store.read(_beats)):
            raise LedgerError(refusal)


def _beats(connection: Connection) -> list[Row]:
    return connection.execute(_BEATS).fetchall()


def copy_books(source: Store, target: Store, *, at_once: int, told: Callable[[Copied], None]) -> None:
    """Make the target's books those of the source, so many rows at once; `told` of each table. Roll-ups that the source
    lacks are made there first. Raises LedgerError where the target has other books, and writes nothing then; and the
    databases' errors."""
    if source.read(are_wanted):
        source.write(make_wanted)
    source.read(lambda connection: _Copying(connection, target, at_once).run(told))


def alike(source: Sequence[Table], target: Sequence[Table]) -> list[Table]:
    """The tables of both. Raises LedgerError where they are not the same ones."""
    other = {one.name: one for one in target}
    for table in source:
        there = other.pop(table.name, None)
        if there is None or set(there.columns) != set(table.columns) or there.key != table.key:
            raise LedgerError(f"the table {table.name} is not the same in both ledgers: they are of different versions")
    if other:
        raise LedgerError(f"the table {min(other)} is in one of the ledgers only: they are of different versions")
    return list(source)


class _Copying:
    """From one transaction of the source; run again, it goes on."""

    def __init__(self, source: Connection, target: Store, at_once: int) -> None:
        self._source = source
        self._target = target
        self._at_once = at_once
        self._tables = alike(tables_of(source), target.read(tables_of))
        self._calls = [one for one in self._tables if one.name in OF_CALLS]
        self._rest = [one for one in self._tables if one.name not in OF_CALLS]

    def run(self, told: Callable[[Copied], None]) -> None:
        begun = {one.name for one in self._tables if self._target.read(lambda c, one=one: _has_rows(c, one))}  # type: ignore[misc]
        for table in self._tables:
            if table.name in begun & (UNCHANGED | LASTING):
                self._check_same_books(table)
        self._make_months()
        for table in self._calls:
            told(self._merge(table) if table.name in begun else self._copy(table))
        for copied in self._target.write(self._replace_rest):
            told(copied)
        self._target.write(self._finish)

    def _check_same_books(self, table: Table) -> None:
        def check(target: Connection) -> None:
            for ours, theirs in self._pairs(table, target):
                changed = ours is not None and theirs is not None and table.name in UNCHANGED and ours != theirs
                if changed or ours is None:
                    assert theirs is not None
                    key = " ".join(map(str, table.key_of(theirs)))
                    raise LedgerError(
                        f"the ledger {self._target.name} has other books: {table.name} {key} "
                        f"{'differs' if changed else 'is not in the source'}; name an empty database or a new file"
                    )

        self._target.read(check)

    def _pairs(self, table: Table, target: Connection) -> Iterator[tuple[Row | None, Row | None]]:
        sides = (rows_of(connection, table, self._at_once) for connection in (self._source, target))
        return paired(table, *sides)

    def _make_months(self) -> None:
        """In which calls of the source came in, where the target is parted by month."""
        months = sorted({at_us for table in OF_CALLS for at_us in _months_of(self._source, table)})
        for at_us in months:
            self._target.write(lambda target, at_us=at_us: make_month(target, at_us))  # type: ignore[misc]

    def _copy(self, table: Table) -> Copied:
        written = 0
        for rows in slices(self._source, table, self._at_once):
            self._target.write(lambda target, rows=rows: target.insert(table.name, table.quoted, rows))  # type: ignore[misc]
            written += len(rows)
        return Copied(table.name, written, 0)

    def _merge(self, table: Table) -> Copied:
        """Write what is missing, and of holds also what has changed."""
        merging = _Merging(table, self._target, self._at_once)
        self._target.read(lambda target: merging.run(self._pairs(table, target)))
        return Copied(table.name, merging.written, merging.already)

    def _replace_rest(self, target: Connection) -> list[Copied]:
        for table in reversed(self._rest):
            target.execute(f"delete from {table.name}")  # noqa: S608  names of the database's own
        copied = []
        for table in self._rest:
            written = 0
            for rows in slices(self._source, table, self._at_once):
                target.insert(table.name, table.quoted, rows)
                written += len(rows)
            copied.append(Copied(table.name, written, 0))
        return copied

    def _finish(self, target: Connection) -> None:
        """Numbers that the database gives go on after the greatest; and it knows how many rows there are."""
        if not target.parts_by_month:
            return
        for table in self._rest:
            for name in table.key if len(table.key) == 1 and table.columns.index(table.key[0]) not in table.texts else ():
                sequence = target.execute("select pg_get_serial_sequence(?, ?)", (table.name, name)).fetchone()[0]
                if sequence is not None:
                    greatest = f'(select max("{name}") from {table.name})'  # noqa: S608  names of the database's own
                    target.execute(f"select setval(?, coalesce({greatest}, 1), {greatest} is not null)", (sequence,))
        target.execute(f"analyze {', '.join(table.name for table in self._tables)}")


class _Merging:
    def __init__(self, table: Table, target: Store, at_once: int) -> None:
        self.written = self.already = 0
        self._table = table
        self._target = target
        self._at_once = at_once
        self._missing: list[Row] = []
        self._changed: list[Row] = []
        self._put = upsert(table.name, table.quoted, [f'"{name}"' for name in table.key])

    def run(self, pairs: Iterator[tuple[Row | None, Row | None]]) -> None:
        for ours, theirs in pairs:
            if ours is None or ours == theirs:
                self.already += ours is not None
                continue
            (self._missing if theirs is None else self._changed).append(ours)
            if len(self._missing) + len(self._changed) >= self._at_once:
                self._write()
        self._write()

    def _write(self) -> None:
        def work(target: Connection) -> None:
            target.insert(self._table.name, self._table.quoted, self._missing)
            target.executemany(self._put, self._changed)

        self._target.write(work)
        self.written += len(self._missing) + len(self._changed)
        self._missing, self._changed = [], []


def _has_rows(connection: Connection, table: Table) -> bool:
    return connection.execute(f"select 1 from {table.name} limit 1").fetchone() is not None  # noqa: S608  its own names


def _months_of(connection: Connection, table: str) -> Iterator[int]:
    """A moment of each month with calls in it (microseconds since 1970)."""
    key, since = KEYS[table], "tg_"
    while True:
        question = f"select min({key}) from {table} where {key} > ? and {key} < 'tg`'"  # noqa: S608  names of our own
        (first,) = connection.execute(question, (since,)).fetchone()
        try:
            at_us = int(first[3:17], 16)
        except (TypeError, ValueError):  # none, or an id of another kind
            return
        if at_us >= _LAST_US:
            return
        yield at_us
        since = f"tg_{_month_end_us(at_us):014x}"


def _month_end_us(at_us: int) -> int:
    return int(month_of(at_us).end.timestamp()) * 1_000_000
