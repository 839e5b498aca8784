"""Roll-ups are added to as entries settle: with them or not at all, and never without bound."""

from __future__ import annotations

import asyncio
import sqlite3
from typing import Any

import pytest

from tests.contracts.check_ledger import entry_of, hold_of
from tests.ledger.scans import START_US
from tests.postgres_books import fresh_books
from thriftgate.core.control.whose import Whose
from thriftgate.core.errors import LedgerError
from thriftgate.ledger import sql_rollups
from thriftgate.ledger.connection import Connection
from thriftgate.ledger.entries import Entry
from thriftgate.ledger.rollup_columns import OTHER, WAY_COLUMNS, WHO
from thriftgate.ledger.sql import SqlLedger
from thriftgate.ledger.sql_rollups import FOLDS, add, folded
from thriftgate.ledger.sql_rollups_made import check, make
from thriftgate.ledger.sql_spend import Asked, By, SpendCell, remarks, spend

ALL = Asked()


def call(name: str, **members: Any) -> Entry:
    return entry_of(name, **{"opened_us": START_US, **members})


async def told(ledger: SqlLedger, by: By = "") -> list[SpendCell]:
    return list(await ledger.ask(lambda connection: spend(connection, Asked(by=by))))


async def rows(ledger: SqlLedger, table: str) -> int:
    def count(connection: Connection) -> int:
        return int(connection.execute(f"select count(*) from {table}").fetchone()[0])

    return await ledger.ask(count)


async def test_a_call_that_is_not_booked_is_not_counted(ledger: SqlLedger) -> None:
    await ledger.settle(call("a"))
    with pytest.raises(LedgerError):
        await ledger.settle(call("a"))
    results = await asyncio.gather(*(ledger.settle(call(name)) for name in "bacd"), return_exceptions=True)
    assert [isinstance(result, LedgerError) for result in results] == [False, True, False, False]
    (cell,) = await told(ledger)
    assert cell.calls == 4
    assert (await ledger.transact(check)).differing == 0


async def test_a_call_that_cannot_be_counted_is_not_booked(ledger: SqlLedger, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_connection: Connection, _entries: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(sql_rollups, "add", full)
    with pytest.raises(LedgerError, match="disk is full"):
        await ledger.settle(call("a"))
    assert await ledger.entry("a") is None


@pytest.mark.parametrize("place", ["sqlite"], indirect=True)
async def test_the_hold_of_a_settled_call_is_marked(ledger: SqlLedger) -> None:
    await asyncio.gather(*(ledger.hold(hold_of(f"h{at}")) for at in range(40)))
    await asyncio.gather(*(ledger.settle(call(f"h{at}")) for at in range(39)))
    assert [hold.id for hold in await ledger.open_holds()] == ["h39"]
    assert await rows(ledger, "holds where settled = 0") == 1
    plan = await ledger.ask(
        lambda connection: connection.execute("explain query plan select 1 from holds where settled = 0").fetchall()
    )
    assert "holds_open" in str(plan)


async def test_a_call_with_tags_is_counted_once_in_all_and_once_under_each(ledger: SqlLedger) -> None:
    await ledger.settle(call("a", whose=Whose(tags=("x", "y", "x", ""))))
    await ledger.settle(call("b", whose=Whose(tags=("y",))))
    assert [cell.calls for cell in await told(ledger)] == [2]
    assert {cell.name: cell.calls for cell in await told(ledger, "tag")} == {"x": 1, "y": 2}


async def test_a_caller_that_makes_up_names_shares_a_cell_with_itself(ledger: SqlLedger) -> None:
    own, folds = FOLDS[0][1], 120
    hostile = [
        call(f"h{at}", key="hostile", task=f"t{at}", whose=Whose(tags=tuple(f"{at}-{tag}" for tag in range(3))))
        for at in range(own // 4 + folds)
    ]
    await asyncio.gather(*(ledger.settle(entry) for entry in hostile))
    await ledger.settle(call("good", key="good", task="mine"))
    found = {cell.name: cell.calls for cell in await told(ledger, "task")}
    assert found.pop(OTHER) == folds
    assert found.pop("mine") == 1, "others keep their names"
    assert set(found.values()) == {1}
    by_tag = {cell.name: cell.calls for cell in await told(ledger, "tag")}
    assert by_tag[OTHER] == folds, "once, though each of them has three"
    assert sum(cell.calls for cell in await told(ledger, "key")) == len(hostile) + 1
    assert await rows(ledger, "rollup_cells where hours = 24") <= own + 3
    assert (await ledger.ask(lambda connection: remarks(connection, ALL))).others
    assert (await ledger.transact(check)).differing == 0
    room = await ledger.ask(lambda connection: connection.execute("select * from rollup_room order by 1, 2").fetchall())
    await ledger.transact(make)
    assert room == await ledger.ask(
        lambda connection: connection.execute("select * from rollup_room order by 1, 2").fetchall()
    )
    assert {cell.name: cell.calls for cell in await told(ledger, "tag")}[OTHER] == folds
    assert (await ledger.entry(hostile[-1].id)) == hostile[-1], "the entries stay as they are"


def test_bounds_are_for_each_key_and_for_all() -> None:
    who = tuple(f"{name}1" for name in WHO)
    for at, (names, mine, everybodys) in enumerate(FOLDS):
        room = FOLDS[at - 1] if at else (frozenset(), 0, 0)
        for counts in ((mine - 1, 0), (0, everybodys - 1), (room[1], 0), (0, room[2])):
            assert folded(who, *counts) == tuple(
                OTHER if name in names else value for name, value in zip(WHO, who, strict=True)
            )
    last = dict(zip(WHO, folded(who, 10**6, 10**6), strict=True))
    assert {name for name, value in last.items() if value == OTHER} == {"task", "tag", "model", "key", "user_id"}
    nothing = ("",) * len(WHO)
    assert folded(nothing, 10**6, 10**6) == nothing, "what is empty stays empty"


async def test_one_transaction_counts_as_many_of_their_own(ledger: SqlLedger) -> None:
    entries = [call(f"e{at}", task=f"t{at % 7}", paid=at) for at in range(100)]
    sums = ", ".join(WAY_COLUMNS)
    cells = f"select hours, slot, task, {sums} from rollup_ways w join rollup_dims d on d.id = w.dims order by 1, 2, 3"

    def count(connection: Connection) -> list[object]:
        before = connection.execute(cells).fetchall()
        for table in ("cells", "ways", "parts", "prompts", "tasks", "room"):
            connection.execute(f"delete from rollup_{table}")
        add(connection, entries)
        add(connection, [])
        return [before, connection.execute(cells).fetchall()]

    for entry in entries:
        await ledger.settle(entry)
    one_by_one, together = await ledger.transact(count)
    assert one_by_one == together


async def test_names_of_a_transaction_that_was_undone_are_not_remembered(ledger: SqlLedger) -> None:
    def count_and_fail(connection: Connection) -> None:
        add(connection, [call("a", task="first")])
        add(connection, [call("b", task="first")])  # finds the names that are not committed
        raise LedgerError("undone")

    for _ in range(2):
        with pytest.raises(LedgerError, match="undone"):
            await ledger.transact(count_and_fail)
        await ledger.settle(call(f"c{_}", task="second"))
    await ledger.settle(call("d", task="first"))
    assert {cell.name: cell.calls for cell in await told(ledger, "task")} == {"first": 1, "second": 2}
    assert (await ledger.transact(check)).differing == 0


async def test_several_writers_add_to_the_same_cells() -> None:
    place = fresh_books()
    writers = [SqlLedger.open(place) for _ in range(3)]

    async def settle(at: int, writer: SqlLedger) -> None:
        order = range(40) if at % 2 else reversed(range(40))  # each makes the same names, in another order
        await asyncio.gather(*(writer.settle(call(f"e{at}-{of}", task=f"t{of % 20}", key=f"k{of % 3}")) for of in order))

    await asyncio.gather(*(settle(at, writer) for at, writer in enumerate(writers)))
    assert sum(cell.calls for cell in await told(writers[0], "task")) == 120
    assert (await writers[0].transact(check)).differing == 0
    for writer in writers:
        await writer.close()
