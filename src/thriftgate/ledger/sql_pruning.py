"""Forgetting single calls, while what they add up to stays (`[ledger] keep_days`).

Calls that are not settled have no entry and are not touched, nor are those of jobs, whose runs ask for them when they are
taken up again and tell what they cost. Budgets have books of their own.
"""

from __future__ import annotations

from collections.abc import Sequence

from thriftgate.ledger.connection import Connection
from thriftgate.ledger.rollup_spans import DAY_US
from thriftgate.ledger.sql import SqlLedger
from thriftgate.ledger.sql_cells import KEPT_FROM, kept_from

SLICE = 200
"""Calls forgotten in one transaction: calls that are settled meanwhile wait for no longer than some milliseconds."""
SLICES = 50

_OLD = """
select id from entries where opened_us < ? and id not in (select entry from jobs) and not (id >= 'tgs_' and id < 'tgt')
order by opened_us limit ?
"""
_KEEP_FROM = "insert into meta (name, value) values (?, ?) on conflict (name) do update set value = excluded.value"


async def prune(ledger: SqlLedger, before_us: int) -> int:
    """Forget the calls that came in before the UTC day of that moment (microseconds since 1970), with their holds and
    postings, the oldest first. Returns how many they were. Raises LedgerError."""
    day_us = before_us - before_us % DAY_US
    forgotten = 0
    while gone := await ledger.ask(lambda connection: _old(connection, day_us)):
        for at in range(0, len(gone), SLICE):
            some = gone[at : at + SLICE]
            await ledger.transact(lambda connection, some=some: _forget(connection, some, day_us))  # type: ignore[misc]
        forgotten += len(gone)
    return forgotten


def _old(connection: Connection, before_us: int) -> Sequence[str]:
    return [row[0] for row in connection.execute(_OLD, (before_us, SLICE * SLICES))]


def _forget(connection: Connection, ids: Sequence[str], before_us: int) -> None:
    if kept_from(connection) < before_us:
        connection.execute(_KEEP_FROM, (KEPT_FROM, str(before_us)))
    for statement in (
        "delete from postings where entry = ?",
        "delete from holds where id = ?",
        "delete from entries where id = ?",
    ):
        connection.executemany(statement, [(one,) for one in ids])
