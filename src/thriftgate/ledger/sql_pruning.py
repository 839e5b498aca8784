"""Forgetting single calls, while what they add up to stays (`[ledger] keep_days`).

Calls that are not settled have no entry and are not touched, nor are those of jobs, whose runs ask for them when they are
taken up again and tell what they cost. Budgets have books of their own.

Where calls are parted by month, a month that is over goes at once if nothing of it must stay.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from thriftgate.core.errors import LedgerError
from thriftgate.ledger.connection import Connection
from thriftgate.ledger.partitions import Month, count, drop_month, may_go, months_before
from thriftgate.ledger.rollup_spans import DAY_US
from thriftgate.ledger.sql import SqlLedger
from thriftgate.ledger.sql_cells import KEPT_FROM, kept_from
from thriftgate.logs import log

SLICE = 200
"""Calls forgotten in one transaction: calls that are settled meanwhile wait for no longer than some milliseconds."""
SLICES = 50

_OLD = """
select e.id from entries e left join jobs on jobs.entry = e.id
where e.opened_us < ? and jobs.entry is null and not (e.id >= 'tgs_' and e.id < 'tgt') order by e.opened_us limit ?
"""
_KEEP_FROM = "insert into meta (name, value) values (?, ?) on conflict (name) do update set value = excluded.value"
_FORGET = "delete from {0} where {1} in (select gone.value from json_each(?) gone)"


async def prune(ledger: SqlLedger, before_us: int) -> int:
    """Forget the calls that came in before the UTC day of that moment (microseconds since 1970), with their holds and
    postings, the oldest first. Returns how many they were. Raises LedgerError."""
    day_us = before_us - before_us % DAY_US
    forgotten = 0
    for month in await ledger.ask(lambda connection: months_before(connection, day_us)):
        forgotten += await _forget_month(ledger, month, day_us)
    while gone := await ledger.ask(lambda connection: _old(connection, day_us)):
        for at in range(0, len(gone), SLICE):
            some = gone[at : at + SLICE]
            await ledger.transact(lambda connection, some=some: _forget(connection, some, day_us))  # type: ignore[misc]
        forgotten += len(gone)
    return forgotten


async def _forget_month(ledger: SqlLedger, month: Month, day_us: int) -> int:
    """How many calls they were; none where some of them must stay. Where somebody reads for so long that it cannot go, it is
    forgotten call by call."""
    if not await ledger.ask(lambda connection: may_go(connection, month, day_us)):
        return 0
    calls = await ledger.ask(lambda connection: count(connection, month))

    def drop(connection: Connection) -> bool:
        if not may_go(connection, month, day_us):
            return False
        _keep_from(connection, day_us)
        drop_month(connection, month)
        return True

    try:
        return calls if await ledger.transact(drop) else 0
    except LedgerError as error:
        log.info("a month of calls is forgotten one by one", month=month.name, because=str(error))
        return 0


def _old(connection: Connection, before_us: int) -> Sequence[str]:
    return [row[0] for row in connection.execute(_OLD, (before_us, SLICE * SLICES))]


def _forget(connection: Connection, ids: Sequence[str], before_us: int) -> None:
    _keep_from(connection, before_us)
    gone = msgspec.json.encode(ids).decode()
    for table, key in (("postings", "entry"), ("holds", "id"), ("entries", "id")):
        connection.execute(_FORGET.format(table, key), (gone,))


def _keep_from(connection: Connection, before_us: int) -> None:
    if kept_from(connection) < before_us:
        connection.execute(_KEEP_FROM, (KEPT_FROM, str(before_us)))
