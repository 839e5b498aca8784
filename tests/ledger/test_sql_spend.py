"""What roll-ups say is what the entries say, whatever is asked."""

from __future__ import annotations

import asyncio
import sqlite3
from functools import partial
from typing import Any, get_args

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.ledger.conftest import empty
from tests.ledger.scans import SCANS, START_US, ZONES, some_entries
from tests.postgres_books import fresh_books
from thriftgate.ledger import sql_spend
from thriftgate.ledger.entries import Entry
from thriftgate.ledger.rollup_columns import HOUR_US, WAYS
from thriftgate.ledger.sql import SqlLedger
from thriftgate.ledger.sql_cells import Only
from thriftgate.ledger.sql_rollups_made import check, make
from thriftgate.ledger.sql_spend import Asked, By

DAYS = [START_US + day * 24 * HOUR_US for day in range(4)]
MOMENTS = st.sampled_from([0, *DAYS, 2**62]) | st.integers(START_US - HOUR_US, START_US + 73 * HOUR_US)
ONLY = st.builds(
    Only, **dict.fromkeys(("key", "user", "team", "task"), st.sampled_from([None, None, None, "a"])),
    tag=st.sampled_from([None, None, None, "x"]),
)  # fmt: skip


@st.composite
def questions(draw: st.DrawFn) -> Asked:
    since_us, until_us = sorted((draw(MOMENTS), draw(MOMENTS)))
    return Asked(
        since_us,
        until_us,
        by=draw(st.sampled_from(get_args(By))),
        step=draw(st.sampled_from(["total", "day", "hour"])),
        zone=draw(st.sampled_from(ZONES)),
        only=draw(ONLY),
    )


def _put(question: Any, asked: Asked, connection: sqlite3.Connection) -> Any:
    return question(connection, asked)


_SOME = {"entries": some_entries(), "asked": st.lists(questions(), min_size=1, max_size=6)}


@settings(max_examples=20, deadline=None)
@given(**_SOME)
def test_roll_ups_say_what_the_entries_say(entries: list[Entry], asked: list[Asked]) -> None:
    agree(":memory:", entries, asked)


def test_they_do_in_postgresql() -> None:
    path = fresh_books()

    @settings(max_examples=8, deadline=None, database=None)
    @given(**_SOME)
    def see(entries: list[Entry], asked: list[Asked]) -> None:
        agree(path, entries, asked)

    see()


def agree(path: str, entries: list[Entry], asked: list[Asked]) -> None:
    async def see() -> None:
        ledger = SqlLedger.open(path)
        await ledger.transact(empty)
        await asyncio.gather(*(ledger.settle(entry) for entry in entries[::2]))
        for entry in entries[1::2]:
            await ledger.settle(entry)
        for _ in range(2):
            for one in asked:
                for name, scan in SCANS.items():
                    if name in ("savings", "misses") and one.by in WAYS:
                        continue
                    found = await ledger.ask(partial(_put, getattr(sql_spend, name), one))
                    assert found == scan(entries, one), (name, one)
            assert (await ledger.transact(check)).differing == 0
            await ledger.transact(make)  # from the entries in one go, they are the same
        await ledger.close()

    asyncio.run(see())
