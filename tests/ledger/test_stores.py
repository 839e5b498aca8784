"""Which database keeps the books."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.postgres_books import fresh_books
from thriftgate.core.errors import LedgerError
from thriftgate.ledger.stores import has_books, open_store


def test_a_path_is_a_file(tmp_path: Path) -> None:
    store = open_store(str(tmp_path / "books.db"))
    assert store.name == str(tmp_path / "books.db")
    store.close()


def test_another_scheme_is_refused_in_words() -> None:
    with pytest.raises(
        LedgerError, match=r"mysql:// is no database that keeps books; name a file, or postgresql://HOST/NAME"
    ):
        open_store("mysql://host/books")


def test_without_the_extra_it_is_said_which(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "thriftgate.ledger.postgres", None)
    monkeypatch.delattr("thriftgate.ledger.postgres", raising=False)
    with pytest.raises(LedgerError, match=r"need the extra `postgres` .*pip install 'thriftgate\[postgres\]'"):
        open_store("postgresql://host/books")


def test_books_are_looked_for_without_making_any() -> None:
    url = fresh_books()
    assert has_books(url)
    elsewhere = url.partition("?")[0] + "?options=-csearch_path%3Dnowhere"
    assert not has_books(elsewhere)
    assert not has_books(elsewhere)
