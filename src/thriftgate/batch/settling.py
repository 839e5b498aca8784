"""Settle jobs: their entries, their states and their results, written as one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from thriftgate.batch.machine import JobEvent, job_after
from thriftgate.batch.work import Work
from thriftgate.ledger.entries import Entry
from thriftgate.ledger.jobs import BatchRow, Job, JobState, Outcome

FINAL: tuple[JobState, ...] = ("done", "failed")


class Verdict(NamedTuple):
    """What happened to a job. `entry` is to be booked with it, `entry_id` names one that is booked already; `result` is the
    JSON behind `"result":` for a job that is through; `cause` says why one failed. Where the batch of a job never came to
    be, it was not `tried`."""

    job: Job
    event: JobEvent
    result: bytes = b""
    cause: str = ""
    entry: Entry | None = None
    entry_id: str = ""
    tried: bool = True


async def settle(work: Work, verdicts: Sequence[Verdict], batch: BatchRow | None = None) -> list[JobState]:
    """Book these verdicts, and the batch's new row with them. Returns the states the jobs are in now. Raises LedgerError,
    OutputError."""
    if not verdicts and batch is None:
        return []
    now_us = work.now_us()
    states = [job_after(one.job.state, one.event) for one in verdicts]
    final = [one for one, state in zip(verdicts, states, strict=True) if state in FINAL]
    placed = work.outlet.add([(one.job, one.result) for one in final], now_us)
    places = dict(zip((one.job.seq for one in final), placed.places, strict=True))
    outcomes = [
        Outcome(
            one.job.seq,
            state,
            one.cause if state == "failed" else "",
            (one.entry.id if one.entry is not None else one.entry_id) if state in (*FINAL, "calling") else "",
            *places.get(one.job.seq, (0, 0)),
            attempts=0 if one.tried else -1,
        )
        for one, state in zip(verdicts, states, strict=True)
    ]
    entries = [one.entry for one in verdicts if one.entry is not None]
    await work.book.book(
        work.lease,
        now_us,
        outcomes,
        entries,
        batch=batch,
        answers=placed.answers,
        run_changes=work.outlet.changes() if final else None,
    )
    if batch is not None:
        work.remember(batch)
    work.progress.count(entries)
    for outcome in outcomes:
        if outcome.state == "done":
            work.progress.done += 1
        elif outcome.state == "failed":
            work.progress.failed[outcome.cause] = work.progress.failed.get(outcome.cause, 0) + 1
    work.progress.changed(work.progress)
    if final:
        await work.outlet.told([one.job for one in final])
    return states
