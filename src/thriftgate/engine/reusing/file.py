"""Where answers are kept over restarts: a SQLite file of its own, beside the ledger and not in it.

Answers are sealed, each bound to the call that it answers: a row that was moved to another call, or that somebody has
changed, does not open, and is dropped. What stands in clear says nothing of what was asked or answered: a keyed digest,
whose it is by the ids of the books, when, how long.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import NamedTuple, TypeVar

import msgspec

from thriftgate.core.earlier.answer import KeptAnswer
from thriftgate.core.errors import ConfigError
from thriftgate.engine.reusing.store import Bounds
from thriftgate.ledger.sealing import Sealer
from thriftgate.ledger.sqlite_file import SqliteFile

_T = TypeVar("_T")
_SCHEMA = """
create table if not exists answers (
  digest blob primary key, tenant blob not null, key text not null, team text not null, org text not null,
  at_us integer not null, until_us integer not null, bytes integer not null, sealed blob not null
) without rowid;
create index if not exists answers_by_age on answers (at_us, bytes);
create index if not exists answers_by_tenant on answers (tenant);
"""
_OLDEST = """
delete from answers where at_us <= (
  select at_us from (
    select at_us, row_number() over newest as n, sum(bytes) over newest as total from answers
    window newest as (order by at_us desc, digest rows unbounded preceding)
  ) where n > ? or total > ? order by at_us desc limit 1)
"""


class Stats(NamedTuple):
    """What a file holds. Times in microseconds since 1970, 0 where there are none."""

    answers: int
    bytes: int
    oldest_us: int
    newest_us: int


class FileStore:
    """See `store.Store`. What is oldest goes first. Several processes may share a file. Raises sqlite3's errors."""

    def __init__(self, path: str, sealer: Sealer, bounds: Bounds) -> None:
        """Raises ConfigError where the file cannot be opened."""
        self._file = SqliteFile(lambda: opened(path))
        try:
            with self._file:
                """It can be opened."""
        except ConfigError:
            self._file.close()
            raise
        self._sealer = sealer
        self._bounds = bounds
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="answers")

    async def get(self, digest: bytes) -> KeptAnswer | None:
        row = await self._do(
            lambda connection: connection.execute("select sealed from answers where digest = ?", (digest,)).fetchone()
        )
        if row is None:
            return None
        try:
            return msgspec.msgpack.decode(self._sealer.open(row[0], _place(digest)), type=KeptAnswer)
        except (ConfigError, msgspec.DecodeError):  # another master key, or a row that is not what it was
            await self._do(lambda connection: connection.execute("delete from answers where digest = ?", (digest,)))
            return None

    async def put(self, digest: bytes, answer: KeptAnswer, until_s: float) -> None:
        if answer.size_bytes > self._bounds.bytes_max:
            return
        sealed = self._sealer.seal(msgspec.msgpack.encode(answer), _place(digest))
        at_us = int(answer.at_s * 1e6)
        row = (digest, answer.tenant, answer.key, answer.team, answer.org, at_us, int(until_s * 1e6))
        await self._do(lambda connection: self._put(connection, (*row, answer.size_bytes, sealed)))

    def _put(self, connection: sqlite3.Connection, row: tuple[object, ...]) -> None:
        connection.execute("begin immediate")
        with connection:
            connection.execute("insert or replace into answers values (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
            entries, held = connection.execute("select count(*), total(bytes) from answers").fetchone()
            if entries > self._bounds.entries_max or held > self._bounds.bytes_max:
                connection.execute("delete from answers where until_us <= ?", (row[5],))
                connection.execute(_OLDEST, self._bounds)

    async def forget(self, tenant: bytes) -> None:
        await self._do(lambda connection: connection.execute("delete from answers where tenant = ?", (tenant,)))

    async def clears(self) -> int:
        """How often answers were let go of by hand."""
        return int((await self._do(lambda connection: connection.execute("pragma user_version").fetchone()))[0])

    async def close(self) -> None:
        self._thread.shutdown(wait=True)
        self._file.close()

    async def _do(self, work: Callable[[sqlite3.Connection], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._done, work)

    def _done(self, work: Callable[[sqlite3.Connection], _T]) -> _T:
        with self._file as connection:
            return work(connection)


def opened(path: str) -> sqlite3.Connection:
    """The file, made where it is not there. Raises ConfigError."""
    try:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=5.0)
        try:
            connection.execute("pragma journal_mode = wal")
            connection.execute("pragma synchronous = normal")
            connection.execute("pragma secure_delete = on")
            connection.executescript(_SCHEMA)
        except sqlite3.Error:
            connection.close()
            raise
    except (sqlite3.Error, OSError) as error:
        raise ConfigError(f"reuse.path: cannot open {path}: {error}") from None
    return connection


def stats(path: str) -> Stats:
    """Raises ConfigError."""
    with closing(opened(path)) as connection:
        found = connection.execute("select count(*), sum(bytes), min(at_us), max(at_us) from answers").fetchone()
    return Stats(*(value or 0 for value in found))


def cleared(path: str, *, key: str = "", team: str = "", org: str = "") -> int:
    """Let go of the answers of a key, a team or an organisation, of all where none is named; how many there were. Raises
    ConfigError."""
    with closing(opened(path)) as connection:
        connection.execute("begin immediate")
        with connection:
            (clears,) = connection.execute("pragma user_version").fetchone()
            connection.execute(f"pragma user_version = {clears + 1}")
            return connection.execute(
                "delete from answers where (? in ('', key)) and (? in ('', team)) and (? in ('', org))", (key, team, org)
            ).rowcount


def _place(digest: bytes) -> str:
    return f"answer {digest.hex()}"
