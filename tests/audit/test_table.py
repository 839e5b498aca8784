"""A database in bounded memory."""

from __future__ import annotations

import os
from pathlib import Path

import duckdb
import pytest

from thriftgate.audit.table import Table, no_room


def test_what_does_not_fit_into_memory_is_beside_it(tmp_path: Path) -> None:
    table = Table(tmp_path / "a.duckdb", memory="24MB", threads=1)
    try:
        table.connection.execute(
            "create table t as select i, hash(i)::varchar || repeat('x', 90) as s from range(400000) r(i)"
        )
        assert table.count("t") == 400_000
        rows = list(table.rows("select i from (select i, s from t order by s) where i < ?", 3))
        assert sorted(rows) == [(0,), (1,), (2,)]
        with pytest.raises(duckdb.OutOfMemoryException):
            table.connection.execute("select list(s) from t").fetchall()
    finally:
        table.close()
    assert {path.suffix for path in tmp_path.iterdir()} <= {".duckdb", ".wal", ""}


def test_what_a_database_says_is_one_line(tmp_path: Path) -> None:
    told = str(no_room(tmp_path, duckdb.Error(f"IO Error: {os.strerror(28)}\nmore")))
    assert told.startswith(f"{tmp_path}: ")
    assert "No space left on device)" in told
    assert "more" not in told.replace("more room", "")
    assert "too little memory" in str(no_room(tmp_path, duckdb.OutOfMemoryException("Out of Memory Error: x")))
