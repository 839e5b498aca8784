"""Books in each database, empty."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.postgres_books import fresh_books
from thriftgate.ledger.connection import Connection
from thriftgate.ledger.sql import SqlLedger
from thriftgate.ledger.sql_rollups import TABLES as ROLLUPS

_WRITTEN = ("postings", "entries", "holds", *ROLLUPS, "rollup_dims")


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """What `ledger.path` names."""
    return fresh_books() if request.param == "postgresql" else str(tmp_path / "books.db")


@pytest.fixture
async def ledger(place: str) -> AsyncIterator[SqlLedger]:
    """Opened there."""
    made = SqlLedger.open(place)
    yield made
    await made.close()


def empty(connection: Connection) -> None:
    """For the next example, where books of its own would take long."""
    for table in (*_WRITTEN, "rollup_room"):
        connection.execute(f"delete from {table}")
