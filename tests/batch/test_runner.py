"""One run from its first step to its last: orders, money, disks that fill up, and deaths at every place."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.batch.stage import BATCHES, Killed, Stage, drops, error, params, says, staged
from thriftgate.batch.work import Options, Stopped
from thriftgate.core.errors import LedgerError
from thriftgate.simulator.config import BatchRules
from thriftgate.simulator.faults import Faults

QUICK = BatchRules(duration_s=(60.0, 120.0))
MODEL = "claude-opus-4-8"
PREFIX = "Say in one word what you think of this review, and be kind. " * 120


async def test_every_job_has_one_line_and_the_books_agree_with_the_bill(tmp_path: Path) -> None:
    bodies = [params(number, PREFIX if number % 3 else "", model=MODEL) for number in range(60)]
    stage = Stage(tmp_path, bodies, rules=QUICK, options=Options(requests_max=25))
    assert [line.kind for line in await stage.run()] == ["succeeded"] * 60
    await stage.check()


async def test_a_run_sleeps_until_something_is_due(tmp_path: Path) -> None:
    async with staged(tmp_path, 3, rules=BatchRules(duration_s=(3000.0, 3000.0))) as stage:
        await stage.run()
        assert stage.steps < 200
        assert 0.05 <= min(wait for wait in stage.clock.slept if wait) <= max(stage.clock.slept) <= 60.0


async def test_a_clock_that_is_set_back_by_hours_puts_nothing_off(tmp_path: Path) -> None:
    async with staged(tmp_path, 3, rules=QUICK) as stage:
        await stage.until(lambda: any(batch.state == "running" for batch in stage.work.batches.values()))
        stage.clock.advance(-26 * 3600.0)
        seen = len(stage.front.seen)
        await stage.step()
        await stage.step()
        assert len(stage.front.seen) > seen
        stage.clock.advance(26 * 3600.0)  # the provider's clock is another one
        await stage.run()
        await stage.check()


async def test_a_run_without_jobs_is_through(tmp_path: Path) -> None:
    stage = Stage(tmp_path, [b"no job"], members={"skip_bad": True})
    (line,) = await stage.run()
    assert line.kind == "errored"


# --- orders ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("after_s", [0.0, 30.0, 4000.0])
async def test_canceled_what_was_answered_is_kept_and_nothing_more_is_sent(tmp_path: Path, after_s: float) -> None:
    options = Options(requests_max=5, queue_jobs=10)
    async with staged(tmp_path, 20, rules=QUICK, options=options) as stage:
        if after_s:
            await stage.step()
            stage.clock.advance(after_s)
        await stage.work.book.want(stage.work.lease.run, "cancel")
        posted = len(stage.simulator.batches.known())
        lines = await stage.run()
        assert len(stage.simulator.batches.known()) == posted == (2 if after_s else 0)
        succeeded = sum(line.kind == "succeeded" for line in lines)
        assert {0.0: succeeded == 0, 30.0: 0 < succeeded < 10, 4000.0: succeeded == 10}[after_s]
        assert stage.work.progress.failed == {"canceled": 20 - succeeded}
        await stage.check()


async def test_canceled_in_doubt_the_batch_is_looked_for_all_the_same(tmp_path: Path) -> None:
    for lost in (True, False):
        folder = tmp_path / str(lost)
        folder.mkdir()
        stage = Stage(folder, [params(number) for number in range(4)], rules=QUICK)
        await stage.open()
        if lost:
            stage.simulator.faults = Faults(batch_post_lost=1.0)
        else:
            stage.front.next_posts(drops)
        await stage.step()
        await stage.work.book.want(stage.work.lease.run, "cancel")
        lines = await stage.run()
        assert {line.kind for line in lines} == ({"succeeded"} if lost else {"errored"})
        await stage.check()


async def test_canceled_while_put_off_nothing_is_posted(tmp_path: Path) -> None:
    async with staged(tmp_path, 4, rules=QUICK) as stage:
        stage.front.next_posts(*[says(429, error("rate_limit_error"))] * 50)
        await stage.step()
        await stage.work.book.want(stage.work.lease.run, "cancel")
        assert {line.kind for line in await stage.run()} == {"errored"}
        assert stage.front.times(f"POST {BATCHES}") == 1
        await stage.check()


# --- money -------------------------------------------------------------------------------------------------------------


async def test_never_more_is_spent_than_allowed_and_the_rest_goes_on_later(tmp_path: Path) -> None:
    bodies = [params(number) for number in range(30)]
    stage = Stage(tmp_path, bodies, rules=QUICK, options=Options(requests_max=4, max_cost_pico=10**9))
    await stage.open()
    limit = stage.options.max_cost_pico or 0

    async def watched() -> None:
        while await stage.step():
            assert stage.work.progress.paid_pico + stage.work.held_pico() <= limit
            assert stage.bill_pico() <= limit

    with pytest.raises(Stopped, match=r"left of \$0.001; run the same command again with a higher --max-cost"):
        await watched()
    settled = stage.work.progress.settled
    assert 5 < settled < 30
    await stage.close()
    stage.options = Options(requests_max=4)
    assert {line.kind for line in await stage.run()} == {"succeeded"}
    await stage.check()


async def test_money_that_comes_back_is_spent_on_what_is_left(tmp_path: Path) -> None:
    """Batches cost less than they could have: the run ends although their worst cases together were too dear."""
    async with staged(tmp_path, 12, rules=QUICK) as stage:
        await stage.step()
        worst = stage.work.held_pico()
        await stage.run()
    folder = tmp_path / "again"
    folder.mkdir()
    bodies = [params(number) for number in range(12)]
    stage = Stage(folder, bodies, rules=QUICK, options=Options(requests_max=3, max_cost_pico=worst * 3 // 4))
    assert {line.kind for line in await stage.run()} == {"succeeded"}
    await stage.check()


async def test_the_last_jobs_money_is_no_stop_once_all_are_through(tmp_path: Path) -> None:
    async with staged(tmp_path, 4, rules=QUICK) as stage:
        await stage.step()
        worst = stage.work.held_pico()
        await stage.run()
    folder = tmp_path / "again"
    folder.mkdir()
    bodies = [params(number) for number in range(4)]
    stage = Stage(folder, bodies, rules=QUICK, options=Options(requests_max=3, max_cost_pico=worst - 1))
    assert len(await stage.run()) == 4
    await stage.check()


# --- disks -------------------------------------------------------------------------------------------------------------

FULL = """
import asyncio, resource, signal, sys
from pathlib import Path
from tests.batch.stage import Stage, params
from thriftgate.batch.sink import OutputError

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

def limit(size):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

async def main():
    bodies = [params(number, max_tokens=13000) for number in range(60)]
    for body in bodies:
        body["messages"][0]["content"] += " [[sim: out=12000]]"
    stage = Stage(Path(sys.argv[1]), bodies, members={"order": sys.argv[2]})
    await stage.open()
    # The limit is every file's: on a busy machine the ledger commits less at a time, and its log would grow beyond it first.
    await stage.engine.ledger.transact(lambda connection: connection.execute("pragma wal_autocheckpoint = 50"))
    limit(1_300_000)
    try:
        await stage.run()
    except OutputError as error:
        assert "cannot write" in str(error), error
    else:
        raise AssertionError("that file should not have had room")
    limit(resource.RLIM_INFINITY)
    assert 0 < stage.out.stat().st_size <= 1_300_000 or sys.argv[2] == "input"
    if sys.argv[3] == "another":
        await stage.close()
    assert [line.kind for line in await stage.run()] == ["succeeded"] * 60
    assert stage.out.stat().st_size > 1_500_000
    await stage.check()

asyncio.run(main())
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no limits on file sizes")
@pytest.mark.parametrize(("order", "process"), [("input", "the same"), ("arrival", "another")])
def test_a_full_disk_stops_the_run_and_with_room_it_goes_on(tmp_path: Path, order: str, process: str) -> None:
    said = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path), order, process], capture_output=True, text=True, check=False
    )
    assert said.returncode == 0, said.stderr[-2000:]


# --- deaths ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["call", "write"])
async def test_killed_again_and_again_at_the_same_place(tmp_path: Path, where: str) -> None:
    """Each life gets a little further; what the lives before it have done is not done again."""
    bodies = [params(number, PREFIX if number % 2 else "", model=MODEL) for number in range(8)]
    stage = Stage(tmp_path, bodies, rules=QUICK, options=Options(requests_max=4))
    lives = 0
    for number in range(3, 60):
        stage.doom = (where, number % 17 + 8 if where == "write" else number % 5 + 2, number % 2 == 0)
        try:
            await stage.run()
            break
        except Killed:
            lives += 1
            await stage.kill()
    assert lives > 3
    await stage.check()


async def test_a_ledger_that_fails_stops_the_run_and_another_life_goes_on(tmp_path: Path) -> None:
    stage = Stage(tmp_path, [params(number) for number in range(8)], rules=QUICK)
    await stage.open()
    await stage.step()
    await stage.engine.ledger.close()
    with pytest.raises(LedgerError):
        await stage.run()
    stage.opened.close()
    stage.engine._liveness.close()  # type: ignore[union-attr]
    await stage.open()
    assert {line.kind for line in await stage.run()} == {"succeeded"}
    await stage.check()


async def test_a_run_that_is_gone_from_the_ledger_is_told(tmp_path: Path) -> None:
    async with staged(tmp_path, 1) as stage:
        ledger = stage.engine.ledger
        await ledger.transact(lambda connection: connection.execute("pragma foreign_keys = off"))  # type: ignore[attr-defined]
        await ledger.transact(lambda connection: connection.execute("delete from runs"))  # type: ignore[attr-defined]
        with pytest.raises(LedgerError, match="is gone from the ledger"):
            await stage.step()
        await stage.kill()
