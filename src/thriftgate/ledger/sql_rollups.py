"""Roll-ups: sums by hour and by day, added to in the very transaction that writes the entries.

A caller may write any text as a task, a tag or the name of a model. Each key has so many cells a day, and all keys together
have; what comes beyond them shares a cell named `(other)`, and the entries themselves stay as they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache

from thriftgate.ledger.connection import Connection, listed
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
    TASK_COLUMNS,
    WAY_COLUMNS,
    WAYS,
    WHO,
    measures_of,
    parts_of,
    prompt_of,
    task_of,
)

FOLDS: tuple[tuple[frozenset[str], int, int], ...] = (
    (frozenset(), 500, 20_000),
    (frozenset({"task", "tag"}), 1_000, 50_000),
    (frozenset({"task", "tag", "model"}), 1_500, 100_000),
)
"""Which names give way to `(other)` while a key has fewer day cells than the second, and all have fewer than the third."""
LAST_FOLD = frozenset({"task", "tag", "model", "key", "user_id"})

KNOWN = "dims"
KNOWN_MAX = 50_000
NAMES_AT_ONCE = 100
"""How many dims are looked up with one statement."""
DAY_HOURS = HOURS[-1]
Dims = tuple[str, ...]

_NO_WAYS = ("",) * len(WAYS)
_FIND = f"select id from rollup_dims where ({', '.join(DIMS)}) = ({', '.join('?' * len(DIMS))})"
_MAKE = (
    f"insert into rollup_dims (who, {', '.join(DIMS)}) values (?, {', '.join('?' * len(DIMS))}) "
    "on conflict do nothing returning id"
)
_HAS_DAY = f"select 1 from rollup_cells where hours = {DAY_HOURS} and slot = ? and dims = ?"
_OF_DAY = f"select dims from rollup_cells where hours = {DAY_HOURS} and slot = ?"
_ROOM = "select whose, cells from rollup_room where slot = ? and whose in ('', ?)"
_TAKE = """
insert into rollup_room (slot, whose, cells) values (?1, '', 1), (?1, ?2, 1)
on conflict (slot, whose) do update set cells = rollup_room.cells + 1
"""
_SETTLED = "update holds set settled = 1 where id in (select done.value from json_each(?) done)"

TABLES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "rollup_cells": (("hours", "slot", "dims"), tuple(COLUMNS)),
    "rollup_ways": (("hours", "slot", "dims"), tuple(WAY_COLUMNS)),
    "rollup_parts": (("hours", "slot", "dims", "part"), PART_COLUMNS),
    "rollup_prompts": (("hours", "slot", *PROMPT_NAMES), tuple(PROMPT_COLUMNS)),
    "rollup_tasks": (("hours", "slot", "dims", "asked"), tuple(TASK_COLUMNS)),
}
"""Tables of cells: by what they are told apart, and what they add up."""

_CELL = len(COLUMNS)
_Sums = dict[tuple[str | int, ...], Sequence[int]]


def add(connection: Connection, entries: Sequence[Entry]) -> None:
    """Count settled calls, and mark their holds as resolved. To be called in the transaction that writes them."""
    if not entries:
        return
    places = Places(connection, connection.learned.setdefault(KNOWN, Known()))
    places.look_up(entries)
    found: dict[str, _Sums] = {table: {} for table in TABLES}
    for entry in entries:
        measures, parts = measures_of(entry), parts_of(entry)
        prompt = prompt_of(entry) if entry.usage_source != "none" else None
        its_places = list(places.of(entry))
        task = task_of(entry, measures)
        for hours in HOURS:
            slot = entry.opened_us // (hours * HOUR_US)
            for who, way in its_places:
                _count(found["rollup_cells"], (hours, slot, who), measures[:_CELL])
                _count(found["rollup_ways"], (hours, slot, way), measures)
                for part, sums in parts:
                    _count(found["rollup_parts"], (hours, slot, who, part), sums)
            _count(found["rollup_tasks"], (hours, slot, its_places[0][0], entry.asked_model), task)  # the first has no tag
            if prompt is not None:
                _count(found["rollup_prompts"], (hours, slot, *prompt[0]), prompt[1])
    for table, sums_by_cell in found.items():
        # In one order: who writes the same cells beside us waits, and no more.
        rows = [(*cell, *sums_by_cell[cell]) for cell in sorted(sums_by_cell)]
        connection.add_to(table, *TABLES[table], rows)
    connection.execute(_SETTLED, (listed(entry.id for entry in entries),))


def _count(sums: _Sums, cell: tuple[str | int, ...], more: Sequence[int]) -> None:
    had = sums.get(cell)
    sums[cell] = more if had is None else [a + b for a, b in zip(had, more, strict=True)]


def names_of(entry: Entry) -> tuple[list[Dims], Dims]:
    """What a call was by name: who, once without a tag and once for each tag; and the way that it went."""
    whose = entry.whose
    who = (entry.key, whose.user_id, whose.team, whose.org, entry.model, entry.task, entry.provider)
    tags = dict.fromkeys(("", *whose.tags))
    return [(*who, tag) for tag in tags], (entry.upstream, entry.endpoint, entry.mode, entry.outcome)


class Known:
    """Dims by name and which of them have cells of a day, as far as a connection has seen them: what is committed stays."""

    def __init__(self) -> None:
        self.ids: dict[Dims, int] = {}
        self.days: set[tuple[int, int]] = set()

    def forget_some(self) -> None:
        """A caller may make up names without end."""
        for kept in (self.ids, self.days):
            if len(kept) > KNOWN_MAX:
                kept.clear()


class Places:
    """Where calls are counted: the ids of their dims, as one transaction knows them. Where nothing may be written, new dims
    get ids below zero. What is `known` from earlier transactions is not asked for again."""

    def __init__(self, connection: Connection, known: Known | None = None, *, writes: bool = True) -> None:
        self._connection = connection
        self._writes = writes
        self._known = known if known is not None else Known()
        self._ids: dict[Dims, int] = {}
        self._named: dict[tuple[int, Dims], Dims] = {}
        self._days: dict[int, set[int]] = {}

    def look_up(self, entries: Iterable[Entry]) -> None:
        """See which of their names are there already, together."""
        self._known.forget_some()
        ids, wanted = self._known.ids, dict[Dims, None]()
        days: dict[tuple[int, Dims], None] = {}
        for entry in entries:
            day = entry.opened_us // (DAY_HOURS * HOUR_US)
            whos, ways = names_of(entry)
            for who in whos:
                plain = (*who, *_NO_WAYS)
                days[day, plain] = None
                wanted.update((one, None) for one in (plain, (*who, *ways)) if one not in ids)
        some = list(wanted)
        for at in range(0, len(some), NAMES_AT_ONCE):
            names = some[at : at + NAMES_AT_ONCE]
            for row in self._connection.execute(_found(len(names)), [value for one in names for value in one]):
                ids[tuple(row[1:])] = int(row[0])
        asked = [(day, ids[one]) for day, one in days if one in ids and (day, ids[one]) not in self._known.days]
        for at in range(0, len(asked), NAMES_AT_ONCE):
            cells = asked[at : at + NAMES_AT_ONCE]
            values = [value for cell in cells for value in cell]
            self._known.days.update(map(tuple, self._connection.execute(_with_day(len(cells)), values).fetchall()))

    def know(self, dims: Iterable[tuple[int, Dims]], days: Iterable[int]) -> None:
        """These dims, by id, and which of them have cells of those days: so that they need not be asked for one by one."""
        self._ids.update((names, known) for known, names in dims)
        for day in days:
            self._days[day] = {row[0] for row in self._connection.execute(_OF_DAY, (day,))}

    def of(self, entry: Entry) -> Iterable[tuple[int, int]]:
        """Who, and also by the way that it went. Each place once, however many of its tags share one."""
        day = entry.opened_us // (DAY_HOURS * HOUR_US)
        whos, ways = names_of(entry)
        return dict.fromkeys(self.place(day, who, ways) for who in whos)

    def place(self, day: int, who: Dims, ways: Dims) -> tuple[int, int]:
        """The ids of the dims that a call of that day (UTC, days since 1970) is counted under."""
        named = self._named.get((day, who))
        if named is None:
            named = self._named[day, who] = self._room_for(day, who)
        its_who = self._id((*named, *_NO_WAYS), 0)
        return its_who, self._id((*named, *ways), its_who)

    def _room_for(self, day: int, who: Dims) -> Dims:
        """Its own names, or those of a cell that it shares."""
        if self._has_day(day, (*who, *_NO_WAYS)):
            return who
        key = "key:" + who[0]
        room = dict(self._connection.execute(_ROOM, (day, key)).fetchall())
        wanted = folded(who, room.get(key, 0), room.get("", 0))
        if wanted == who:
            if self._writes:
                self._connection.execute(_TAKE, (day, key))
            return who
        if (day, wanted) not in self._named:
            self._named[day, wanted] = self._room_for(day, wanted)
        return self._named[day, wanted]

    def _has_day(self, day: int, dims: Dims) -> bool:
        known = self._ids.get(dims) or self._known.ids.get(dims)
        if day in self._days:
            return known in self._days[day]
        if (day, known) in self._known.days:
            return True
        known = self._find(dims) if known is None else known
        return known is not None and self._connection.execute(_HAS_DAY, (day, known)).fetchone() is not None

    def _id(self, dims: Dims, who: int) -> int:
        known = self._ids.get(dims) or self._known.ids.get(dims)
        if known is None:
            known = self._find(dims)
            if known is None:
                known = self._new(dims, who) if self._writes else -len(self._ids) - 1
            self._ids[dims] = known
        return known

    def _new(self, dims: Dims, who: int) -> int:
        made = self._connection.execute(_MAKE, (who, *dims)).fetchone()
        found = int(made[0]) if made is not None else self._find(dims)
        assert found is not None  # another process was quicker, and it is there now
        return found

    def _find(self, dims: Dims) -> int | None:
        row = self._connection.execute(_FIND, dims).fetchone()
        return None if row is None else int(row[0])


@lru_cache(maxsize=NAMES_AT_ONCE + 1)
def _found(many: int) -> str:
    one = f"({', '.join('?' * len(DIMS))})"
    dims = ", ".join(f"d.{name}" for name in DIMS)
    given = ", ".join(f"n.column{at + 1}" for at in range(len(DIMS)))
    names = ", ".join([one] * many)
    return f"select d.id, {dims} from (values {names}) as n cross join rollup_dims d on ({dims}) = ({given})"


@lru_cache(maxsize=NAMES_AT_ONCE + 1)
def _with_day(many: int) -> str:
    return (
        f"select c.slot, c.dims from (values {', '.join(['(?, ?)'] * many)}) as n "
        f"cross join rollup_cells c on c.hours = {DAY_HOURS} and c.slot = n.column1 and c.dims = n.column2"
    )


def folded(who: Dims, mine: int, everybodys: int) -> Dims:
    """The names under which a call is counted that would need a new day cell, given how many its key has and all have. What
    is empty stays empty."""
    for names, mine_max, everybodys_max in FOLDS:
        if mine < mine_max and everybodys < everybodys_max:
            return _fold(who, names)
    return _fold(who, LAST_FOLD)


def _fold(who: Dims, names: frozenset[str]) -> Dims:
    return tuple(OTHER if name in names and value else value for name, value in zip(WHO, who, strict=True))
