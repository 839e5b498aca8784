"""How many jobs a core prepares in a second, and how many results it books.

Prepared: each line read, checked, measured and priced, prefixes grouped, then each job planned and written to the body of
its batch, with its hold. Booked: each result line read and matched with its job; its entry, the job's row, its line in the
results file. CPU time of this process, all its threads; what the provider's side of it took is left out.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import statistics
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from msgspec import Struct

from benchmarks.batch import jobs
from benchmarks.batch.lean import Lean
from benchmarks.batch.worker import Worker, working
from benchmarks.cache.goals import Goal
from benchmarks.cache.report import align
from thriftgate.batch.fetching import Fetcher
from thriftgate.batch.lanes import Lanes
from thriftgate.batch.posting import Poster
from thriftgate.simulator import SimClock

SMALL, SHARED = "600-byte prompts", "shared prefix"
PREFIX_TOKENS = 20_000
GOAL = 10_000.0


class Speed(Struct, frozen=True):
    """One case: how many jobs, the bytes of a line, and the CPU seconds of both halves, round by round."""

    case: str
    jobs: int
    line_bytes: float
    prepare_s: list[float]
    book_s: list[float]

    @property
    def prepared(self) -> float:
        """Jobs a second, the median of the rounds."""
        return self.jobs / statistics.median(self.prepare_s)

    @property
    def booked(self) -> float:
        return self.jobs / statistics.median(self.book_s)


def measure(small: int, shared: int, rounds: int, prefix_tokens: int = PREFIX_TOKENS) -> list[Speed]:
    """Both cases, one after the other."""
    prefix_words = jobs.words_of(prefix_tokens)
    return [
        _case(SMALL, jobs.small(small), small, 0, rounds),
        _case(SHARED, jobs.grouped(1, shared, prefix_words), shared, prefix_tokens, rounds),
    ]


def _case(case: str, lines: Iterator[bytes], count: int, prefix_tokens: int, rounds: int) -> Speed:
    with TemporaryDirectory(prefix="batch-bench-") as folder:
        path = jobs.write(Path(folder) / "jobs.jsonl", lines)
        spent = []
        for _ in range(rounds):
            with TemporaryDirectory(dir=folder) as books, contextlib.redirect_stderr(io.StringIO()):  # the log
                spent.append(asyncio.run(_round(path, Path(books), prefix_tokens)))
        size = path.stat().st_size / count
    return Speed(case, count, size, [one.prepare_s for one in spent], [one.book_s for one in spent])


class _Spent:
    """CPU seconds of both halves, as they add up."""

    def __init__(self, lean: Lean) -> None:
        self._lean = lean
        self.prepare_s = self.book_s = 0.0

    @contextlib.contextmanager
    def preparing(self) -> Iterator[None]:
        began = self._now()
        yield
        self.prepare_s += self._now() - began

    @contextlib.contextmanager
    def booking(self) -> Iterator[None]:
        began = self._now()
        yield
        self.book_s += self._now() - began

    def _now(self) -> float:
        return time.process_time() - self._lean.cpu_s


async def _round(path: Path, folder: Path, prefix_tokens: int) -> _Spent:
    lean = Lean(prefix_tokens)
    spent = _Spent(lean)
    async with working(lean, path, SimClock.frozen(), folder=folder) as worker:
        with spent.preparing():
            await worker.take()
        await _through(worker, spent)
        reached = worker.work.progress
        if reached.settled != reached.jobs or reached.failed:
            raise RuntimeError(f"the run did not come through: {reached}")
    return spent


async def _through(worker: Worker, spent: _Spent) -> None:
    """What a runner does, with a clock on each half."""
    work = worker.work
    lanes, poster, fetcher = Lanes(work), Poster(work), Fetcher(work)
    work.progress.jobs = worker.jobs
    with spent.preparing():
        await lanes.decide()
    while True:
        with spent.preparing():
            lane = await lanes.next()
            batch = await poster.draft(lane) if lane is not None else None
        if lane is None:
            return
        if batch is None:
            await lanes.emptied(lane)
            continue
        await lanes.posted(lane, poster.groups)
        batch = await fetcher.poll(await poster.post(batch))
        with spent.booking():
            batch, counts = await fetcher.fetch(batch)
        await lanes.booked(batch, counts)


def goals(speeds: Sequence[Speed]) -> list[Goal]:
    """What is asked of both halves of both cases. To prepare that many jobs with a long prefix is to copy half a gigabyte a
    second several times over: an aim."""
    found = []
    for one in speeds:
        found.append(Goal(f"{one.case}: jobs prepared a second and core", GOAL, False, one.case == SMALL, one.prepared))
        found.append(Goal(f"{one.case}: results booked a second and core", GOAL, False, True, one.booked))
    return found


def table(speeds: Sequence[Speed]) -> str:
    """For people."""
    rows = [["a core, CPU time", "jobs", "bytes a line", "prepared/s", "booked/s", "us a job", "us a result", "spread"]]
    for one in speeds:
        rows.append([one.case, f"{one.jobs:,}", f"{one.line_bytes:,.0f}", f"{one.prepared:,.0f}", f"{one.booked:,.0f}"])
        rows[-1] += [f"{1e6 / one.prepared:,.1f}", f"{1e6 / one.booked:,.1f}"]
        rows[-1] += [f"{max(_spread(one.prepare_s), _spread(one.book_s)):.0%}".replace("%", " %")]
    return align(rows)


def document(speeds: Sequence[Speed]) -> list[dict[str, Any]]:
    """For machines."""
    return [
        {"case": one.case, "jobs": one.jobs, "line_bytes": one.line_bytes, "prepared_per_s": one.prepared}
        | {"booked_per_s": one.booked, "prepare_cpu_s": one.prepare_s, "book_cpu_s": one.book_s}
        for one in speeds
    ]


def _spread(values: Sequence[float]) -> float:
    return (max(values) - min(values)) / statistics.median(values)
