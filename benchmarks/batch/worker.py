"""A worker on one jobs file, in this process: its clock is simulated, its provider an ASGI app."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any, get_args

from thriftgate.batch.build import FileJobs, Opened, file_jobs, open_file
from thriftgate.batch.intake import Intake, Taken
from thriftgate.batch.runner import Runner
from thriftgate.batch.work import Work
from thriftgate.engine.build import build_engine
from thriftgate.engine.engine import Engine
from thriftgate.ledger.jobs import BatchRow, BatchState
from thriftgate.providers.asgi_transport import AsgiTransport
from thriftgate.settings import load
from thriftgate.simulator import SimClock

KEY = "sk-ant-sim-batch-bench"


class SimulatedClock:
    """The simulator's time behind thriftgate's Clock: a sleep moves it on."""

    def __init__(self, time: SimClock) -> None:
        self.time = time

    def now_s(self) -> float:
        return self.time()

    def monotonic_s(self) -> float:
        return self.time()

    async def sleep(self, seconds: float) -> None:
        await self.time.sleep(seconds)


async def engine_on(app: Any, folder: Path, time: SimClock) -> Engine:
    """An engine whose books stand in `folder` and whose provider is `app`."""
    flags = {"ledger.path": str(folder / "books.db"), "upstream.url": "http://sim", "upstream.api_key": KEY}
    settings = load(None, environ={}, flags=flags)
    return await build_engine(settings, transport=AsgiTransport(app), clock=SimulatedClock(time), beside=True)


class Worker:
    """One run over a file. `take` reads the jobs in, `run` brings them to their end."""

    def __init__(self, engine: Engine, files: FileJobs, opened: Opened) -> None:
        self.engine = engine
        self.files = files
        self.opened = opened
        self.runner = Runner(opened.work, opened.ask)
        self.jobs = 0

    @property
    def work(self) -> Work:
        return self.opened.work

    async def take(self) -> Taken:
        """Read all jobs in, and look which share a prefix."""
        work = self.work
        taken = await Intake(work, Path(self.files.jobs), deadline_us=self.files.deadline_us).take()
        if taken.bad:
            raise ValueError(f"the benchmark's own jobs are not taken: {taken.bad[:3]}")
        self.jobs = taken.estimate.jobs
        await work.book.group(work.lease, work.now_us())
        return taken

    async def batches(self) -> Sequence[BatchRow]:
        """All batches of the run, in every state."""
        return await self.work.book.batches(self.work.lease.run, get_args(BatchState))

    async def run(self) -> None:
        """Step until all is through."""
        await self.runner.start()
        while (wait_s := await self.runner.step()) is not None:
            if wait_s:
                await self.engine.clock.sleep(wait_s)


@contextlib.asynccontextmanager
async def working(app: Any, jobs: Path, time: SimClock, *, folder: Path, **members: Any) -> AsyncIterator[Worker]:
    """A worker on a file; books and results stand in `folder`. `members` are those of FileJobs."""
    engine = await engine_on(app, folder, time)
    try:
        files = file_jobs(jobs, folder / "out.jsonl", **members)
        opened = await open_file(engine, files, KEY)
        try:
            yield Worker(engine, files, opened)
        finally:
            opened.close()
    finally:
        await engine.close()
