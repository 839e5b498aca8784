"""A run taken up: found again by the same command, by one worker at a time, and only with the files it was begun with."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.batch.stage import KEY, Stage, params, staged
from thriftgate.batch.build import COMPLETIONS, READS, file_jobs, job_book, keep_learned, named, open_file, take
from thriftgate.batch.sink import OutputError
from thriftgate.batch.work import Options
from thriftgate.core.errors import InputError, LedgerError
from thriftgate.engine.build import build_engine
from thriftgate.ledger.jobs import Fenced
from thriftgate.settings import load
from thriftgate.simulator.config import BatchRules

QUICK = BatchRules(duration_s=(60.0, 120.0))


def stage_of(folder: Path, count: int = 6, **members: object) -> Stage:
    return Stage(folder, [params(number) for number in range(count)], rules=QUICK, **members)  # type: ignore[arg-type]


def test_a_run_is_known_by_its_jobs_and_its_results(tmp_path: Path) -> None:
    stage = stage_of(tmp_path)
    one = stage.files
    assert one.run_id == file_jobs(stage.jobs, stage.out, order="arrival", options=Options(waves=1)).run_id
    assert one.run_id != file_jobs(stage.jobs, tmp_path / "other.jsonl").run_id
    stage.jobs.write_bytes(stage.jobs.read_bytes() + b"\n")
    assert one.run_id != stage.files.run_id


def test_results_cannot_be_written_over_the_jobs(tmp_path: Path) -> None:
    stage = stage_of(tmp_path)
    with pytest.raises(InputError, match="the jobs file itself"):
        file_jobs(stage.jobs, stage.folder / "." / "jobs.jsonl")


async def test_a_second_worker_cannot_take_a_living_workers_run(tmp_path: Path) -> None:
    async with staged(tmp_path, 6) as stage:
        await stage.step()
        stage.clock.advance(3600)  # asleep for long, or in a long upload: it lives
        second = await stage.build()
        with pytest.raises(LedgerError, match="another process is at work"):
            await open_file(second, stage.files, KEY)
        await second.close()
        await stage.run()
        await stage.check()


async def test_a_dead_workers_run_is_taken_at_once(tmp_path: Path) -> None:
    stage = stage_of(tmp_path)
    await stage.open()
    await stage.step()
    await stage.kill()
    began = stage.time()
    await stage.open()
    assert stage.time() == began
    await stage.run()
    await stage.check()


async def test_a_worker_whose_run_was_taken_stops_and_writes_nothing(tmp_path: Path) -> None:
    async with staged(tmp_path, 6) as stage:
        await stage.step()
        book = stage.work.book
        run = await book.run(stage.work.lease.run)
        assert run is not None
        assert await book.take(run.id, "usurper", stage.work.now_us(), 10**6, dead=run.worker) is not None
        with pytest.raises(Fenced, match="another worker has taken over"):
            await stage.run()
        assert await book.take(run.id, stage.engine.worker_name, stage.work.now_us(), 10**6, dead="usurper") is not None
        await stage.close()
        await stage.open()
        await stage.run()
        await stage.check()


async def test_a_released_run_is_free(tmp_path: Path) -> None:
    stage = stage_of(tmp_path)
    await stage.open()
    await stage.close()
    engine = await stage.build()
    run = await job_book(engine).run(stage.files.run_id)
    assert run is not None
    assert (run.worker, (await take(engine, job_book(engine), run)).worker) == ("", engine.worker_name)
    await engine.close()


async def test_results_of_something_else_are_not_overwritten(tmp_path: Path) -> None:
    stage = stage_of(tmp_path)
    stage.out.write_bytes(b"precious\n")
    with pytest.raises(InputError, match="exists already and is not of this run"):
        await stage.open()
    await stage.close()
    assert stage.out.read_bytes() == b"precious\n"


async def test_a_jobs_file_that_changed_is_noticed(tmp_path: Path) -> None:
    stage = stage_of(tmp_path)
    await stage.open()
    await stage.step()
    await stage.close()
    before = stage.jobs.read_bytes()
    stage.jobs.write_bytes(before.replace(b"it was fine", b"it was evil"))
    with pytest.raises(InputError, match="has changed since it began, or is another file"):
        await stage.open()
    await stage.close()
    stage.jobs.write_bytes(before)
    await stage.run()
    await stage.check()


async def test_a_run_that_is_through_is_left_as_it_is(tmp_path: Path) -> None:
    for order in ("input", "arrival"):
        (tmp_path / order).mkdir()
        stage = stage_of(tmp_path / order, members={"order": order})
        await stage.run()
        before = stage.out.read_bytes()
        engine = await stage.build()
        opened = await open_file(engine, stage.files, KEY)
        assert opened.run.state == "done"
        opened.close()
        await engine.close()
        assert stage.out.read_bytes() == before
        assert [path.name for path in (tmp_path / order).glob("out*")] == ["out.jsonl", "out.jsonl.work"]


async def test_what_was_begun_goes_on_as_it_was_begun(tmp_path: Path) -> None:
    stage = stage_of(tmp_path, 20, options=Options(requests_max=3), members={"order": "input"})
    await stage.open()
    await stage.until(lambda: stage.work.progress.done > 3)
    await stage.kill()
    stage.members = {"order": "arrival"}
    await stage.open()
    assert stage.opened.sink.order == "input"
    assert named(stage.opened.run).order == "input"
    assert [line.name for line in await stage.run()] == stage.names()


@pytest.mark.parametrize("order", ["input", "arrival"])
async def test_results_that_were_touched_since_are_told(tmp_path: Path, order: str) -> None:
    stage = stage_of(tmp_path, 20, options=Options(requests_max=3), members={"order": order})
    await stage.open()
    await stage.until(lambda: stage.work.progress.done > 3)
    await stage.close()
    spool = stage.out if order == "arrival" else stage.out.with_name("out.jsonl.spool")
    data = spool.read_bytes()
    spool.write_bytes(data[:5])
    with pytest.raises(OutputError, match="shorter than it was left"):
        await stage.open()
    await stage.close()
    spool.write_bytes(data)
    await stage.run()
    await stage.check()


@pytest.mark.parametrize("order", ["input", "arrival"])
async def test_killed_when_all_was_settled_the_results_are_whole(tmp_path: Path, order: str) -> None:
    """What the last page moved on in the file is not booked with it."""
    stage = stage_of(tmp_path, members={"order": order})
    await stage.open()
    await stage.until(lambda: stage.work.progress.settled == 6)
    await stage.kill()
    assert len(await stage.run()) == 6
    await stage.check()


async def test_what_was_learned_of_batches_is_kept_for_the_next_run(tmp_path: Path) -> None:
    async with staged(tmp_path, 6, rules=QUICK) as stage:
        await stage.until(lambda: stage.work.progress.settled == 6)
        stage.work.reads.learn("1h", 90, 100)
        await keep_learned(stage.engine, stage.work)
        await stage.kill()
        await stage.open()
        assert stage.work.completions.kept() != type(stage.work.completions)().kept()
        assert stage.work.reads.seen == {"1h": 100.0}


async def test_what_was_learned_and_cannot_be_read_is_passed_over(tmp_path: Path) -> None:
    stage = stage_of(tmp_path)
    engine = await stage.build()
    await engine.ledger.keep(COMPLETIONS, b"garbage")
    await engine.ledger.keep(READS, b"\xff")
    await engine.close()
    await stage.run()
    await stage.check()


async def test_a_ledger_without_jobs_says_so(tmp_path: Path) -> None:
    engine = await build_engine(load(None, environ={}, flags={"ledger.path": str(tmp_path / "b.db")}), beside=True)
    ledger, engine.ledger = engine.ledger, object()  # type: ignore[assignment]
    with pytest.raises(LedgerError, match="keeps no jobs"):
        job_book(engine)
    engine.ledger = ledger
    await engine.close()


async def test_the_betas_of_a_run_go_with_its_batches(tmp_path: Path) -> None:
    async with staged(tmp_path, 2, members={"betas": ("extended-cache-ttl-2025-04-11", "b-2")}) as stage:
        await stage.step()
        (batch,) = stage.simulator.batches.known().values()
        assert batch.betas == {"extended-cache-ttl-2025-04-11", "b-2"}
        (job, *_) = await stage.work.book.in_order(stage.work.lease.run, 0, 1)
        assert stage.work.source.headers(job) == ((b"anthropic-beta", b"extended-cache-ttl-2025-04-11,b-2"),)
