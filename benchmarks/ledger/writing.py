"""Rows a second that the ledger writes: holds, entries and postings, with everything that goes with them in the same
transactions, by so many callers that wait for each of their writes."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import time
from collections.abc import Sequence

from msgspec import Struct
from msgspec.structs import replace

from benchmarks.ledger.settling import entry_of, hold_of
from thriftgate.ledger.sql import SqlLedger


class Written(Struct, frozen=True):
    """So many calls by so many callers in each of so many processes. `rows` are holds, entries and postings, five a call;
    roll-ups come on top and are not counted. CPU is that of the writing processes."""

    books: str
    processes: int
    callers: int
    calls: int
    rows: int
    wall_s: float
    cpu_s: float
    again: int

    @property
    def rows_per_s(self) -> float:
        return self.rows / self.wall_s


def written(books: str, path: str, calls: int, callers: int, *, first: int = 0, processes: int = 1) -> Written:
    """Write them, numbered from `first` on. Each process has ids of its own and the same callers' names, so that all add to
    the same roll-ups."""
    asks = [(path, first, calls, callers, at) for at in range(processes)]
    start = time.perf_counter()
    if processes == 1:
        told = [_process(asks[0])]
        wall_s = told[0][0]
    else:
        with multiprocessing.get_context("spawn").Pool(processes) as pool:
            pool.map(_warm, range(processes))
            start = time.perf_counter()
            told = pool.map(_process, asks, chunksize=1)
            wall_s = time.perf_counter() - start
    rows, again = sum(one[2] for one in told), sum(one[3] for one in told)
    return Written(books, processes, callers, calls * processes, rows, wall_s, sum(one[1] for one in told), again)


def _warm(_at: int) -> int:
    return os.getpid()


def _process(ask: tuple[str, int, int, int, int]) -> tuple[float, float, int, int]:
    return asyncio.run(_write(*ask))


async def _write(path: str, first: int, calls: int, callers: int, process: int) -> tuple[float, float, int, int]:
    ledger = SqlLedger.open(path)
    again = _counting(ledger)
    some = [entry_of(at) for at in range(first, first + calls)]
    entries = [replace(one, id=f"{one.id[:-12]}{process:04x}{at:08x}") for at, one in enumerate(some, first)]
    waiting = iter(entries)
    wall, cpu = time.perf_counter(), time.process_time()

    async def caller() -> int:
        rows = 0
        for entry in waiting:
            await ledger.hold(hold_of(entry))
            await ledger.settle(entry)
            rows += 2 + len(entry.postings)
        return rows

    rows = sum(await asyncio.gather(*(caller() for _ in range(callers))))
    took = time.perf_counter() - wall, time.process_time() - cpu
    await ledger.close()
    return *took, rows, sum(again) - 1


def _counting(ledger: SqlLedger) -> Sequence[int]:
    """How often a transaction of the books was done again is what this list adds up to, and one."""
    again = [1]
    store_write = ledger.store.write

    def write(work):  # type: ignore[no-untyped-def]
        tries = [0]

        def counted(connection):  # type: ignore[no-untyped-def]
            tries[0] += 1
            return work(connection)

        try:
            return store_write(counted)
        finally:
            again.append(max(0, tries[0] - 1))

    ledger.store.write = write  # type: ignore[method-assign]
    return again
