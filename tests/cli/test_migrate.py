"""`thriftgate migrate` as it is typed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Books, Run
from tests.postgres_books import fresh_books
from thriftgate.cli.migrate import SLICE


def test_there_and_back(run: Run, books: Books, tmp_path: Path) -> None:
    server, back = fresh_books(empty=True), str(tmp_path / "back.db")
    there = run("migrate", books.path, server, "--json", "--batch", "3")
    assert there.code == 0, there.err
    assert there.json()["ok"]
    assert run("migrate", server, back).code == 0
    told = run("explain", books.ids[0], "--ledger", books.path).out
    assert told
    assert run("explain", books.ids[0], "--ledger", server).out == told
    assert run("explain", books.ids[0], "--ledger", back).out == told
    only = run("migrate", books.path, back, "--verify-only")
    assert only.code == 0
    assert "each row is the same on both sides" in only.out


def test_what_differs_is_told_and_ends_with_one(run: Run, books: Books, tmp_path: Path) -> None:
    other = str(tmp_path / "other.db")
    assert run("migrate", books.path, other, "--batch", str(SLICE)).code == 0
    assert run("teams", "add", "late", "--ledger", other).code == 0
    found = run("migrate", books.path, other, "--verify-only")
    assert found.code == 1
    assert "first difference: " in found.out
    refused = run("migrate", books.path, other)
    assert refused.code == 1
    assert "has other books: orgs " in refused.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("{books}", "{books}"), "name two ledgers"),
        (("{books}", ":memory:"), "name two ledgers"),
        (("/nowhere/books.db", "{books}"), "there is no ledger at /nowhere/books.db"),
        (("{books}", "{folder}/new.db", "--verify-only"), "there is no ledger at"),
        (("{books}", "{folder}/new.db", "--batch", "0"), "--batch: at least 1"),
        (("{books}", "mysql://host/books"), "mysql:// is no database that keeps books"),
    ],
)
def test_what_cannot_be_done(run: Run, books: Books, tmp_path: Path, arguments: tuple[str, ...], message: str) -> None:
    done = run("migrate", *(one.format(books=books.path, folder=tmp_path) for one in arguments))
    assert done.code in {1, 2}
    assert message in done.err
    assert not (tmp_path / "new.db").exists()
