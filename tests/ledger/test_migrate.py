"""Schema versions: from nothing to the newest, and no further."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.contracts.check_ledger import entry_of, hold_of
from thriftgate.core.errors import LedgerError
from thriftgate.core.misses import Miss
from thriftgate.core.routing.choice import Choice
from thriftgate.ledger.migrate import migrations
from thriftgate.ledger.rows import ENTRY_COLUMNS, entry_row, posting_rows
from thriftgate.ledger.sql import SqlLedger
from thriftgate.ledger.sql_jobs import SqlJobs
from thriftgate.ledger.sqlite import migrate

TABLES = {
    "meta",
    "budgets",
    "limits",
    "budget_slots",
    "claims",
    "alerts",
    "alert_rules",
    "notices",
    "silences",
    "holds",
    "entries",
    "postings",
    "memories",
    "runs",
    "batches",
    "jobs",
    "groups",
    "bodies",
    "answers",
    "rollup_dims",
    "rollup_cells",
    "rollup_ways",
    "rollup_parts",
    "rollup_prompts",
    "rollup_tasks",
    "rollup_room",
    "access_version",
    "orgs",
    "teams",
    "users",
    "virtual_keys",
    "key_secrets",
    "provider_keys",
    "sealed",
    "sessions",
    "deeds",
    "processes",
}

ROUTED: dict[str, Any] = {
    "asked_model": "strong",
    "task": "fp:0123456789ab",
    "arm": "treatment",
    "propensity": 0.45,
    "conversation": "00ff",
    "choice": Choice(
        "route.learned", "strong", "m", "score", "low", 1.3, 0.25, 0.5, "cal-1", cascade=True, asked_pico=9, pico=3
    ),
    "parent": "a",
}


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    made = sqlite3.connect(":memory:", isolation_level=None)
    yield made
    made.close()


def tables(connection: sqlite3.Connection) -> set[str]:
    return {name for (name,) in connection.execute("select name from sqlite_master where type = 'table'")}


def test_versions_count_from_one_without_gaps() -> None:
    assert [version for version, _ in migrations()] == list(range(1, len(migrations()) + 1))


def test_an_empty_file_gets_all_of_it_and_a_second_time_nothing(connection: sqlite3.Connection) -> None:
    migrate(connection)
    assert tables(connection) == TABLES
    assert connection.execute("pragma user_version").fetchone() == (len(migrations()),)
    before = connection.total_changes
    migrate(connection)
    assert connection.total_changes == before


async def test_books_of_the_first_version_are_read_on(tmp_path: Path) -> None:
    path = tmp_path / "books.db"
    with sqlite3.connect(path, isolation_level=None) as connection:
        connection.executescript(migrations()[0][1] + "pragma user_version = 1;")
        old = entry_row(entry_of("a"))[: ENTRY_COLUMNS.index("read_expected_tokens")]
        connection.execute(f"insert into entries values ({', '.join('?' * len(old))})", old)
        connection.executemany("insert into postings values (?, ?, ?)", list(posting_rows(entry_of("a"))))
    connection.close()
    ledger = SqlLedger.open(path)
    assert await ledger.entry("a") == entry_of("a")
    missed = entry_of("b", read_expected_tokens=5, miss=Miss("evicted", 5, 6, "gone"), trail=b"\x00abc", **ROUTED)
    await ledger.settle(missed)
    assert await ledger.entry("b") == missed
    assert [one.cause for one in (await ledger.cache_report(())).misses] == ["evicted"]
    await ledger.close()


async def test_calls_of_the_fifth_version_went_where_they_were_asked_to(tmp_path: Path) -> None:
    path = tmp_path / "books.db"
    with sqlite3.connect(path, isolation_level=None) as connection:
        for version, sql in migrations()[:5]:
            connection.executescript(f"{sql}\npragma user_version = {version};")
        columns = ENTRY_COLUMNS[: ENTRY_COLUMNS.index("asked_model")]
        row = entry_row(entry_of("a", miss=Miss("evicted", 5, 6, "gone"), sent_us=7, trail=b"x"))[: len(columns)]
        connection.execute(f"insert into entries ({', '.join(columns)}) values ({', '.join('?' * len(row))})", row)
        connection.executemany("insert into postings values (?, ?, ?)", list(posting_rows(entry_of("a"))))
    connection.close()
    ledger = SqlLedger.open(path)
    found = await ledger.entry("a")
    assert found == entry_of("a", miss=Miss("evicted", 5, 6, "gone"), sent_us=7, trail=b"x")
    assert found is not None
    assert (found.asked_model, found.task, found.arm, found.propensity, found.choice, found.parent) == (
        "",
        "",
        "",
        1.0,
        None,
        "",
    )
    await ledger.settle(entry_of("b", **ROUTED))
    assert await ledger.entry("b") == entry_of("b", **ROUTED)
    await ledger.close()


async def test_open_holds_of_the_fourth_version_stay_open(tmp_path: Path) -> None:
    """They were calls under way; none of them waits for a batch."""
    path = tmp_path / "books.db"
    with sqlite3.connect(path, isolation_level=None) as connection:
        for version, sql in migrations()[:4]:
            connection.executescript(f"{sql}\npragma user_version = {version};")
        assert "runs" not in tables(connection)
        rows = [(name, 1, "key_a", "m", 9, 5) for name in ("a", "b")]
        connection.executemany(
            "insert into holds (id, opened_us, key, model, worst_pico, forecast_pico) values (?, ?, ?, ?, ?, ?)", rows
        )
    connection.close()
    ledger = SqlLedger.open(path)
    assert await ledger.open_holds() == [hold_of("a"), hold_of("b")]
    await ledger.settle(entry_of("a"))
    await ledger.hold(hold_of("c", batch="tgb_1"))
    assert await ledger.open_holds() == [hold_of("b"), hold_of("c", batch="tgb_1")]
    assert await SqlJobs(ledger).runs() == []
    await ledger.close()


def test_a_step_that_fails_leaves_the_file_as_it_was(connection: sqlite3.Connection) -> None:
    connection.execute("create table postings (mine text)")  # the last table of the first step is there already
    with pytest.raises(sqlite3.OperationalError):
        migrate(connection)
    assert tables(connection) == {"postings"}
    assert connection.execute("pragma user_version").fetchone() == (0,)
    assert not connection.in_transaction


def test_processes_that_start_together_do_not_trip_over_each_other(tmp_path: Path) -> None:
    path = tmp_path / "books.db"
    sqlite3.connect(path).close()
    together = threading.Barrier(6)

    def start(_number: int) -> set[str]:
        connection = sqlite3.connect(path, isolation_level=None)
        together.wait()
        migrate(connection)
        found = tables(connection)
        connection.close()
        return found

    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(start, range(6))) == [TABLES] * 6


async def test_books_of_a_newer_version_are_refused_untouched(tmp_path: Path) -> None:
    path = tmp_path / "books.db"
    ledger = SqlLedger.open(path)
    await ledger.settle(entry_of("a"))
    await ledger.close()
    with sqlite3.connect(path) as connection:
        connection.execute("pragma user_version = 99")
    connection.close()
    with pytest.raises(LedgerError, match=r"schema version 99.*update thriftgate") as caught:
        SqlLedger.open(path)
    assert str(path) in str(caught.value)
    with sqlite3.connect(path) as connection:
        assert connection.execute("pragma user_version").fetchone() == (99,)
        assert connection.execute("select count(*) from entries").fetchone() == (1,)
    connection.close()
