"""What `thriftgate migrate` finds and tells."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.cli.conftest import Books
from tests.ledger.filled import NEWEST, made_at
from tests.postgres_books import fresh_books
from thriftgate.cli.migrate_run import migrated, print_migrated
from thriftgate.core.errors import LedgerError
from thriftgate.ledger.stores import open_store


def test_each_table_is_told_with_its_digests(books: Books) -> None:
    server = fresh_books(empty=True)
    found = migrated(books.path, server, copy=True, at_once=2)
    assert found["ok"]
    assert found["first_difference"] is None
    tables = {one["table"]: one for one in found["tables"]}
    assert tables["entries"]["rows"] == tables["entries"]["written"] == tables["entries"]["target_rows"] == len(books.ids)
    assert all(one["sha256"] == one["target_sha256"] for one in tables.values())
    assert {one["account"]: one["pico"] for one in found["postings"]} == {
        one["account"]: one["target_pico"] for one in found["postings"]
    }
    assert found["check"]["ok"]
    assert found["check"]["cells"] > 0
    again = migrated(books.path, server, copy=True, at_once=100)
    assert {one["table"]: one["already"] for one in again["tables"]}["entries"] == len(books.ids)


def test_the_master_key_is_told_of_where_keys_are_sealed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, server = str(tmp_path / "books.db"), fresh_books(empty=True)
    made_at(path, NEWEST)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("update runs set worker = 'secret-worker'")
    there = migrated(path, server, copy=True, at_once=100)
    assert there["master_key"] == {"from": f"{path}-master-key", "to": None}
    print_migrated(there)
    told = capsys.readouterr()
    assert f"it is in {path}-master-key" in told.err
    assert "THRIFTGATE_MASTER_KEY" in told.err
    back = migrated(server, str(tmp_path / "back.db"), copy=True, at_once=100)
    assert back["master_key"] == {"from": None, "to": str(tmp_path / "back.db-master-key")}
    print_migrated(back)
    assert "back.db-master-key, chmod 600" in capsys.readouterr().err


def test_a_value_that_differs_is_told(books: Books, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = str(tmp_path / "copy.db")
    migrated(books.path, target, copy=True, at_once=100)
    with closing(sqlite3.connect(target, isolation_level=None)) as connection:
        connection.execute("update postings set pico = pico + 1 where account = 'upstream' and entry = ?", (books.ids[1],))
    found = migrated(books.path, target, copy=False, at_once=2)
    assert not found["ok"]
    assert found["first_difference"]["key"] == (books.ids[1], "upstream")
    assert not found["check"]["ok"]
    print_migrated(found)
    told = capsys.readouterr()
    assert f"first difference: postings {books.ids[1]} upstream: column pico: " in told.out
    assert "DIFFERS" in told.out
    assert "thriftgate ledger check tells more" in told.err


def test_not_while_a_gateway_serves(books: Books, tmp_path: Path) -> None:
    path = str(tmp_path / "copy.db")
    migrated(books.path, path, copy=True, at_once=100)
    with closing(open_store(path)) as gateway:
        assert gateway.try_lead()
        for source, target in ((path, str(tmp_path / "other.db")), (books.path, path)):
            with pytest.raises(LedgerError, match="is in use: stop the gateway"):
                migrated(source, target, copy=True, at_once=100)
        assert migrated(books.path, path, copy=False, at_once=100)["ok"], "comparing is free"


def test_what_the_database_says_is_told_without_what_stood_in_the_row(tmp_path: Path) -> None:
    path, server = str(tmp_path / "books.db"), fresh_books(empty=True)
    made_at(path, NEWEST)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("update users set created_us = 'not a number' where id = 'users-1'")
    with pytest.raises(LedgerError, match=r"the ledger cannot be copied from .* run it again to go on") as caught:
        migrated(path, server, copy=True, at_once=100)
    assert "email-1" not in str(caught.value)
