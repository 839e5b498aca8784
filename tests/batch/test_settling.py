"""Settling: entries, states and results are written as one, or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.batch.stage import Killed, Stage, staged
from thriftgate.batch.booking import void_entry
from thriftgate.batch.machine import Unforeseen
from thriftgate.batch.settling import Verdict, settle
from thriftgate.core.errors import LedgerError
from thriftgate.ledger.jobs import Fenced, Job
from thriftgate.wire.anthropic_batches import errored

RESULT = errored("api_error", "as the test will have it")


async def packed(stage: Stage) -> list[Job]:
    """The jobs of a batch that is written ahead and was not answered."""
    stage.kill_at_call(1, after=False)
    with pytest.raises(Killed):
        await stage.step()
    (batch,) = await stage.batches()
    return list(await stage.work.book.jobs_of(batch.id, -1, 100))


async def test_a_failed_job_has_its_line_and_its_cause(tmp_path: Path) -> None:
    async with staged(tmp_path, 2, members={"order": "arrival"}) as stage:
        one, two = await packed(stage)
        (batch,) = await stage.batches()
        entry = void_entry(stage.work.desk, one, batch, "not sent", stage.work.now_us())
        assert await settle(stage.work, [Verdict(one, "fail", RESULT, "api_error", entry), Verdict(two, "again")]) == [
            "failed",
            "waiting",
        ]
        after = await stage.work.book.in_order(stage.work.lease.run, 0, 10)
        assert [(job.state, job.cause, job.entry, job.attempt) for job in after] == [
            ("failed", "api_error", one.entry, 1),
            ("waiting", "", "", 1),
        ]
        assert stage.out.read_bytes()[after[0].out_place :][: after[0].out_size] == stage.out.read_bytes()
        assert stage.work.progress.failed == {"api_error": 1}
        run = await stage.work.book.run(stage.work.lease.run)
        assert run is not None
        assert run.out_bytes == after[0].out_size
        stage.wire.left = None


async def test_a_batch_that_never_was_is_no_try_of_its_jobs(tmp_path: Path) -> None:
    async with staged(tmp_path, 1) as stage:
        (job,) = await packed(stage)
        (batch,) = await stage.batches()
        entry = void_entry(stage.work.desk, job, batch, "never taken", stage.work.now_us())
        await settle(stage.work, [Verdict(job, "again", entry=entry, tried=False)])
        (after,) = await stage.work.book.in_order(stage.work.lease.run, 0, 10)
        assert (after.state, after.attempt) == ("waiting", 0)


async def test_what_cannot_be_is_told_and_nothing_is_written(tmp_path: Path) -> None:
    async with staged(tmp_path, 1, members={"order": "arrival"}) as stage:
        (job,) = await packed(stage)
        with pytest.raises(Unforeseen, match="a job that is packed cannot answered"):
            await settle(stage.work, [Verdict(job, "answered", RESULT)])
        assert stage.out.read_bytes() == b""


async def test_an_entry_is_booked_once(tmp_path: Path) -> None:
    async with staged(tmp_path, 1) as stage:
        (job,) = await packed(stage)
        (batch,) = await stage.batches()
        verdict = Verdict(job, "fail", RESULT, "x", void_entry(stage.work.desk, job, batch, "y", stage.work.now_us()))
        await settle(stage.work, [verdict])
        with pytest.raises(LedgerError):
            await settle(stage.work, [verdict])
        assert stage.work.progress.settled == 1


async def test_a_worker_that_lost_its_lease_writes_nothing(tmp_path: Path) -> None:
    async with staged(tmp_path, 1) as stage:
        (job,) = await packed(stage)
        await stage.work.book.take(stage.work.lease.run, "another", stage.work.now_us(), 10**6, dead=stage.work.lease.worker)
        with pytest.raises(Fenced):
            await settle(stage.work, [Verdict(job, "again")])
        (after,) = await stage.work.book.in_order(stage.work.lease.run, 0, 10)
        assert after.state == "packed"


async def test_nothing_to_settle_is_no_transaction(tmp_path: Path) -> None:
    async with staged(tmp_path, 1) as stage:
        stage.kill_at_write(1, after=False)
        assert await settle(stage.work, []) == []
        await stage.kill()
