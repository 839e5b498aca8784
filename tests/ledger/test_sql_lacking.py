"""Which slots lack calls, and what is asked instead of them."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.contracts.check_ledger import entry_of
from tests.ledger.lacking import fill, settled_by_the_version_before
from tests.ledger.scans import START_US
from thriftgate.core.control.whose import Whose
from thriftgate.ledger.rollup_columns import HOUR_US
from thriftgate.ledger.rollup_spans import DAY_US, ENTRIES, Piece
from thriftgate.ledger.sql import SqlLedger
from thriftgate.ledger.sql_lacking import NO_END, calls_in, filled_up, lacking

DAY, HOUR = START_US // DAY_US, START_US // HOUR_US


@pytest.fixture
async def ledger(place: str) -> AsyncIterator[SqlLedger]:
    """Of four days, calls of the second and in one hour of the third lack."""
    made = SqlLedger.open(place)
    for at, hour in enumerate((0, 50, 53, 80)):
        await made.settle(entry_of(f"e{at}", opened_us=START_US + hour * HOUR_US, whose=Whose(tags=("x", "y"))))
    for at, hour in enumerate((30, 40, 50)):
        await settled_by_the_version_before(made, entry_of(f"o{at}", opened_us=START_US + hour * HOUR_US))
    yield made
    await made.close()


async def test_slots_that_lack_calls(ledger: SqlLedger) -> None:
    assert await ledger.ask(lambda connection: lacking(connection, 24, 0, NO_END)) == [DAY + 1, DAY + 2]
    assert await ledger.ask(lambda connection: lacking(connection, 1, 0, NO_END)) == [HOUR + 30, HOUR + 40, HOUR + 50]
    assert await ledger.ask(lambda connection: lacking(connection, 1, HOUR + 30, HOUR + 40)) == [HOUR + 30]
    assert await ledger.ask(lambda connection: calls_in(connection, 24, DAY + 2)) == 3, "once, whatever tags they have"
    assert await ledger.ask(lambda connection: calls_in(connection, 24, DAY + 9)) == 0
    assert await fill(ledger) == 2
    for hours in (1, 24):
        assert await ledger.ask(lambda connection, hours=hours: lacking(connection, hours, 0, NO_END)) == []  # type: ignore[misc]


async def test_hours_instead_of_days_and_entries_instead_of_hours(ledger: SqlLedger) -> None:
    days = Piece(7, 24, DAY, DAY + 4, -1)
    ragged = Piece(7, ENTRIES, START_US, START_US + 5)
    assert await ledger.ask(lambda connection: filled_up(connection, [ragged, days], 0)) == [
        ragged,
        Piece(7, 24, DAY, DAY + 1, -1),
        Piece(7, 1, HOUR + 24, HOUR + 30, -1),
        Piece(7, ENTRIES, START_US + 30 * HOUR_US, START_US + 31 * HOUR_US, -1),
        Piece(7, 1, HOUR + 31, HOUR + 40, -1),
        Piece(7, ENTRIES, START_US + 40 * HOUR_US, START_US + 41 * HOUR_US, -1),
        Piece(7, 1, HOUR + 41, HOUR + 48, -1),
        Piece(7, 1, HOUR + 48, HOUR + 50, -1),
        Piece(7, ENTRIES, START_US + 50 * HOUR_US, START_US + 51 * HOUR_US, -1),
        Piece(7, 1, HOUR + 51, HOUR + 72, -1),
        Piece(7, 24, DAY + 3, DAY + 4, -1),
    ]


async def test_what_was_forgotten_is_not_asked_of_entries(ledger: SqlLedger) -> None:
    days = Piece(7, 24, DAY, DAY + 3)
    kept_from_us = START_US + 2 * DAY_US
    found = await ledger.ask(lambda connection: filled_up(connection, [days], kept_from_us))
    assert found[0] == Piece(7, 24, DAY, DAY + 2)
    assert [piece.low for piece in found if piece.hours == ENTRIES] == [START_US + 50 * HOUR_US]
