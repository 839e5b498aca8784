"""Books in one SQLite file: one connection that writes, one that reads.

Durable means: survives the death of the process at any moment (`sync="normal"`), or also of the machine (`sync="full"`, one
disk flush per commit). https://www.sqlite.org/pragma.html#pragma_synchronous, 2026-08.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, TypeVar

from thriftgate.core.errors import LedgerError
from thriftgate.ledger.connection import Presence, added
from thriftgate.ledger.liveness import Liveness
from thriftgate.ledger.migrate import migrations
from thriftgate.ledger.sqlite_file import SqliteFile, set_up

BUSY_TIMEOUT_MS = 10_000
VALUES_PER_STATEMENT = 3_200
"""Far under SQLite's 32,766 parameters (sqlite.org/limits.html, 2026-08)."""

ADDED_PER_STATEMENT = 16
"""More make no difference."""

_T = TypeVar("_T")


class SqliteConnection(sqlite3.Connection):
    """See `connection.Connection`."""

    parts_by_month = False

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.learned: dict[str, Any] = {}

    def insert(self, table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """One statement for many rows: sqlite3 lets go of the interpreter lock once per step, and a busy event loop hands
        it back slowly."""
        most = max(1, VALUES_PER_STATEMENT // len(columns))
        for at in range(0, len(rows), most):
            some = rows[at : at + most]
            self.execute(_insert(table, tuple(columns), len(some)), [value for row in some for value in row])

    def add_to(self, table: str, keys: Sequence[str], sums: Sequence[str], rows: Sequence[Sequence[str | int]]) -> None:
        for at in range(0, len(rows), ADDED_PER_STATEMENT):
            some = rows[at : at + ADDED_PER_STATEMENT]
            self.execute(_adding(table, tuple(keys), tuple(sums), len(some)), [value for row in some for value in row])

    def lock_named(self, what: str) -> None:
        """A writing transaction is alone already."""

    def lock_tables(self, *tables: str) -> None:
        """The same."""

    def join_in_order(self) -> None:
        """A `cross join` says so (sqlite.org/optoverview.html, 2026-08)."""

    @contextmanager
    def memory(self, kb: int) -> Iterator[None]:
        (pages,) = self.execute("pragma cache_size").fetchone()
        self.execute(f"pragma cache_size = -{kb}")
        try:
            yield
        finally:
            self.execute(f"pragma cache_size = {pages}")


class SqliteStore:
    """See `connection.Store`. `:memory:` keeps the books in memory. Its `pace_s` is for processes that write the same file:
    each transaction of one throws away what the others keep of it in memory (sqlite.org/wal.html, 2026-11)."""

    errors = (sqlite3.Error,)
    unavailable = (sqlite3.OperationalError,)
    readers = 1
    pace_s = 0.005

    def __init__(self, path: str, sync: Literal["normal", "full"] = "normal") -> None:
        """Opens nothing yet."""
        self.path = self.name = path
        in_memory = path == ":memory:"
        self._writer = SqliteFile(lambda: _writer(path, sync), in_memory=in_memory)
        # One connection for both, in memory: a question must not see half a batch.
        self._reader = self._writer if in_memory else SqliteFile(lambda: _reader(path))
        self._lead: sqlite3.Connection | None = None

    @classmethod
    def open(cls, path: str, sync: Literal["normal", "full"] = "normal") -> SqliteStore:
        """Open or create the file and bring its schema up to date. Raises LedgerError naming the file."""
        store = cls(path, sync)
        try:
            if path != ":memory:":
                Path(path).parent.mkdir(parents=True, exist_ok=True)
            with store._writer as writer:
                migrate(writer)
            store.read(_version)
        except (sqlite3.Error, OSError, LedgerError) as error:
            store.close()
            raise LedgerError(f"cannot open the ledger {path}: {error}") from None
        return store

    def write(self, work: Callable[[SqliteConnection], _T]) -> _T:
        with self._writer as writer, transaction(writer):
            return work(writer)

    def read(self, question: Callable[[SqliteConnection], _T]) -> _T:
        with self._reader as reader:
            reader.execute("begin")
            try:
                return question(reader)
            finally:
                reader.execute("rollback")

    def try_lead(self) -> bool:
        """By SQLite's own lock on a file beside it, which the operating system lets go of whatever way the process ends."""
        if self.path == ":memory:" or self._lead is not None:
            return True
        lead = sqlite3.connect(f"{self.path}-serving", isolation_level=None, timeout=0, check_same_thread=False)
        try:
            lead.execute("begin exclusive")
        except sqlite3.Error:
            lead.close()
            return False
        self._lead = lead
        return True

    def presence(self, token: str) -> Presence:
        return Liveness(self.path, token)

    def close(self) -> None:
        for held in (self._lead, self._writer, self._reader):
            if held is not None:
                held.close()


class SqliteReader:
    """A connection of its own to a file, for one question that makes tables to answer it, beside a store and whoever writes.
    Raises LedgerError where there is no such file."""

    errors = (sqlite3.Error,)

    def __init__(self, path: str) -> None:
        self.name = path
        try:
            self._connection = sqlite3.connect(
                f"{Path(path).absolute().as_uri()}?mode=rw",
                uri=True,
                isolation_level=None,
                check_same_thread=False,
                factory=SqliteConnection,
            )
        except sqlite3.Error as error:
            raise LedgerError(f"cannot read the ledger {path}: {error}") from None

    def read(self, question: Callable[[SqliteConnection], _T]) -> _T:
        self._connection.execute("begin")
        try:
            return question(self._connection)
        finally:
            self._connection.execute("rollback")

    def close(self) -> None:
        self._connection.close()


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All of it or nothing."""
    connection.execute("begin immediate")
    try:
        yield
        connection.execute("commit")
    except BaseException:
        if connection.in_transaction:
            connection.execute("rollback")
        if isinstance(connection, SqliteConnection):
            connection.learned.clear()
        raise


def migrate(connection: sqlite3.Connection) -> None:
    """Bring the schema up to date; its version stands in SQLite's own `user_version`. Raises LedgerError when the file was
    written by a newer thriftgate."""
    steps = migrations()
    current, newest = _version(connection), steps[-1][0]
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


def connected(name: str) -> SqliteConnection:
    """A connection of its own to that file. Raises sqlite3.Error."""
    connection = sqlite3.connect(
        name, isolation_level=None, check_same_thread=False, cached_statements=256, factory=SqliteConnection
    )
    connection.execute(f"pragma busy_timeout = {BUSY_TIMEOUT_MS}")
    return connection


def _writer(path: str, sync: Literal["normal", "full"]) -> SqliteConnection:
    return set_up(connected(path), "pragma journal_mode = wal", f"pragma synchronous = {sync}")


def _reader(path: str) -> SqliteConnection:
    return set_up(connected(path), "pragma query_only = on")


@lru_cache(maxsize=512)
def _insert(table: str, columns: tuple[str, ...], rows: int) -> str:
    one = f"({', '.join('?' * len(columns))})"
    return f"insert into {table} ({', '.join(columns)}) values {', '.join([one] * rows)}"  # noqa: S608  names of our own


@lru_cache(maxsize=128)
def _adding(table: str, keys: tuple[str, ...], sums: tuple[str, ...], rows: int) -> str:
    one = f"({', '.join('?' * (len(keys) + len(sums)))})"
    into = f"insert into {table} ({', '.join((*keys, *sums))}) values {', '.join([one] * rows)}"  # noqa: S608  names of our own
    return f"{into} {added(table, keys, sums)}"
