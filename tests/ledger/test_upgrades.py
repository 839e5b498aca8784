"""Books of every version there was: the present code opens them, finds what is in them, and goes on. And steps from
the first version of a fleet on only add, so that processes of the version before go on beside those of the next."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.contracts.check_ledger import entry_of, hold_of
from tests.ledger.filled import NEWEST, ROWS, call_id, entry_at, fill, made_at, tables_at
from tests.postgres_books import fresh_books
from thriftgate.ledger.connection import Connection
from thriftgate.ledger.migrate import migrations
from thriftgate.ledger.sql import SqlLedger
from thriftgate.ledger.sql_budgets import all_budgets
from thriftgate.ledger.sql_rollups_made import check_books
from thriftgate.ledger.stores import open_store
from thriftgate.ledger.tables import Table, slices

FLEET = 13
"""From it on several versions may work on the same books."""
VERSIONS = [*(("sqlite", at) for at in range(1, NEWEST + 1)), *(("postgresql", at) for at in range(FLEET, NEWEST + 1))]


def place_of(kind: str, folder: Path) -> str:
    return fresh_books(empty=True) if kind == "postgresql" else str(folder / "books.db")


def contents(connection: Connection, tables: list[Table]) -> dict[str, list[tuple[object, ...]]]:
    return {table.name: [row for rows in slices(connection, table, 100) for row in rows] for table in tables}


@pytest.mark.parametrize(("kind", "version"), VERSIONS)
async def test_books_of_each_version_are_read_and_written_on(kind: str, version: int, tmp_path: Path) -> None:
    place = place_of(kind, tmp_path)
    made_at(place, version)
    tables = [one for one in tables_at(version) if one.name != "meta"]
    with closing(store := open_store(place)):
        before = store.read(lambda connection: contents(connection, tables))
    assert {name for name, rows in before.items() if not rows} <= {one for one in before if one.startswith("rollup_")}
    ledger = SqlLedger.open(place)
    try:
        assert await ledger.ask(lambda connection: contents(connection, tables)) == before, "opening changed them"
        assert list(await ledger.entries()) == [entry_at(at) for at in range(ROWS)]
        assert [hold.id for hold in await ledger.open_holds()] == [call_id(1000)]
        new = entry_of(call_id(50), opened_us=entry_at(50).opened_us)
        await ledger.hold(hold_of(new.id, opened_us=new.opened_us))
        await ledger.settle(new)
        await ledger.settle(entry_of(call_id(1000)))
        assert await ledger.entry(new.id) == new
        assert await ledger.open_holds() == []
        assert (await ledger.report()).calls == ROWS + 2
        assert await ledger.unbalanced() == []
        if version >= 8:
            assert len(await ledger.ask(all_budgets)) == ROWS
    finally:
        await ledger.close()
    assert check_books(place).differing == 0


# --- only adding --------------------------------------------------------------------------------------------------------


def complaints(before: sqlite3.Connection, after: sqlite3.Connection) -> list[str]:
    """What a process that knows only `before` would stumble over in `after`."""
    found = []
    old, new = _structure(before), _structure(after)
    for table, columns in old.items():
        if table not in new:
            found.append(f"{table} is gone")
            continue
        for name, what in columns.items():
            if new[table].get(name) != what:
                found.append(f"{table}.{name} was {what}, is {new[table].get(name)}")
        for name, (_, not_null, default, _) in new[table].items():
            if name not in columns and not_null and default is None:
                found.append(f"{table}.{name} wants a value that the version before does not give")
        found += [f"{table} has a new unique index {name}" for name in _unique(after, table) - _unique(before, table)]
    wanted = "select name from sqlite_master where type in ('trigger', 'view')"
    return found + [f"{name} works behind the back of the version before" for (name,) in after.execute(wanted)]


def _structure(connection: sqlite3.Connection) -> dict[str, dict[str, tuple[object, ...]]]:
    tables = [name for (name,) in connection.execute("select name from sqlite_master where type = 'table'")]
    asked = 'select name, lower(type), "notnull", dflt_value, pk from pragma_table_info(?)'
    return {table: {name: tuple(what) for name, *what in connection.execute(asked, (table,))} for table in tables}


def _unique(connection: sqlite3.Connection, table: str) -> set[str]:
    return {name for (name,) in connection.execute('select name from pragma_index_list(?) where "unique"', (table,))}


def at_version(version: int, more: str = "") -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    for _, script in migrations()[:version]:
        connection.executescript(script)
    connection.executescript(more)
    return connection


@pytest.mark.parametrize("version", range(FLEET, NEWEST + 1))
def test_each_step_since_there_are_fleets_only_adds(version: int) -> None:
    with closing(at_version(version - 1)) as before, closing(at_version(version)) as after:
        assert complaints(before, after) == []


@pytest.mark.parametrize(
    ("step", "complaint"),
    [
        ("drop table sessions", "sessions is gone"),
        ("alter table holds rename column worst_pico to worst", "holds.worst_pico was"),
        ("alter table memories drop column value", "memories.value was"),
        ("drop table meta; create table meta (name text primary key, value blob not null)", "meta.value was"),
        ("create unique index one on entries (message_id)", "entries has a new unique index one"),
        ("drop table memories; create table memories (name text primary key, value blob not null, at integer not null)",
         "memories.at wants a value"),
        ("create trigger t after insert on holds begin select 1; end", "t works behind the back"),
    ],
)  # fmt: skip
def test_what_does_more_than_add_is_found(step: str, complaint: str) -> None:
    with closing(at_version(NEWEST)) as before, closing(at_version(NEWEST, step)) as after:
        assert [one for one in complaints(before, after) if one.startswith(complaint)]


def test_what_adds_is_not_complained_of() -> None:
    step = """
    alter table entries add column region text not null default ''; alter table holds add column seen integer;
    create table regions (id text primary key, name text not null); create index by_region on entries (region);
    """
    with closing(at_version(NEWEST)) as before, closing(at_version(NEWEST, step)) as after:
        assert complaints(before, after) == []


@pytest.mark.parametrize("version", range(FLEET - 1, NEWEST))
@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
async def test_the_version_before_writes_beside_the_next_one(kind: str, version: int, tmp_path: Path) -> None:
    """Rows with the columns that it knows, into books of the newest version that another process has open."""
    place = place_of(kind, tmp_path)
    ledger = SqlLedger.open(place)
    store = open_store(place)
    try:
        store.write(lambda connection: fill(connection, tables_at(version)))
        assert list(await ledger.entries()) == [entry_at(at) for at in range(ROWS)]
        held = (await ledger.open_holds())[0]
        assert held.id == call_id(1000)
        await ledger.settle(entry_of(held.id))
        store.write(lambda connection: fill(connection, tables_at(version), first=100))
        assert len(await ledger.entries()) == 2 * ROWS + 1
    finally:
        store.close()
        await ledger.close()
