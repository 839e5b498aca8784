"""Roll-ups made from the entries that are there: of a ledger that was kept before there were any, and to see that they are
right."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import closing
from typing import NamedTuple

from msgspec import Struct

from thriftgate.core.errors import LedgerError
from thriftgate.ledger.connection import Connection
from thriftgate.ledger.rollup_columns import (
    COLUMNS,
    DIMS,
    HOUR_US,
    LEVER_PART,
    MISS_NAME,
    MISS_PART,
    POSTINGS,
    PROMPT,
    PROMPT_COLUMNS,
    SERVED,
    STEP_TOKENS,
    WAY_COLUMNS,
    WHO,
)
from thriftgate.ledger.sql_cells import kept_from
from thriftgate.ledger.sql_rollups import DAY_HOURS, TABLES, Places

STATE = "rollups"
"""In `meta`: that they are still to be made."""
CACHE_KB = 256_000
"""Memory for making them: a month's cells are written all over."""
SHOWN = 20
"""How many cells that differ are told."""

_DAY_US = DAY_HOURS * HOUR_US
_NAMED = ", ".join("{0}" if name == "tag" else f"e.{name}" for name in DIMS)
_TAGS = "join json_each(e.tags) tag on e.tags <> '[]' and tag.value <> ''"
_SPAN = "e.opened_us >= ?1"

# Under what names each day's calls are counted, in the order in which they came; and of each call, in which cells.
_PLACES = f"""
create temp table places (at integer primary key, day integer, {", ".join(DIMS)}, place integer, who integer,
unique (day, {", ".join(DIMS)}))
"""
_WHOSE_PLACES = "create temp table whose (place integer primary key, who integer)"
_NAMES = f"""
insert or ignore into temp.places (day, {", ".join(DIMS)})
select e.opened_us / {_DAY_US}, {_NAMED} from entries e {{1}} where {_SPAN}
"""
_PLACED = "create temp table placed (entry text, place integer, who integer, primary key (entry, place)) without rowid"
_PLACE = f"""
insert or ignore into temp.placed select e.id, p.place, p.who from entries e {{1}}
join temp.places p on (p.day, {", ".join(f"p.{name}" for name in DIMS)}) = (e.opened_us / {_DAY_US}, {_NAMED})
where {_SPAN}
"""


_ROOM = f"""
insert into rollup_room (slot, whose, cells) select slot, {{0}}, count(*)
from rollup_cells c join rollup_dims d on d.id = c.dims where hours = {DAY_HOURS} and slot >= ? group by slot, {{0}}
"""
_WHOSE = f"select {', '.join(DIMS)} from rollup_dims where id = ?"


class _Part(NamedTuple):
    """What the entries that were placed add to the cells of an hour."""

    table: str
    columns: Mapping[str, str]
    names: str
    tables: str


_ENTRIES = "from temp.placed p cross join entries e on e.id = p.entry"
_PARTS = (
    _Part("rollup_ways", WAY_COLUMNS, "p.place", f"{_ENTRIES} {POSTINGS} where {_SPAN}"),
    _Part(
        "rollup_parts",
        LEVER_PART,
        "p.who, part.account",
        f"{_ENTRIES} join postings part on part.entry = e.id and part.account >= 'saved:' and part.account < 'saved;' "
        f"where {_SPAN}",
    ),
    _Part("rollup_parts", MISS_PART, f"p.who, {MISS_NAME}", f"{_ENTRIES} where {_SPAN} and e.miss <> ''"),
    _Part(
        "rollup_prompts",
        PROMPT_COLUMNS,
        f"{SERVED}, e.mode, e.geo, max({PROMPT} - 1, 0) / {STEP_TOKENS} * {STEP_TOKENS}",
        f"from entries e where {_SPAN} and e.usage_source <> 'none'",
    ),
)


class Difference(Struct, frozen=True):
    """A cell that is not what its entries are: by table, hours, slot and names, the columns that differ, as they are kept
    and as they should be (0 where there is no such cell)."""

    table: str
    hours: int
    slot: int
    names: tuple[str, ...]
    columns: Mapping[str, tuple[int, int]]


class Checked(Struct, frozen=True):
    """How many cells were compared, how many differ, and the first of these."""

    cells: int
    differing: int
    shown: tuple[Difference, ...]


def are_wanted(connection: Connection) -> bool:
    """Whether the ledger was kept before there were any."""
    return connection.execute("select 1 from meta where name = ?", (STATE,)).fetchone() is not None


def make_wanted(connection: Connection) -> None:
    """Make them, unless another process was quicker. To be called in a writing transaction."""
    if are_wanted(connection):
        if connection.execute("select 1 from entries limit 1").fetchone() is not None:
            make(connection)
        connection.execute("delete from meta where name = ?", (STATE,))


def make(connection: Connection) -> None:
    """Make them anew from the entries, as far back as there are entries; names that have cells of their own keep them. To be
    called in a writing transaction."""
    since_us = kept_from(connection)
    (pages,) = connection.execute("pragma cache_size").fetchone()
    connection.execute(f"pragma cache_size = -{CACHE_KB}")
    _place(connection, since_us, Places(connection))
    for table in TABLES:
        connection.execute(f"delete from main.{table} where slot * hours >= ?", (since_us // HOUR_US,))
    _fill(connection, "main", since_us)
    connection.execute("delete from rollup_room where slot >= ?", (since_us // _DAY_US,))
    for whose in ("''", "'key:' || d.key"):
        connection.execute(_ROOM.format(whose), (since_us // _DAY_US,))
    _forget(connection)
    connection.execute(f"pragma cache_size = {pages}")


def check_file(path: str) -> Checked:
    """Compare the roll-ups of a file with its entries, as of now, while others write it. Raises LedgerError."""
    try:
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.execute(f"pragma cache_size = -{CACHE_KB}")
            connection.execute("begin")
            return check(connection)
    except sqlite3.Error as error:
        raise LedgerError(f"cannot read the ledger {path}: {error}") from None


def check(connection: Connection) -> Checked:
    """Compare them with the entries, as far back as there are entries. To be called in a transaction, with tables of its own
    and writing no others."""
    since_us = kept_from(connection)
    _place(connection, since_us, Places(connection, writes=False))
    for table in TABLES:
        (sql,) = connection.execute("select sql from main.sqlite_master where name = ?", (table,)).fetchone()
        connection.execute(sql.replace("CREATE TABLE", "create temp table", 1))
    _fill(connection, "temp", since_us)
    cells, found = 0, list[Difference]()
    for table in TABLES:
        (many,) = connection.execute(
            f"select count(*) from main.{table} where slot * hours >= ?", (since_us // HOUR_US,)
        ).fetchone()
        cells += many
        found += _differences(connection, table, since_us)
        connection.execute(f"drop table temp.{table}")
    _forget(connection)
    return Checked(cells, len(found), tuple(found[:SHOWN]))


def _differences(connection: Connection, table: str, since_us: int) -> Iterable[Difference]:
    names, columns = TABLES[table]
    both = " union all ".join(
        f"select * from (select {side}, * from {a}.{table} where slot * hours >= ?1 "
        f"except select {side}, * from {b}.{table} where slot * hours >= ?1)"
        for side, a, b in ((0, "main", "temp"), (1, "temp", "main"))
    )
    sides: dict[tuple[object, ...], list[tuple[int, ...]]] = {}
    for side, *row in connection.execute(both, (since_us // HOUR_US,)):
        cell = sides.setdefault(tuple(row[: len(names)]), [(0,) * len(columns)] * 2)
        cell[side] = tuple(row[len(names) :])
    for (hours, slot, *rest), (kept, wanted) in sides.items():
        dims = connection.execute(_WHOSE, rest[:1]).fetchone() if names[2] == "dims" else None
        named = rest if dims is None else [*dims, *rest[1:]]
        apart = {name: (a, b) for name, a, b in zip(columns, kept, wanted, strict=True) if a != b}
        yield Difference(table, int(str(hours)), int(str(slot)), tuple(map(str, named)), apart)


def _place(connection: Connection, since_us: int, places: Places) -> None:
    """Say of each entry in which cells it is, in a table of the connection's own."""
    connection.execute(_PLACES)
    connection.execute(_PLACED)
    connection.execute(_WHOSE_PLACES)
    for tag, tags in (("''", ""), ("tag.value", _TAGS)):
        connection.execute(_NAMES.format(tag, tags), (since_us,))
    wanted = connection.execute(f"select at, day, {', '.join(DIMS)} from temp.places order by at").fetchall()
    for at, day, *dims in wanted:
        who, place = places.place(day, tuple(dims[: len(WHO)]), tuple(dims[len(WHO) :]))
        connection.execute("update temp.places set place = ?, who = ? where at = ?", (place, who, at))
    for tag, tags in (("''", ""), ("tag.value", _TAGS)):
        connection.execute(_PLACE.format(tag, tags), (since_us,))
    connection.execute("insert into temp.whose select distinct place, who from temp.places")


def _fill(connection: Connection, schema: str, since_us: int) -> None:
    for part in _PARTS:
        sums = ", ".join(part.columns.values())
        source = f"select 1, e.opened_us / {HOUR_US}, {part.names}, {sums} {part.tables}"
        _count(connection, f"{schema}.{part.table}", source, since_us)
    columns = ", ".join(COLUMNS)
    ways = f"{schema}.rollup_ways w cross join temp.whose p on p.place = w.dims where hours = 1 and slot >= ?"
    _count(connection, f"{schema}.rollup_cells", f"select hours, slot, p.who, {columns} from {ways}", since_us // HOUR_US)
    for table, (names, added) in TABLES.items():
        rest = ", ".join((*names[2:], *added))
        days = f"select {DAY_HOURS}, slot / {DAY_HOURS}, {rest} from {schema}.{table} where hours = 1 and slot >= ?"
        _count(connection, f"{schema}.{table}", days, since_us // HOUR_US)


def _count(connection: Connection, table: str, source: str, since: int) -> None:
    names, sums = TABLES[table.partition(".")[2]]
    more = ", ".join(f"{name} = {name} + excluded.{name}" for name in sums)
    into = f"insert into {table} ({', '.join((*names, *sums))})"
    connection.execute(f"{into} {source} on conflict do update set {more}", (since,))


def _forget(connection: Connection) -> None:
    connection.execute("drop table temp.placed")
    connection.execute("drop table temp.whose")
    connection.execute("drop table temp.places")
