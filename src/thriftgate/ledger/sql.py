"""The ledger on one SQLite file: one writer thread, group commit.

All writes go through one thread that owns the only writing connection. It takes everything that is waiting, writes it in
one transaction, and tells the callers when it is durable: no added delay when idle, one commit for many calls when busy.

Durable means: survives the death of the process at any moment (`sync="normal"`), or also of the machine (`sync="full"`, one
disk flush per commit). https://www.sqlite.org/pragma.html#pragma_synchronous, 2026-08.
"""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeVar

import msgspec

from thriftgate.core.control.budgets import Standing
from thriftgate.core.errors import BudgetExceeded, LedgerError, ThriftgateError
from thriftgate.ledger import queries
from thriftgate.ledger.entries import (
    CacheReport,
    Counters,
    Entry,
    Hold,
    Posting,
    Report,
)
from thriftgate.ledger.migrate import migrate
from thriftgate.ledger.rows import Row, entry_from_row, hold_from_row
from thriftgate.ledger.sql_budgets import BudgetShelf
from thriftgate.ledger.sql_reports import cache_report, report
from thriftgate.ledger.sql_rollups_made import are_wanted, make_wanted
from thriftgate.ledger.sql_writing import Booking, transaction
from thriftgate.logs import log, where_raised

BUSY_TIMEOUT_MS = 10_000
_T = TypeVar("_T")


class _Write(NamedTuple):
    """What is to be booked, together with others, and whom to tell; or `work` to be done as a transaction of its own."""

    book: Callable[[Booking], object] | None
    done: asyncio.Future[Any]
    work: Callable[[sqlite3.Connection], object] | None = None


class SqlLedger:
    """See `entries.Ledger`. Open it with `SqlLedger.open(path)`; `:memory:` keeps the books in memory."""

    def __init__(self, path: str, writer: sqlite3.Connection, reader: sqlite3.Connection) -> None:
        self.path = path
        self.counters = Counters()
        self.heard: list[Callable[[Entry], None]] = []
        self.shelf = BudgetShelf()
        self._writer = writer
        self._reader = reader
        self._queue: queue.SimpleQueue[list[_Write] | None] = queue.SimpleQueue()
        self._collected: list[_Write] = []
        self._read_pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="ledger-reader")
        # One connection for both, in memory: a question must not see half a batch.
        self._shared = threading.Lock() if reader is writer else nullcontext()
        self._claim: sqlite3.Connection | None = None
        self._closed = False
        self._thread = threading.Thread(target=self._write_all, name="ledger-writer", daemon=True)
        self._thread.start()

    @classmethod
    def open(cls, path: str | Path, *, sync: Literal["normal", "full"] = "normal") -> SqlLedger:
        """Open or create the file and bring its schema up to date. Raises LedgerError naming the file."""
        name = str(path)
        if "://" in name:
            raise LedgerError(f"cannot open the ledger {name}: only SQLite files are supported yet")
        opened: list[sqlite3.Connection] = []
        try:
            if name != ":memory:":
                Path(name).parent.mkdir(parents=True, exist_ok=True)
                opened.append(_connect(name))
            opened.append(_connect(name))
            reader, writer = opened[0], opened[-1]
            writer.execute("pragma journal_mode = wal")
            writer.execute(f"pragma synchronous = {sync}")
            migrate(writer)
            if are_wanted(writer):
                with transaction(writer):
                    make_wanted(writer)
            reader.execute("pragma query_only = on") if reader is not writer else None
        except (sqlite3.Error, OSError, LedgerError) as error:
            for connection in opened:
                connection.close()
            raise LedgerError(f"cannot open the ledger {name}: {error}") from None
        return cls(name, writer, reader)

    def try_lead(self) -> bool:
        """Have the claim of these books, or take it where it is free: the process that has it leads all that serve them
        (`engine/leading.py`), until it is closed or ends. Does not wait. Reading needs no claim."""
        if self.path == ":memory:" or self._claim is not None:
            return True
        claim = sqlite3.connect(f"{self.path}-serving", isolation_level=None, timeout=0, check_same_thread=False)
        try:
            claim.execute("begin exclusive")
        except sqlite3.Error:
            claim.close()
            return False
        self._claim = claim
        return True

    async def hold(self, hold: Hold) -> tuple[Standing, ...]:
        standings: tuple[Standing, ...] = await self._write(lambda booking: booking.hold(hold))
        self.counters.open_holds.add(hold.id)
        return standings

    async def settle(self, entry: Entry) -> None:
        if entry.balance():
            raise LedgerError(f"entry {entry.id} does not balance: off by {entry.balance()} pico-USD")
        written = self._write(lambda booking: booking.entry(entry))
        written.add_done_callback(lambda done: self.settled(entry) if done.cancelled() or not done.exception() else None)
        await written

    def settled(self, entry: Entry) -> None:
        """Tell of an entry that is durable now. Whatever a listener makes of it, the call is booked."""
        self.counters.count(entry)
        for listener in self.heard:
            try:
                listener(entry)
            except Exception as error:  # noqa: BLE001  whoever listens must not hurt the call
                log.error("entry not heard", call=entry.id, error=type(error).__name__, at=where_raised(error))

    async def entry(self, entry_id: str) -> Entry | None:
        def find(connection: sqlite3.Connection) -> Entry | None:
            row = connection.execute(queries.ENTRY, (entry_id,)).fetchone()
            return _with_postings(connection, row) if row is not None else None

        return await self.ask(find)

    async def entries(
        self, *, since_us: int = 0, until_us: int = 2**62, after: str = "", limit: int = 1000
    ) -> Sequence[Entry]:
        def page(connection: sqlite3.Connection) -> list[Entry]:
            rows = connection.execute(queries.ENTRIES, (since_us, until_us, after, limit)).fetchall()
            return [_with_postings(connection, row) for row in rows]

        return await self.ask(page)

    async def open_holds(self) -> Sequence[Hold]:
        return await self.ask(lambda connection: [hold_from_row(row) for row in connection.execute(queries.OPEN_HOLDS)])

    async def report(self, *, since_us: int = 0, until_us: int = 2**62) -> Report:
        return await self.ask(lambda connection: report(connection, (since_us, until_us)))

    async def cache_report(self, price_steps: Sequence[int], *, since_us: int = 0, until_us: int = 2**62) -> CacheReport:
        return await self.ask(lambda connection: cache_report(connection, price_steps, (since_us, until_us)))

    async def unbalanced(self) -> Sequence[str]:
        return await self.ask(lambda connection: [row[0] for row in connection.execute(queries.UNBALANCED)])

    async def secret(self, name: str, fresh: str) -> str:
        """A value kept with the books; `fresh` is stored the first time it is asked for."""

        def find(connection: sqlite3.Connection) -> str:
            row = connection.execute("select value from meta where name = ?", (name,)).fetchone()
            return str(row[0]) if row is not None else ""

        def keep(connection: sqlite3.Connection) -> str:  # unless another process that is starting was quicker
            connection.execute("insert into meta (name, value) values (?, ?) on conflict do nothing", (name, fresh))
            return find(connection)

        return await self.ask(find) or await self.transact(keep)

    async def keep(self, name: str, value: bytes) -> None:
        await self._write(lambda booking: booking.memory(name, value))

    async def kept(self, name: str) -> bytes | None:
        def find(connection: sqlite3.Connection) -> bytes | None:
            row = connection.execute(queries.MEMORY, (name,)).fetchone()
            return None if row is None else bytes(row[0])

        return await self.ask(find)

    async def close(self) -> None:
        """Write what is waiting, then close. Later calls raise LedgerError."""
        if self._closed:
            return
        self._closed = True
        self._hand_over()
        self._queue.put(None)
        await asyncio.to_thread(self._thread.join)
        self._read_pool.shutdown()
        for connection in (self._claim, self._writer, self._reader):
            if connection is not None:
                connection.close()

    async def transact(self, work: Callable[[sqlite3.Connection], _T]) -> _T:
        """Do `work` on the writing connection, in one transaction; durable when this returns. What it raises undoes it."""
        if self._closed:
            raise LedgerError("the ledger is closed")
        done: asyncio.Future[_T] = asyncio.get_running_loop().create_future()
        self._hand_over()
        self._queue.put([_Write(None, done, work)])
        return await done

    async def ask(self, question: Callable[[sqlite3.Connection], _T]) -> _T:
        """Put a question to the books, on the reading connection."""
        if self._closed:
            raise LedgerError("the ledger is closed")

        def ask() -> _T:
            with self._shared:
                self._reader.execute("begin")  # a question of several statements sees one state of the books
                try:
                    return question(self._reader)
                finally:
                    self._reader.execute("rollback")

        try:
            return await asyncio.get_running_loop().run_in_executor(self._read_pool, ask)
        except (sqlite3.Error, msgspec.MsgspecError, ValueError) as error:
            raise LedgerError(f"cannot read the ledger {self.path}: {error}") from None

    def _write(self, book: Callable[[Booking], object]) -> asyncio.Future[Any]:
        """Hand over what is to be booked; done when it is durable. Cancelled, it is written all the same."""
        if self._closed:
            raise LedgerError("the ledger is closed")
        loop = asyncio.get_running_loop()
        done: asyncio.Future[Any] = loop.create_future()
        if not self._collected:  # the thread is woken once for all that this turn of the loop writes
            loop.call_soon(self._hand_over)
        self._collected.append(_Write(book, done))
        return done

    def _hand_over(self) -> None:
        if self._collected:
            self._queue.put(self._collected)
            self._collected = []

    def _write_all(self) -> None:
        """The writer thread: drain, write, commit, tell."""
        waiting = True
        while waiting:
            batch = self._queue.get()
            if batch is None:
                return
            while not self._queue.empty():
                more = self._queue.get()
                if more is None:
                    waiting = False
                    break
                batch += more
            self._write_batch(batch)

    def _write_batch(self, batch: list[_Write]) -> None:
        booked = [write for write in batch if write.book is not None]
        if booked:
            self._write_together(booked)
        for write in batch:
            if write.work is not None:
                self._do(write.work, write.done)

    def _do(self, work: Callable[[sqlite3.Connection], object], done: asyncio.Future[Any]) -> None:
        try:
            with self._shared, transaction(self._writer):
                result = work(self._writer)
        except ThriftgateError as error:
            _tell([(done, error)])
        except Exception as error:  # noqa: BLE001  the writer must outlive any bad work: without it every call would wait for ever
            _tell([(done, self._unwritten(error))])
        else:
            _tell([(done, result)])

    def _write_together(self, batch: list[_Write]) -> None:
        try:
            with self._shared, transaction(self._writer):
                booking = Booking(self._writer, self.shelf)
                outcomes = [(write.done, _booked(write, booking)) for write in batch]
                booking.write()
        except Exception as error:  # noqa: BLE001  the writer must outlive any bad row: without it every call would wait for ever
            # One bad row must not fail its neighbours; a full disk or a locked file fails them all alike.
            if len(batch) > 1 and not isinstance(error, sqlite3.OperationalError):
                for write in batch:
                    self._write_together([write])
                return
            # Each gets its own: the engine writes the id of its call into it.
            outcomes = [(write.done, self._unwritten(error)) for write in batch]
        _tell(outcomes)

    def _unwritten(self, error: Exception) -> LedgerError:
        return LedgerError(f"cannot write the ledger {self.path}: {error}")


def _booked(write: _Write, booking: Booking) -> object:
    """What came of it: of a hold that no budget has room for, that error."""
    assert write.book is not None
    try:
        return write.book(booking)
    except BudgetExceeded as error:
        return error


def _connect(name: str) -> sqlite3.Connection:
    connection = sqlite3.connect(name, isolation_level=None, check_same_thread=False, cached_statements=256)
    connection.execute(f"pragma busy_timeout = {BUSY_TIMEOUT_MS}")
    return connection


def _tell(outcomes: Iterable[tuple[asyncio.Future[Any], object]]) -> None:
    """Wake all who wait with one call into each loop; an error is raised there."""
    loops: dict[asyncio.AbstractEventLoop, list[tuple[asyncio.Future[Any], object]]] = {}
    for future, outcome in outcomes:
        loops.setdefault(future.get_loop(), []).append((future, outcome))

    def resolve(those: list[tuple[asyncio.Future[Any], object]]) -> None:
        for future, outcome in those:
            if not future.done():
                if isinstance(outcome, BaseException):
                    future.set_exception(outcome)
                else:
                    future.set_result(outcome)

    for loop, those in loops.items():
        if not loop.is_closed():
            loop.call_soon_threadsafe(resolve, those)


def _with_postings(connection: sqlite3.Connection, row: Row) -> Entry:
    postings = connection.execute(queries.POSTINGS, (row[0],))
    return entry_from_row(row, tuple(Posting(*posting) for posting in postings))
