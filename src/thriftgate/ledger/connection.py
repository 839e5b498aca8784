"""What the books are asked and written through, whatever database keeps them.

Questions are written once, in the SQL that SQLite and PostgreSQL share, with values as `?`, `?1` or `:name`; what PostgreSQL
says differently is put into its words by `postgres_words.py` (docs/adr/0034).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol, TypeVar

import msgspec

_T = TypeVar("_T")

Values = Sequence[Any] | Mapping[str, Any]


class Cursor(Protocol):
    """The rows that a statement found, or how many it changed."""

    @property
    def rowcount(self) -> int: ...

    def fetchone(self) -> Any: ...

    def fetchall(self) -> list[Any]: ...

    def __iter__(self) -> Iterator[Any]: ...


class Connection(Protocol):
    """One connection, within a transaction. `parts_by_month`: the tables with a row for each call are parted
    (`partitions.py`). `learned` is what earlier transactions found that stays true; it is emptied when one is undone."""

    parts_by_month: bool
    learned: dict[str, Any]

    @property
    def IntegrityError(self) -> type[Exception]:  # noqa: N802  as DB-API 2.0 names it (peps.python.org/pep-0249)
        """Raised for a row that is there already."""

    def execute(self, question: str, values: Values = (), /) -> Cursor: ...

    def executemany(self, question: str, rows: Iterable[Sequence[Any]], /) -> object: ...

    def insert(self, table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """Write many new rows the quickest way there is."""

    def add_to(self, table: str, keys: Sequence[str], sums: Sequence[str], rows: Sequence[Sequence[str | int]]) -> None:
        """Add to the sums of the rows with these keys, or make them. No two of `rows` have the same keys."""

    def lock_named(self, what: str) -> None:
        """Until the transaction ends, be the only one that holds the lock of that name."""

    def lock_tables(self, *tables: str) -> None:
        """Until the transaction ends, be the only one that writes these; others may read them."""

    def join_in_order(self) -> None:
        """Until the transaction ends, join tables in the order in which a question names them, by their indexes."""

    def memory(self, kb: int) -> AbstractContextManager[None]:
        """Meanwhile take so much, for a question about everything."""


class Presence(Protocol):
    """That this process is alive, for others that write the same books; and whether these are."""

    token: str

    def is_alive(self, token: str) -> bool:
        """Whether the process of that name is at work on these books."""

    def in_doubt(self, token: str) -> bool:
        """Whether it only counts as alive, because nobody could see yet whether it is: that is soon known."""

    def close(self) -> None: ...


class Store(Protocol):
    """A database with books. What it raises itself is in `errors`; of these, `unavailable` are no fault of what was asked.
    `path` is what it was opened by, `name` what may be told of that. Where many calls come, a transaction begins no sooner
    than `pace_s` after the one before, so that it takes more of them."""

    path: str
    name: str
    readers: int
    pace_s: float

    @property
    def errors(self) -> tuple[type[Exception], ...]: ...

    @property
    def unavailable(self) -> tuple[type[Exception], ...]: ...

    def write(self, work: Callable[[Connection], _T]) -> _T:
        """Do it in one transaction: all of it or nothing. Durable when this returns. It may be done again where the
        database asks for that; from one thread at a time."""

    def read(self, question: Callable[[Connection], _T]) -> _T:
        """Ask in one transaction, so that several statements see one state of the books. From `readers` threads at once."""

    def try_lead(self) -> bool:
        """Be the one process of all on these books that does what only one may, until closed or dead; False where another
        is."""

    def presence(self, token: str) -> Presence:
        """Tell others that the process of that name is alive, until closed. Raises LedgerError."""

    def close(self) -> None: ...


def listed(ids: Iterable[object]) -> str:
    """A value that `json_each` takes apart: any number of ids for one question."""
    return msgspec.json.encode(list(ids)).decode()


def upsert(table: str, columns: Sequence[str], keys: Sequence[str]) -> str:
    """SQL that writes a row, over the one with the same keys where there is one."""
    marks = ", ".join("?" * len(columns))
    changed = ", ".join(f"{name} = excluded.{name}" for name in columns if name not in keys)
    return (
        f"insert into {table} ({', '.join(columns)}) values ({marks}) "  # noqa: S608  names of our own
        f"on conflict ({', '.join(keys)}) do " + (f"update set {changed}" if changed else "nothing")
    )


def added(table: str, keys: Sequence[str], sums: Sequence[str]) -> str:
    """SQL at the end of an insert: where there is a row with the same keys, add to it."""
    more = ", ".join(f"{name} = {table}.{name} + excluded.{name}" for name in sums)
    return f"on conflict ({', '.join(keys)}) do update set {more}"
