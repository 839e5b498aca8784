"""The order of a run: leaders write, followers read, and no group is forgotten whatever befalls its leader."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.batch.stage import BATCHES, Killed, Stage, call, drops, params
from thriftgate.batch.lanes import LEADS_MAX
from thriftgate.batch.work import Options
from thriftgate.simulator.config import BatchRules
from thriftgate.simulator.faults import Faults

MODEL = "claude-opus-4-8"
PREFIX = "Say in one word what you think of this review, and be kind. " * 120
QUICK = BatchRules(duration_s=(60.0, 120.0))
POST = f"POST {BATCHES}"


def shared(groups: int, each: int, alone: int = 0) -> list[dict[str, Any]]:
    """Jobs of so many prefixes, shuffled into each other, and some that share nothing."""
    bodies = [params(number, f"{number % groups}: {PREFIX}", model=MODEL) for number in range(groups * each)]
    return bodies + [params(1000 + number, model=MODEL) for number in range(alone)]


async def group_states(stage: Stage) -> list[tuple[str, str]]:
    waves = range(await stage.work.book.last_wave(stage.work.lease.run) + 1)
    found = [group for wave in waves for group in await stage.work.book.wave(stage.work.lease.run, wave)]
    return [(group.way, group.state) for group in found]


def reads(stage: Stage) -> int:
    return sum(one.usage.read > 0 for one in stage.simulator.bill.calls)


async def run(stage: Stage) -> None:
    lines = await stage.run()
    assert {line.kind for line in lines} == {"succeeded"}
    await stage.check()


async def test_one_leads_and_all_others_read(tmp_path: Path) -> None:
    stage = Stage(tmp_path, shared(1, 30))
    await stage.open()
    await stage.until(lambda: stage.work.progress.settled == 30)
    assert [(batch.role, batch.jobs) for batch in await stage.batches()] == [("lead", 1), ("follow", 29)]
    assert reads(stage) == 29
    assert await group_states(stage) == [("primed", "sent")]
    await run(stage)


async def test_groups_share_a_wave(tmp_path: Path) -> None:
    stage = Stage(tmp_path, shared(4, 6, alone=5))
    await stage.open()
    await stage.until(lambda: stage.work.progress.settled == 29)
    batches = [(batch.role, batch.wave, batch.jobs) for batch in await stage.batches()]
    assert sorted(batches) == [("follow", 1, 20), ("lead", 1, 4), ("plain", 0, 5)]
    assert reads(stage) == 20
    await run(stage)


async def test_no_priming_where_it_is_not_wanted(tmp_path: Path) -> None:
    stage = Stage(tmp_path, shared(1, 10), options=Options(prime=False))
    await stage.open()
    await run(stage)
    assert reads(stage) == 0
    assert stage.front.times(POST) == 1


async def test_a_short_prefix_and_a_pair_are_sent_plain(tmp_path: Path) -> None:
    stage = Stage(tmp_path, [params(number, "short", model=MODEL) for number in range(6)] + shared(1, 2))
    await stage.open()
    await run(stage)
    assert stage.front.times(POST) == 1


async def test_leaders_that_do_not_fit_into_one_batch_lead_later(tmp_path: Path) -> None:
    stage = Stage(tmp_path, shared(5, 4), options=Options(requests_max=2))
    await stage.open()
    await stage.until(lambda: stage.work.progress.settled == 20)
    batches = await stage.batches()
    assert sum(batch.jobs for batch in batches if batch.role == "lead") == 5
    assert sum(batch.jobs for batch in batches if batch.role == "follow") == 15
    assert reads(stage) == 15
    await run(stage)


async def test_a_group_whose_leader_failed_gets_another(tmp_path: Path) -> None:
    bodies = shared(1, 8)
    bodies[0]["messages"] = [{"role": "user", "content": [{"type": "nonsense"}]}]
    stage = Stage(tmp_path, bodies)
    await stage.open()
    lines = await stage.run()
    assert [line.kind for line in lines] == ["errored", *["succeeded"] * 7]
    assert reads(stage) == 6
    await stage.check()


async def test_a_prefix_that_cannot_be_written_is_given_up(tmp_path: Path) -> None:
    stage = Stage(tmp_path, shared(1, 8), faults=Faults(batch_item_error=1.0), options=Options(attempts_max=9))
    await stage.open()
    await stage.until(lambda: len(stage.simulator.batches.known()) == LEADS_MAX + 1)
    stage.simulator.faults = Faults()
    await run(stage)
    roles = [batch.role for batch in await _batches(stage)]
    assert roles.count("lead") == LEADS_MAX
    assert "follow" not in roles


async def _batches(stage: Stage) -> Any:
    """Of a run that is through."""
    from thriftgate.batch.build import job_book

    engine = await stage.build()
    try:
        return await job_book(engine).batches(stage.work.lease.run, ("booked",))
    finally:
        await engine.close()


async def test_a_leader_whose_batch_is_gone_does_not_keep_its_followers(tmp_path: Path) -> None:
    stage = Stage(tmp_path, shared(1, 8))
    await stage.open()
    await stage.until(lambda: bool(stage.simulator.batches.known()))
    (name,) = stage.simulator.batches.known()
    del stage.simulator.batches._known[name]
    lines = await stage.run()
    assert sorted(line.kind for line in lines) == ["errored", *["succeeded"] * 7]


async def test_followers_canceled_from_outside_are_led_again(tmp_path: Path) -> None:
    stage = Stage(tmp_path, shared(1, 12), options=Options(requests_max=4), rules=QUICK)
    await stage.open()
    await stage.until(lambda: len(stage.simulator.batches.known()) == 4)
    stage.clock.advance(20)
    for name in list(stage.simulator.batches.known())[1:]:
        await call(stage.simulator, "POST", f"{BATCHES}/{name}/cancel")
    await run(stage)


async def test_followers_that_never_arrived_find_their_prefix_written(tmp_path: Path) -> None:
    stage = Stage(tmp_path, shared(1, 8), rules=QUICK)
    await stage.open()
    stage.front.next_posts(None, drops)
    await run(stage)
    assert stage.front.times(POST) == 3
    assert reads(stage) == 7


async def test_a_leader_that_cannot_be_sent_makes_way_for_the_next(tmp_path: Path) -> None:
    """The first job is larger than any batch may be: the others must not wait for it."""
    bodies = shared(1, 6)
    bodies[0]["messages"][0]["content"] += "x" * 400_000
    stage = Stage(tmp_path, bodies, options=Options(size_bytes_max=200_000))
    await stage.open()
    lines = await stage.run()
    assert [line.kind for line in lines] == ["errored", *["succeeded"] * 5]
    assert reads(stage) == 4
    await stage.check()


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("number", range(2, 24, 3))
async def test_killed_at_any_write_of_a_wave_no_group_is_forgotten(tmp_path: Path, number: int, after: bool) -> None:
    stage = Stage(tmp_path, shared(2, 4), rules=QUICK)
    await stage.open()
    stage.kill_at_write(number, after=after)
    try:
        await stage.run()
    except Killed:
        await stage.kill()
        await stage.run()
    await stage.check()


async def test_waves_follow_each_other_and_are_learned_from(tmp_path: Path) -> None:
    stage = Stage(tmp_path, shared(3, 5), options=Options(waves=1, requests_max=3), rules=QUICK)
    await stage.open()
    await stage.until(lambda: stage.work.progress.settled == 15)
    assert stage.work.reads.seen["1h"] >= 12
    assert stage.work.reads.share("1h") > 0.95
    assert stage.work.reads.pace > 0
    await run(stage)
