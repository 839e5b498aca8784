"""The store of answers: what was asked is not asked again, by this run or a later one.

A SQLite file of its own. It holds answers' bodies, since whoever runs an evaluation asks for just that; deleting it costs
nothing but asking again. An answer is found by the bytes of its request, which name model and effort, and by the number of
the repeat.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import Any

from msgspec import Struct
from msgspec.structs import astuple

from thriftgate.core.errors import InputError, LedgerError

_VERSION = 1
_SCHEMA = """
create table if not exists answers (
  key text primary key, message blob not null, mode text not null, entry text not null,
  paid_pico integer not null, baseline_pico integer not null, latency_ms integer not null, at_us integer not null
) strict
"""
_PAGE = 500


class Stored(Struct, frozen=True):
    """An answer. `message` is the provider's JSON; `paid_pico` what it cost, `baseline_pico` what the call would have cost
    by itself, without batches or caching (pico-USD); `latency_ms` 0 where it came with a batch; `entry` names it in the
    ledger that it was booked in."""

    key: str
    message: bytes
    mode: str = "standard"
    entry: str = ""
    paid_pico: int = 0
    baseline_pico: int = 0
    latency_ms: int = 0
    at_us: int = 0


def key_of(body: bytes, repeat: int) -> str:
    """Under which key the answer to a call is kept, 64 hex digits."""
    return sha256(b"%d\0%s" % (repeat, body)).hexdigest()


class Answers:
    """An open store. Writes are durable when they return."""

    def __init__(self, path: Path) -> None:
        """Raises InputError for a file that is something else, LedgerError where it cannot be opened."""
        self._path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(path, timeout=30.0)
            version = self._connection.execute("pragma user_version").fetchone()[0]
            tables = {name for (name,) in self._connection.execute("select name from sqlite_master where type = 'table'")}
            if version not in (0, _VERSION) or tables - {"answers"}:
                self._connection.close()
                raise InputError(f"{path} is no store of answers, or one of a newer version: name another with --answers")
            with self._connection:
                self._connection.execute(_SCHEMA)
                self._connection.execute(f"pragma user_version = {_VERSION}")
        except (sqlite3.Error, OSError) as error:
            raise LedgerError(f"the store of answers {path} cannot be opened: {error}") from None

    def __enter__(self) -> Answers:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._connection.close()

    def find(self, keys: Iterable[str]) -> dict[str, Stored]:
        """Those of these answers that are there."""
        wanted, found = list(keys), dict[str, Stored]()
        for at in range(0, len(wanted), _PAGE):
            page = wanted[at : at + _PAGE]
            marks = ", ".join("?" * len(page))
            rows = self._run(f"select {_FIELDS} from answers where key in ({marks})", page)  # noqa: S608  marks alone
            found.update((row[0], Stored(*row)) for row in rows)
        return found

    def put(self, answers: Sequence[Stored]) -> None:
        """Keep answers, all or none of them. One that is there already stays as it is: it was paid for first."""
        marks = ", ".join("?" * len(Stored.__struct_fields__))
        try:
            with self._connection:
                self._connection.executemany(
                    f"insert or ignore into answers ({_FIELDS}) values ({marks})",  # noqa: S608  names of our own
                    [astuple(one) for one in answers],
                )
        except sqlite3.Error as error:
            raise self._trouble(error) from None

    def _run(self, query: str, values: Sequence[str]) -> list[Any]:
        try:
            return self._connection.execute(query, values).fetchall()
        except sqlite3.Error as error:
            raise self._trouble(error) from None

    def _trouble(self, error: sqlite3.Error) -> LedgerError:
        return LedgerError(f"the store of answers {self._path}: {error}; what was answered stays in the ledger's books")


_FIELDS = ", ".join(Stored.__struct_fields__)
