"""Books in a file: its two connections, and who leads."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from thriftgate.ledger.sqlite import VALUES_PER_STATEMENT, SqliteStore


def test_many_rows_are_written_by_few_statements(tmp_path: Path) -> None:
    store = SqliteStore.open(str(tmp_path / "books.db"))
    asked: list[str] = []
    store.write(lambda connection: connection.set_trace_callback(asked.append))
    rows = [(f"name {at}", "value") for at in range(VALUES_PER_STATEMENT)]
    store.write(lambda connection: connection.insert("meta", ("name", "value"), rows))
    assert sum(one.startswith("insert into meta") for one in asked) == 2
    assert store.read(
        lambda connection: connection.execute("select count(*) from meta where value = 'value'").fetchone()
    ) == (len(rows),)
    store.close()


def test_one_leads_until_it_is_closed(tmp_path: Path) -> None:
    one, two = (SqliteStore.open(str(tmp_path / "books.db")) for _ in range(2))
    assert one.try_lead()
    assert one.try_lead()
    assert not two.try_lead()
    one.close()
    assert two.try_lead()
    two.close()


def test_what_fails_undoes_all_of_it(tmp_path: Path) -> None:
    store = SqliteStore.open(str(tmp_path / "books.db"))

    def twice(connection: sqlite3.Connection) -> None:
        for _ in range(2):
            connection.execute("insert into meta values ('a', 'b')")

    with pytest.raises(sqlite3.IntegrityError):
        store.write(twice)
    assert store.read(lambda connection: connection.execute("select 1 from meta where name = 'a'").fetchone()) is None
    store.close()
