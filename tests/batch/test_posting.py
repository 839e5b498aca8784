"""Bringing batches to the provider: posted once, found again where the answer was lost, never posted twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.batch.queueing import ask, queueing
from tests.batch.stage import BATCHES, Killed, Stage, drops, error, foreign_batch, params, says, staged
from thriftgate.batch.work import Options, Stopped
from thriftgate.simulator.config import BatchRules, LimitRules
from thriftgate.simulator.faults import Faults
from thriftgate.wire.anthropic_batches import job_name

POST = f"POST {BATCHES}"
QUICK = BatchRules(duration_s=(60.0, 120.0))


async def test_a_batch_is_posted_once(tmp_path: Path) -> None:
    async with staged(tmp_path, 30) as stage:
        lines = await stage.run()
        assert {line.kind for line in lines} == {"succeeded"}
        assert stage.front.times(POST) == 1
        assert not list(tmp_path.rglob("tgb_*.json"))
        await stage.check()


async def test_no_batch_has_more_jobs_than_allowed_and_no_more_are_queued(tmp_path: Path) -> None:
    async with staged(tmp_path, 30, options=Options(requests_max=4, queue_jobs=10)) as stage:
        most = 0
        while await stage.step():
            most = max(most, stage.work.progress.in_batches)
        sizes = [batch.jobs for batch in await stage.batches()]
        assert (max(sizes), sum(sizes), most) == (4, 30, 10)
        await stage.finish()
        await stage.check()


@pytest.mark.parametrize("fault", ["batch_post_lost", "batch_error_late"])
async def test_a_lost_answer_is_no_second_batch(tmp_path: Path, fault: str) -> None:
    async with staged(tmp_path, 12, faults=Faults.parse({fault: 1.0}), rules=QUICK) as stage:
        await stage.step()
        assert [batch.state for batch in stage.work.batches.values()] == ["doubtful"]
        assert {line.kind for line in await stage.run()} == {"succeeded"}
        assert stage.front.times(POST) == 1
        assert len(stage.simulator.batches.known()) == 1
        await stage.check()


@pytest.mark.parametrize("name", ["theirs-{}", "tg_00000000000000000000_{}"])
async def test_a_foreign_batch_of_the_same_size_is_left_alone(tmp_path: Path, name: str) -> None:
    async with staged(tmp_path, 5, rules=QUICK) as stage:
        before = await foreign_batch(stage.simulator, 5, name)
        stage.front.next_posts(drops)
        await stage.step()
        after = await foreign_batch(stage.simulator, 5, name)
        assert {line.kind for line in await stage.run()} == {"succeeded"}
        assert stage.front.times(POST) == 2, "the first one never arrived"
        await stage.check(foreign=[before, after])


async def test_a_foreign_batch_that_has_not_ended_is_watched(tmp_path: Path) -> None:
    async with staged(tmp_path, 5, rules=QUICK) as stage:
        theirs = await foreign_batch(stage.simulator, 5)
        stage.front.next_posts(drops)
        await stage.until(lambda: stage.front.times(POST) == 2)
        ended_at = stage.simulator.batches.known()[theirs].ended_at
        assert ended_at is not None
        assert stage.time() >= ended_at > stage.options.settle_s
        await stage.run()
        await stage.check(foreign=[theirs])


async def test_two_lost_batches_of_one_size_are_told_apart(tmp_path: Path) -> None:
    lost = Faults(batch_post_lost=1.0)
    async with staged(tmp_path, 8, options=Options(requests_max=4), faults=lost, rules=QUICK) as stage:
        assert {line.kind for line in await stage.run()} == {"succeeded"}
        assert stage.front.times(POST) == 2
        await stage.check()


async def test_what_never_arrived_goes_out_anew_after_a_while(tmp_path: Path) -> None:
    async with staged(tmp_path, 5, options=Options(settle_s=100.0)) as stage:
        stage.front.next_posts(drops)
        began = stage.time()
        await stage.until(lambda: stage.front.times(POST) == 2)
        assert 100.0 <= stage.time() - began < 220.0
        await stage.run()
        await stage.check()


async def test_the_while_begins_with_the_doubt_and_not_with_the_batch(tmp_path: Path) -> None:
    """A batch that was put off for long is as doubtful as any other when its answer is lost."""
    async with staged(tmp_path, 5) as stage:
        stage.front.next_posts(says(429, error("rate_limit_error"), {"retry-after": "300"}), drops)
        await stage.until(lambda: stage.front.times(POST) == 2)
        doubted = stage.time()
        await stage.until(lambda: stage.front.times(POST) == 3)
        assert stage.time() - doubted >= stage.options.settle_s
        await stage.run()
        await stage.check()


async def test_a_process_that_died_at_the_post_leaves_a_doubt(tmp_path: Path) -> None:
    for after in (False, True):
        folder = tmp_path / str(after)
        folder.mkdir()
        stage = Stage(folder, [params(number) for number in range(6)])
        await stage.open()
        stage.kill_at_call(1, after=after)
        with pytest.raises(Killed):
            await stage.step()
        await stage.kill()
        assert list(folder.rglob("tgb_*.json")), "a killed process leaves its file"
        await stage.open()
        assert [batch.state for batch in stage.work.batches.values()] == ["doubtful"]
        assert not list(folder.rglob("tgb_*.json"))
        await stage.run()
        assert stage.front.times(POST) == 1
        await stage.check()


async def test_too_many_requests_is_put_off_and_posted_again(tmp_path: Path) -> None:
    async with staged(tmp_path, 9, options=Options(requests_max=3)) as stage:
        stage.front.next_posts(*[says(429, error("rate_limit_error"), {"retry-after": "20"})] * 3)
        began = stage.time()
        await stage.until(lambda: len(stage.simulator.batches.known()) > 0)
        assert stage.time() - began == 60.0
        await stage.run()
        assert stage.front.times(POST) == 6
        await stage.check()


async def test_a_full_queue_of_the_provider_is_waited_for(tmp_path: Path) -> None:
    limits = LimitRules(batch_queue=8)
    async with staged(tmp_path, 12, options=Options(requests_max=4), rules=QUICK, limits=limits) as stage:
        assert {line.kind for line in await stage.run()} == {"succeeded"}
        assert len(stage.simulator.batches.known()) == 3
        await stage.check()


async def test_a_batch_that_is_too_large_is_halved(tmp_path: Path) -> None:
    prefix = "x" * 4000
    async with staged(tmp_path, 100, prefix, options=Options(prime=False), rules=BatchRules(max_bytes=150_000)) as stage:
        assert {line.kind for line in await stage.run()} == {"succeeded"}
        known = stage.simulator.batches.known().values()
        assert len(known) == 5, "420,000 bytes, halved twice"
        assert stage.front.times(POST) == 7
        await stage.check()


async def test_a_call_no_batch_takes_fails_and_the_others_go(tmp_path: Path) -> None:
    bodies = [params(number) for number in range(4)] + [params(4, "x" * 300_000)]
    stage = Stage(tmp_path, bodies, rules=BatchRules(max_bytes=200_000))
    lines = await stage.run()
    assert [line.kind for line in lines] == [*["succeeded"] * 4, "errored"]
    assert "more than a batch may have" in stage.documents()[4]["result"]["error"]["error"]["message"]
    await stage.check()


@pytest.mark.parametrize("status", [400, 401, 404])
async def test_what_the_provider_refuses_stops_the_run_and_nothing_is_lost(tmp_path: Path, status: int) -> None:
    stage = Stage(tmp_path, [params(number) for number in range(6)])
    await stage.open()
    stage.front.next_posts(says(status, error("some_error")))
    with pytest.raises(Stopped, match="refused a batch of 6 jobs: 40"):
        await stage.step()
    assert not await stage.engine.ledger.open_holds()
    await stage.close()
    assert {line.kind for line in await stage.run()} == {"succeeded"}
    await stage.check()


async def test_a_key_that_does_not_hold_stops_the_search(tmp_path: Path) -> None:
    stage = Stage(tmp_path, [params(1)], faults=Faults(batch_post_lost=1.0))
    await stage.open()
    await stage.step()
    stage.front.script = lambda _method, _path: says(401, error("authentication_error"))
    with pytest.raises(Stopped, match="refuses to list"):
        await stage.run()
    stage.front.script = lambda _method, _path: None
    await stage.close()
    await stage.run()
    await stage.check()


async def test_batches_that_never_were_are_no_tries_of_their_jobs(tmp_path: Path) -> None:
    """Three lost POSTs, and an error of the provider in the first answer: there are tries left."""
    async with staged(tmp_path, 4, options=Options(attempts_max=2)) as stage:
        stage.front.next_posts(drops, drops, drops)
        await stage.until(lambda: stage.front.times(POST) == 3)
        stage.simulator.faults = Faults(batch_item_error=1.0)
        await stage.until(lambda: stage.front.times(POST) == 4)
        await stage.until(lambda: stage.front.times(POST) == 5)
        stage.simulator.faults = Faults()
        lines = await stage.run()
        assert {line.kind for line in lines} == {"succeeded"}


async def test_a_storm_passes(tmp_path: Path) -> None:
    storms = Faults(storm_every_s=400.0, storm_s=200.0)
    async with staged(tmp_path, 12, options=Options(requests_max=4), faults=storms, rules=QUICK) as stage:
        assert {line.kind for line in await stage.run()} == {"succeeded"}
        await stage.check()


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("number", range(1, 7))
async def test_killed_while_a_batch_is_dropped_its_jobs_still_go(tmp_path: Path, number: int, after: bool) -> None:
    stage = Stage(tmp_path, [params(at) for at in range(4)], rules=QUICK)
    await stage.open()
    stage.front.next_posts(drops)
    await stage.step()
    stage.clock.advance(2 * stage.options.settle_s)
    stage.kill_at_write(number, after=after)
    with pytest.raises(Killed):
        await stage.run()
    await stage.kill()
    assert {line.kind for line in await stage.run()} == {"succeeded"}
    await stage.check()


@pytest.mark.parametrize("number", range(2, 7))
async def test_killed_while_a_dead_workers_draft_is_dropped(tmp_path: Path, number: int) -> None:
    stage = Stage(tmp_path, [params(at) for at in range(4)], rules=QUICK)
    await stage.open()
    stage.kill_at_write(2, after=True)  # some jobs are put down, the batch is not complete
    with pytest.raises(Killed):
        await stage.run()
    await stage.kill()
    stage.doom = ("write", number, True)
    with pytest.raises(Killed):
        await stage.run()
    await stage.kill()
    assert {line.kind for line in await stage.run()} == {"succeeded"}
    await stage.check()


async def test_followers_of_several_groups_stand_in_turn(tmp_path: Path) -> None:
    """A prefix is read all along the batch: so it lives for as long as that takes."""
    prefixes = [f"{number}: " + "You are a careful reader of reviews. " * 200 for number in range(3)]
    bodies = [params(number, prefixes[number // 5], model="claude-opus-4-8") for number in range(15)]
    stage = Stage(tmp_path, bodies, rules=BatchRules(workers=1, service_s=5.0))  # one after the other, in order of the file
    await stage.run()
    named = [job_name(str(call.custom_id)) for call in stage.simulator.bill.calls]
    seqs = [one.seq for one in named if one is not None]
    assert seqs == [1, 6, 11, *(group + at for at in range(2, 6) for group in (0, 5, 10))]
    await stage.check()


async def test_calls_of_different_urgency_leave_in_different_batches(tmp_path: Path) -> None:
    async with queueing(tmp_path, flows=False) as stage:
        hours = (1.5, 1.6, 9.0, 1.7, 9.5)
        jobs = [await stage.take(ask(number), within_s=one * 3600) for number, one in enumerate(hours)]
        stage.clock.flow()
        assert await stage.answers(jobs) == [200] * 5
        assert sorted(batch.jobs for batch in await stage.batches()) == [2, 3]
        await stage.entries()
