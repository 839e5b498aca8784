"""What a check of the books says."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path
from shutil import copy

import pytest

from tests.cli.conftest import Books
from tests.cli.entries import entry_of
from tests.ledger.filled import made_at
from tests.postgres_books import fresh_books, server
from thriftgate.cli.ledger_check import checked, print_checked
from thriftgate.core.errors import ConfigError, LedgerError
from thriftgate.ledger.sql import SqlLedger


def changed(books: Books, folder: Path, statement: str) -> str:
    """A copy that something else has written to."""
    path = copy(books.path, folder / "books.db")
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(statement)
    return str(path)


def test_entries_that_were_changed(books: Books, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = changed(books, tmp_path, "update postings set pico = pico + 1 where account = 'upstream'")
    found = checked(path, rebuild=True)
    assert len(found["unbalanced"]) == len(set(found["unbalanced"])) > 0
    assert (found["ok"], found["rebuilt"]) == (False, True), "a roll-up can be made anew, an entry cannot"
    print_checked(found)
    told = capsys.readouterr()
    assert "do not sum to zero" in told.out
    assert "restore it from a backup" in told.err


def test_not_while_a_gateway_serves(books: Books, tmp_path: Path) -> None:
    path = changed(books, tmp_path, "update rollup_ways set calls = 0")

    async def serve() -> None:
        ledger = SqlLedger.open(path)
        assert ledger.try_lead()
        try:
            assert (await asyncio.to_thread(checked, path, rebuild=False))["differing"] > 0
            with pytest.raises(LedgerError, match="in use by another thriftgate"):
                await asyncio.to_thread(checked, path, rebuild=True)
        finally:
            await ledger.close()

    asyncio.run(serve())


def test_no_ledger() -> None:
    with pytest.raises(ConfigError, match="there is no ledger at"):
        checked("/nowhere/books.db", rebuild=False)


def test_books_on_a_server() -> None:
    url = fresh_books()

    async def spoil() -> None:
        ledger = SqlLedger.open(url)
        await ledger.settle(entry_of())
        await ledger.transact(lambda connection: connection.execute("update rollup_ways set calls = 7"))
        await ledger.close()

    asyncio.run(spoil())
    found = checked(url, rebuild=True)
    assert (found["ok"], found["differing"], found["rebuilt"]) == (True, 2, True)
    assert {one["table"] for one in found["differences"]} == {"rollup_ways"}
    assert checked(url, rebuild=False)["differing"] == 0
    with pytest.raises(ConfigError, match="there is no ledger at postgresql://"):
        checked(server().url, rebuild=False)


def test_books_of_the_version_before(tmp_path: Path) -> None:
    """What roll-ups lack that they are yet to count is not wrong."""
    path = str(tmp_path / "books.db")
    made_at(path, 13)
    assert checked(path, rebuild=False)["ok"]
