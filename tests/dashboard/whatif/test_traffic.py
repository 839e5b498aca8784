"""The latest calls of a ledger, read for a replay."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.dashboard.whatif.conftest import CALLS
from tests.postgres_books import fresh_books
from thriftgate.dashboard.whatif.replayed import Known
from thriftgate.dashboard.whatif.traffic import POSTINGS, Which, traffic_of
from thriftgate.ledger.sql import SqlLedger


def test_all_of_them(recorded: Path, known: Known) -> None:
    found = traffic_of(Which(str(recorded), 0, 2**62, 1_000, ""), known.book)
    assert (found.found, len(found.calls), len(found.alone)) == (CALLS, CALLS, CALLS - 8)
    assert found.first_us < found.last_us
    assert all(one.prefix.chain for one in found.calls)
    assert all(not one.logged.body for one in found.calls), "no words of anybody"


def test_the_latest_of_some(recorded: Path, known: Known) -> None:
    few = traffic_of(Which(str(recorded), 0, 2**62, 3, ""), known.book)
    assert [one.model for one in few.calls] == ["claude-haiku-5-5"] * 3
    opus = traffic_of(Which(str(recorded), 0, 2**62, 100, "", model="claude-opus-5-5"), known.book)
    assert len(opus.calls) == 8
    none = traffic_of(Which(str(recorded), 0, 2**62, 100, "", team="nobody"), known.book)
    assert (none.found, none.calls) == (0, [])


def test_the_ledger_is_only_read(recorded: Path, known: Known, tmp_path: Path) -> None:
    before = recorded.read_bytes()
    traffic_of(Which(str(recorded), 0, 2**62, 5, ""), known.book)
    assert recorded.read_bytes() == before
    with pytest.raises(sqlite3.Error):
        traffic_of(Which(str(tmp_path / "none.db"), 0, 2**62, 5, ""), known.book)


def test_postings_of_other_calls_are_not_read(recorded: Path) -> None:
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("attach database ? as books", (str(recorded),))
        connection.execute("create table entries as select * from books.entries limit 3")
        connection.execute("create unique index by_id on entries (id)")
        plan = [row[-1] for row in connection.execute(f"explain query plan {POSTINGS}")]
    assert plan[1:] == ["SEARCH p USING PRIMARY KEY (entry=?)"], plan


def test_books_on_a_server_tell_the_same(recorded: Path, known: Known) -> None:
    url = fresh_books()
    asyncio.run(_copied(str(recorded), url))
    for asked in ({}, {"model": "claude-opus-5-5"}, {"team": "nobody"}):
        here, there = (traffic_of(Which(path, 0, 2**62, 12, "", **asked), known.book) for path in (str(recorded), url))
        assert (here.found, here.alone, here.first_us, here.last_us) == (
            there.found,
            there.alone,
            there.first_us,
            there.last_us,
        )
        assert [repr(one) for one in here.calls] == [repr(one) for one in there.calls]


async def _copied(path: str, url: str) -> None:
    here, there = SqlLedger.open(path), SqlLedger.open(url)
    for entry in await here.entries():
        await there.settle(entry)
    await here.close()
    await there.close()
