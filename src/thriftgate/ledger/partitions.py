"""Tables with a row for each call are parted by month in PostgreSQL: by id, which begins with the time of the call, so that
the primary key still is what makes each call be booked once. What bears another kind of id, or comes from outside the months
that there are, stands in the part that takes the rest.
"""

from __future__ import annotations

from datetime import UTC, datetime

from thriftgate.ledger.connection import Connection

TABLES = ("holds", "entries", "postings")
MONTHS_AHEAD = 3


def make_partitions(connection: Connection, now_us: int) -> None:
    """Those of this month and the next ones, where they are missing. To be called in a writing transaction."""
    connection.lock_named("partitions")
    for table in TABLES:
        connection.execute(f"create table if not exists {table}_rest partition of {table} default")
        for at in range(MONTHS_AHEAD + 1):
            _make(connection, table, _month(now_us, at), _month(now_us, at + 1))


def _make(connection: Connection, table: str, start: datetime, end: datetime) -> None:
    name = f"{table}_{start:%Y_%m}"
    if connection.execute("select to_regclass(?)", (name,)).fetchone()[0] is None:
        connection.execute(
            f"create table {name} partition of {table} for values from ('{id_at(start)}') to ('{id_at(end)}')"
        )


def id_at(moment: datetime) -> str:
    """The least id of a call that came in then or later."""
    return f"tg_{int(moment.timestamp()) * 1_000_000:014x}"


def _month(now_us: int, later: int) -> datetime:
    now = datetime.fromtimestamp(now_us / 1e6, UTC)
    years, month = divmod(now.month - 1 + later, 12)
    return datetime(now.year + years, month + 1, 1, tzinfo=UTC)
