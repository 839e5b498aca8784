"""Files and URLs."""

from __future__ import annotations

from thriftgate.ledger.urls import is_file, is_url, without_password


def test_what_is_a_file_and_what_is_a_server() -> None:
    assert [is_file(path) for path in ("books.db", "/a/b", ":memory:", "postgresql://h/n")] == [True, True, False, False]
    assert [is_url(path) for path in ("books.db", ":memory:", "postgresql://h/n")] == [False, False, True]


def test_a_password_is_never_told() -> None:
    assert without_password("postgresql://me:s3cret@host:5432/books?password=s3cret") == "postgresql://me@host:5432/books"
    assert without_password("postgresql://host/books") == "postgresql://host/books"
    assert without_password("books.db") == "books.db"
