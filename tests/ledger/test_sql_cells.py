"""Adding up cells: what is read, and from where."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.contracts.check_ledger import entry_of
from tests.ledger.scans import START_US
from thriftgate.ledger.connection import Connection
from thriftgate.ledger.rollup_columns import HOUR_US
from thriftgate.ledger.rollup_spans import ENTRIES
from thriftgate.ledger.sql import SqlLedger
from thriftgate.ledger.sql_cells import Only, add_up, chosen, is_rounded, kept_from, pieces_of
from thriftgate.ledger.sql_spend import LATENCY, SPEND
from thriftgate.ledger.sqlite import SqliteConnection

NOW_US = START_US + 10 * HOUR_US + 20 * 60_000_000


@pytest.fixture
async def ledger(place: str) -> AsyncIterator[SqlLedger]:
    made = SqlLedger.open(place)
    for at, opened_us in enumerate((START_US, START_US + 9 * HOUR_US, NOW_US - 5, NOW_US)):
        await made.settle(entry_of(f"e{at}", 10**at, opened_us=opened_us, key=f"k{at % 2}"))
    yield made
    await made.close()


async def reads_entries(ledger: SqlLedger, since_us: int, until_us: int) -> bool:
    some = await ledger.ask(lambda connection: pieces_of(connection, (since_us, until_us), "total", "UTC"))
    return any(piece.hours == ENTRIES for piece in some)


async def test_entries_are_read_only_where_an_hour_has_calls_on_both_sides(ledger: SqlLedger) -> None:
    assert not await reads_entries(ledger, 0, 2**62)
    assert not await reads_entries(ledger, START_US, NOW_US + 1), "nothing came in after now"
    assert not await reads_entries(ledger, START_US + 9 * HOUR_US - 1, 2**62), "the hour before is empty"
    assert await reads_entries(ledger, START_US, NOW_US)
    assert await reads_entries(ledger, NOW_US, 2**62)


async def test_sums_by_columns_and_bucket(ledger: SqlLedger) -> None:
    span = (START_US, NOW_US)
    found = await ledger.ask(lambda connection: add_up(connection, SPEND, span, ("key", "model")))
    assert {at: sums.money("paid") for at, sums in found.items()} == {
        (START_US, ("k0", "m")): 101,
        (START_US, ("k1", "m")): 10,
    }
    one = await ledger.ask(lambda connection: add_up(connection, SPEND, span, step="hour", only=Only(key="k0")))
    assert [(start - START_US) // HOUR_US for start, _ in sorted(one)] == [0, 10]
    assert await ledger.ask(lambda connection: add_up(connection, SPEND, (0, START_US))) == {}
    assert await ledger.ask(lambda connection: add_up(connection, SPEND, (NOW_US + HOUR_US, 2**62))) == {}


@pytest.mark.parametrize("place", ["sqlite"], indirect=True)
async def test_no_question_goes_through_all_cells(ledger: SqlLedger) -> None:
    def plan(connection: Connection) -> list[str]:
        assert isinstance(connection, SqliteConnection)
        asked: list[str] = []
        connection.set_trace_callback(asked.append)
        add_up(connection, SPEND, (START_US, NOW_US), ("key",), step="day")
        connection.set_trace_callback(None)
        return [
            str(row[-1])
            for one in asked
            if one.startswith("with pieces")
            for row in connection.execute(f"explain query plan {one}")
        ]

    lines = await ledger.ask(plan)
    assert any("rollup_cells" in line or line.startswith("SEARCH c USING PRIMARY KEY (hours=? AND slot>?") for line in lines)
    assert any("entries_by_time" in line for line in lines), lines
    assert not [
        line for line in lines if line.startswith("SCAN") and line not in ("SCAN p", "SCAN one VIRTUAL TABLE INDEX 1:")
    ]


def test_times_are_asked_of_ways() -> None:
    assert LATENCY.table == "rollup_ways"
    assert SPEND.table == chosen("calls").table == "rollup_cells"


async def test_nothing_was_forgotten(ledger: SqlLedger) -> None:
    assert await ledger.ask(kept_from) == 0
    assert not await ledger.ask(lambda connection: is_rounded(connection, (START_US + 1, NOW_US), "total", "UTC"))
