"""Which job a line of results belongs to."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import Protocol

from thriftgate.batch.work import Work
from thriftgate.ledger.jobs import BatchRow, Job
from thriftgate.wire.anthropic_batches import ResultLine, job_name

Pairs = Sequence[tuple[Job, ResultLine]]


class Names(Protocol):
    """How custom ids lead to jobs."""

    async def jobs(self, batch: BatchRow, lines: Sequence[ResultLine]) -> Pairs:
        """The jobs that these lines of a batch's results belong to; lines of no job of it are left out."""


class OwnNames:
    """Custom ids that thriftgate gave: they tell the batch and the job."""

    def __init__(self, work: Work) -> None:
        self._work = work

    async def jobs(self, batch: BatchRow, lines: Sequence[ResultLine]) -> Pairs:
        found: dict[int, ResultLine] = {}
        for line in lines:
            name = job_name(line.custom_id)
            if name is not None and name.fingerprint == batch.fingerprint:
                found[name.seq] = line
        jobs = await self._work.book.jobs(self._work.lease.run, list(found)) if found else []
        return [(job, found[job.seq]) for job in jobs]


class ClientNames:
    """Custom ids that a client chose: unique within its batch. With `adds`, for a batch that was not created here, a line
    that no job is known for makes one."""

    def __init__(self, work: Work, *, adds: bool) -> None:
        self._work = work
        self._adds = adds

    async def jobs(self, batch: BatchRow, lines: Sequence[ResultLine]) -> Pairs:
        work = self._work
        found = {seq_of(batch, line.custom_id): line for line in lines}
        jobs = list(await work.book.jobs(work.lease.run, list(found))) if found else []
        if self._adds:
            known = {job.seq for job in jobs}
            fresh = [self._job(batch, seq, line) for seq, line in sorted(found.items()) if seq not in known]
            if fresh:
                await work.book.add_jobs(work.lease, work.now_us(), fresh)
                jobs += fresh
        return [(job, found[job.seq]) for job in jobs]

    def _job(self, batch: BatchRow, seq: int, line: ResultLine) -> Job:
        return Job(
            run=batch.run,
            seq=seq,
            name=line.custom_id,
            state="packed",
            batch=batch.id,
            attempt=1,
            entry=self._work.new_id(),
            model=line.reading.model if line.reading is not None else "",
        )


def seq_of(batch: BatchRow, name: str) -> int:
    """The number of a client's request, so that a line of results finds its job without an index of names: a digest, salted
    so that nobody can make two names meet."""
    return int.from_bytes(sha256(f"{batch.fingerprint}/{name}".encode()).digest()[:8]) >> 1
