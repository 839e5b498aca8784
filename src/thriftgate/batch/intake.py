"""Take a file of jobs in: every line is read, checked, measured and priced before anything is sent."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from thriftgate.batch.job_line import check_params, read_job_line, read_like
from thriftgate.batch.jobs_file import Located, lines_of
from thriftgate.batch.work import Work
from thriftgate.core.errors import InputError, UnknownPrice
from thriftgate.ledger.jobs import Bound, Job
from thriftgate.wire.anthropic_batches import errored

CHUNK = 1000
SHOWN = 20  # lines that are named one by one


class Bad(NamedTuple):
    """A line that is no job: its number, and what is wrong."""

    number: int
    what: str


class Estimate(Struct, frozen=True):
    """What a run is expected to use and cost (tokens, pico-USD): as calls, and as batches without any caching.
    `worst_pico` is the most it can cost. `bad` lines were left out."""

    jobs: int = 0
    bad: int = 0
    prompt_tokens: int = 0
    output_tokens: int = 0
    standard_pico: int = 0
    batch_pico: int = 0
    worst_pico: int = 0


class Taken(NamedTuple):
    """What came of taking a file in. `bad` names the first lines that are no jobs; `sample` are some jobs to try first."""

    estimate: Estimate
    bad: list[Bad]
    sample: list[bytes]


class Intake:
    """One reading of a jobs file. `seen` is told the number of lines now and then."""

    def __init__(
        self, work: Work, path: Path, *, deadline_us: int = 0, seen: Callable[[int], None] = lambda _: None
    ) -> None:
        self._work = work
        self._path = path
        self._deadline_us = deadline_us
        self._seen = seen
        self._bad: list[Bad] = []
        self._bad_count = 0
        self._sums = [0, 0, 0, 0, 0]
        self._sample: list[bytes] = []

    async def take(self, *, skip_bad: bool = False, sample: int = 3) -> Taken:
        """Put all jobs of the file into the book. With `skip_bad` lines that are no jobs become failed ones, each with its
        line of results; otherwise they are told, and nothing is sent.

        Raises InputError where the file cannot be read, and for names that stand twice.
        """
        seq, jobs, bounds = 0, list[Job](), list[Bound]()
        failed: list[tuple[Job, bytes]] = []
        for one in lines_of(self._path):
            seq += 1
            try:
                job = self._read(one, seq, bounds, sample)
            except (InputError, UnknownPrice) as error:
                job = self._unfit(one, seq, str(error))
                failed.append((job, errored("invalid_request_error", f"line {one.number}: {error}")))
            jobs.append(job)
            if len(jobs) >= CHUNK:
                await self._put(jobs, bounds, failed, write=skip_bad)
                jobs, bounds, failed = [], [], []
                self._seen(seq)
        await self._put(jobs, bounds, failed, write=skip_bad)
        self._seen(seq)
        await self._check_names()
        if skip_bad and self._bad_count:
            await self._work.book.set_run(self._work.lease, self._work.now_us(), **self._work.outlet.changes())
        estimate = Estimate(seq - self._bad_count, self._bad_count, *self._sums)
        return Taken(estimate, self._bad, self._sample)

    def _read(self, one: Located, seq: int, bounds: list[Bound], sample: int) -> Job:
        work = self._work
        line = read_like(one.line, work.planner.alike)
        if line is None:
            line = read_job_line(one.line)
            unfit = check_params(line.params)
            if unfit:
                raise InputError(f"params.{unfit}")
        drafted = work.planner.draft(line.params, work.clock.now_s())
        worth = work.planner.worth(drafted)
        for at, value in enumerate(worth):
            self._sums[at] += value
        if work.options.prime:
            bounds += work.planner.bounds(drafted, seq)
        if len(self._sample) < sample:
            self._sample.append(line.params)
        return Job(
            run=work.lease.run,
            seq=seq,
            name=line.name,
            state="waiting",
            model=drafted.request.model,
            place=one.offset,
            size=one.length,
            deadline_us=self._deadline_us,
        )

    def _unfit(self, one: Located, seq: int, what: str) -> Job:
        self._bad_count += 1
        if len(self._bad) < SHOWN:
            self._bad.append(Bad(one.number, what))
        return Job(
            run=self._work.lease.run,
            seq=seq,
            name=_name(one),
            state="failed",
            cause="invalid_request_error",
            place=one.offset,
            size=one.length,
        )

    async def _put(self, jobs: list[Job], bounds: list[Bound], failed: list[tuple[Job, bytes]], *, write: bool) -> None:
        work = self._work
        if write and failed:
            places = dict(zip((job.seq for job, _ in failed), work.outlet.add(failed, work.now_us()).places, strict=True))
            jobs = [
                replace(job, out_place=places[job.seq][0], out_size=places[job.seq][1]) if job.seq in places else job
                for job in jobs
            ]
        await work.book.add_jobs(work.lease, work.now_us(), jobs, bounds)

    async def _check_names(self) -> None:
        doubles = await self._work.book.doubles(self._work.lease.run, SHOWN)
        if doubles:
            shown = "; ".join(f"{name!r} in jobs {first} and {last}" for name, first, last in doubles[:5])
            more = f" and {len(doubles) - 5} more" if len(doubles) > 5 else ""
            raise InputError(
                f"{self._path}: ids must be unique, but {shown}{more} are the same; results could not be told apart"
            )


def _name(one: Located) -> str:
    try:
        return read_job_line(one.line).name
    except InputError:
        return f"line-{one.number}"
