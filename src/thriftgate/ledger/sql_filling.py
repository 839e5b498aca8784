"""Counting the calls that `rollup_tasks` lacks, in the background: a day at a time, the newest first, and hour by hour.

Calls of an hour are added up by a question, beside whatever is written. What came out is put into the books in a short
transaction of its own, if the hour still has as many calls as were added up; if not, a later round does it again. A day is
the sum of its hours, once none of them lacks a call.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, NamedTuple

from thriftgate.core.errors import LedgerError
from thriftgate.ledger.connection import Connection
from thriftgate.ledger.rollup_columns import HOUR_US, POSTINGS, TASK_COLUMNS, WAYS, WHO
from thriftgate.ledger.sql import SqlLedger
from thriftgate.ledger.sql_cells import kept_from
from thriftgate.ledger.sql_lacking import DAY_HOURS, FILLED, NO_END, calls_in, lacking
from thriftgate.ledger.sql_rollups import TABLES, Places
from thriftgate.logs import log

AGAIN_S = 3_600.0
"""After a round in which nothing was lacking any more: calls that an older version settles come meanwhile."""

_KEYS, _SUMS = TABLES[FILLED]
_COLUMNS = (*_KEYS, *_SUMS)
_NAMES = tuple(name for name in WHO if name != "tag")
_NO_WAYS = ("",) * len(WAYS)

_APART = ", ".join(f"e.{name}" for name in (*_NAMES, "asked_model"))

# Calls of a span by what they were, but for their tags.
_ADDED_UP = f"""
select {_APART}, {", ".join(f"sum({sql})" for sql in TASK_COLUMNS.values())}
from entries e {POSTINGS} where e.opened_us >= ? and e.opened_us < ? group by {_APART}
"""
_EMPTY = f"delete from {FILLED} where hours = ? and slot = ?"
_CALLS = f"select coalesce(sum(calls), 0) from {FILLED} where hours = 1 and slot >= ? and slot < ?"
_DAY = f"""
insert into {FILLED} ({", ".join(_COLUMNS)}) select {DAY_HOURS}, slot / {DAY_HOURS}, dims, asked,
  {", ".join(f"sum({name})" for name in _SUMS)} from {FILLED} where hours = 1 and slot >= ? and slot < ? group by 1, 2, 3, 4
"""


class _Hour(NamedTuple):
    """Of all calls of an hour, the sums by their names."""

    slot: int
    calls: int
    rows: Sequence[Sequence[Any]]


class Filling:
    """Goes through the days that lack calls, once in each round."""

    def __init__(self, ledger: SqlLedger) -> None:
        self._ledger = ledger
        self._days: list[int] | None = None

    async def step(self) -> bool:
        """Fill one day; False where the round is over, and the next step begins another one. Raises LedgerError."""
        if self._days is None:
            self._days = await self._ledger.ask(_days_lacking)
        if not self._days:
            self._days = None
            return False
        await self._fill(self._days.pop())
        return True

    async def _fill(self, day: int) -> None:
        ask, transact = self._ledger.ask, self._ledger.transact
        span = day * DAY_HOURS, (day + 1) * DAY_HOURS
        for slot in await ask(lambda connection: lacking(connection, 1, *span)):
            hour = await ask(lambda connection, slot=slot: _added_up(connection, slot))  # type: ignore[misc]
            await transact(lambda connection, hour=hour: _put_hour(connection, hour))  # type: ignore[misc]
        await transact(lambda connection: _put_day(connection, day))


async def fill_rounds(path: str) -> None:
    """Round after round, until cancelled, over connections of its own: pages and it do not wait for each other. What goes
    wrong is tried again in the next one."""
    while True:
        try:
            await _fill_round(path)
        except LedgerError as error:
            log.warning("calls that roll-ups lack cannot be counted", error=str(error))
        await asyncio.sleep(AGAIN_S)


async def _fill_round(path: str) -> None:
    ledger = SqlLedger.open(path)
    try:
        filling = Filling(ledger)
        while await filling.step():
            pass
    finally:
        await ledger.close()


def _days_lacking(connection: Connection) -> list[int]:
    """The newest last. What was forgotten cannot be counted any more."""
    return lacking(connection, DAY_HOURS, kept_from(connection) // (DAY_HOURS * HOUR_US), NO_END)


def _added_up(connection: Connection, slot: int) -> _Hour:
    connection.join_in_order()
    rows = connection.execute(_ADDED_UP, (slot * HOUR_US, (slot + 1) * HOUR_US)).fetchall()
    return _Hour(slot, sum(row[len(_NAMES) + 1] for row in rows), rows)


def _put_hour(connection: Connection, hour: _Hour) -> None:
    """In a writing transaction. Names are looked up before the table is locked, in the order of those who settle calls."""
    day = hour.slot // DAY_HOURS
    places = Places(connection)
    found: dict[tuple[int, str], list[int]] = {}
    for row in hour.rows:
        dims, _ = places.place(day, (*row[: len(_NAMES)], ""), _NO_WAYS)
        asked, *sums = row[len(_NAMES) :]
        had = found.get((dims, asked))
        found[dims, asked] = sums if had is None else [a + b for a, b in zip(had, sums, strict=True)]
    connection.lock_tables(FILLED)
    if calls_in(connection, 1, hour.slot) != hour.calls:  # one was settled since, or some are not there any more
        return
    connection.execute(_EMPTY, (1, hour.slot))
    connection.insert(FILLED, _COLUMNS, [(1, hour.slot, *cell, *sums) for cell, sums in found.items()])


def _put_day(connection: Connection, day: int) -> None:
    span = day * DAY_HOURS, (day + 1) * DAY_HOURS
    connection.lock_tables(FILLED)
    if connection.execute(_CALLS, span).fetchone()[0] == calls_in(connection, DAY_HOURS, day):
        connection.execute(_EMPTY, (DAY_HOURS, day))
        connection.execute(_DAY, span)
