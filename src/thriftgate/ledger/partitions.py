"""Tables with a row for each call are parted by month in PostgreSQL: by id, which begins with the time of the call, so that
the primary key still is what makes each call be booked once. What bears another kind of id, or comes from outside the months
that there are, stands in the part that takes the rest.

Each is to be called in a writing transaction. Where the books are not parted, there is nothing to do.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from thriftgate.ledger.connection import Connection

TABLES = ("holds", "entries", "postings")
MONTHS_AHEAD = 3
KEYS = {"holds": "id", "entries": "id", "postings": "entry"}

_PARTS = """
select part.relname from pg_inherits join pg_class part on part.oid = inhrelid where inhparent = to_regclass(?)
"""
_STAYS = """
select exists (select 1 from entries_{month} where opened_us >= ?)
  or exists (select 1 from holds_{month} h where settled = 0 and not exists (select 1 from entries e where e.id = h.id))
  or exists (select 1 from jobs join entries_{month} e on e.id = jobs.entry)
"""


class Month(NamedTuple):
    """The calls that came in from `start` on and before `end`."""

    start: datetime
    end: datetime

    @property
    def name(self) -> str:
        """How its parts end."""
        return f"{self.start:%Y_%m}"


def make_partitions(connection: Connection, now_us: int) -> None:
    """Those of this month and the next ones, where they are missing (microseconds since 1970). To be done again every few
    weeks, by one process."""
    if not connection.parts_by_month:
        return
    _make_missing(connection, [month_of(now_us, later) for later in range(MONTHS_AHEAD + 1)])


def make_month(connection: Connection, at_us: int) -> None:
    """Those of the month with that moment, which may be long past."""
    if connection.parts_by_month:
        _make_missing(connection, [month_of(at_us)])


def _make_missing(connection: Connection, months: Sequence[Month]) -> None:
    if not _missing(connection, months):
        return
    connection.lock_named("partitions")
    for table, month in _missing(connection, months):  # another process may have been quicker
        if month is None:
            connection.execute(f"create table {table}_rest partition of {table} default")
        else:
            _make(connection, table, month)


def months_before(connection: Connection, before_us: int) -> Sequence[Month]:
    """Months with parts of their own that were over by then, the oldest first."""
    if not connection.parts_by_month:
        return []
    found = []
    for (name,) in connection.execute(_PARTS, ("entries",)).fetchall():
        dated = re.fullmatch(r"entries_(\d{4})_(\d\d)", name)
        if dated:
            month = _month(int(dated[1]), int(dated[2]))
            if month.end.timestamp() * 1e6 <= before_us:
                found.append(month)
    return sorted(found)


def may_go(connection: Connection, month: Month, before_us: int) -> bool:
    """Whether it holds nothing but settled calls that came in before then, and none that a job tells of."""
    return not connection.execute(_STAYS.format(month=month.name), (before_us,)).fetchone()[0]


def drop_month(connection: Connection, month: Month) -> None:
    """With all that is in it. Waits for those who read the tables, a moment at most: raises the database's error where they
    take longer."""
    connection.execute("set local lock_timeout = 500")  # others wait behind us while we do
    for table in TABLES:
        connection.execute(f"drop table {table}_{month.name}")


def count(connection: Connection, month: Month) -> int:
    """How many calls are in it."""
    found: int = connection.execute(f"select count(*) from entries_{month.name}").fetchone()[0]
    return found


def _missing(connection: Connection, months: Sequence[Month]) -> list[tuple[str, Month | None]]:
    found: list[tuple[str, Month | None]] = []
    for table in TABLES:
        there = {row[0] for row in connection.execute(_PARTS, (table,)).fetchall()}
        if f"{table}_rest" not in there:
            found.append((table, None))
        found += [(table, month) for month in months if f"{table}_{month.name}" not in there]
    return found


def _make(connection: Connection, table: str, month: Month) -> None:
    """Made beside the table and then attached, which does not hold up those who read and write it. What came before there
    was a part for it, and stands in the rest, moves."""
    part, key = f"{table}_{month.name}", KEYS[table]
    span = f"{key} >= '{id_at(month.start)}' and {key} < '{id_at(month.end)}'"
    connection.execute(f"create table {part} (like {table} including all)")
    if connection.execute(f"select 1 from {table}_rest where {span} limit 1").fetchone() is not None:
        connection.execute(
            f"with moved as (delete from {table}_rest where {span} returning *) insert into {part} select * from moved"
        )
    within = f"for values from ('{id_at(month.start)}') to ('{id_at(month.end)}')"
    connection.execute(f"alter table {table} attach partition {part} {within}")


def id_at(moment: datetime) -> str:
    """The least id of a call that came in then or later."""
    return f"tg_{int(moment.timestamp()) * 1_000_000:014x}"


def month_of(now_us: int, later: int = 0) -> Month:
    """The month with that moment, or one so many months later."""
    now = datetime.fromtimestamp(now_us / 1e6, UTC)
    years, month = divmod(now.month - 1 + later, 12)
    return _month(now.year + years, month + 1)


def _month(year: int, month: int) -> Month:
    end = (year + 1, 1) if month == 12 else (year, month + 1)
    return Month(datetime(year, month, 1, tzinfo=UTC), datetime(*end, 1, tzinfo=UTC))
