"""The ledger contract over every back end there is."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings

from tests.contracts import check_ledger_names
from tests.contracts.check_ledger import CHECKS, ENTRIES, Check, Opener, an_entry_comes_back_as_it_was
from tests.postgres_books import fresh_books
from thriftgate.ledger.entries import Entry
from thriftgate.ledger.sql import SqlLedger


def sqlite_file(folder: Path) -> Opener:
    return Opener(lambda: SqlLedger.open(folder / "books.db"), durable=True)


def sqlite_full_sync(folder: Path) -> Opener:
    return Opener(lambda: SqlLedger.open(folder / "books.db", sync="full"), durable=True)


def sqlite_memory(_folder: Path) -> Opener:
    return Opener(lambda: SqlLedger.open(":memory:"), durable=False)


def postgresql(_folder: Path) -> Opener:
    url = fresh_books()
    return Opener(lambda: SqlLedger.open(url), durable=True)


BACK_ENDS = (sqlite_file, sqlite_full_sync, sqlite_memory, postgresql)


@pytest.mark.parametrize("check", [*CHECKS, *check_ledger_names.CHECKS], ids=lambda check: check.__name__)
@pytest.mark.parametrize("back_end", BACK_ENDS, ids=lambda back_end: back_end.__name__)
async def test_contract(back_end: type, check: Check, tmp_path: Path) -> None:
    await check(back_end(tmp_path))


@settings(max_examples=60, deadline=None)
@given(entry=ENTRIES)
def test_any_entry_round_trips(entry: Entry) -> None:
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(an_entry_comes_back_as_it_was(sqlite_file(Path(folder)), entry))
