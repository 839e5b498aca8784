"""Opening books that are there."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.cli.conftest import Books
from thriftgate.cli.books import ask_books, check_is_ledger
from thriftgate.core.errors import ConfigError, LedgerError


def test_a_question_is_answered(books: Books) -> None:
    entry = ask_books(books.path, lambda ledger: ledger.entry(books.ids[0]))
    assert entry is not None
    assert entry.id == books.ids[0]


def test_an_error_of_the_question_comes_through(books: Books) -> None:
    async def fail(_: object) -> None:
        raise LedgerError("no")

    with pytest.raises(LedgerError, match="no"):
        ask_books(books.path, fail)


def test_a_missing_file_is_not_made(tmp_path: Path) -> None:
    path = tmp_path / "none.db"
    with pytest.raises(ConfigError, match="there is no ledger at"):
        check_is_ledger(str(path))
    assert not path.exists()


def test_what_is_no_ledger(tmp_path: Path) -> None:
    text, other = tmp_path / "text.db", tmp_path / "other.db"
    text.write_text("no database, only some words that are long enough to be read as a header of one")
    with closing(sqlite3.connect(other)) as connection:
        connection.execute("create table notes (text)")
    for path, words in ((text, "cannot be read as a ledger"), (other, "a database, but no ledger"), (tmp_path, "no ledger")):
        with pytest.raises(ConfigError, match=words):
            check_is_ledger(str(path))
    with pytest.raises(ConfigError, match="kept in memory"):
        check_is_ledger(":memory:")
