"""Callers in several processes on one ledger file, some of which are killed; and in one, on books in memory."""

from __future__ import annotations

import asyncio
import itertools
import random
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from benchmarks.budgets.calls import caller, sweep
from thriftgate.clock import SystemClock
from thriftgate.core.control.budgets import Budget, Standing
from thriftgate.engine.build import call_ids
from thriftgate.ledger.entries import Report
from thriftgate.ledger.sql import SqlLedger
from thriftgate.ledger.sql_budget_book import SqlBudgetBook

PROCESSES = 4
SWEPT_S = 40.0
"""How long what a killed process held may stay open: a server's watchers take 15 s to be sure."""


class Outcome(NamedTuple):
    """What became of one budget (pico-USD). `billed` is what the provider says, `usable` its share of the limit, and
    `swept` how many calls were found open after a kill."""

    limit: int
    calls: int
    billed: int
    spent: int
    doubt: int
    held: int
    open_holds: int
    swept: int
    back_end: str = ""
    callers: int = 0
    kills: int = 0
    seconds: float = 0.0

    @property
    def overspent(self) -> int:
        return max(0, self.billed - self.limit)

    @property
    def usable(self) -> float:
        return self.billed / self.limit


class Oracle:
    """The provider: it remembers what it has billed."""

    def __init__(self) -> None:
        self.billed: dict[str, int] = {}

    def bill(self, call_id: str, pico: int) -> None:
        self.billed[call_id] = pico

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                if line.endswith(b"\n"):
                    call_id, pico = line.split()
                    self.bill(call_id.decode(), int(pico))
        except ConnectionError:
            pass
        finally:
            writer.close()


async def over_processes(sync: str, callers: int, kills: int, limit_pico: int, seed: int, *, books: str = "") -> Outcome:
    """So many kills, each of one process, which is started again; on a file, or on the `books` at a URL."""
    draw, oracle = random.Random(seed), Oracle()
    with tempfile.TemporaryDirectory() as folder:
        path, socket = books or str(Path(folder) / "books.db"), str(Path(folder) / "provider")
        ledger = await _with_budget(path, limit_pico, sync)
        await ledger.close()
        server = await asyncio.start_unix_server(oracle.serve, socket)
        seeds = itertools.count(seed * 1000)

        async def start() -> asyncio.subprocess.Process:
            arguments = (path, socket, str(callers // PROCESSES), str(next(seeds)), sync)
            return await asyncio.create_subprocess_exec(sys.executable, "-m", "benchmarks.budgets.worker", *arguments)

        began = time.perf_counter()
        running = [await start() for _ in range(PROCESSES)]
        killed = 0
        while killed < kills:
            await asyncio.sleep(draw.uniform(0.5, 1.5))
            at = draw.randrange(PROCESSES)
            if all(one.returncode is not None for one in running):
                break  # the budget is used up
            if running[at].returncode is None:
                running[at].send_signal(signal.SIGKILL)
                await running[at].wait()
                killed += 1
                running[at] = await start()
        for one in running:
            await one.wait()
        seconds = time.perf_counter() - began
        server.close()
        await asyncio.sleep(0.1)
        ledger = SqlLedger.open(path)
        alive = ledger.store.presence("judge000")
        until_s = time.perf_counter() + SWEPT_S
        while await ledger.open_holds() and time.perf_counter() < until_s:
            await sweep(ledger, alive.is_alive, SystemClock())
            await asyncio.sleep(0.5)
        found = await _judged(ledger, oracle, limit_pico)
        alive.close()
        await ledger.close()
        return found._replace(
            back_end="postgresql" if books else f"sqlite, sync={sync}", callers=callers, kills=killed, seconds=seconds
        )


async def in_memory(callers: int, kills: int, limit_pico: int, seed: int) -> Outcome:
    """Each caller bears the name of a process. A kill cancels it wherever it is; the one started in its place looks for what
    was left open, as every process does at its start."""
    draw, oracle, clock = random.Random(seed), Oracle(), SystemClock()
    ledger = await _with_budget(":memory:", limit_pico, "normal")
    names = (f"{number:08x}" for number in itertools.count())
    running: dict[str, asyncio.Task[None]] = {}

    def start() -> None:
        name = next(names)
        work = caller(ledger, oracle, call_ids(clock, name), clock, random.Random(draw.random()))
        running[name] = asyncio.ensure_future(work)

    began = time.perf_counter()
    for _ in range(callers):
        start()
    killed = 0
    while killed < kills and not all(one.done() for one in running.values()):
        await asyncio.sleep(draw.uniform(0, 0.2))
        name = draw.choice(list(running))
        if not running[name].done():
            running.pop(name).cancel()
            killed += 1
            await asyncio.sleep(0)
            await sweep(ledger, running.__contains__, clock)
            start()
    await asyncio.gather(*running.values())
    seconds = time.perf_counter() - began
    # A hold that was handed over just before its caller was killed may be written after the one in its place has looked.
    await sweep(ledger, running.__contains__, clock)
    found = await _judged(ledger, oracle, limit_pico)
    await ledger.close()
    return found._replace(back_end="memory", callers=callers, kills=killed, seconds=seconds)


async def _with_budget(path: str, limit_pico: int, sync: str) -> SqlLedger:
    ledger = SqlLedger.open(path, sync="full" if sync == "full" else "normal")
    await SqlBudgetBook(ledger).put(Budget("bud_1", "all", limit_pico, window="total", stages=()))
    return ledger


async def _judged(ledger: SqlLedger, oracle: Oracle, limit: int) -> Outcome:
    (standing,) = await SqlBudgetBook(ledger).standings(int(SystemClock().now_s() * 1e6))
    report = await ledger.report()
    assert report.paid_pico == standing.spent_pico, "the budget and the books differ"
    assert not await ledger.unbalanced()
    return outcome_of(standing, report, billed=sum(oracle.billed.values()), limit=limit)


def outcome_of(standing: Standing, report: Report, *, billed: int, limit: int) -> Outcome:
    """What the books say at the end."""
    outcomes = {group.name: group.calls for group in report.by_outcome}
    return Outcome(
        limit=limit,
        calls=report.calls - outcomes.get("refused", 0),
        billed=billed,
        spent=standing.spent_pico,
        doubt=standing.doubt_pico,
        held=standing.held_pico,
        open_holds=report.open_holds,
        swept=outcomes.get("lost", 0),
    )
