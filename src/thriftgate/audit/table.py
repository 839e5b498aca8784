"""A database of an audit: one file, a bounded amount of memory, and what does not fit there in a folder beside it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb

from thriftgate.core.errors import ConfigError

FETCH_ROWS = 5_000


class Table:
    """Owns the file; it stays when this is closed. Raises duckdb.Error where it cannot be written or read."""

    def __init__(self, path: Path, *, memory: str, threads: int) -> None:
        self.path = path
        self.connection = duckdb.connect(
            str(path),
            config={
                "memory_limit": memory,
                "threads": threads,
                "temp_directory": str(path.parent / f"spill-{os.getpid()}"),
            },
        )

    def close(self) -> None:
        """What was not fetched is lost."""
        self.connection.close()

    def count(self, table: str) -> int:
        """Rows of a table."""
        row = self.connection.execute(f"select count(*) from {table}").fetchone()
        return int(row[0]) if row else 0

    def rows(self, query: str, *parameters: object) -> Iterator[tuple[Any, ...]]:
        """The rows of a query, fetched as they are read."""
        cursor = self.connection.cursor().execute(query, list(parameters))
        while chunk := cursor.fetchmany(FETCH_ROWS):
            yield from chunk


def no_room(folder: Path, error: duckdb.Error) -> ConfigError:
    """What a database says that could not be written, in words for people."""
    why = str(error).splitlines()[0]
    if isinstance(error, duckdb.OutOfMemoryException):
        return ConfigError(
            f"there is too little memory, or no room for what does not fit, in {folder} ({why}); make room, or"
            " let fewer run side by side with --processes"
        )
    return ConfigError(f"{folder}: the audit cannot write there ({why}); make room, or name another folder with --cache")
