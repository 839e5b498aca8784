"""Roll-ups made from the entries that are there: of a ledger that was kept before there were any, and to see that they are
right."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from msgspec import Struct

from thriftgate.core.errors import LedgerError
from thriftgate.ledger.connection import Connection
from thriftgate.ledger.rollup_columns import (
    ABOVE,
    COLUMNS,
    DIMS,
    HOUR_US,
    HOURS,
    LEVER_PART,
    MISS_NAME,
    MISS_PART,
    POSTINGS,
    PROMPT_COLUMNS,
    SERVED,
    TASK_COLUMNS,
    WAY_COLUMNS,
    WHO,
)
from thriftgate.ledger.sql_cells import kept_from
from thriftgate.ledger.sql_lacking import FILLED, NO_END, lacking
from thriftgate.ledger.sql_rollups import DAY_HOURS, TABLES, Places
from thriftgate.ledger.sqlite import SqliteReader
from thriftgate.ledger.stores import open_store
from thriftgate.ledger.urls import is_url

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
create temp table places (at integer primary key, day integer, {" text, ".join(DIMS)} text, place integer, who integer,
unique (day, {", ".join(DIMS)}))
"""
_WHOSE_PLACES = "create temp table whose (place integer primary key, who integer)"
_NAMES = f"""
insert into temp.places (day, {", ".join(DIMS)})
select e.opened_us / {_DAY_US}, {_NAMED} from entries e {{1}} where {_SPAN} on conflict do nothing
"""
_PLACED = "create temp table placed (entry text, place integer, who integer, primary key (entry, place)) without rowid"
_PLACE = f"""
insert into temp.placed select e.id, p.place, p.who from entries e {{1}}
join temp.places p on (p.day, {", ".join(f"p.{name}" for name in DIMS)}) = (e.opened_us / {_DAY_US}, {_NAMED})
where {_SPAN} on conflict do nothing
"""


_ROOM = f"""
insert into rollup_room (slot, whose, cells) select slot, {{0}}, count(*)
from rollup_cells c join rollup_dims d on d.id = c.dims where hours = {DAY_HOURS} and slot >= ? group by 1, 2
"""
_TEXTS = ("part", "asked", "served", "mode", "geo")
_WANTED = "wanted_"
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
        f"{SERVED}, e.mode, e.geo, {ABOVE}",
        f"from entries e where {_SPAN} and e.usage_source <> 'none'",
    ),
    _Part(
        "rollup_tasks",
        TASK_COLUMNS,
        "p.who, e.asked_model",
        f"{_ENTRIES} {POSTINGS} where {_SPAN} and p.who in (select plain.who from temp.places plain where plain.tag = '')",
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
    connection.lock_tables("rollup_room", "rollup_dims", *TABLES)
    with connection.memory(CACHE_KB):
        _place(connection, since_us, Places(connection))
        for table in TABLES:
            connection.execute(f"delete from {table} where slot * hours >= ?", (since_us // HOUR_US,))
        _fill(connection, "", since_us)
        connection.execute("delete from rollup_room where slot >= ?", (since_us // _DAY_US,))
        for whose in ("''", "'key:' || d.key"):
            connection.execute(_ROOM.format(whose), (since_us // _DAY_US,))
        _forget(connection)


def check_books(path: str) -> Checked:
    """Compare the roll-ups of a file, or of books on a server, with their entries, as of now, while others write them.
    Raises LedgerError."""
    store = open_store(path) if is_url(path) else SqliteReader(path)
    try:
        return store.read(check)
    except store.errors as error:
        raise LedgerError(f"cannot read the ledger {store.name}: {error}") from None
    finally:
        store.close()


def check(connection: Connection) -> Checked:
    """Compare them with the entries, as far back as there are entries. To be called in a transaction, with tables of its own
    and writing no others."""
    with connection.memory(CACHE_KB):
        since_us = kept_from(connection)
        _place(connection, since_us, Places(connection, writes=False))
        for table, (names, sums) in TABLES.items():
            columns = ", ".join(f"{name} {'text' if name in _TEXTS else 'integer'} not null" for name in (*names, *sums))
            own = f"create temp table {_WANTED}{table} ({columns}, primary key ({', '.join(names)})) without rowid"
            connection.execute(own)
        _fill(connection, f"temp.{_WANTED}", since_us)
        cells, found = 0, list[Difference]()
        for table in TABLES:
            (many,) = connection.execute(
                f"select count(*) from {table} where slot * hours >= ?", (since_us // HOUR_US,)
            ).fetchone()
            cells += many
            found += _differences(connection, table, since_us)
            connection.execute(f"drop table temp.{_WANTED}{table}")
        _forget(connection)
    return Checked(cells, len(found), tuple(found[:SHOWN]))


def _differences(connection: Connection, table: str, since_us: int) -> Iterable[Difference]:
    names, columns = TABLES[table]
    every = ", ".join((*names, *columns))
    wanted = f"temp.{_WANTED}{table}"
    both = " union all ".join(
        f"select * from (select {side} as side, {every} from {a} where slot * hours >= ?1 "
        f"except select {side} as side, {every} from {b} where slot * hours >= ?1) as one"
        for side, a, b in ((0, table, wanted), (1, wanted, table))
    )
    sides: dict[tuple[object, ...], list[tuple[int, ...]]] = {}
    for side, *row in connection.execute(both, (since_us // HOUR_US,)):
        cell = sides.setdefault(tuple(row[: len(names)]), [(0,) * len(columns)] * 2)
        cell[side] = tuple(row[len(names) :])
    yet_to_fill = _yet_to_fill(connection, since_us) if table == FILLED else ()
    for (hours, slot, *rest), (kept, wanted_sums) in sides.items():
        if (hours, slot) in yet_to_fill:
            continue
        dims = connection.execute(_WHOSE, rest[:1]).fetchone() if names[2] == "dims" else None
        named = rest if dims is None else [*dims, *rest[1:]]
        apart = {name: (a, b) for name, a, b in zip(columns, kept, wanted_sums, strict=True) if a != b}
        yield Difference(table, int(str(hours)), int(str(slot)), tuple(map(str, named)), apart)


def _yet_to_fill(connection: Connection, since_us: int) -> set[tuple[object, object]]:
    """Slots that nobody is answered from, because they lack calls."""
    return {(hours, slot) for hours in HOURS for slot in lacking(connection, hours, since_us // (hours * HOUR_US), NO_END)}


def _place(connection: Connection, since_us: int, places: Places) -> None:
    """Say of each entry in which cells it is, in a table of the connection's own."""
    connection.execute(_PLACES)
    connection.execute(_PLACED)
    connection.execute(_WHOSE_PLACES)
    for tag, tags in (("''", ""), ("tag.value", _TAGS)):
        connection.execute(_NAMES.format(tag, tags), (since_us,))
    known = [(row[0], tuple(row[1:])) for ways in (True, False) for row in connection.execute(_known(ways=ways))]
    places.know(known, [row[0] for row in connection.execute("select distinct day from temp.places").fetchall()])
    wanted = connection.execute(f"select at, day, {', '.join(DIMS)} from temp.places order by at").fetchall()
    found = []
    for at, day, *dims in wanted:
        who, place = places.place(day, tuple(dims[: len(WHO)]), tuple(dims[len(WHO) :]))
        found.append((place, who, at))
    connection.executemany("update temp.places set place = ?, who = ? where at = ?", found)
    for tag, tags in (("''", ""), ("tag.value", _TAGS)):
        connection.execute(_PLACE.format(tag, tags), (since_us,))
    connection.execute("insert into temp.whose select distinct place, who from temp.places")


def _known(*, ways: bool) -> str:
    """SQL for the dims that there are for the places, with the way that a call went, or without."""
    of = ", ".join(f"p.{name}" if ways or name in WHO else "''" for name in DIMS)
    dims = ", ".join(f"d.{name}" for name in DIMS)
    some = "select distinct " + ", ".join(DIMS if ways else WHO) + " from temp.places"
    return f"select d.id, {dims} from ({some}) as p join rollup_dims d on ({dims}) = ({of})"


def _fill(connection: Connection, before: str, since_us: int) -> None:
    """Into the tables whose names have that `before` them."""
    for part in _PARTS:
        source = _Sum(part.table, f"1, e.opened_us / {HOUR_US}, {part.names}", part.columns.values(), part.tables)
        _put(connection, before, source, since_us)
    ways = f"from {before}rollup_ways w cross join temp.whose p on p.place = w.dims where hours = 1 and slot >= ?1"
    _put(connection, before, _Sum("rollup_cells", "hours, slot, p.who", COLUMNS, ways), since_us // HOUR_US)
    for table, (names, added) in TABLES.items():
        days = f"{DAY_HOURS}, slot / {DAY_HOURS}, {', '.join(names[2:])}"
        hours = f"from {before}{table} where hours = 1 and slot >= ?1"
        _put(connection, before, _Sum(table, days, added, hours), since_us // HOUR_US)


class _Sum(NamedTuple):
    """What is put into a table of cells: by what they are told apart, what is added up, from where."""

    table: str
    names: str
    columns: Iterable[str]
    source: str


def _put(connection: Connection, before: str, one: _Sum, since: int) -> None:
    names, sums = TABLES[one.table]
    into = f"insert into {before}{one.table} ({', '.join((*names, *sums))})"
    added = ", ".join(f"sum({sql})" for sql in one.columns)
    places = ", ".join(str(at + 1) for at in range(len(names)))
    connection.execute(f"{into} select {one.names}, {added} {one.source} group by {places}", (since,))


def _forget(connection: Connection) -> None:
    connection.execute("drop table temp.placed")
    connection.execute("drop table temp.whose")
    connection.execute("drop table temp.places")
