"""Calls that roll-ups lack are counted beside whatever else is written, and each of them once."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.contracts.check_ledger import entry_of
from tests.fixtures import until
from tests.ledger.lacking import fill, settled_by_the_version_before
from tests.ledger.scans import START_US
from thriftgate.core.control.whose import Whose
from thriftgate.core.errors import LedgerError
from thriftgate.ledger import sql_filling
from thriftgate.ledger.connection import Connection
from thriftgate.ledger.entries import Entry
from thriftgate.ledger.rollup_columns import HOUR_US, OTHER
from thriftgate.ledger.rollup_spans import DAY_US
from thriftgate.ledger.sql import SqlLedger
from thriftgate.ledger.sql_filling import Filling, _added_up, _put_day, _put_hour, fill_rounds
from thriftgate.ledger.sql_lacking import FILLED, NO_END, lacking
from thriftgate.ledger.sql_pruning import prune
from thriftgate.ledger.sql_rollups import FOLDS
from thriftgate.ledger.sql_rollups_made import check
from thriftgate.ledger.sql_savings import tasks

HOUR, DAY = START_US // HOUR_US, START_US // DAY_US
ALL = (0, 2**62)


def call(name: str, **members: Any) -> Entry:
    return entry_of(name, **{"opened_us": START_US, "task": "t", **members})


async def cells(ledger: SqlLedger) -> list[Any]:
    return await ledger.ask(lambda connection: connection.execute(f"select * from {FILLED} order by 1, 2, 3, 4").fetchall())


async def lacks(ledger: SqlLedger) -> list[int]:
    return await ledger.ask(lambda connection: lacking(connection, 24, 0, NO_END))


async def calls_told(ledger: SqlLedger) -> dict[str, int]:
    return {one.task: one.calls for one in await ledger.ask(lambda connection: tasks(connection, ALL))}


async def test_what_is_filled_is_what_settling_would_have_written(ledger: SqlLedger) -> None:
    entries = [
        call(f"e{at}", opened_us=START_US + at * 5 * HOUR_US, task=f"t{at % 3}", asked_model="n" if at % 2 else "",
             latency_ms=at, whose=Whose(tags=("x",)), key=f"k{at % 2}")
        for at in range(20)
    ]  # fmt: skip
    for entry in entries:
        await ledger.settle(entry)
    wanted = await cells(ledger)
    await ledger.transact(lambda connection: connection.execute(f"delete from {FILLED}"))
    assert await fill(ledger) == len({entry.opened_us // DAY_US for entry in entries})
    assert await cells(ledger) == wanted
    assert await fill(ledger) == 0


async def test_the_newest_day_comes_first_and_a_round_ends(ledger: SqlLedger) -> None:
    for day in range(3):
        await settled_by_the_version_before(ledger, call(f"e{day}", opened_us=START_US + day * DAY_US))
    filling = Filling(ledger)
    for left in ([DAY, DAY + 1], [DAY], []):
        assert await filling.step()
        assert await lacks(ledger) == left
    await settled_by_the_version_before(ledger, call("late"))
    assert not await filling.step(), "the round knows of three days"
    assert await filling.step(), "the next one of a fourth"
    assert await lacks(ledger) == []


async def test_an_hour_to_which_a_call_was_added_meanwhile_waits(ledger: SqlLedger) -> None:
    await settled_by_the_version_before(ledger, call("a"))
    hour = await ledger.ask(lambda connection: _added_up(connection, HOUR))
    await ledger.settle(call("b"))
    before = await cells(ledger)
    await ledger.transact(lambda connection: _put_hour(connection, hour))
    await ledger.transact(lambda connection: _put_day(connection, DAY))
    assert (await cells(ledger), await lacks(ledger)) == (before, [DAY])
    assert await calls_told(ledger) == {"t": 2}
    assert await fill(ledger) == 1
    assert (await calls_told(ledger), await lacks(ledger)) == ({"t": 2}, [])


async def test_calls_settle_beside_it(place: str) -> None:
    """Of both versions, over two connections; what is told is right all the while, and in the end nothing lacks."""
    new, old = SqlLedger.open(place), SqlLedger.open(place)
    done = 0
    told: list[int] = []

    async def settle(one: SqlLedger, kind: str) -> None:
        nonlocal done
        for at in range(40):
            entry = call(f"{kind}{at}", opened_us=START_US + at % 30 * HOUR_US, task=f"t{at % 4}", key=kind)
            await (one.settle(entry) if kind == "new" else settled_by_the_version_before(one, entry))
            done += 1

    async def look() -> None:
        while done < 80:
            await fill(new)
            least = done
            told.append(sum((await calls_told(new)).values()))
            assert least <= told[-1] <= done + 2  # those that are written, but not yet counted here

    await asyncio.gather(settle(new, "new"), settle(old, "old"), look())
    assert len(told) > 1
    await fill(new)
    assert await lacks(new) == []
    assert sum((await calls_told(new)).values()) == 80
    assert (await new.transact(check)).differing == 0
    await new.close()
    await old.close()


async def test_names_that_share_a_cell_share_it_here_too(ledger: SqlLedger) -> None:
    most = FOLDS[0][1]
    hostile = [call(f"h{at}", task=f"t{at}") for at in range(most + 7)]
    await asyncio.gather(*(ledger.settle(entry) for entry in hostile))
    wanted = await cells(ledger)
    await ledger.transact(lambda connection: connection.execute(f"delete from {FILLED}"))
    await fill(ledger)
    assert await cells(ledger) == wanted
    assert (await calls_told(ledger))[OTHER] == 7
    assert (await ledger.transact(check)).differing == 0


async def test_what_was_forgotten_cannot_be_filled(ledger: SqlLedger) -> None:
    for day in range(3):
        await settled_by_the_version_before(ledger, call(f"e{day}", opened_us=START_US + day * DAY_US))
    filling = Filling(ledger)
    assert await filling.step()
    await prune(ledger, START_US + 2 * DAY_US)
    while await filling.step():  # it still knows of the days that are gone now
        pass
    assert await lacks(ledger) == [DAY, DAY + 1]
    assert await fill(ledger) == 0, "a later round does not try"
    assert await calls_told(ledger) == {"t": 1}
    assert (await ledger.transact(check)).differing == 0


async def test_cells_that_are_wrong_are_found(ledger: SqlLedger) -> None:
    """Of what lacks calls nothing is told; what does not, must be right."""
    await ledger.settle(call("a", latency_ms=5))
    await settled_by_the_version_before(ledger, call("b", opened_us=START_US + HOUR_US))

    def spoil(connection: Connection) -> None:
        connection.execute(f"update {FILLED} set latency_ms = latency_ms + 1")

    await ledger.transact(spoil)
    found = await ledger.transact(check)
    assert [(one.table, one.hours, one.columns) for one in found.shown] == [(FILLED, 1, {"latency_ms": (6, 5)})]


async def test_books_that_cannot_be_read_tell_so(ledger: SqlLedger) -> None:
    filling = Filling(ledger)
    await ledger.close()
    with pytest.raises(LedgerError):
        await filling.step()


async def test_rounds_go_on_after_one_that_went_wrong(
    ledger: SqlLedger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as while the disk is away: here a file is where its folder should be."""
    monkeypatch.setattr(sql_filling, "AGAIN_S", 0.01)
    (tmp_path / "gone").write_text("")
    away = asyncio.ensure_future(fill_rounds(str(tmp_path / "gone" / "books.db")))
    there = asyncio.ensure_future(fill_rounds(ledger.path))
    try:
        for at in range(2):
            await settled_by_the_version_before(ledger, call(f"e{at}"))

            async def filled() -> bool:
                return not await lacks(ledger)

            await until(filled)
        assert not away.done()
    finally:
        for task in (away, there):
            task.cancel()
        await asyncio.gather(away, there, return_exceptions=True)
