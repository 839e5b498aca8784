"""The ledger in a SQL database, a SQLite file or PostgreSQL: one writer thread, group commit.

All writes of a process go through one thread. It takes everything that is waiting, writes it in one transaction, and tells
the callers when it is durable: no added delay when idle, one commit for many calls when busy, and then the next one begins a
few milliseconds after the one before (docs/adr/0040). Several processes may write the same books; what they decide, such as
whether a budget has room, they decide within that transaction.
"""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeVar

import msgspec

from thriftgate.core.control.budgets import Standing
from thriftgate.core.errors import BudgetExceeded, LedgerError, ThriftgateError
from thriftgate.ledger import queries
from thriftgate.ledger.connection import Connection, Store, listed
from thriftgate.ledger.entries import (
    CacheReport,
    Counters,
    Entry,
    Hold,
    Posting,
    Report,
)
from thriftgate.ledger.journal import AGAIN_S, Journal, Thing
from thriftgate.ledger.owed import Owed
from thriftgate.ledger.partitions import make_partitions
from thriftgate.ledger.rows import Row, entry_from_row, hold_from_row
from thriftgate.ledger.sql_budgets import BudgetShelf
from thriftgate.ledger.sql_reports import cache_report, report
from thriftgate.ledger.sql_rollups_made import are_wanted, make_wanted
from thriftgate.ledger.sql_writing import Booking
from thriftgate.ledger.stores import PATIENCE_S, open_store
from thriftgate.logs import log, where_raised

MANY, ENOUGH = 8, 64
"""So many writes at once, and the next transaction waits a moment for more (`Store.pace_s`), but never for more than enough
of them."""
JOURNALED_S = 1.0
"""How long a call waits for a server that is away, where it can be journaled."""

_T = TypeVar("_T")


class Memory(NamedTuple):
    """What an engine learned, by name."""

    name: str
    value: bytes


class _Write(NamedTuple):
    """What is to be booked, together with others, and whom to tell; or `work` to be done as a transaction of its own."""

    thing: Thing | Memory | None
    done: asyncio.Future[Any]
    work: Callable[[Connection], object] | None = None


class SqlLedger:
    """See `entries.Ledger`. Open it with `SqlLedger.open(path)`; `:memory:` keeps the books in memory."""

    def __init__(self, store: Store, journal: str = "") -> None:
        self.store = store
        self.path = store.path
        self._troubles: tuple[type[Exception], ...] = (*store.errors, msgspec.MsgspecError, ValueError)
        self.counters = Counters()
        self.heard: list[Callable[[Entry], None]] = []
        self.shelf = BudgetShelf()
        self._journal = Journal(journal, store, self.shelf) if journal else None
        self._owed = Owed(store, self.shelf)
        self._queue: queue.SimpleQueue[list[_Write] | None] = queue.SimpleQueue()
        self._collected: list[_Write] = []
        self._read_pool = ThreadPoolExecutor(max_workers=store.readers, thread_name_prefix="ledger-reader")
        self._closed = False
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._write_all, name="ledger-writer", daemon=True)
        self._thread.start()

    @classmethod
    def open(cls, path: str | Path, *, sync: Literal["normal", "full"] = "normal", journal: str = "") -> SqlLedger:
        """Open or create the books in a file, or those at a `postgresql://` URL, and bring their schema up to date. What is
        to be booked while they cannot be written goes to the file `journal`, where one is named, and is refused elsewhere.
        Raises LedgerError naming the place."""
        store = open_store(str(path), sync, JOURNALED_S if journal else PATIENCE_S)
        troubles: tuple[type[Exception], ...] = (*store.errors, LedgerError)
        try:
            if store.read(are_wanted):
                store.write(make_wanted)
        except troubles as error:
            store.close()
            raise LedgerError(f"cannot open the ledger {store.name}: {error}") from None
        try:
            return cls(store, journal)
        except LedgerError:
            store.close()
            raise

    @property
    def journals(self) -> bool:
        """Whether calls go on while the books cannot be written."""
        return self._journal is not None

    async def make_room(self, now_us: int) -> None:
        """For the calls of this month and the next ones, where the books are parted by month. Raises LedgerError."""
        await self.transact(lambda connection: make_partitions(connection, now_us))

    def try_lead(self) -> bool:
        """Lead all processes that serve these books (`engine/leading.py`), until closed or dead; False where another one
        does. Does not wait. Reading needs no claim."""
        return self.store.try_lead()

    async def hold(self, hold: Hold) -> tuple[Standing, ...]:
        standings: tuple[Standing, ...] = await self._write(hold)
        self.counters.open_holds.add(hold.id)
        return standings

    async def settle(self, entry: Entry) -> None:
        if entry.balance():
            raise LedgerError(f"entry {entry.id} does not balance: off by {entry.balance()} pico-USD")
        written = self._write(entry)
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
        def find(connection: Connection) -> Entry | None:
            found = _with_postings(connection, connection.execute(queries.ENTRY, (entry_id,)).fetchall())
            return found[0] if found else None

        return await self.ask(find)

    async def entries(
        self, *, since_us: int = 0, until_us: int = 2**62, after: str = "", limit: int = 1000, but_of: str = ""
    ) -> Sequence[Entry]:
        def page(connection: Connection) -> list[Entry]:
            rows = connection.execute(
                queries.ENTRIES, (since_us, until_us, after, but_of or queries.NOBODY, limit)
            ).fetchall()
            return _with_postings(connection, rows)

        return await self.ask(page)

    async def open_holds(self, *, but_of: str = "") -> Sequence[Hold]:
        def find(connection: Connection) -> list[Hold]:
            return [hold_from_row(row) for row in connection.execute(queries.OPEN_HOLDS, (but_of or queries.NOBODY,))]

        return await self.ask(find)

    async def report(self, *, since_us: int = 0, until_us: int = 2**62) -> Report:
        return await self.ask(lambda connection: report(connection, (since_us, until_us)))

    async def cache_report(self, price_steps: Sequence[int], *, since_us: int = 0, until_us: int = 2**62) -> CacheReport:
        return await self.ask(lambda connection: cache_report(connection, price_steps, (since_us, until_us)))

    async def unbalanced(self) -> Sequence[str]:
        return await self.ask(lambda connection: [row[0] for row in connection.execute(queries.UNBALANCED)])

    async def secret(self, name: str, fresh: str) -> str:
        """A value kept with the books; `fresh` is stored the first time it is asked for."""

        def find(connection: Connection) -> str:
            row = connection.execute("select value from meta where name = ?", (name,)).fetchone()
            return str(row[0]) if row is not None else ""

        def keep(connection: Connection) -> str:  # unless another process that is starting was quicker
            connection.execute("insert into meta (name, value) values (?, ?) on conflict do nothing", (name, fresh))
            return find(connection)

        return await self.ask(find) or await self.transact(keep)

    async def keep(self, name: str, value: bytes) -> None:
        await self._write(Memory(name, value))

    async def kept(self, name: str) -> bytes | None:
        def find(connection: Connection) -> bytes | None:
            row = connection.execute(queries.MEMORY, (name,)).fetchone()
            return None if row is None else bytes(row[0])

        return await self.ask(find)

    async def close(self) -> None:
        """Write what is waiting, then close. Later calls raise LedgerError."""
        if self._closed:
            return
        self._closed = True
        self._closing.set()
        self._hand_over()
        self._queue.put(None)
        await asyncio.to_thread(self._thread.join)
        self._read_pool.shutdown()
        if self._journal is not None:
            self._journal.close()
        self.store.close()

    async def transact(self, work: Callable[[Connection], _T]) -> _T:
        """Do `work` on the writing connection, in one transaction; durable when this returns. What it raises undoes it."""
        if self._closed:
            raise LedgerError("the ledger is closed")
        done: asyncio.Future[_T] = asyncio.get_running_loop().create_future()
        self._hand_over()
        self._queue.put([_Write(None, done, work)])
        return await done

    async def ask(self, question: Callable[[Connection], _T]) -> _T:
        """Put a question to the books, on the reading connection."""
        if self._closed:
            raise LedgerError("the ledger is closed")

        try:
            return await asyncio.get_running_loop().run_in_executor(self._read_pool, self.store.read, question)
        except self._troubles as error:
            raise LedgerError(f"cannot read the ledger {self.store.name}: {error}") from None

    def _write(self, thing: Thing | Memory) -> asyncio.Future[Any]:
        """Hand over what is to be booked; done when it is durable. Cancelled, it is written all the same."""
        if self._closed:
            raise LedgerError("the ledger is closed")
        loop = asyncio.get_running_loop()
        done: asyncio.Future[Any] = loop.create_future()
        if not self._collected:  # the thread is woken once for all that this turn of the loop writes
            loop.call_soon(self._hand_over)
        self._collected.append(_Write(thing, done))
        return done

    def _hand_over(self) -> None:
        if self._collected:
            self._queue.put(self._collected)
            self._collected = []

    def _write_all(self) -> None:
        """The writer thread: drain, write, commit, tell."""
        goes_on, next_s = True, 0.0
        while goes_on:
            try:
                waits = self._owed or (self._journal is not None and self._journal.waits)
                batch = self._queue.get(timeout=AGAIN_S if waits else None)
            except queue.Empty:
                self._catch_up()
                continue
            if batch is None:
                break
            goes_on = self._drain(batch)
            while goes_on and len(batch) < ENOUGH and time.monotonic() < next_s and not self._closing.is_set():
                self._closing.wait(self.store.pace_s / 4)
                goes_on = self._drain(batch)
            next_s = time.monotonic() + self.store.pace_s if len(batch) >= MANY else 0.0
            self._write_batch(batch)
        self._catch_up()

    def _drain(self, batch: list[_Write]) -> bool:
        """Add all that is waiting; whether more may come."""
        while not self._queue.empty():
            more = self._queue.get()
            if more is None:
                return False
            batch += more
        return True

    def _catch_up(self) -> Exception | None:
        """Book what could not be booked before; why that does not go yet."""
        if self._journal is not None:
            self._journal.catch_up()
        try:
            for entry, loop in self._owed.pay() if self._owed else ():
                if not loop.is_closed():
                    loop.call_soon_threadsafe(self.settled, entry)
        except self.store.unavailable as error:
            return error
        return None

    def _write_batch(self, batch: list[_Write]) -> None:
        booked = [write for write in batch if write.thing is not None]
        if self._owed:
            self._owed.drop({write.thing.id for write in booked if isinstance(write.thing, Hold | Entry)})
        if booked and (trouble := self._catch_up()) is not None:
            self._refuse(booked, trouble)
        elif booked and (self._journal is None or not self._journal.waits):
            self._write_together(booked)
        elif booked:
            self._put_off(booked)
        for write in batch:
            if write.work is not None:
                self._do(write.work, write.done)

    def _do(self, work: Callable[[Connection], object], done: asyncio.Future[Any]) -> None:
        try:
            result = self.store.write(work)
        except ThriftgateError as error:
            _tell([(done, error)])
        except Exception as error:  # noqa: BLE001  the writer must outlive any bad work: without it every call would wait for ever
            _tell([(done, self._unwritten(error))])
        else:
            _tell([(done, result)])

    def _write_together(self, batch: list[_Write]) -> None:
        def work(connection: Connection) -> list[tuple[asyncio.Future[Any], object]]:
            booking = Booking(connection, self.shelf)
            booking.expect([write.thing.id for write in batch if isinstance(write.thing, Entry)])
            outcomes = [(write.done, _booked(write, booking)) for write in batch]
            booking.write()
            return outcomes

        try:
            outcomes = self.store.write(work)
        except Exception as error:  # noqa: BLE001  the writer must outlive any bad row: without it every call would wait for ever
            # One bad row must not fail its neighbours; a full disk or a locked file fails them all alike.
            if len(batch) > 1 and not isinstance(error, self.store.unavailable):
                for write in batch:
                    self._write_together([write])
                return
            if self._journal is not None and isinstance(error, self.store.unavailable):
                self._journal.failed()
                self._put_off(batch)
                return
            self._refuse(batch, error)
            return
        _tell(outcomes)

    def _refuse(self, batch: Sequence[_Write], error: Exception) -> None:
        """Tell that it is not booked; it is once the books are to be had again."""
        if isinstance(error, self.store.unavailable):
            for write in batch:
                if isinstance(write.thing, Hold | Entry):
                    self._owed.add(write.thing, write.done.get_loop())
        # Each gets its own: the engine writes the id of its call into it.
        _tell((write.done, self._unwritten(error)) for write in batch)

    def _put_off(self, batch: list[_Write]) -> None:
        """Into the journal, until the books can be written again; what an engine learned is not kept meanwhile."""
        assert self._journal is not None
        try:
            self._journal.put([write.thing for write in batch if isinstance(write.thing, Hold | Entry)])
        except LedgerError as error:
            said = str(error)
            _tell((write.done, LedgerError(said)) for write in batch)  # each gets its own
        else:
            _tell((write.done, ()) for write in batch)

    def _unwritten(self, error: Exception) -> LedgerError:
        return LedgerError(f"cannot write the ledger {self.store.name}: {error}")


def _booked(write: _Write, booking: Booking) -> object:
    """What came of it: of a hold that no budget has room for, that error."""
    match write.thing:
        case Hold():
            try:
                return booking.hold(write.thing)
            except BudgetExceeded as error:
                return error
        case Entry():
            booking.entry(write.thing)
        case Memory():
            booking.memory(*write.thing)
    return None


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


def _with_postings(connection: Connection, rows: Sequence[Row]) -> list[Entry]:
    postings: dict[object, list[Posting]] = {row[0]: [] for row in rows}
    if postings:
        for entry, account, pico in connection.execute(queries.POSTINGS, (listed(postings),)):
            postings[entry].append(Posting(account, pico))
    return [entry_from_row(row, tuple(postings[row[0]])) for row in rows]
