"""Jobs that are called synchronously: in time for their deadlines, within the run's money, each answered once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.batch.stage import BATCHES, App, Killed, Stage, drops, error, params, says
from thriftgate.batch.direct import TRIES_MAX
from thriftgate.batch.work import Options, Stopped
from thriftgate.core.deadline import Reserve
from thriftgate.simulator.clock import DEFAULT_FROZEN_START
from thriftgate.simulator.config import BatchRules

NOW = DEFAULT_FROZEN_START
SLOW = BatchRules(duration_s=(50_000.0, 60_000.0))
RESERVE = Reserve(cancel_s=60.0, call_s=30.0, parallel=4)
CALL = "POST /v1/messages"


def due(folder: Path, count: int, in_s: float, **options: object) -> Stage:
    """Jobs with a deadline, at a provider whose batches take most of a day."""
    members = {"deadline_us": int((NOW + in_s) * 1e6)}
    made = Options(reserve=RESERVE, **options)  # type: ignore[arg-type]
    return Stage(folder, [params(number) for number in range(count)], rules=SLOW, members=members, options=made)


async def test_what_is_due_soon_is_called_at_once(tmp_path: Path) -> None:
    stage = due(tmp_path, 10, 100.0)
    lines = await stage.run()
    assert {line.kind for line in lines} == {"succeeded"}
    assert [line.name for line in lines] == stage.names()
    assert (stage.front.times(CALL), stage.front.times(f"POST {BATCHES}")) == (10, 0)
    await stage.check()


async def test_what_a_batch_has_not_reached_is_called_in_time(tmp_path: Path) -> None:
    stage = due(tmp_path, 20, 7200.0)
    lines = await stage.run()
    assert {line.kind for line in lines} == {"succeeded"}
    assert stage.time() <= NOW + 7200.0
    in_batches = sum(one.batch_id is not None for one in stage.simulator.bill.calls)
    assert 0 < in_batches < 20
    assert stage.front.times(CALL) == 20 - in_batches
    await stage.check()


@pytest.mark.parametrize("in_s", [400.0, 900.0, 3600.0, 40_000.0])
async def test_whatever_the_deadline_it_is_met(tmp_path: Path, in_s: float) -> None:
    stage = due(tmp_path, 7, in_s, requests_max=3)
    assert {line.kind for line in await stage.run()} == {"succeeded"}
    assert stage.time() <= NOW + in_s
    await stage.check()


async def test_the_time_before_a_rescue_is_slept_through(tmp_path: Path) -> None:
    stage = due(tmp_path, 4, 20_000.0)
    await stage.run()
    assert stage.steps < 1000


async def test_errors_of_the_provider_are_tried_again_and_given_up(tmp_path: Path) -> None:
    stage = due(tmp_path, 1, 100.0)
    stage.front.script = lambda _method, path: says(529, error("overloaded_error")) if path == "/v1/messages" else None
    (line,) = await stage.run()
    assert line.kind == "errored"
    assert stage.documents()[0]["result"]["error"]["error"]["type"] == "overloaded_error"
    assert stage.front.times(CALL) >= TRIES_MAX
    assert stage.work.progress.failed == {"overloaded_error": 1}


@pytest.mark.parametrize("app", [says(529, error("overloaded_error")), drops])
async def test_a_call_that_failed_once_is_made_again(tmp_path: Path, app: App) -> None:
    stage = due(tmp_path, 3, 100.0)
    left = [app] * 2
    stage.front.script = lambda _method, path: left.pop() if left and path == "/v1/messages" else None
    assert {line.kind for line in await stage.run()} == {"succeeded"}


async def test_what_is_wrong_with_the_request_is_told(tmp_path: Path) -> None:
    stage = due(tmp_path, 0, 100.0)
    stage.bodies = [params(0) | {"messages": [{"role": "user", "content": [{"type": "nonsense"}]}]}]
    stage.__post_init__()
    (line,) = await stage.run()
    assert line.kind == "errored"
    assert stage.front.times(CALL) == 1


async def test_calls_cost_no_more_than_the_run_is_allowed(tmp_path: Path) -> None:
    stage = due(tmp_path, 10, 100.0)
    await stage.open()
    one = stage.work.planner.worst_call_pico(stage.jobs.read_bytes().splitlines()[0].split(b'"params":')[1][:-1], NOW)
    stage.work.options = Options(reserve=RESERVE, max_cost_pico=one * 3 // 2)
    with pytest.raises(Stopped, match="stopped before more was spent"):
        await stage.run()
    spent = stage.bill_pico()
    assert 0 < spent <= one * 3 // 2
    await stage.close()
    assert {line.kind for line in await stage.run()} == {"succeeded"}
    await stage.check()


@pytest.mark.parametrize("after", [False, True])
async def test_a_process_that_died_in_the_middle_of_calls_makes_them_again(tmp_path: Path, after: bool) -> None:
    stage = due(tmp_path, 6, 3000.0)
    await stage.open()
    stage.clock.advance(2950)
    stage.kill_at_call(3, after=after)
    with pytest.raises(Killed):
        await stage.run()
    await stage.kill()
    assert {line.kind for line in await stage.run()} == {"succeeded"}
    await stage.check(exact=False)


async def test_canceled_they_are_not_made(tmp_path: Path) -> None:
    stage = due(tmp_path, 10, 100.0)
    await stage.open()
    await stage.work.book.want(stage.work.lease.run, "cancel")
    lines = await stage.run()
    assert {line.kind for line in lines} == {"errored"}
    assert stage.front.times(CALL) == 0
    assert stage.work.progress.failed == {"canceled": 10}
