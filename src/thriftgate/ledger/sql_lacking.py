"""Where `rollup_tasks` lacks calls: it came later than the other roll-ups, so that it knows nothing of earlier calls, nor of
those that a process of an older version settles beside us.

No mark says which of its slots are whole. It counts all calls, as `rollup_cells` does, and whoever adds to it adds to that
table in the same transaction: so it never has more of them, and where it has as many, it has all. Where it has fewer, the
entries are asked, until `sql_filling.py` has counted them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from thriftgate.ledger.connection import Connection
from thriftgate.ledger.rollup_columns import HOUR_US, HOURS
from thriftgate.ledger.rollup_spans import ENTRIES, Piece

FILLED = "rollup_tasks"
DAY_HOURS = HOURS[-1]
NO_END = 2**62

_CALLS = """
select c.slot as slot, sum(c.calls) as calls from rollup_cells c join rollup_dims d on d.id = c.dims and d.tag = ''
where c.hours = ?1 and c.slot >= ?2 and c.slot < ?3 group by 1
"""
_LACKING = f"""
select one.slot from ({_CALLS}) as one left join (
  select slot, sum(calls) as calls from {FILLED} where hours = ?1 and slot >= ?2 and slot < ?3 group by 1
) as task on task.slot = one.slot where coalesce(task.calls, 0) <> one.calls order by 1
"""


def lacking(connection: Connection, hours: int, low: int, high: int) -> list[int]:
    """The slots of so many hours, from `low` on and before `high`, that lack calls."""
    return [row[0] for row in connection.execute(_LACKING, (hours, low, high))]


def calls_in(connection: Connection, hours: int, slot: int) -> int:
    """How many calls there are in a slot."""
    row = connection.execute(_CALLS, (hours, slot, slot + 1)).fetchone()
    return 0 if row is None else int(row[1])


def filled_up(connection: Connection, some: Iterable[Piece], kept_from_us: int) -> list[Piece]:
    """The pieces of a span, with hours instead of days, and entries instead of hours, where they lack calls. What was
    forgotten before it was counted (before `kept_from_us`) is in no answer."""
    return [one for piece in some for one in _filled_up(connection, piece, kept_from_us)]


def _filled_up(connection: Connection, piece: Piece, kept_from_us: int) -> Iterator[Piece]:
    if piece.hours == ENTRIES:
        yield piece
        return
    length_us = piece.hours * HOUR_US
    at = piece.low
    for slot in lacking(connection, piece.hours, max(piece.low, kept_from_us // length_us), piece.high):
        if at < slot:
            yield piece._replace(low=at, high=slot)
        if piece.hours == DAY_HOURS:
            hours = piece._replace(hours=1, low=slot * DAY_HOURS, high=(slot + 1) * DAY_HOURS)
            yield from _filled_up(connection, hours, kept_from_us)
        else:
            yield piece._replace(hours=ENTRIES, low=slot * length_us, high=(slot + 1) * length_us)
        at = slot + 1
    if at < piece.high:
        yield piece._replace(low=at)
