"""Roll-ups of older ledgers are made when they are opened; what differs from the entries is found, and put right."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

from hypothesis import HealthCheck, given, settings

from tests.contracts.check_ledger import entry_of
from tests.ledger.scans import some_entries, spend
from thriftgate.ledger import sql_spend
from thriftgate.ledger.connection import Connection
from thriftgate.ledger.entries import Entry
from thriftgate.ledger.migrate import migrations
from thriftgate.ledger.rows import ENTRY_COLUMNS, entry_row, posting_rows
from thriftgate.ledger.sql import SqlLedger
from thriftgate.ledger.sql_rollups_made import are_wanted, check, check_books, make
from thriftgate.ledger.sql_spend import Asked
from thriftgate.ledger.sqlite import SqliteReader

BEFORE = 8
"""The last schema without roll-ups."""


def written_before(path: Path, entries: list[Entry]) -> None:
    with sqlite3.connect(path, isolation_level=None) as connection:
        for version, sql in migrations():
            if version <= BEFORE:
                connection.executescript(f"{sql}\npragma user_version = {version};")
        marks = ", ".join("?" * len(ENTRY_COLUMNS))
        for entry in entries:
            connection.execute(f"insert into entries ({', '.join(ENTRY_COLUMNS)}) values ({marks})", entry_row(entry))
            connection.executemany("insert into postings values (?, ?, ?)", list(posting_rows(entry)))
    connection.execute(
        "insert into holds (id, opened_us, key, model, worst_pico, forecast_pico) values ('x', 1, '', '', 1, 1)"
    )
    connection.close()


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(entries=some_entries())
def test_books_of_the_schema_before(tmp_path: Path, entries: list[Entry]) -> None:
    path = tmp_path / "books.db"
    path.unlink(missing_ok=True)
    written_before(path, entries)

    async def see() -> None:
        ledger = SqlLedger.open(path)
        asked = Asked(by="model", step="day")
        assert await ledger.ask(lambda connection: sql_spend.spend(connection, asked)) == spend(entries, asked)
        assert not await ledger.ask(are_wanted)
        assert [hold.id for hold in await ledger.open_holds()] == ["x"]
        await ledger.close()

    asyncio.run(see())
    assert check_books(str(path)).differing == 0


async def test_what_differs_is_told_and_put_right(place: str) -> None:
    ledger = SqlLedger.open(place)
    for name in ("a", "b"):
        await ledger.settle(entry_of(name, paid=7, saved=3, task="t"))
    assert check_books(place).differing == 0
    before = check_books(place).cells

    def spoil(connection: Connection) -> None:
        connection.execute("update rollup_cells set paid_low = paid_low + 1 where hours = 24")
        connection.execute("delete from rollup_parts where hours = 1")

    await ledger.transact(spoil)
    found = check_books(place)
    assert (found.cells, found.differing) == (before - 1, 2)
    cell, part = found.shown
    assert (cell.table, cell.hours, cell.columns) == ("rollup_cells", 24, {"paid_low": (15, 14)})
    assert {"key_a", "m", "t"} <= set(cell.names)
    assert (part.table, part.hours, part.names[-1]) == ("rollup_parts", 1, "saved:cache.breakpoints")
    assert part.columns == {"calls": (0, 2), "pico_low": (0, 6)}
    await ledger.transact(make)
    assert check_books(place).differing == 0

    def empty(connection: Connection) -> None:
        for table in ("cells", "ways", "parts", "prompts", "tasks", "dims", "room"):
            connection.execute(f"delete from rollup_{table}")

    await ledger.transact(empty)
    lost = check_books(place)
    assert (lost.cells, lost.differing) == (0, before)
    assert await ledger.ask(lambda connection: connection.execute("select count(*) from rollup_dims").fetchone()) == (0,)
    await ledger.transact(make)
    assert check_books(place).differing == 0
    await ledger.close()


async def test_a_check_does_not_hold_up_calls(tmp_path: Path) -> None:
    path = tmp_path / "books.db"
    ledger = SqlLedger.open(path)
    await ledger.settle(entry_of("a"))
    reader = SqliteReader(str(path))
    loop = asyncio.get_running_loop()

    def question(connection: Connection) -> None:
        assert check(connection).differing == 0
        asyncio.run_coroutine_threadsafe(ledger.settle(entry_of("b")), loop).result(2)  # while its transaction is open
        assert connection.execute("select count(*) from entries").fetchone() == (1,)

    await asyncio.to_thread(reader.read, question)
    reader.close()
    await ledger.close()
