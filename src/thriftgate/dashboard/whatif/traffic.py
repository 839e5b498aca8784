"""The latest calls of a ledger as a replay takes them: copied into a file of their own, then read like any log."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

from msgspec import Struct

from thriftgate.audit.calls import Calls
from thriftgate.audit.intake import take_in
from thriftgate.audit.replay.asks import Asked, asked
from thriftgate.audit.whatif import ALONE
from thriftgate.core.prices import PriceBook

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
    where = ["opened_us >= :since", "opened_us < :until", "usage_source <> 'none'"]
    values: dict[str, object] = {"since": which.since_us, "until": which.until_us, "most": which.calls}
    for name in NARROWED:
        if getattr(which, name):
            where.append(f"{name} = :{name}")
            values[name] = getattr(which, name)
    with closing(sqlite3.connect(target, isolation_level=None)) as connection:
        connection.execute("attach database ? as books", (f"{Path(which.path).absolute().as_uri()}?mode=ro",))
        connection.execute(
            f"create table entries as select * from books.entries where {' and '.join(where)}"
            " order by opened_us desc, id desc limit :most",
            values,
        )
        connection.execute("create unique index by_id on entries (id)")
        connection.execute("create table postings as select p.* from entries e join books.postings p on p.entry = e.id")
        connection.execute("create index by_entry on postings (entry)")
        row = connection.execute("select count(*), coalesce(min(opened_us), 0), coalesce(max(opened_us), 0) from entries")
        count, first_us, last_us = row.fetchone()
        connection.execute("detach database books")
    return int(count), int(first_us), int(last_us)
