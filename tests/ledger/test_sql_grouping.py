"""The temporary tables behind groups. What groups are made: tests/contracts/check_grouping.py."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

import pytest

from tests.contracts.check_jobs import RUN, bound_of, job_of
from thriftgate.core.errors import LedgerError
from thriftgate.ledger.connection import Connection
from thriftgate.ledger.sql import SqlLedger
from thriftgate.ledger.sql_grouping import add_bounds, forget_bounds, make_groups
from thriftgate.ledger.sql_jobs import SqlJobs
from thriftgate.ledger.sqlite import SqliteConnection, migrate


@pytest.fixture
def connection() -> Iterator[SqliteConnection]:
    made = sqlite3.connect(":memory:", isolation_level=None, factory=SqliteConnection)
    migrate(made)
    yield made
    made.close()


def gathered(connection: SqliteConnection) -> list[tuple[str, int]]:
    return connection.execute("select run, seq from temp.bounds order by run, seq").fetchall()


def temporary(connection: SqliteConnection) -> set[str]:
    return {name for (name,) in connection.execute("select name from sqlite_temp_master where type = 'table'")}


def test_without_boundaries_there_are_no_groups(connection: SqliteConnection) -> None:
    forget_bounds(connection, "run_a")
    assert make_groups(connection, "run_a") == 0
    add_bounds(connection, "run_a", [])
    assert make_groups(connection, "run_a") == 0


def test_boundaries_are_used_up_run_by_run(connection: SqliteConnection) -> None:
    add_bounds(connection, "run_a", [bound_of(seq, b"d", 500) for seq in (1, 2)])
    add_bounds(connection, "run_b", (bound_of(seq, b"d", 500) for seq in (1, 2, 3)))
    assert make_groups(connection, "run_a") == 1
    assert gathered(connection) == [("run_b", 1), ("run_b", 2), ("run_b", 3)]
    forget_bounds(connection, "run_a")
    assert len(gathered(connection)) == 3
    forget_bounds(connection, "run_b")
    assert gathered(connection) == []
    assert make_groups(connection, "run_b") == 0


def test_nothing_but_boundaries_is_left_behind(connection: SqliteConnection) -> None:
    for _ in range(2):
        add_bounds(connection, "run_a", [bound_of(seq, b"d", 500) for seq in (1, 2)])
        make_groups(connection, "run_a")
        assert temporary(connection) == {"bounds"}
    assert connection.execute("select id, items from groups").fetchall() == [(1, 2), (2, 2)]


async def test_what_fails_half_way_can_be_done_again() -> None:
    """Temporary tables are part of the transaction, too."""
    ledger = SqlLedger.open(":memory:")
    jobs = SqlJobs(ledger)
    await jobs.open_run(RUN)
    lease = await jobs.take(RUN.id, "worker_1", 0, 60)
    assert lease is not None
    await jobs.add_jobs(lease, 0, [job_of(1), job_of(2)], [bound_of(1, b"d", 500), bound_of(2, b"d", 500)])

    def half(connection: Connection) -> None:
        make_groups(connection, RUN.id)
        add_bounds(connection, RUN.id, [bound_of(3, b"d", 500)])
        raise ValueError("cut")

    with pytest.raises(LedgerError, match="cut"):
        await ledger.transact(half)
    assert await jobs.group(lease, 0) == 1
    assert [job.grp for job in await jobs.in_order(RUN.id, -1, 9)] == [1, 1]
    await ledger.close()
