"""Books in each database, empty."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.postgres_books import fresh_books
from thriftgate.ledger.connection import Connection
from thriftgate.ledger.sql_rollups import TABLES as ROLLUPS

_WRITTEN = ("postings", "entries", "holds", *ROLLUPS, "rollup_dims")


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """What `ledger.path` names."""
    return fresh_books() if request.param == "postgresql" else str(tmp_path / "books.db")


def empty(connection: Connection) -> None:
    """For the next example, where books of its own would take long."""
    for table in (*_WRITTEN, "rollup_room"):
        connection.execute(f"delete from {table}")
