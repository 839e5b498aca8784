"""Single calls go, what they add up to stays."""

from __future__ import annotations

from msgspec.structs import astuple

from tests.contracts.check_ledger import entry_of, hold_of
from tests.ledger.scans import START_US
from thriftgate.core.misses import Miss
from thriftgate.ledger.connection import Connection
from thriftgate.ledger.jobs import Job
from thriftgate.ledger.rollup_columns import HOUR_US
from thriftgate.ledger.rollup_spans import DAY_US
from thriftgate.ledger.sql import SqlLedger
from thriftgate.ledger.sql_pruning import prune
from thriftgate.ledger.sql_rollups_made import check_books, make
from thriftgate.ledger.sql_spend import Asked, remarks, spend


async def books_of_a_week(path: str) -> SqlLedger:
    """A call every six hours, at twenty past."""
    ledger = SqlLedger.open(path)
    for at in range(28):
        opened_us = START_US + at * 6 * HOUR_US + HOUR_US // 3
        await ledger.hold(hold_of(f"e{at:02}", opened_us=opened_us))
        miss = Miss("expired", 3, 5, "")
        entry = entry_of(f"e{at:02}", 10**at % 997, at, opened_us=opened_us, key=f"k{at % 3}", miss=miss)
        await ledger.settle(entry)
    return ledger


async def test_every_figure_of_whole_hours_stays(place: str) -> None:
    ledger = await books_of_a_week(place)
    spans = [(0, 2**62), (START_US + 6 * HOUR_US, START_US + 50 * HOUR_US), (START_US + 4 * DAY_US, START_US + 6 * DAY_US)]
    before = [await ledger.report(since_us=since, until_us=until) for since, until in spans]
    cached = await ledger.cache_report((100_000,))
    assert await prune(ledger, START_US + 3 * DAY_US + HOUR_US) == 12
    for (since, until), was in zip(spans, before, strict=True):
        found = await ledger.report(since_us=since, until_us=until)
        assert found.remarks.kept_from_us == START_US + 3 * DAY_US
        assert (found.calls, found.paid_pico, found.levers, found.by_key) == (
            was.calls,
            was.paid_pico,
            was.levers,
            was.by_key,
        )
    assert await ledger.cache_report((100_000,)) == cached
    assert [entry.id for entry in await ledger.entries()] == [f"e{at}" for at in range(12, 28)]
    assert await ledger.open_holds() == [], "the hold of a call that is gone is no open one"
    assert await prune(ledger, START_US + 3 * DAY_US) == 0
    assert check_books(place).differing == 0
    await ledger.transact(make)  # from what is left, and leaving alone what is not
    assert (await ledger.report()).paid_pico == before[0].paid_pico
    await ledger.close()


async def test_a_ragged_end_where_calls_are_gone_begins_at_its_hour(place: str) -> None:
    ledger = await books_of_a_week(place)
    ragged = Asked(START_US + HOUR_US // 2, START_US + 5 * DAY_US + HOUR_US // 2)
    halves = Asked(step="day", zone="Asia/Kolkata")
    exact = await ledger.ask(lambda connection: spend(connection, ragged))
    assert not (await ledger.ask(lambda connection: remarks(connection, ragged))).whole_hours
    assert sum(cell.calls for cell in exact) == 20
    await prune(ledger, START_US + 3 * DAY_US)
    (found,) = await ledger.ask(lambda connection: spend(connection, ragged))
    assert found.calls == 21, "the one at twenty past is counted with its hour"
    said = await ledger.ask(lambda connection: remarks(connection, ragged))
    assert (said.whole_hours, said.kept_from_us) == (True, START_US + 3 * DAY_US)
    days = await ledger.ask(lambda connection: spend(connection, halves))
    assert sum(cell.calls for cell in days) == 28, "each call in one day"
    assert (await ledger.ask(lambda connection: remarks(connection, halves))).whole_hours
    await ledger.close()


async def test_what_is_not_settled_and_what_a_job_asks_for_stays(place: str) -> None:
    ledger = await books_of_a_week(place)
    await ledger.hold(hold_of("open", opened_us=START_US))
    await ledger.settle(entry_of("tgs_1", opened_us=START_US))  # of a second copy of a batch
    job = Job("r", 1, "n", "done", entry="e03")
    columns = ", ".join(Job.__struct_fields__)
    question = f"insert into jobs ({columns}) values ({', '.join('?' * len(Job.__struct_fields__))})"

    def put(connection: Connection) -> None:
        connection.execute("insert into runs values ('r', '', '', '', ?, 1, '', 0, 0, '', 0, 0, 0, 0, '')", (b"",))
        connection.execute(question, astuple(job))

    await ledger.transact(put)
    assert await prune(ledger, START_US + 3 * DAY_US) == 11
    assert [hold.id for hold in await ledger.open_holds()] == ["open"]
    assert await ledger.entry("e03") is not None
    assert await ledger.entry("tgs_1") is not None
    assert (await ledger.report()).calls == 29
    await ledger.close()


async def test_nothing_is_said_where_nothing_went(place: str) -> None:
    ledger = await books_of_a_week(place)
    assert await prune(ledger, START_US) == 0
    assert (await ledger.report()).remarks.kept_from_us == 0
    await ledger.close()
