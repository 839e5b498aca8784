"""Adding up roll-ups, and entries where a span begins or ends within an hour."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import msgspec
from msgspec import Struct

from thriftgate.ledger.connection import Connection
from thriftgate.ledger.queries import summed
from thriftgate.ledger.rollup_columns import COLUMNS, HOUR_US, POSTINGS, WAY_COLUMNS, WAYS
from thriftgate.ledger.rollup_spans import DAY_US, ENTRIES, Piece, Step, pieces, rounded, zone_of
from thriftgate.ledger.sql_lacking import filled_up

KEPT_FROM = "entries kept from"
"""In `meta`: from this moment on (microseconds since 1970) single calls are there; before it, roll-ups alone."""

_YEAR_9999_US = 253_370_764_800_000_000


class Only(Struct, frozen=True):
    """Of which calls: those that all of these are true of."""

    key: str | None = None
    user: str | None = None
    team: str | None = None
    org: str | None = None
    model: str | None = None
    task: str | None = None
    tag: str | None = None
    provider: str | None = None


EVERY = Only()


class Source(NamedTuple):
    """Where sums come from: the columns of a table of cells, each with its SQL there (over a cell `c` and its dims `d`), and
    over entries. `parts` are more names to tell them apart by. Without dims the cells have only those.
    Where cells may lack calls (`may_lack`), entries are asked for those that do."""

    table: str
    cells: Mapping[str, str]
    entries: Mapping[str, str]
    parts: tuple[str, ...] = ()
    parts_of_entries: tuple[str, ...] = ()
    joined: str = ""
    cells_where: str = "true"
    entries_where: str = "true"
    has_dims: bool = True
    may_lack: bool = False


def chosen(*names: str) -> Source:
    """These columns of the cells."""
    table = "rollup_cells" if set(names) <= set(COLUMNS) else "rollup_ways"
    return Source(table, {name: f"c.{name}" for name in names}, {name: WAY_COLUMNS[name] for name in names})


class Sums(dict[str, int]):
    """Columns added up."""

    def money(self, name: str) -> int:
        """Pico-USD of two columns."""
        return summed(self[f"{name}_high"], self[f"{name}_low"])


Names = tuple[str, ...]
Totals = dict[tuple[int, Names], Sums]


def kept_from(connection: Connection) -> int:
    """From when on single calls are there (microseconds since 1970); 0 where none was ever forgotten."""
    row = connection.execute("select value from meta where name = ?", (KEPT_FROM,)).fetchone()
    return int(row[0]) if row is not None else 0


def add_up(
    connection: Connection,
    source: Source,
    span: tuple[int, int],
    names: Sequence[str] = (),
    *,
    step: Step = "total",
    zone: str = "UTC",
    only: Only = EVERY,
) -> Totals:
    """Sums by the start of the bucket (microseconds since 1970; of the span where it is not divided) and by these columns of
    the entries, and the part where the source has one."""
    uses: dict[tuple[int, int, int], list[tuple[int, int]]] = {}  # hours between days are read once, for both
    some = pieces_of(connection, span, step, zone)
    if source.may_lack:
        some = filled_up(connection, some, kept_from(connection))
    for piece in some:
        uses.setdefault((piece.hours, piece.low, piece.high), []).append((piece.start_us, piece.sign))
    listed = [dict(zip(_PIECE, (at, *place), strict=True)) for at, place in enumerate(uses)]
    used = list(uses.values())
    found: Totals = {}
    connection.join_in_order()
    for ask, mine in (
        (_ask_cells, [one for one in listed if one["hours"] != ENTRIES]),
        (_ask_entries, [one for one in listed if one["hours"] == ENTRIES]),
    ):
        if not mine:
            continue
        question, values = ask(source, names, step, only)
        values["pieces"] = msgspec.json.encode(mine).decode()
        for at, *row in connection.execute(question, values):
            named, sums = tuple(row[: -len(source.cells)]), row[-len(source.cells) :]
            for start, sign in [(at * HOUR_US, 1)] if step == "hour" else used[at]:
                _merge(found, (start, named), source.cells, sums, sign)
    return {at: sums for at, sums in found.items() if sums["calls"]} if "calls" in source.cells else found


def _merge(found: Totals, at: tuple[int, Names], columns: Iterable[str], row: Sequence[int], sign: int) -> None:
    had = found.get(at)
    if had is None:
        found[at] = Sums(zip(columns, row if sign == 1 else [-value for value in row], strict=True))
    else:
        for name, value in zip(columns, row, strict=True):
            had[name] += sign * value


def pieces_of(connection: Connection, span: tuple[int, int], step: Step, zone: str) -> list[Piece]:
    """What the span is made of, as far as anything is there."""
    inside = _inhabited(connection, span)
    if inside[0] >= inside[1]:
        return []
    some = _whole(connection, pieces(inside, step, zone_of(zone), kept_from(connection)))
    if step == "total":  # the whole of it is one bucket, which begins where it was asked to
        some = [piece._replace(start_us=span[0]) for piece in some]
    return some


def is_rounded(connection: Connection, span: tuple[int, int], step: Step, zone: str) -> bool:
    """Whether an end of the span, or of a day within it, was moved to the beginning of its hour because the calls of
    that hour are no longer there."""
    kept = kept_from(connection)
    if not kept:
        return False
    inside = _inhabited(connection, span)
    if inside[0] >= inside[1]:
        return False
    wanted = (piece for piece in pieces(inside, step, zone_of(zone)) if piece.hours == ENTRIES)
    return any(rounded(end, kept) != end for piece in wanted for end in (piece.low, piece.high))


def _inhabited(connection: Connection, span: tuple[int, int]) -> tuple[int, int]:
    """The part of a span in which there are any calls, by whole days where it begins before the first or ends after the
    last."""
    first, last = connection.execute(
        "select (select min(slot) from rollup_cells where hours = 24), (select max(slot) from rollup_cells where hours = 24)"
    ).fetchone()
    if first is None:
        return 0, 0
    return max(span[0], first * DAY_US), min(span[1], (last + 1) * DAY_US, _YEAR_9999_US)


_ELSEWHERE = """
select 1 from entries where (opened_us >= ?1 and opened_us < ?2) or (opened_us >= ?3 and opened_us < ?4) limit 1
"""


def _whole(connection: Connection, some: Iterable[Piece]) -> list[Piece]:
    """Where an hour has no calls but in its piece, as the present one has none in the future, its cells serve."""
    found = []
    for piece in some:
        if piece.hours == ENTRIES:
            hour = piece.low // HOUR_US
            rest = (hour * HOUR_US, piece.low, piece.high, (hour + 1) * HOUR_US)
            if connection.execute(_ELSEWHERE, rest).fetchone() is None:
                piece = piece._replace(hours=1, low=hour, high=hour + 1)  # noqa: PLW2901  the same piece, made of other things
        found.append(piece)
    return found


_PIECE = ("g", "hours", "low", "high")
_PIECES = (
    f"with pieces ({', '.join(_PIECE)}) as materialized (select "
    + ", ".join(f"cast(json_extract(one.value, '$.{name}') as bigint)" for name in _PIECE)
    + " from json_each(:pieces) one) "
)
_ONCE = "not exists (select 1 from json_each(e.tags) other where other.value = tag.value and other.key < tag.key)"
_COLUMN_OF = {"user": "user_id"}


def _ask_cells(source: Source, names: Sequence[str], step: Step, only: Only) -> tuple[str, dict[str, object]]:
    grouped = ["c.slot" if step == "hour" else "p.g", *(f"d.{name}" for name in names)]
    where, values = [source.cells_where], {}
    if source.has_dims:
        where.append("d.tag = :tag" if only.tag is not None else "d.tag <> ''" if "tag" in names else "d.tag = ''")
        values = {name: value for name, value in msgspec.structs.asdict(only).items() if value is not None}
        where += [f"d.{_COLUMN_OF.get(name, name)} = :{name}" for name in values if name != "tag"]
    dims = "join rollup_dims d on d.id = c.dims" if source.has_dims else ""
    table = "rollup_ways" if set(names) & set(WAYS) else source.table
    tables = f"pieces p cross join {table} c on c.hours = p.hours and c.slot >= p.low and c.slot < p.high {dims}"
    return _select([*grouped, *source.parts], source.cells, tables, where), values


def _ask_entries(source: Source, names: Sequence[str], step: Step, only: Only) -> tuple[str, dict[str, object]]:
    grouped = [f"e.opened_us / {HOUR_US}" if step == "hour" else "p.g"]
    grouped += ["tag.value" if name == "tag" else f"e.{name}" for name in names]
    where, tables = [source.entries_where], f"pieces p cross join entries e {POSTINGS} {source.joined}"
    values: dict[str, object] = {name: value for name, value in msgspec.structs.asdict(only).items() if value is not None}
    if only.tag is not None or "tag" in names:
        tables += " cross join json_each(e.tags) tag"
        where += ["tag.value <> ''", _ONCE]
    where += ["tag.value = :tag" if name == "tag" else f"e.{_COLUMN_OF.get(name, name)} = :{name}" for name in values]
    where.append("e.opened_us >= p.low and e.opened_us < p.high")
    return _select([*grouped, *source.parts_of_entries], source.entries, tables, where), values


def _select(grouped: Sequence[str], columns: Mapping[str, str], tables: str, where: Iterable[str]) -> str:
    sums = ", ".join(f"sum({sql})" for sql in columns.values())
    places = ", ".join(str(at + 1) for at in range(len(grouped)))
    return f"{_PIECES} select {', '.join(grouped)}, {sums} from {tables} where {' and '.join(where)} group by {places}"
