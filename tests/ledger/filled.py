"""Books of any schema version with rows in all their tables, made without the code that writes such books now."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from typing import Any, cast

from msgspec.structs import replace

from tests.contracts.check_ledger import entry_of, hold_of
from thriftgate.ledger import postgres
from thriftgate.ledger.connection import Connection
from thriftgate.ledger.entries import Entry
from thriftgate.ledger.migrate import migrations
from thriftgate.ledger.partitions import make_partitions
from thriftgate.ledger.postgres_words import statements
from thriftgate.ledger.rows import ENTRY_COLUMNS, HOLD_COLUMNS, entry_row, hold_row, posting_rows
from thriftgate.ledger.sql_rollups_made import make_wanted
from thriftgate.ledger.sqlite import connected
from thriftgate.ledger.tables import Row, Table, tables_of
from thriftgate.ledger.urls import is_url

NEWEST = len(migrations())
ROWS = 3
ROLLED_UP_FROM = 10
START_US = 1_790_812_800_000_000  # 2026-10-01T00:00:00Z
APART_US = 20 * 86_400_000_000
_COMMENT = re.compile(r"--[^\n]*")
OF_THE_BOOKS = {"meta", "access_version"}
"""What a schema step writes itself."""
GIVEN: dict[tuple[str, str], tuple[Any, ...]] = {
    ("budgets", "limit_pico"): ("9000000000000000",) * ROWS,
    ("budgets", "scope"): ("[]", '["team=x"]', "[]"),
    ("budgets", "window"): ("month", "day", "total"),
    ("budgets", "zone"): ("UTC",) * ROWS,
    ("budgets", "stages"): ("[]",) * ROWS,
    ("limits", "amount"): ("5", "6", "7"),
    ("silences", "matchers"): ("{}",) * ROWS,
}


def call_id(at: int) -> str:
    return f"tg_{START_US + at * APART_US:014x}00c0ffee{at:04x}"


def entry_at(at: int) -> Entry:
    """What stands in every version alike: the calls came in on three days of two months."""
    us = START_US + at * APART_US
    made = entry_of(call_id(at), paid=10**9 * (at + 1), saved=5 * 10**8, opened_us=us, settled_us=us + 10**6)
    return replace(made, postings=tuple(sorted(made.postings, key=lambda one: one.account)))


def fill(connection: Connection, tables: Sequence[Table] | None = None, *, first: int = 0) -> None:
    """Into each of these tables, or of all there are, `ROWS` rows, counted from `first`: their settled calls, and one that
    is open."""
    for table in tables or tables_of(connection):
        if table.name in OF_THE_BOOKS or table.name.startswith("rollup_"):
            continue
        rows = rows_at(table, first)
        marks = ", ".join("?" * len(table.columns))
        connection.executemany(f"insert into {table.name} ({', '.join(table.quoted)}) values ({marks})", rows)


def rows_at(table: Table, first: int) -> list[Row]:
    numbers = range(first, first + ROWS)
    if table.name == "entries":
        return [_known(table, dict(zip(ENTRY_COLUMNS, entry_row(entry_at(at)), strict=True))) for at in numbers]
    if table.name == "postings":
        return [row for at in numbers for row in posting_rows(entry_at(at))]
    if table.name == "holds":
        return [_hold(table, at, settled=True) for at in numbers] + [_hold(table, first + 1000, settled=False)]
    return [tuple(_value(table.name, name, at in table.texts, number) for at, name in enumerate(table.columns))
            for number in numbers]  # fmt: skip


def _hold(table: Table, at: int, *, settled: bool) -> Row:
    hold = hold_of(call_id(at), opened_us=START_US + at * APART_US)
    return _known(table, {**dict(zip(HOLD_COLUMNS, hold_row(hold), strict=True)), "settled": int(settled)})


def _known(table: Table, values: dict[str, object]) -> Row:
    return tuple(values[name] for name in table.columns)


_REFERRED = {
    ("batches", "run"): "runs",
    ("jobs", "run"): "runs",
    ("groups", "run"): "runs",
    ("budget_slots", "budget"): "budgets",
    ("claims", "budget"): "budgets",
    ("key_secrets", "key"): "virtual_keys",
}
_BYTES = {"value", "options", "headers", "suspects", "plans", "body", "digest", "whose", "sealed", "alert"}


def _value(table: str, column: str, is_text: bool, at: int) -> Any:
    if (table, column) in _REFERRED:
        return f"{_REFERRED[table, column]}-{at}"
    if (table, column) in GIVEN:
        return GIVEN[table, column][at % ROWS]
    if (table, column) == ("claims", "hold"):
        return call_id(at + 1000)
    if is_text:
        return str(at) if column.endswith("_pico") else f"{table if column == 'id' else column}-{at}"
    if column in _BYTES:
        return f"{column} {at}".encode()
    return 0 if column == "ended_us" else at + 1


def made_at(place: str, version: int, *, filled: bool = True) -> None:
    """Books of that version, in a new file or an empty database."""
    with closing(_server(place, version) if is_url(place) else _file(place, version)) as connection:
        connection.execute("begin")
        if filled:
            fill(connection)
        if version >= ROLLED_UP_FROM:
            _make_rollups(connection, version)
        connection.execute("commit")


def _make_rollups(connection: Connection, version: int) -> None:
    """Those that the version had, by the code that makes them now."""
    later = [script for number, script in migrations() if number > version and "create table rollup_" in script]
    for script in later:
        connection.execute(_COMMENT.sub("", script))
    make_wanted(connection)
    for script in later:
        for table in re.findall(r"create table (rollup_\w+)", script):
            connection.execute(f"drop table {table}")


def _file(path: str, version: int) -> Any:
    connection = connected(path)
    connection.execute("pragma journal_mode = wal")
    for number, script in migrations()[:version]:
        connection.executescript(f"begin;\n{script}\npragma user_version = {number};\ncommit;")
    return connection


def _server(url: str, version: int) -> Any:
    connection = postgres.connected(url)
    connection.execute("create table schema_version (version integer not null)")
    for number, script in migrations()[:version]:
        for statement in statements(script):
            connection.script(statement)
        connection.execute("insert into schema_version values (?)", (number,))
    connection.execute("begin")
    make_partitions(connection, START_US)
    connection.execute("commit")
    return connection


def tables_at(version: int) -> list[Table]:
    """As that version knows them."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        for _, script in migrations()[:version]:
            connection.executescript(script)
        return tables_of(cast("Connection", _Bare(connection)))


class _Bare:
    parts_by_month = False

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.execute = connection.execute
