"""The latest calls of a ledger as a replay takes them: copied into a SQLite file of their own, then read like any log."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

from msgspec import Struct

from thriftgate.audit.calls import Calls
from thriftgate.audit.intake import take_in
from thriftgate.audit.replay.asks import Asked, asked
from thriftgate.audit.whatif import ALONE
from thriftgate.core.errors import LedgerError
from thriftgate.core.prices import PriceBook
from thriftgate.ledger.connection import Connection
from thriftgate.ledger.rows import ENTRY_COLUMNS, POSTING_COLUMNS
from thriftgate.ledger.stores import open_store
from thriftgate.ledger.urls import is_url

# In this order: without statistics SQLite may go through all postings there are.
POSTINGS = "select p.* from entries e cross join books.postings p on p.entry = e.id"
NARROWED = ("team", "key", "model", "task")


class Which(Struct, frozen=True):
    """Of which calls, and how many at most. Times in microseconds since 1970; empty names are all. `newest` is the id of the
    last call, so that what was read before can be told from what is read now."""

    path: str
    since_us: int
    until_us: int
    calls: int
    newest: str
    team: str = ""
    key: str = ""
    model: str = ""
    task: str = ""


class Traffic(Struct):
    """Calls in order of time, the numbers of those that are no part of a conversation, and when the first and last came.
    `found` is how many calls there were before those were left out that cannot be replayed."""

    calls: list[Asked]
    alone: set[str]
    first_us: int
    last_us: int
    found: int


def traffic_of(which: Which, book: PriceBook) -> Traffic:
    """Read them. Raises sqlite3.Error and ThriftgateError for books that cannot be read."""
    with TemporaryDirectory(prefix="thriftgate-what-if-") as folder:
        copied = Path(folder) / "recent.db"
        found, first_us, last_us = _copied(which, copied)
        calls = Calls(Path(folder) / "calls.duckdb")
        try:
            take_in([str(copied)], calls, Path(folder) / "shards", format_name="thriftgate-ledger")
            stream = list(asked(calls, book))
            alone = {str(row[0]) for row in calls.rows(f"select rowid from calls where {ALONE}")}
        finally:
            calls.close()
    return Traffic(stream, alone, first_us, last_us, found)


def _copied(which: Which, target: Path) -> tuple[int, int, int]:
    """Their rows in a new file: how many, the first and the last moment."""
    with closing(sqlite3.connect(target, isolation_level=None)) as connection:
        (_from_server if is_url(which.path) else _from_file)(which, connection)
        row = connection.execute("select count(*), coalesce(min(opened_us), 0), coalesce(max(opened_us), 0) from entries")
        count, first_us, last_us = row.fetchone()
    return int(count), int(first_us), int(last_us)


def _wanted(which: Which) -> tuple[str, dict[str, object]]:
    """Which rows, in SQL."""
    where = ["opened_us >= :since", "opened_us < :until", "usage_source <> 'none'"]
    values: dict[str, object] = {"since": which.since_us, "until": which.until_us, "most": which.calls}
    for name in NARROWED:
        if getattr(which, name):
            where.append(f"{name} = :{name}")
            values[name] = getattr(which, name)
    return f"where {' and '.join(where)} order by opened_us desc, id desc limit :most", values


def _from_file(which: Which, connection: sqlite3.Connection) -> None:
    wanted, values = _wanted(which)
    connection.execute("attach database ? as books", (f"{Path(which.path).absolute().as_uri()}?mode=ro",))
    connection.execute(f"create table entries as select * from books.entries {wanted}", values)
    connection.execute("create unique index by_id on entries (id)")
    connection.execute(f"create table postings as {POSTINGS}")
    connection.execute("create index by_entry on postings (entry)")
    connection.execute("detach database books")


def _from_server(which: Which, connection: sqlite3.Connection) -> None:
    wanted, values = _wanted(which)
    store = open_store(which.path)

    def copy(books: Connection) -> None:
        entries = books.execute(f"select {', '.join(ENTRY_COLUMNS)} from entries {wanted}", values).fetchall()
        _put(connection, "entries", ENTRY_COLUMNS, entries)
        chosen = f"select id from entries {wanted}"
        postings = f"select {', '.join(POSTING_COLUMNS)} from postings where entry in ({chosen})"
        _put(connection, "postings", POSTING_COLUMNS, books.execute(postings, values).fetchall())
        connection.execute("create index by_entry on postings (entry)")

    try:
        store.read(copy)
    except store.errors as error:
        raise LedgerError(f"cannot read the ledger {store.name}: {error}") from None
    finally:
        store.close()


def _put(connection: sqlite3.Connection, table: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    connection.execute(f"create table {table} ({', '.join(columns)})")
    connection.executemany(f"insert into {table} values ({', '.join('?' * len(columns))})", rows)
