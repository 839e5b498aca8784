"""The gateway's queue: calls that are sent again, jobs that are asked for, and answers that are forgotten."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.batch.queueing import CALLER, OTHER, QueueStage, ask, queueing
from tests.fixtures import until
from thriftgate.batch.queue import SENT_AGAIN_S, LetGo, Ticket
from thriftgate.batch.work import Options
from thriftgate.core.deadline import Reserve
from thriftgate.core.errors import InputError
from thriftgate.ledger.jobs import QUEUE
from thriftgate.simulator.config import BatchRules

NEVER = BatchRules(duration_s=(80_000.0, 80_000.0))
AT_ONCE = BatchRules(duration_s=(1.0, 1.0))


# --- sent again --------------------------------------------------------------------------------------------------------

RETRY = {"x-stainless-retry-count": "1"}


async def test_a_call_sent_again_is_given_the_job_that_was_made_of_it(tmp_path: Path) -> None:
    async with queueing(tmp_path, flows=False) as stage:
        job = await stage.take(ask(), headers={"x-stainless-retry-count": "0"})
        again = await stage.offer(ask(stream=False), headers=RETRY)
        assert isinstance(again, Ticket)
        assert (again.job.name, again.forecast_pico) == (job.name, None)
        await stage.kill()
        await stage.open()
        assert (await stage.take(ask(), headers=RETRY)).name == job.name
        stage.clock.flow()
        assert await stage.answers([job]) == [200]
        assert (await stage.take(ask(), headers=RETRY)).name == job.name, "also when the answer came meanwhile"
        assert len(stage.simulator.bill.calls) == 1


async def test_a_second_call_of_ours_is_never_taken_for_the_clients(tmp_path: Path) -> None:
    """It has the headers and the body of a call that its client may send again."""
    async with queueing(tmp_path, flows=False) as stage:
        for headers in (RETRY, {"thriftgate-idempotency-key": "mine"}):
            ours = await stage.take(ask(), headers=headers, parent=f"tg_{len(headers)}{len(str(headers))}")
            assert ours.name.startswith("proof_tg_")
            theirs = await stage.take(ask(), headers=headers)
            assert theirs.name.startswith("job_")
            second = await stage.take(ask(), headers=headers, parent="tg_other" + theirs.name)
            assert second.name not in (ours.name, theirs.name)
            assert (await stage.take(ask(), headers=headers)).name == theirs.name
            assert ours.deadline_us == 0 < theirs.deadline_us, "it is not called at the full price when time runs out"


async def test_what_is_not_the_same_call_is_a_job_of_its_own(tmp_path: Path) -> None:
    async with queueing(tmp_path, flows=False) as stage:
        named = {"thriftgate-idempotency-key": "mine"}
        jobs = [
            await stage.take(ask()),
            await stage.take(ask()),
            await stage.take(ask(2), headers=RETRY),
            await stage.take(ask(), headers=RETRY, key=OTHER),
            await stage.take(ask(), headers=RETRY | {"anthropic-beta": "x-2025-01-01"}),
            await stage.take(ask(), headers=named),
            await stage.take(ask(), headers={"thriftgate-idempotency-key": "another"}),
            await stage.take(ask(2), headers=named),
        ]
        assert len({job.name for job in jobs}) == len(jobs)
        assert (await stage.take(ask(), headers=named)).name == jobs[5].name


async def test_an_old_answer_is_no_lost_one(tmp_path: Path) -> None:
    async with queueing(tmp_path, rules=AT_ONCE) as stage:
        named = {"thriftgate-idempotency-key": "mine"}
        jobs = [await stage.take(ask()), await stage.take(ask(), headers=named)]
        assert await stage.answers(jobs) == [200, 200]
        stage.clock.advance(SENT_AGAIN_S + 60)
        assert (await stage.take(ask(), headers=RETRY)).name not in {job.name for job in jobs}
        assert (await stage.take(ask(), headers=named)).name == jobs[1].name, "its caller has named it"


async def test_of_many_calls_alike_each_is_given_its_own(tmp_path: Path) -> None:
    """As when a gateway starts anew, and all whose connections broke come back."""
    async with queueing(tmp_path, flows=False) as stage:
        jobs = [await stage.take(ask()) for _ in range(6)]
        await stage.kill()
        await stage.open()
        held = [asyncio.ensure_future(stage.answer(await stage.take(ask(), headers=RETRY))) for _ in range(3)]
        back = [await stage.take(ask(), headers=RETRY) for _ in range(3)]
        stage.clock.flow()
        names = {one.name for one in back} | {told.job.name for told in await asyncio.gather(*held)}
        assert names == {job.name for job in jobs}
        assert await stage.answers(back) == [200] * 3
        assert len(stage.simulator.bill.calls) == 6


async def test_a_job_that_nobody_waits_for_goes_before_one_that_somebody_has(tmp_path: Path) -> None:
    async with queueing(tmp_path, flows=False) as stage:
        held, left = await stage.take(ask()), await stage.take(ask())
        waiting = asyncio.ensure_future(stage.answer(held))
        await asyncio.sleep(0)
        assert (await stage.take(ask(), headers=RETRY)).name == left.name
        stage.clock.flow()
        assert (await waiting).job.name == held.name


# --- asked for, and forgotten ------------------------------------------------------------------------------------------


async def test_only_its_own_key_finds_a_job(tmp_path: Path) -> None:
    async with queueing(tmp_path, flows=False) as stage:
        job = await stage.take(ask())
        found = await stage.find(job)
        assert found is not None
        assert (found.job.name, found.job.state, found.answer) == (job.name, "waiting", None)
        assert await stage.find(job, OTHER) is None
        assert await stage.queue.find("job_none", stage.engine.key_of(CALLER)) is None


async def test_answers_are_forgotten_when_their_time_is_over(tmp_path: Path) -> None:
    async with queueing(tmp_path, rules=AT_ONCE, members={"answers_kept_s": 3600.0}) as stage:
        old = await stage.take(ask(1))
        await stage.answer(old)
        await stage.idle()
        stage.clock.advance(1800.0)
        young = await stage.take(ask(2))
        await stage.answer(young)
        await stage.idle()
        assert await stage.find(old) is not None
        stage.clock.advance(1900.0)
        assert await stage.find(old) is None, "too old, whether it is still there or not"
        book = stage.queue.book
        await until(lambda: _gone(stage, old.seq))
        assert await book.body(QUEUE, old.seq) is None
        assert [one.seq for one in await book.in_order(QUEUE, 0, 10)] == [young.seq]
        assert [batch.jobs for batch in await stage.batches()] == [1]
        assert await stage.find(young) is not None
        assert stage.worker.open_jobs == 0
        assert await stage.answers([await stage.take(ask(3))]) == [200]


async def _gone(stage: QueueStage, seq: int) -> bool:
    return await stage.queue.book.answer(QUEUE, seq) is None


async def test_who_waits_for_what_is_forgotten_is_let_go(tmp_path: Path) -> None:
    async with queueing(tmp_path, rules=AT_ONCE) as stage:
        job = await stage.take(ask(1))
        await stage.answer(job)
        stage.clock.advance(73 * 3600.0)
        assert await stage.find(job) is None
        await until(lambda: _gone(stage, job.seq))
        with pytest.raises(LetGo, match="is not kept any more"):
            await stage.queue.wait(job)


async def test_who_waits_is_let_go_before_the_end_and_the_job_goes_on(tmp_path: Path) -> None:
    async with queueing(tmp_path, flows=False) as stage:
        job = await stage.take(ask())
        waiting = asyncio.ensure_future(stage.queue.wait(job))
        await asyncio.sleep(0)
        stage.queue.let_go("the gateway is stopping")
        with pytest.raises(LetGo, match=f"the gateway is stopping; the job goes on, ask for it by its id, {job.name}"):
            await waiting
        with pytest.raises(LetGo):
            await stage.queue.wait(job)
        await stage.close()
        await stage.open()
        stage.clock.flow()
        assert await stage.answers([job]) == [200]


async def test_a_webhook_must_be_allowed(tmp_path: Path) -> None:
    async with queueing(tmp_path, members={"webhooks": ("https://good.example/hooks",)}) as stage:
        with pytest.raises(InputError, match="is not allowed here; "):
            await stage.offer(ask(), webhook="https://good.example.evil.com/hooks")


async def test_a_reserve_that_is_longer_than_the_deadline_leaves_no_time(tmp_path: Path) -> None:
    async with queueing(tmp_path, options=Options(call_refused=True, reserve=Reserve(cancel_s=30_000.0))) as stage:
        assert "no time to wait for a batch" in await stage.reason(ask())
