"""What the parts of a worker share: batches that are open, what they may still cost, how far the run is."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.batch.stage import staged
from thriftgate.batch.machine import Unforeseen
from thriftgate.batch.work import Options, Progress, Stopped, moved
from thriftgate.core.errors import ThriftgateError
from thriftgate.ledger.jobs import BatchRow

BATCH = BatchRow("tgb_1", "run", "plain", "posting", "f", "", 7, worst_pico=50)


def test_a_batch_moves_by_the_table_alone() -> None:
    after, commands = moved(BATCH, "accepted", remote_id="msgbatch_1")
    assert (after.state, after.remote_id, commands) == ("running", "msgbatch_1", ("poll",))
    with pytest.raises(Unforeseen, match="a batch that is posting cannot be read"):
        moved(BATCH, "read")


async def test_open_batches_are_remembered_and_others_forgotten(tmp_path: Path) -> None:
    async with staged(tmp_path, 1) as stage:
        work = stage.work
        mine = replace(BATCH, run=work.lease.run)
        await work.keep(mine)
        await work.keep(replace(mine, id="tgb_2", jobs=3, worst_pico=9))
        assert (work.progress.in_batches, work.held_pico()) == (10, 59)
        await work.keep(replace(mine, state="dropped"))
        assert (work.progress.in_batches, work.held_pico()) == (3, 9)
        assert [batch.state for batch in await stage.batches()] == ["dropped", "posting"]
        await work.keep(replace(mine, id="tgb_2", state="dropped"))


async def test_a_job_is_booked_under_the_key_it_came_with(tmp_path: Path) -> None:
    async with staged(tmp_path, 1) as stage:
        (job,) = await stage.work.book.in_order(stage.work.lease.run, 0, 1)
        assert stage.work.desk_of(job) is stage.work.desk
        assert stage.work.now_us() == int(stage.time() * 1e6)


def test_progress_adds_up() -> None:
    progress = Progress(jobs=5, done=2, failed={"a": 1, "b": 1})
    assert progress.settled == 4
    progress.count(())
    assert progress.paid_pico == 0


async def test_progress_is_what_the_books_say(tmp_path: Path) -> None:
    async with staged(tmp_path, 30) as stage:
        told: list[int] = []
        stage.work.progress.changed = lambda reached: told.append(reached.settled)
        work = stage.work
        await stage.run()
        assert told[-1] == 30
        assert work.progress.paid_pico == stage.bill_pico()
        assert work.progress.baseline_pico == 2 * work.progress.paid_pico
        assert work.progress.in_batches == 0


def test_a_stop_is_an_error_for_people_and_options_are_sound() -> None:
    assert issubclass(Stopped, ThriftgateError)
    assert Options().requests_max == 100_000
    assert Options().max_cost_pico is None
