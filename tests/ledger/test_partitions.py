"""Months of calls come and go, in PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from functools import partial

import psycopg
import pytest
from msgspec.structs import astuple

from tests.contracts.check_ledger import entry_of, hold_of
from tests.postgres_books import fresh_books
from thriftgate.ledger.connection import Connection
from thriftgate.ledger.jobs import Job
from thriftgate.ledger.partitions import count, id_at, make_month, make_partitions, month_of, months_before
from thriftgate.ledger.sql import SqlLedger
from thriftgate.ledger.sql_pruning import prune
from thriftgate.ledger.sql_rollups_made import check_books

MONTHS = [int(datetime(2025, month, 1, tzinfo=UTC).timestamp()) * 1_000_000 for month in range(1, 13)]
HOUR_US = 3_600_000_000


@pytest.fixture
async def ledger() -> AsyncIterator[SqlLedger]:
    made = SqlLedger.open(fresh_books())
    yield made
    await made.close()


async def put(ledger: SqlLedger, *moments_us: int) -> list[str]:
    ids = []
    for at, moment_us in enumerate(moments_us):
        ids.append(f"tg_{moment_us:014x}{at:012x}")
        await ledger.hold(hold_of(ids[-1], opened_us=moment_us))
        await ledger.settle(entry_of(ids[-1], at, opened_us=moment_us))
    return ids


async def parts(ledger: SqlLedger) -> dict[str, int]:
    """How many entries each part holds."""

    def ask(connection: Connection) -> dict[str, int]:
        question = "select cast(cast(tableoid as regclass) as text), count(*) from entries group by 1"
        return dict(connection.execute(question).fetchall())

    return await ledger.ask(ask)


async def test_calls_stand_in_their_month(ledger: SqlLedger) -> None:
    await ledger.transact(lambda connection: make_partitions(connection, MONTHS[2] + HOUR_US))
    await ledger.transact(lambda connection: make_partitions(connection, MONTHS[3]))
    ids = await put(ledger, MONTHS[2] - 1, MONTHS[2], MONTHS[3] - 1, MONTHS[3], MONTHS[6])
    await ledger.settle(entry_of("tgs_1", opened_us=MONTHS[3]))
    assert await parts(ledger) == {"entries_2025_03": 2, "entries_2025_04": 1, "entries_2025_07": 1, "entries_rest": 2}
    assert [entry.id for entry in await ledger.entries()] == [*ids, "tgs_1"]
    assert id_at(datetime(2025, 3, 1, tzinfo=UTC)) <= ids[1]


async def test_what_came_before_there_was_a_month_for_it_moves(ledger: SqlLedger) -> None:
    ids = await put(ledger, MONTHS[4] - 1, MONTHS[4] + HOUR_US)
    assert await parts(ledger) == {"entries_rest": 2}
    await ledger.transact(lambda connection: make_partitions(connection, MONTHS[4]))
    assert await parts(ledger) == {"entries_rest": 1, "entries_2025_05": 1}
    found = await ledger.entries()
    assert [entry.id for entry in found] == ids
    assert all(entry.postings for entry in found)
    with pytest.raises(Exception, match="duplicate"):
        await ledger.settle(found[1])


async def test_a_month_long_past_gets_parts_of_its_own(ledger: SqlLedger) -> None:
    ids = await put(ledger, MONTHS[1], MONTHS[2])
    for _ in range(2):
        await ledger.transact(lambda connection: make_month(connection, MONTHS[1] + HOUR_US))
    assert await parts(ledger) == {"entries_2025_02": 1, "entries_rest": 1}
    assert month_of(MONTHS[1]).name == "2025_02"
    assert [entry.id for entry in await ledger.entries()] == ids


async def test_a_month_that_is_over_goes_at_once(ledger: SqlLedger) -> None:
    for month in (MONTHS[0], MONTHS[4]):
        await ledger.transact(partial(_made, month))
    ids = await put(ledger, *(month + at * HOUR_US for month in MONTHS[:4] for at in range(3)))
    before = await ledger.report()
    assert await prune(ledger, MONTHS[2] + 2 * 24 * HOUR_US) == 9
    assert await parts(ledger) == {"entries_2025_04": 3}
    names = await ledger.ask(lambda connection: [month.name for month in months_before(connection, MONTHS[4])])
    assert names == ["2025_03", "2025_04"], "the one that was not over then is still there, empty"
    after = await ledger.report()
    assert (after.calls, after.paid_pico, after.open_holds) == (before.calls, before.paid_pico, 0)
    assert after.remarks.kept_from_us == MONTHS[2] + 2 * 24 * HOUR_US
    assert [entry.id for entry in await ledger.entries()] == ids[9:]
    assert check_books(ledger.path).differing == 0


async def test_a_month_of_which_something_must_stay_goes_call_by_call(ledger: SqlLedger) -> None:
    await ledger.transact(lambda connection: make_partitions(connection, MONTHS[0]))
    ids = await put(ledger, *(month + at * HOUR_US for month in MONTHS[:3] for at in range(3)))
    await ledger.hold(hold_of(f"tg_{MONTHS[0]:014x}open", opened_us=MONTHS[0]))
    job = Job("r", 1, "n", "done", entry=ids[4])

    def of_a_job(connection: Connection) -> None:
        connection.execute("insert into runs values ('r', '', '', '', ?, 1, '', 0, 0, '', 0, 0, 0, 0, '')", (b"",))
        marks = ", ".join("?" * len(Job.__struct_fields__))
        connection.execute(f"insert into jobs ({', '.join(Job.__struct_fields__)}) values ({marks})", astuple(job))

    await ledger.transact(of_a_job)
    assert await prune(ledger, MONTHS[2]) == 5
    assert await parts(ledger) == {"entries_2025_02": 1, "entries_2025_03": 3}
    assert len(await ledger.open_holds()) == 1
    assert await ledger.entry(ids[4]) is not None


async def test_who_reads_for_long_holds_up_nobody(ledger: SqlLedger) -> None:
    await ledger.transact(lambda connection: make_partitions(connection, MONTHS[0]))
    await put(ledger, MONTHS[0], MONTHS[1])
    with psycopg.connect(ledger.path) as reader:
        reader.execute("select count(*) from entries")
        assert await prune(ledger, MONTHS[3]) == 2, "call by call, since the month cannot go"
        assert await parts(ledger) == {}
    assert await ledger.ask(lambda connection: len(months_before(connection, MONTHS[3]))) == 3
    assert await prune(ledger, MONTHS[3]) == 0
    assert await ledger.ask(lambda connection: months_before(connection, MONTHS[3])) == []


async def test_a_file_is_not_parted() -> None:
    books = SqlLedger.open(":memory:")
    await books.transact(lambda connection: make_partitions(connection, MONTHS[0]))
    assert await books.ask(lambda connection: months_before(connection, MONTHS[3])) == []
    await books.close()


def _made(month_us: int, connection: Connection) -> None:
    make_partitions(connection, month_us)
    assert all(count(connection, month) == 0 for month in months_before(connection, month_us))
