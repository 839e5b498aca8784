"""Results taken home: each line is booked once, however often it is read; what nobody can read is told, not sent again."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.batch.stage import BATCHES, App, Killed, Stage, call, changed, error, params, says, staged
from thriftgate.batch.fetching import SHORT_MAX
from thriftgate.batch.work import Options, Stopped
from thriftgate.ledger.entries import UPSTREAM
from thriftgate.simulator.batches import KEPT_S
from thriftgate.simulator.config import BatchRules
from thriftgate.simulator.faults import Faults

QUICK = BatchRules(duration_s=(60.0, 120.0))


def results_by(stage: Stage, change: Callable[[bytes], bytes]) -> None:
    """Change what the provider gives as results."""
    app = changed(stage.simulator, change)
    stage.front.script = lambda _method, path: app if path.endswith("/results") else None


def answers(stage: Stage, app: App, ending: str) -> None:
    """Answer GETs whose path ends so by an app."""
    stage.front.script = lambda method, path: app if method == "GET" and path.endswith(ending) else None


async def until_ended(stage: Stage) -> None:
    await stage.until(lambda: any(batch.state == "ended" for batch in stage.work.batches.values()))


def polls(stage: Stage) -> int:
    (name,) = stage.simulator.batches.known()
    return stage.front.times(f"GET {BATCHES}/{name}")


async def test_polls_become_rarer_with_age_and_stay_within_bounds(tmp_path: Path) -> None:
    rules = BatchRules(duration_s=(7200.0, 7200.0))
    async with staged(tmp_path, 3, rules=rules, options=Options(poll_s=(5.0, 100.0))) as stage:
        await stage.until(lambda: bool(stage.simulator.batches.known()))
        at: list[float] = []
        while await stage.step():
            if len(at) < polls(stage):
                at.append(stage.time())
        waits = [later - earlier for earlier, later in itertools.pairwise(at[1:-1])]
        assert min(waits) == 5.0
        assert max(waits) <= 100.0
        assert waits == sorted(waits)
        assert 70 < len(at) < 110
        await stage.finish()


async def test_storms_and_limits_only_delay(tmp_path: Path) -> None:
    faults = Faults(seed=3, batch_error=0.4, batch_poll_limited=0.4, batch_results_cut=0.5)
    async with staged(tmp_path, 60, options=Options(requests_max=9), faults=faults, rules=QUICK) as stage:
        assert {line.kind for line in await stage.run()} == {"succeeded"}
        await stage.check()


@pytest.mark.parametrize("order", ["input", "arrival"])
async def test_results_cut_in_the_middle_of_a_line_are_booked_once(
    tmp_path: Path, order: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("thriftgate.batch.fetching.PAGE", 10)
    async with staged(tmp_path, 70, faults=Faults(seed=5, batch_results_cut=1.0), members={"order": order}) as stage:
        await until_ended(stage)
        for _ in range(4):
            await stage.step()
        assert 0 < stage.work.progress.done < 70
        stage.simulator.faults = Faults()
        assert {line.kind for line in await stage.run()} == {"succeeded"}
        await stage.check()


async def test_a_cut_that_looks_like_an_end_is_read_again(tmp_path: Path) -> None:
    async with staged(tmp_path, 20, rules=QUICK) as stage:
        results_by(stage, lambda data: data[: len(data) // 2])
        await stage.until(lambda: stage.work.progress.done > 0)
        assert stage.work.progress.done < 20
        stage.front.script = lambda _method, _path: None
        assert {line.kind for line in await stage.run()} == {"succeeded"}
        await stage.check()


async def test_jobs_whose_line_never_comes_are_told_and_not_sent_again(tmp_path: Path) -> None:
    """They may have been billed: nobody can say, so nothing is sent that could be billed a second time."""
    async with staged(tmp_path, 20, rules=QUICK) as stage:
        results_by(stage, lambda data: b"\n".join(data.splitlines()[3:]) + b"\n")
        lines = await stage.run()
        assert sum(line.kind == "errored" for line in lines) == 3
        assert len(stage.simulator.batches.known()) == 1
        (name,) = stage.simulator.batches.known()
        assert stage.front.times(f"GET {BATCHES}/{name}/results") == SHORT_MAX + 1
        assert stage.work.progress.failed == {"no_result": 3}
        await stage.check(exact=False)


async def test_lines_that_cannot_be_read_are_passed_over(tmp_path: Path) -> None:
    async with staged(tmp_path, 8, rules=QUICK) as stage:
        others = b'{"custom_id":"tg_00000000000000000000_1","result":{"type":"expired"}}\n'
        results_by(stage, lambda data: b'garbage\n{"custom_id":"x"}\n' + others + data + data)
        assert {line.kind for line in await stage.run()} == {"succeeded"}
        await stage.check()


@pytest.mark.parametrize("kind", ["gone batch", "gone results", "old"])
async def test_results_that_are_gone_are_booked_as_lost_and_told(tmp_path: Path, kind: str) -> None:
    async with staged(tmp_path, 5, rules=QUICK) as stage:
        await stage.step()
        if kind == "old":
            stage.clock.advance(KEPT_S + 1)
        else:
            answers(stage, says(404, error("not_found_error")), "/results" if kind == "gone results" else "")
        lines = await stage.run()
        assert {line.kind for line in lines} == {"errored"}
        assert stage.documents()[0]["result"]["error"]["error"]["type"] == "results_gone"
        assert stage.work.progress.failed == {"results_gone": 5}
        await stage.check(exact=False)
        engine = await stage.build()
        entries = await engine.ledger.entries()
        told = {(entry.outcome, entry.resolution, entry.usage_source) for entry in entries}
        assert told == {("lost", "expire", "estimated")}
        assert all(-entry.posted(UPSTREAM) == entry.forecast_pico > 0 for entry in entries)
        await engine.close()


@pytest.mark.parametrize("ending", ["/results", ""])
async def test_a_key_that_does_not_hold_stops_the_run_and_loses_nothing(tmp_path: Path, ending: str) -> None:
    stage = Stage(tmp_path, [params(number) for number in range(5)], rules=QUICK)
    await stage.open()
    await stage.step()
    answers(stage, says(401, error("authentication_error")), ending)
    with pytest.raises(Stopped, match="refuses"):
        await stage.run()
    stage.front.script = lambda _method, _path: None
    await stage.close()
    assert {line.kind for line in await stage.run()} == {"succeeded"}
    await stage.check()


async def test_items_the_provider_failed_at_are_tried_again(tmp_path: Path) -> None:
    faults, options = Faults(batch_item_error=0.5), Options(attempts_max=20)
    async with staged(tmp_path, 40, faults=faults, rules=QUICK, options=options) as stage:
        assert {line.kind for line in await stage.run()} == {"succeeded"}
        assert len(stage.simulator.batches.known()) > 2
        await stage.check()


async def test_items_that_fail_again_and_again_are_given_up(tmp_path: Path) -> None:
    faults, options = Faults(batch_item_error=1.0), Options(attempts_max=3)
    async with staged(tmp_path, 4, faults=faults, rules=QUICK, options=options) as stage:
        lines = await stage.run()
        assert {line.kind for line in lines} == {"errored"}
        assert len(stage.simulator.batches.known()) == 3
        assert sum(stage.work.progress.failed.values()) == 4
        await stage.check()


async def test_what_is_wrong_with_the_request_is_not_tried_again(tmp_path: Path) -> None:
    bodies = [params(0), params(1) | {"messages": [{"role": "user", "content": [{"type": "nonsense"}]}]}]
    stage = Stage(tmp_path, bodies, rules=QUICK)
    assert [line.kind for line in await stage.run()] == ["succeeded", "errored"]
    assert stage.documents()[1]["result"]["error"]["error"]["type"] == "invalid_request_error"
    assert len(stage.simulator.batches.known()) == 1
    await stage.check()


async def test_items_that_expire_are_sent_again(tmp_path: Path) -> None:
    async with staged(tmp_path, 12, rules=BatchRules(duration_s=(60.0, 90.0), stuck_share=0.5)) as stage:
        await stage.until(lambda: bool(stage.simulator.batches.known()))
        stage.simulator.batches.rules = QUICK
        assert {line.kind for line in await stage.run()} == {"succeeded"}
        assert len(stage.simulator.batches.known()) == 2
        await stage.check()


async def test_a_batch_canceled_by_somebody_else_is_sent_again(tmp_path: Path) -> None:
    async with staged(tmp_path, 12, rules=QUICK) as stage:
        await stage.until(lambda: bool(stage.simulator.batches.known()))
        (name,) = stage.simulator.batches.known()
        stage.clock.advance(30)
        await call(stage.simulator, "POST", f"{BATCHES}/{name}/cancel")
        assert {line.kind for line in await stage.run()} == {"succeeded"}
        assert 0 < sum(one.batch_id == name for one in stage.simulator.bill.calls) < 12
        await stage.check()


@pytest.mark.parametrize("after", [False, True])
async def test_killed_at_any_page_of_results_nothing_is_booked_twice(
    tmp_path: Path, after: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("thriftgate.batch.fetching.PAGE", 10)
    for number in range(1, 6):
        folder = tmp_path / str(number)
        folder.mkdir()
        stage = Stage(folder, [params(at) for at in range(35)], rules=QUICK)
        await stage.open()
        await until_ended(stage)
        stage.kill_at_write(number, after=after)
        with pytest.raises(Killed):
            await stage.run()
        await stage.kill()
        assert len(await stage.run()) == 35
        await stage.check()


async def test_an_answer_without_usage_is_booked_at_its_forecast(tmp_path: Path) -> None:
    def bare(data: bytes) -> bytes:
        lines: list[Any] = [msgspec.json.decode(line) for line in data.splitlines()]
        for line in lines:
            del line["result"]["message"]["usage"]
        return b"".join(msgspec.json.encode(line) + b"\n" for line in lines)

    async with staged(tmp_path, 3, rules=QUICK) as stage:
        results_by(stage, bare)
        assert {line.kind for line in await stage.run()} == {"succeeded"}
        assert stage.work.progress.paid_pico > 0
        await stage.check(exact=False)


async def test_the_book_learns_how_long_batches_take(tmp_path: Path) -> None:
    async with staged(tmp_path, 3, rules=QUICK) as stage:
        before = stage.work.completions.chance(180.0)
        await stage.run()
        assert stage.work.completions.chance(180.0) > before


async def test_another_key_that_cannot_see_a_batch_is_no_reason_to_give_it_up(tmp_path: Path) -> None:
    async with staged(tmp_path, 3, rules=BatchRules(duration_s=(5000.0, 5000.0))) as stage:
        await stage.step()
        stage.work.begun_by = "key_of_another"
        stage.front.script = lambda method, path: says(404, error("not_found_error")) if method == "GET" else None
        stage.clock.advance(100)
        with pytest.raises(Stopped, match="begun with key_of_another"):
            await stage.step()
        (batch,) = stage.work.batches.values()
        assert batch.state == "running"


async def test_a_job_with_a_deadline_is_called_where_batches_did_not_answer_it(tmp_path: Path) -> None:
    """However often its batches were taken back: it must be answered in time, and by itself it can be."""
    due_us = int((Stage(tmp_path, []).time() + 6 * 3600) * 1e6)
    options = Options(attempts_max=1)
    async with staged(tmp_path, 6, rules=QUICK, options=options, members={"deadline_us": due_us}) as stage:
        await stage.until(lambda: bool(stage.simulator.batches.known()))
        (name,) = stage.simulator.batches.known()
        await call(stage.simulator, "POST", f"{BATCHES}/{name}/cancel")
        assert {line.kind for line in await stage.run()} == {"succeeded"}
        assert any(not one.modifiers.batch for one in stage.simulator.bill.calls)
        await stage.check()
