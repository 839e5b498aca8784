"""Books in PostgreSQL (14 or newer): one connection that writes, a few that read.

Transactions are READ COMMITTED: what must not change between looking and writing is locked by name
(`Connection.lock_named`), and rows that many processes add to are added to in one order. A transaction that the server gives
up for a deadlock is done again, and so is one whose connection was lost, unless it turns out to have been committed.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import lru_cache
from typing import Any, Literal, TypeVar

import psycopg
from psycopg import conninfo, errors
from psycopg.adapt import Loader
from psycopg.types.numeric import Int8Dumper
from psycopg_pool import ConnectionPool

from thriftgate.core.errors import LedgerError
from thriftgate.ledger.connection import Presence, Values, added
from thriftgate.ledger.heartbeats import Heartbeats
from thriftgate.ledger.migrate import migrations
from thriftgate.ledger.partitions import make_partitions
from thriftgate.ledger.postgres_words import OLDEST, are_numbered, in_words, statements
from thriftgate.ledger.urls import without_password

READERS = 4
PACE_S = 0.02
"""A transaction costs us 2 ms of CPU, however few calls it books: some twenty statements, each sent and waited for (measured
with `benchmarks.fleet`, 2026-11)."""
STEPS_AT_ONCE = 4
"""How many sorting and hashing steps of a question may be at work."""
COPIED_ROWS = 8
"""From so many rows on, COPY is quicker than INSERT."""

# A server that is not there any more is noticed within seconds, also where nothing tells us.
# https://www.postgresql.org/docs/current/libpq-connect.html, 2026-11
_DEFAULTS = {
    "connect_timeout": "5",
    "keepalives_idle": "5",
    "keepalives_interval": "2",
    "keepalives_count": "3",
    "tcp_user_timeout": "10000",
    "application_name": "thriftgate",
    "client_encoding": "utf8",
}
_LOCK = "select pg_advisory_xact_lock(hashtextextended(current_schema() || ':' || %s, 0))"
_LEAD = "select pg_try_advisory_lock(hashtextextended(current_schema() || ':lead', 0))"
_IN_ORDER = "; ".join(
    f"set local {setting}"
    for setting in ("join_collapse_limit = 1", "enable_hashjoin = off", "enable_mergejoin = off", "enable_seqscan = off")
)
# To psycopg they are errors of the server's operation; but it is what was asked that cannot be done, now or later.
# https://www.postgresql.org/docs/current/errcodes-appendix.html (class 54), 2026-11
_TOO_LARGE = (errors.ProgramLimitExceeded, errors.StatementTooComplex, errors.TooManyColumns, errors.TooManyArguments)
_AGAIN = (errors.DeadlockDetected, errors.SerializationFailure)
_T = TypeVar("_T")
Sync = Literal["normal", "full"]
Raw = psycopg.Connection[tuple[Any, ...]]


class PostgresConnection:
    """See `connection.Connection`. With `cleans`, texts lose the zero characters that PostgreSQL cannot keep."""

    IntegrityError = psycopg.IntegrityError
    parts_by_month = True

    def __init__(self, raw: Raw) -> None:
        self.raw = raw
        self.cleans = False
        self.learned: dict[str, Any] = {}

    @property
    def closed(self) -> bool:
        return self.raw.closed

    def execute(self, question: str, values: Values = (), /) -> psycopg.Cursor[Any]:
        return self.raw.execute(in_words(question), self._bound(question, values))

    def executemany(self, question: str, rows: Iterable[Sequence[Any]], /) -> None:
        bound = [self._bound(question, row) for row in rows]
        if bound:
            with self.raw.cursor() as cursor:
                cursor.executemany(in_words(question), bound)

    def insert(self, table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        if not rows:
            return
        names = ", ".join(columns)
        if self.cleans:
            rows = [_cleaned(row) for row in rows]
        with self.raw.cursor() as cursor:
            if len(rows) < COPIED_ROWS:
                one = f"({', '.join(['%s'] * len(columns))})"
                into = f"insert into {table} ({names}) values {', '.join([one] * len(rows))}"
                cursor.execute(into, [value for row in rows for value in row])
                return
            with cursor.copy(f"copy {table} ({names}) from stdin") as copy:
                for row in rows:
                    copy.write_row(row)

    def add_to(self, table: str, keys: Sequence[str], sums: Sequence[str], rows: Sequence[Sequence[str | int]]) -> None:
        """One statement for any number of rows, so that it is prepared once: each column goes as an array."""
        if rows:
            texts = tuple(isinstance(value, str) for value in rows[0])
            self.raw.execute(
                _adding(table, tuple(keys), tuple(sums), texts),
                [
                    _cleaned(column)
                    if text and self.cleans
                    else list(column)
                    if text
                    else f"{{{','.join(map(str, column))}}}"
                    for text, column in zip(texts, zip(*rows, strict=True), strict=True)
                ],
                prepare=True,
            )

    def lock_named(self, what: str) -> None:
        self.raw.execute(_LOCK, (what,))

    def lock_tables(self, *tables: str) -> None:
        self.script(f"lock table {', '.join(tables)} in share row exclusive mode")

    def join_in_order(self) -> None:
        """PostgreSQL cannot know how little of a table is meant by bounds that stand in another one, and would read all."""
        self.script(_IN_ORDER)

    @contextmanager
    def memory(self, kb: int) -> Iterator[None]:
        """For each sorting or hashing step, until the transaction ends."""
        self.script(f"set local work_mem = {kb // STEPS_AT_ONCE}")
        yield

    def script(self, statement: str) -> psycopg.Cursor[Any]:
        """A statement without values, as it is."""
        return self.raw.execute(statement.encode())

    def close(self) -> None:
        self.raw.close()

    def _bound(self, question: str, values: Values) -> Values:
        if isinstance(values, Mapping):
            return values
        if self.cleans:
            values = _cleaned(values)
        if are_numbered(question):
            return {f"p{at}": value for at, value in enumerate(values, 1)}
        return values


class _Number(Loader):
    """Sums of large numbers are NUMERIC to PostgreSQL, and whole numbers to us."""

    def load(self, data: Any) -> int | float:
        text = bytes(data)
        return float(text) if b"." in text else int(text)


class PostgresStore:
    """See `connection.Store`."""

    errors = (psycopg.Error,)
    unavailable = (psycopg.OperationalError,)
    readers = READERS
    pace_s = PACE_S

    def __init__(
        self, path: str, sync: Sync, patience_s: float, writer: PostgresConnection, pool: ConnectionPool[Raw]
    ) -> None:
        self.path = path
        self._patience_s = patience_s
        self._sync = sync
        self.name = without_password(path)
        self._writer: PostgresConnection | None = writer
        self._pool = pool
        self._lead: PostgresConnection | None = None
        self._lost_at: float | None = None
        self._leading = threading.Lock()
        self._closing = threading.Event()

    @classmethod
    def open(cls, path: str, sync: Sync = "normal", patience_s: float = 10.0) -> PostgresStore:
        """Connect, and bring the schema up to date. What is written waits for so long while the server is away. With
        `sync="full"` commits wait for the disk whatever the server's own setting is. Raises LedgerError naming the
        server."""
        try:
            writer = connected(path, sync)
            try:
                migrate(writer)
            except BaseException:
                writer.close()
                raise
        except (psycopg.Error, LedgerError) as error:
            raise LedgerError(f"cannot open the ledger {without_password(path)}: {_said(error)}") from None
        pool = ConnectionPool(
            with_defaults(path),
            kwargs={"autocommit": True},
            configure=_configured,
            min_size=1,
            max_size=READERS,
            timeout=patience_s,
            open=True,
        )
        return cls(path, sync, patience_s, writer, pool)

    def write(self, work: Callable[[PostgresConnection], _T]) -> _T:
        cleans = False
        while True:
            connection = self._connected()
            connection.cleans = cleans
            xid = ""
            try:
                xid = _begun(connection)
                result = work(connection)
            except BaseException as error:
                self._undone(connection)
                if not cleans and isinstance(error, psycopg.DataError | ValueError) and _has_zero_character(error):
                    cleans = True
                    continue
                if isinstance(error, _TOO_LARGE):
                    raise psycopg.DataError(str(error)) from None
                if isinstance(error, _AGAIN) or (connection.closed and isinstance(error, psycopg.OperationalError)):
                    continue
                raise
            try:
                connection.script("commit")
            except psycopg.OperationalError:
                self._undone(connection)
                if not self._is_committed(xid):
                    continue
            return result

    def read(self, question: Callable[[PostgresConnection], _T]) -> _T:
        tries = READERS + 1  # each connection of the pool may have been lost, with the server or with what led to it
        while True:
            tries -= 1
            try:
                with self._reading() as connection:
                    return question(connection)
            except psycopg.OperationalError:
                if not tries:
                    raise

    def try_lead(self) -> bool:
        with self._leading:
            if self._lead is not None:
                try:
                    self._lead.execute("select 1")
                except psycopg.Error:
                    self._lead.close()
                    self._lead = None
                else:
                    return True
            try:
                connection = connected(self.path)
            except psycopg.Error:
                return False
            if _value(connection.execute(_LEAD)):
                self._lead = connection
                return True
            connection.close()
            return False

    def presence(self, token: str) -> Presence:
        return Heartbeats(token, lambda: connected(self.path))

    def close(self) -> None:
        self._closing.set()
        self._pool.close(timeout=1.0)
        for connection in (self._lead, self._writer):
            if connection is not None:
                connection.close()

    @contextmanager
    def _reading(self) -> Iterator[PostgresConnection]:
        with self._pool.connection() as raw:
            connection = PostgresConnection(raw)
            connection.script("begin isolation level repeatable read")
            try:
                yield connection
            finally:
                if not connection.closed:
                    connection.script("rollback")

    def _connected(self) -> PostgresConnection:
        """The writing connection, made anew where it was lost. A server that is away is waited for, but not by each of
        those who come while it is."""
        if self._writer is not None and not self._writer.closed:
            return self._writer
        began = time.monotonic()
        while True:
            try:
                self._writer = connected(self.path, self._sync)
            except psycopg.OperationalError:
                away_since = self._lost_at if self._lost_at is not None else began
                self._lost_at = away_since
                if time.monotonic() - away_since > self._patience_s:
                    raise
                self._closing.wait(0.2)
            else:
                self._lost_at = None
                return self._writer

    def _undone(self, connection: PostgresConnection) -> None:
        connection.learned.clear()
        with suppress(psycopg.Error):
            if not connection.closed:
                connection.script("rollback")
                return
        connection.close()

    def _is_committed(self, xid: str) -> bool:
        """What became of a transaction whose commit was never answered."""
        while True:
            connection = self._connected()
            try:
                status = _value(connection.execute("select pg_xact_status(cast(? as xid8))", (xid,)))
            except psycopg.OperationalError:
                self._undone(connection)
                continue
            except errors.InvalidParameterValue:  # "in the future": a server that crashed and recovered knows nothing of it
                return False
            if status != "in progress":
                return bool(status == "committed")
            self._closing.wait(0.05)  # the server has not yet noticed that the connection is lost


def connected(path: str, sync: Sync = "normal") -> PostgresConnection:
    """A connection of its own to the books at that URL. Raises psycopg.Error."""
    raw = psycopg.connect(with_defaults(path), autocommit=True)
    _configured(raw)
    connection = PostgresConnection(raw)
    if sync == "full":
        connection.script("set synchronous_commit = on")
    return connection


def _configured(raw: Raw) -> None:
    raw.adapters.register_dumper(bool, Int8Dumper)  # a truth value is a number to our columns
    raw.adapters.register_loader("numeric", _Number)
    raw.execute(b"set jit = off")  # it takes seconds to make a question quicker that takes milliseconds


def with_defaults(path: str) -> str:
    """The connection string, with what it leaves out."""
    given = conninfo.conninfo_to_dict(path)
    return conninfo.make_conninfo(**(_DEFAULTS | {name: str(value) for name, value in given.items() if value is not None}))


def has_books(path: str) -> bool:
    """Whether there are any at that URL. Makes none. Raises LedgerError where that cannot be told."""
    try:
        with connected(path).raw as raw:
            row = raw.execute("select to_regclass('entries') is not null").fetchone()
    except psycopg.Error as error:
        raise LedgerError(f"cannot open the ledger {without_password(path)}: {_said(error)}") from None
    return row is not None and bool(row[0])


def migrate(connection: PostgresConnection) -> None:
    """Bring the schema up to date, one process at a time. Its version stands in `schema_version`. Raises LedgerError for a
    server that is too old, and for books of a newer thriftgate."""
    version = connection.raw.info.server_version
    if version < OLDEST:
        raise LedgerError(f"this is PostgreSQL {version // 10_000}; it takes {OLDEST // 10_000} or newer")
    steps = migrations()
    with connection.raw.transaction():
        connection.lock_named("schema")
        connection.execute("create table if not exists schema_version (version integer not null)")
        current, newest = _value(connection.execute("select max(version) from schema_version")) or 0, steps[-1][0]
        if current > newest:
            raise LedgerError(f"the ledger has schema version {current}, this thriftgate knows {newest}; update thriftgate")
        for number, script in steps:
            if number > current:
                for statement in statements(script):
                    connection.script(statement)
                connection.execute("insert into schema_version values (?)", (number,))
        make_partitions(connection, _value(connection.execute("select (extract(epoch from now()) * 1000000)::bigint")))


@lru_cache(maxsize=16)
def _adding(table: str, keys: tuple[str, ...], sums: tuple[str, ...], texts: tuple[bool, ...]) -> bytes:
    columns = ", ".join(f"cast(%s as {'text' if text else 'bigint'}[])" for text in texts)
    into = f"insert into {table} ({', '.join((*keys, *sums))}) select * from unnest({columns}) {added(table, keys, sums)}"
    return into.encode()


def _begun(connection: PostgresConnection) -> str:
    """The id of the transaction that was begun."""
    cursor = connection.script("begin; select pg_current_xact_id()::text")
    cursor.nextset()
    return str(_value(cursor))


def _value(cursor: psycopg.Cursor[Any]) -> Any:
    """Of a question with one answer."""
    row = cursor.fetchone()
    assert row is not None
    return row[0]


def _has_zero_character(error: BaseException) -> bool:
    return "NUL" in str(error) or "0x00" in str(error) or "\\u0000" in str(error)


def _cleaned(values: Any) -> list[Any]:
    return [value.replace("\x00", "\ufffd") if isinstance(value, str) else value for value in values]


def _said(error: Exception) -> str:
    return " ".join(str(error).split())
