"""Batches that exist twice: what the second copy cost stands in the books."""

from __future__ import annotations

from pathlib import Path

import msgspec

from tests.batch.stage import BATCHES, Stage, params
from thriftgate.batch.surplus import Surplus, Swept
from thriftgate.core.money import pico_from_usd
from thriftgate.simulator.config import BatchRules
from thriftgate.simulator.faults import Faults

QUICK = BatchRules(duration_s=(60.0, 120.0))


async def opened(folder: Path, jobs: int = 12, rules: BatchRules = QUICK) -> Stage:
    stage = Stage(folder, [params(number) for number in range(jobs)], rules=rules)
    await stage.open()
    return stage


async def swept(stage: Stage) -> Swept:
    return await Surplus(stage.work).sweep()


async def run_twice(folder: Path) -> Stage:
    """A run whose only batch was created twice, after both copies have ended."""
    stage = await opened(folder)
    stage.simulator.faults = Faults(batch_post_twice=1.0)
    while await stage.step():
        stage.simulator.faults = Faults()
    stage.clock.advance(3600)
    return stage


async def paid(stage: Stage) -> int:
    return (await stage.engine.ledger.report()).paid_pico


async def test_a_second_copy_is_booked_to_the_pico_dollar_and_against_the_saving(tmp_path: Path) -> None:
    stage = await run_twice(tmp_path)
    await swept(stage)
    assert await paid(stage) == pico_from_usd(str(stage.simulator.bill.total))
    assert len(stage.simulator.bill.calls) == 24
    report = await stage.engine.ledger.report()
    assert report.levers["batch.defer"] == 0  # half of one copy was saved, and a whole one was paid for nothing
    assert not await stage.engine.ledger.unbalanced()
    spent = await stage.work.book.spent(stage.work.lease.run)
    assert spent.paid_pico == report.paid_pico
    await stage.close()


async def test_it_is_booked_once(tmp_path: Path) -> None:
    stage = await run_twice(tmp_path)
    copies = (await swept(stage)).copies + stage.runner.swept.copies
    assert copies == 1
    before = await paid(stage)
    assert await swept(stage) == Swept()
    assert await paid(stage) == before
    await stage.close()


async def test_a_copy_that_has_not_ended_is_named(tmp_path: Path) -> None:
    stage = await opened(tmp_path, rules=BatchRules(duration_s=(5000.0, 5000.0)))
    stage.simulator.faults = Faults(batch_post_twice=1.0)
    await stage.step()
    stage.simulator.faults = Faults()
    (ours,) = stage.work.batches.values()
    (copy,) = set(stage.simulator.batches.known()) - {ours.remote_id}
    assert await swept(stage) == Swept(0, (copy,))
    await stage.close()


async def test_somebody_elses_batch_of_the_same_size_is_left_alone(tmp_path: Path) -> None:
    stage = await opened(tmp_path)
    while await stage.step():
        pass
    requests = [{"custom_id": f"theirs-{number}", "params": params(100 + number)} for number in range(12)]
    said = await stage.work.remote.create(msgspec.json.encode({"requests": requests}))
    assert said.kind == "ok"
    stage.clock.advance(4000)
    before, asked = await paid(stage), stage.front.times(f"GET {BATCHES}/{said.batch.id if said.batch else ''}/results")
    surplus = Surplus(stage.work)
    assert await surplus.sweep() == Swept()
    assert await surplus.sweep() == Swept()
    assert await paid(stage) == before
    assert said.batch is not None
    assert stage.front.times(f"GET {BATCHES}/{said.batch.id}/results") == asked + 1  # asked whose it is, once
    await stage.close()


async def test_a_run_without_batches_asks_nothing(tmp_path: Path) -> None:
    stage = await opened(tmp_path)
    assert await swept(stage) == Swept()
    assert stage.front.seen == []
    await stage.close()
