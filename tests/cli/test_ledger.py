"""`thriftgate ledger check`, as it is called."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from shutil import copy

from tests.cli.conftest import Books, Run


def spoilt(books: Books, folder: Path) -> str:
    path = copy(books.path, folder / "books.db")
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("update rollup_cells set calls = calls + 1 where hours = 24")
    return str(path)


def test_books_that_are_right(run: Run, books: Books) -> None:
    done = run("ledger", "check", "--ledger", books.path, "--json")
    found = done.json()
    assert (done.code, found["ok"], found["unbalanced"], found["differing"]) == (0, True, [], 0)
    assert found["cells"] > 0
    assert "each entry sums to zero" in run("ledger", "check", "--ledger", books.path).out


def test_what_differs_is_told_and_made_anew_only_when_asked(run: Run, books: Books, tmp_path: Path) -> None:
    path = spoilt(books, tmp_path)
    done = run("ledger", "check", "--ledger", path)
    assert done.code == 1
    assert "rollup_cells" in done.out
    assert "--rebuild" in done.err
    assert run("ledger", "check", "--ledger", path).code == 1
    done = run("ledger", "check", "--ledger", path, "--rebuild", "--json")
    found = done.json()
    assert (done.code, found["rebuilt"]) == (0, True)
    kept, wanted = (found["differences"][0]["columns"]["calls"][side] for side in ("kept", "entries"))
    assert kept == wanted + 1
    assert run("ledger", "check", "--ledger", path, "--json").json()["differing"] == 0
