"""Roll-ups in SQLite: sums by hour and by day, added to in the very transaction that writes the entries.

A caller may write any text as a task, a tag or the name of a model. Each key has so many cells a day, and all keys together
have; what comes beyond them shares a cell named `(other)`, and the entries themselves stay as they are.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from functools import lru_cache

from thriftgate.ledger.entries import Entry
from thriftgate.ledger.rollup_columns import (
    COLUMNS,
    DIMS,
    HOUR_US,
    HOURS,
    OTHER,
    PART_COLUMNS,
    PROMPT_COLUMNS,
    PROMPT_NAMES,
    measures_of,
    parts_of,
    prompt_of,
)

FOLDS: tuple[tuple[frozenset[str], int, int], ...] = (
    (frozenset(), 500, 20_000),
    (frozenset({"task", "tag"}), 1_000, 50_000),
    (frozenset({"task", "tag", "model"}), 1_500, 100_000),
)
"""Which names give way to `(other)` while a key has fewer day cells than the second, and all have fewer than the third."""
LAST_FOLD = frozenset({"task", "tag", "model", "key", "user_id"})

ROWS_PER_STATEMENT = 16
DAY_HOURS = HOURS[-1]
Dims = tuple[str, ...]

_DIMS = {
    "find": f"select id from rollup_dims where ({', '.join(DIMS)}) = ({', '.join('?' * len(DIMS))})",
    "put": f"insert into rollup_dims ({', '.join(DIMS)}) values ({', '.join('?' * len(DIMS))}) returning id",
}
_HAS_DAY = f"select 1 from rollup_cells where hours = {DAY_HOURS} and slot = ? and dims = ?"
_ROOM = "select whose, cells from rollup_room where slot = ? and whose in ('', ?)"
_TAKE = """
insert into rollup_room (slot, whose, cells) values (?1, '', 1), (?1, ?2, 1)
on conflict do update set cells = cells + 1
"""
_SETTLED = "update holds set settled = 1 where id in ({0})"

_TABLES = {
    "rollup_cells": (("hours", "slot", "dims"), tuple(COLUMNS)),
    "rollup_parts": (("hours", "slot", "dims", "part"), PART_COLUMNS),
    "rollup_prompts": (("hours", "slot", *PROMPT_NAMES), tuple(PROMPT_COLUMNS)),
}

_Sums = dict[tuple[object, ...], Sequence[int]]


def add(connection: sqlite3.Connection, entries: Sequence[Entry]) -> None:
    """Count settled calls, and mark their holds as resolved. To be called in the transaction that writes them."""
    if not entries:
        return
    places = Places(connection)
    cells: _Sums = {}
    parts: _Sums = {}
    prompts: _Sums = {}
    for entry in entries:
        slots = [(hours, entry.opened_us // (hours * HOUR_US)) for hours in HOURS]
        measures, its_parts = measures_of(entry), parts_of(entry)
        for dims in places.of(entry):
            for hours, slot in slots:
                _count(cells, (hours, slot, dims), measures)
                for part, sums in its_parts:
                    _count(parts, (hours, slot, dims, part), sums)
        if entry.usage_source != "none":
            names, counts = prompt_of(entry)
            for hours, slot in slots:
                _count(prompts, (hours, slot, *names), counts)
    for table, sums_by_cell in (("rollup_cells", cells), ("rollup_parts", parts), ("rollup_prompts", prompts)):
        _put(connection, table, sums_by_cell)
    for at in range(0, len(entries), ROWS_PER_STATEMENT):
        ids = [entry.id for entry in entries[at : at + ROWS_PER_STATEMENT]]
        connection.execute(_SETTLED.format(", ".join("?" * len(ids))), ids)


def _count(sums: _Sums, cell: tuple[object, ...], more: Sequence[int]) -> None:
    had = sums.get(cell)
    sums[cell] = more if had is None else [a + b for a, b in zip(had, more, strict=True)]


def _put(connection: sqlite3.Connection, table: str, sums: _Sums) -> None:
    rows = [(*cell, *values) for cell, values in sums.items()]
    for at in range(0, len(rows), ROWS_PER_STATEMENT):
        some = rows[at : at + ROWS_PER_STATEMENT]
        connection.execute(_upsert(table, len(some)), [value for row in some for value in row])


@lru_cache(maxsize=3 * ROWS_PER_STATEMENT)
def _upsert(table: str, rows: int) -> str:
    names, sums = _TABLES[table]
    one = f"({', '.join('?' * (len(names) + len(sums)))})"
    more = ", ".join(f"{name} = {name} + excluded.{name}" for name in sums)
    into = f"insert into {table} ({', '.join((*names, *sums))}) values {', '.join([one] * rows)}"
    return f"{into} on conflict do update set {more}"


def dims_of(entry: Entry) -> Iterable[Dims]:
    """What a call was by name: once without a tag, and once for each tag."""
    whose = entry.whose
    named = (
        entry.key, whose.user_id, whose.team, whose.org, entry.model, entry.task, entry.provider, entry.upstream,
        entry.endpoint, entry.mode, entry.outcome,
    )  # fmt: skip
    yield (*named, "")
    for tag in dict.fromkeys(whose.tags):
        if tag:
            yield (*named, tag)


class Places:
    """Where calls are counted: the ids of their dims, as one transaction knows them."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._found: dict[tuple[int, Dims], int] = {}

    def of(self, entry: Entry) -> Iterable[int]:
        """Each place once, however many of its tags share one."""
        day = entry.opened_us // (DAY_HOURS * HOUR_US)
        return dict.fromkeys(self.place(day, dims) for dims in dims_of(entry))

    def place(self, day: int, dims: Dims) -> int:
        """The id of the dims that a call of that day (UTC, days since 1970) is counted under."""
        found = self._found.get((day, dims))
        if found is None:
            found = self._found[day, dims] = self._found_place(day, dims)
        return found

    def _found_place(self, day: int, dims: Dims) -> int:
        known = self._id(dims)
        if known is not None and self._connection.execute(_HAS_DAY, (day, known)).fetchone() is not None:
            return known
        whose = "key:" + dims[0]
        room = dict(self._connection.execute(_ROOM, (day, whose)).fetchall())
        wanted = folded(dims, room.get(whose, 0), room.get("", 0))
        if wanted != dims:
            return self.place(day, wanted)
        self._connection.execute(_TAKE, (day, whose))
        return known if known is not None else self._new(dims)

    def _id(self, dims: Dims) -> int | None:
        row = self._connection.execute(_DIMS["find"], dims).fetchone()
        return None if row is None else int(row[0])

    def _new(self, dims: Dims) -> int:
        (made,) = self._connection.execute(_DIMS["put"], dims).fetchone()
        return int(made)


def folded(dims: Dims, mine: int, all_cells: int) -> Dims:
    """The names under which a call is counted that would need a new day cell, given how many its key has and all have. What
    is empty stays empty."""
    for names, mine_max, all_max in FOLDS:
        if mine < mine_max and all_cells < all_max:
            return _fold(dims, names)
    return _fold(dims, LAST_FOLD)


def _fold(dims: Dims, names: frozenset[str]) -> Dims:
    return tuple(OTHER if name in names and value else value for name, value in zip(DIMS, dims, strict=True))
