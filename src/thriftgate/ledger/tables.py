"""The tables of books as the database itself names them, and their rows in the order of their keys: alike in SQLite and in
PostgreSQL, so that books can be copied and compared without knowing what is in them.

To be called within a transaction, whose state of the books all rows are from.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from graphlib import TopologicalSorter
from itertools import chain
from operator import itemgetter
from typing import Any, NamedTuple

from thriftgate.ledger.connection import Connection

Row = tuple[Any, ...]

NOT_COPIED = frozenset({"schema_version", "processes"})
"""What is the database's own: its version, and which processes are connected to it."""

_SQLITE = """
select t.name, c.name, lower(c.type), c.pk from sqlite_master t, pragma_table_info(t.name) c
where t.type = 'table' and t.name not like 'sqlite_%' order by t.name, c.cid
"""
_SQLITE_REFERS = """
select t.name, f."table" from sqlite_master t, pragma_foreign_key_list(t.name) f where t.type = 'table'
"""
_SERVER = """
select t.relname, c.attname, format_type(c.atttypid, null),
  coalesce((select k.at from unnest(i.indkey) with ordinality as k (num, at) where k.num = c.attnum), 0)
from pg_class t join pg_attribute c on c.attrelid = t.oid and c.attnum > 0 and not c.attisdropped
left join pg_index i on i.indrelid = t.oid and i.indisprimary
where t.relnamespace = cast(current_schema() as regnamespace) and t.relkind in ('r', 'p') and not t.relispartition
order by t.relname, c.attnum
"""
_SERVER_REFERS = """
select t.relname, f.relname from pg_constraint c join pg_class t on t.oid = c.conrelid join pg_class f on f.oid = c.confrelid
where c.contype = 'f' and t.relnamespace = cast(current_schema() as regnamespace)
"""


class Table(NamedTuple):
    """Columns in order, those that tell rows apart, and the places of those that hold text."""

    name: str
    columns: tuple[str, ...]
    key: tuple[str, ...]
    texts: tuple[int, ...]

    @property
    def quoted(self) -> list[str]:
        """The columns as SQL names them."""
        return [f'"{name}"' for name in self.columns]

    def key_of(self, row: Row) -> Row:
        return tuple(row[self.columns.index(name)] for name in self.key)


def tables_of(connection: Connection) -> list[Table]:
    """All that books have, what is referred to before what refers to it."""
    on_server = connection.parts_by_month
    found: dict[str, list[tuple[str, str, int]]] = {}
    for table, *column in connection.execute(_SERVER if on_server else _SQLITE).fetchall():
        if table not in NOT_COPIED:
            found.setdefault(table, []).append((column[0], column[1], column[2]))
    order: TopologicalSorter[str] = TopologicalSorter(dict.fromkeys(found, ()))
    for table, referred in connection.execute(_SERVER_REFERS if on_server else _SQLITE_REFERS).fetchall():
        if table in found and table != referred:
            order.add(table, referred)
    return [_table(name, found[name]) for name in order.static_order()]


def _table(name: str, columns: Sequence[tuple[str, str, int]]) -> Table:
    return Table(
        name,
        tuple(column for column, _, _ in columns),
        tuple(column for column, _, at in sorted(columns, key=itemgetter(2)) if at),
        tuple(at for at, (_, kind, _) in enumerate(columns) if kind == "text"),
    )


def slices(connection: Connection, table: Table, at_once: int) -> Iterator[list[Row]]:
    """All rows in the order of their keys, so many at once: no more of them are in memory. Texts are as PostgreSQL can keep
    them: without zero characters (U+FFFD instead)."""
    key = ", ".join(f'"{name}"' for name in table.key)
    asked = f"select {', '.join(table.quoted)} from {table.name}"  # noqa: S608  names of the database's own
    after = f"where ({key}) > ({', '.join('?' * len(table.key))})"
    last: Row | None = None
    while True:
        where = after if last is not None else ""
        rows: list[Row] = connection.execute(f"{asked} {where} order by {key} limit {at_once}", last or ()).fetchall()
        if rows:
            last = table.key_of(rows[-1])
            yield _cleaned(table, rows)
        if len(rows) < at_once:
            return


def _cleaned(table: Table, rows: list[Row]) -> list[Row]:
    if not table.texts:
        return rows
    texts = itemgetter(*table.texts)
    found = map(texts, rows)
    joined = "".join(filter(None, found if len(table.texts) == 1 else chain.from_iterable(found)))
    if "\x00" not in joined:
        return rows
    return [tuple(one.replace("\x00", "\ufffd") if isinstance(one, str) else one for one in row) for row in rows]


def rows_of(connection: Connection, table: Table, at_once: int) -> Iterator[Row]:
    """As `slices`, one by one."""
    return chain.from_iterable(slices(connection, table, at_once))


def paired(table: Table, left: Iterator[Row], right: Iterator[Row]) -> Iterator[tuple[Row | None, Row | None]]:
    """Rows with the same key together, from two sides that are in the order of their keys."""
    one, other = next(left, None), next(right, None)
    at = itemgetter(*(table.columns.index(name) for name in table.key))
    while one is not None or other is not None:
        if other is None or (one is not None and at(one) < at(other)):
            yield one, None
            one = next(left, None)
        elif one is None or at(other) < at(one):
            yield None, other
            other = next(right, None)
        else:
            yield one, other
            one, other = next(left, None), next(right, None)
