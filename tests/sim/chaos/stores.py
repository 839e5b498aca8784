"""A store that fails as databases fail, at the writes that a seed has drawn; and the ledger over it without threads, so that
one seed gives one order of events."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from typing import Any, Literal, TypeVar

from thriftgate.ledger.connection import Presence, Store
from thriftgate.ledger.sql import SqlLedger
from thriftgate.ledger.sqlite import SqliteStore

_T = TypeVar("_T")

Way = Literal["", "away", "answer lost", "full", "terminated", "commit cut", "deadlock", "crash"]
"""How a write fails. `away`: nothing is written. `answer lost`: it is written, and nobody hears so. `full`: SQLite may not
take another page. The rest is PostgreSQL's: the connection is `terminated` before the commit, lost after it (`commit cut`),
the transaction is given up for a `deadlock`, one of its processes dies and the server recovers (`crash`)."""


class Strikes:
    """Which writes fail, counted over all lives: spans of a few, none after `mend`."""

    def __init__(self, way: Way, draw: random.Random) -> None:
        self.way = way
        self.count = 0
        self.struck = 0
        self._spans: list[range] = []
        at = 0
        for _ in range(draw.randint(1, 3) if way else 0):
            at += draw.randint(0, 12)
            self._spans.append(range(at, at + draw.choice((1, 1, 2, 5, 9))))
            at = self._spans[-1].stop

    def next(self) -> Way:
        """What becomes of the next write."""
        now, self.count = self.count, self.count + 1
        if not any(now in span for span in self._spans):
            return ""
        self.struck += 1
        return self.way

    @property
    def away(self) -> bool:
        """Whether the books cannot be read either; asking takes as long as a write."""
        away = self.way == "away" and any(self.count in span for span in self._spans)
        self.count += away
        return away

    def mend(self) -> None:
        self._spans = []


class StruckStore:
    """See `connection.Store`: another one, with strikes. `keeps` its inner one open when closed."""

    def __init__(self, inner: Store, strikes: Strikes, presence: Callable[[str], Presence], *, keeps: bool) -> None:
        self.inner = inner
        self.strikes = strikes
        self.path, self.name, self.readers = inner.path, inner.name, inner.readers
        self.errors, self.unavailable = inner.errors, inner.unavailable
        self.presence = presence
        self.pace_s = 0.0
        self._keeps = keeps

    def write(self, work: Callable[[Any], _T]) -> _T:
        way = self.strikes.next()
        if way == "away":
            raise self.unavailable[0]("the database is away, as the seed will have it")
        if way == "answer lost":
            self.inner.write(work)
            raise self.unavailable[0]("no answer to a commit, as the seed will have it")
        if way == "full":
            with _full(self.inner):
                return self.inner.write(work)
        if way:
            from tests.sim.chaos import postgres

            return postgres.struck(self.inner, way, work)
        return self.inner.write(work)

    def read(self, question: Callable[[Any], _T]) -> _T:
        if self.strikes.away:
            raise self.unavailable[0]("the database is away, as the seed will have it")
        return self.inner.read(question)

    def try_lead(self) -> bool:
        return self.inner.try_lead()

    def close(self) -> None:
        if not self._keeps:
            self.inner.close()


@contextlib.contextmanager
def _full(store: Store) -> Iterator[None]:
    """The file may not grow, and has no page to spare."""
    assert isinstance(store, SqliteStore)
    with store._writer as writer:
        (pages,) = writer.execute("pragma page_count").fetchone()
        writer.execute(f"pragma max_page_count = {pages}")
    try:
        yield
    finally:
        with store._writer as writer:
            writer.execute("pragma max_page_count = 1073741823")


class _AtOnce:
    """The ledger's queue: what is put into it is done."""

    def __init__(self, ledger: SqlLedger) -> None:
        self._ledger = ledger

    def put(self, batch: Any) -> None:
        if batch is not None:
            self._ledger._write_batch(batch)


class _Here(Executor):
    """Does what it is given in this thread."""

    def submit(self, work: Callable[..., _T], /, *args: Any, **named: Any) -> Future[_T]:
        done: Future[_T] = Future()
        try:
            done.set_result(work(*args, **named))
        except Exception as error:  # noqa: BLE001  whatever it is, it is told where a thread would tell it
            done.set_exception(error)
        return done


class UnthreadedLedger(SqlLedger):
    """The ledger, its writer and its readers in the thread of the event loop."""

    def __init__(self, store: Store, journal: str, monotonic_s: Callable[[], float]) -> None:
        super().__init__(store, journal)
        self._queue.put(None)
        self._thread.join()
        self._queue = _AtOnce(self)  # type: ignore[assignment]
        self._read_pool = _Here()  # type: ignore[assignment]
        if self._journal is not None:
            self._journal._monotonic_s = monotonic_s
