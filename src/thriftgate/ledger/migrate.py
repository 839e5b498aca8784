"""Schema versions: numbered SQL files, applied once each, in one transaction each.

The version stands in SQLite's own `user_version`. Plain SQL rather than a migration framework: the schema is five tables,
and the second back end needs other SQL, not translated SQL (docs/adr/0004).
"""

from __future__ import annotations

import sqlite3
from importlib.resources import files

from thriftgate.core.errors import LedgerError


def migrations() -> list[tuple[int, str]]:
    """All schema steps as (version, SQL), in order."""
    folder = files("thriftgate.ledger") / "migrations"
    names = sorted(item.name for item in folder.iterdir() if item.name.endswith(".sql"))
    return [(int(name.partition("_")[0]), (folder / name).read_text("utf-8")) for name in names]


def migrate(connection: sqlite3.Connection) -> None:
    """Bring the schema up to date. Raises LedgerError when the file was written by a newer thriftgate."""
    steps = migrations()
    current = _version(connection)
    newest = steps[-1][0]
    if current > newest:
        raise LedgerError(f"the ledger has schema version {current}, this thriftgate knows {newest}; update thriftgate")
    for version, sql in steps:
        if version > current:
            _step(connection, version, sql)


def _step(connection: sqlite3.Connection, version: int, sql: str) -> None:
    try:
        connection.executescript(f"begin immediate;\n{sql}\npragma user_version = {version};\ncommit;")
    except sqlite3.Error:
        if connection.in_transaction:
            connection.execute("rollback")
        if _version(connection) < version:  # otherwise another process was quicker
            raise


def _version(connection: sqlite3.Connection) -> int:
    found: int = connection.execute("pragma user_version").fetchone()[0]
    return found
