"""Roll-ups made from the entries that are there: of a ledger that was kept before there were any, and to see that they are
right."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from thriftgate.ledger.rollup_columns import (
    COLUMNS,
    DIMS,
    HOUR_US,
    LEVER_PART,
    MISS_NAME,
    MISS_PART,
    PART_COLUMNS,
    POSTINGS,
    PROMPT,
    PROMPT_COLUMNS,
    PROMPT_NAMES,
    SERVED,
    STEP_TOKENS,
    WHO,
)
from thriftgate.ledger.sqlite_rollups import DAY_HOURS, Places

STATE = "rollups"
"""In `meta`: what is to be done about them, or nothing."""

_DAY_US = DAY_HOURS * HOUR_US
_NAMED = ", ".join("{0}" if name == "tag" else f"e.{name}" for name in DIMS)
_TAGS = "join json_each(e.tags) tag on tag.value <> ''"
_SPAN = "e.opened_us >= ?1"

# Whom each day's calls are counted under, in the order in which they came.
_WANTED = f"""
select e.opened_us / {_DAY_US} as day, {_NAMED}, min(e.opened_us) as first_us
from entries e {{1}} where {_SPAN} group by day, {_NAMED} order by day, first_us
"""
_PLACES = f"""
create temp table places (day integer, {", ".join(f"{name} text" for name in DIMS)}, place integer, who integer,
primary key (day, {", ".join(DIMS)})) without rowid
"""
_PLACED = "create temp table placed (entry text, place integer, who integer, primary key (entry, place)) without rowid"
_PLACE = f"""
insert or ignore into temp.placed select e.id, p.place, p.who from entries e {{1}}
join temp.places p on (p.day, {", ".join(f"p.{name}" for name in DIMS)}) = (e.opened_us / {_DAY_US}, {_NAMED})
where {_SPAN}
"""
_PLACED_ENTRIES = "from temp.placed p cross join entries e on e.id = p.entry"
_FROM_PLACED = f"{_PLACED_ENTRIES} {POSTINGS}"


def are_wanted(connection: sqlite3.Connection) -> bool:
    """Whether the ledger was kept before there were any."""
    return connection.execute("select 1 from meta where name = ?", (STATE,)).fetchone() is not None


def make_wanted(connection: sqlite3.Connection) -> None:
    """Make them, unless another process was quicker. To be called in a writing transaction."""
    if are_wanted(connection):
        make(connection)
        connection.execute("delete from meta where name = ?", (STATE,))


def make(connection: sqlite3.Connection, since_us: int = 0) -> None:
    """Make them anew from the entries from the beginning of that day (UTC) on. To be called in a writing transaction."""
    since_us -= since_us % _DAY_US
    for table in ("rollup_cells", "rollup_ways", "rollup_parts", "rollup_prompts"):
        connection.execute(f"delete from {table} where slot * hours >= ?", (since_us // HOUR_US,))
    connection.execute("delete from rollup_room where slot >= ?", (since_us // _DAY_US,))
    place(connection, Places(connection), since_us)
    for one in QUESTIONS:
        into = f"insert into main.{one.table} ({one.names}, {', '.join(one.columns)})"
        connection.execute(f"{into} {one.sql}", (since_us,))
    hours, columns = since_us // HOUR_US, ", ".join(COLUMNS)
    connection.execute(
        f"insert into main.rollup_cells (hours, slot, dims, {columns}) select 1, slot, d.who, {_sums(COLUMNS)} "
        "from main.rollup_ways w join rollup_dims d on d.id = w.dims where hours = 1 and slot >= ? group by slot, d.who",
        (hours,),
    )
    for table, names, sums in _TABLES:
        named = ", ".join(names)
        connection.execute(
            f"insert into main.{table} (hours, slot, {named}, {', '.join(sums)}) "
            f"select {DAY_HOURS}, slot / {DAY_HOURS}, {named}, {_sums(sums)} from main.{table} "
            f"where hours = 1 and slot >= ? group by slot / {DAY_HOURS}, {named}",
            (hours,),
        )
    forget(connection)


def place(connection: sqlite3.Connection, places: Places, since_us: int) -> None:
    """Say of each entry in which cells it is, in a table of the connection's own."""
    connection.execute(_PLACES)
    connection.execute(_PLACED)
    marks, who = ", ".join("?" * (len(DIMS) + 3)), len(WHO)
    for tag, tags in (("''", ""), ("tag.value", _TAGS)):
        wanted = connection.execute(_WANTED.format(tag, tags), (since_us,)).fetchall()
        connection.executemany(
            f"insert or ignore into temp.places values ({marks})",
            ((day, *dims, *places.place(day, tuple(dims[:who]), tuple(dims[who:]))[::-1]) for day, *dims, _first in wanted),
        )
        connection.execute(_PLACE.format(tag, tags), (since_us,))


def forget(connection: sqlite3.Connection) -> None:
    """Drop what `place` made."""
    connection.execute("drop table temp.placed")
    connection.execute("drop table temp.places")


def _sums(columns: Iterable[str]) -> str:
    return ", ".join(f"sum({column})" for column in columns)


_TABLES: tuple[tuple[str, tuple[str, ...], Sequence[str]], ...] = (
    ("rollup_cells", ("dims",), tuple(COLUMNS)),
    ("rollup_ways", ("dims",), tuple(COLUMNS)),
    ("rollup_parts", ("dims", "part"), PART_COLUMNS),
    ("rollup_prompts", PROMPT_NAMES, tuple(PROMPT_COLUMNS)),
)


class Question(NamedTuple):
    """What the entries that were placed say of the cells of an hour."""

    table: str
    names: str
    columns: Mapping[str, str]
    group: str
    rest: str

    @property
    def sql(self) -> str:
        return f"select 1, e.opened_us / {HOUR_US} as slot, {self.group}, {_sums(self.columns.values())} {self.rest}"


QUESTIONS = (
    Question("rollup_ways", "hours, slot, dims", COLUMNS, "p.place", f"{_FROM_PLACED} where {_SPAN} group by slot, p.place"),
    Question(
        "rollup_parts",
        "hours, slot, dims, part",
        LEVER_PART,
        "p.who, part.account",
        f"{_PLACED_ENTRIES} join postings part on part.entry = e.id and part.account >= 'saved:' "
        f"and part.account < 'saved;' where {_SPAN} group by slot, p.who, part.account",
    ),
    Question(
        "rollup_parts",
        "hours, slot, dims, part",
        MISS_PART,
        f"p.who, {MISS_NAME} as cause",
        f"{_PLACED_ENTRIES} where {_SPAN} and e.miss <> '' group by slot, p.who, cause",
    ),
    Question(
        "rollup_prompts",
        f"hours, slot, {', '.join(PROMPT_NAMES)}",
        PROMPT_COLUMNS,
        f"{SERVED} as served, e.mode, e.geo, max({PROMPT} - 1, 0) / {STEP_TOKENS} * {STEP_TOKENS} as above",
        f"from entries e where {_SPAN} and e.usage_source <> 'none' group by slot, served, e.mode, e.geo, above",
    ),
)
