"""Taking a file in: every line is checked and priced before anything is sent, and what is wrong is told by line."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from tests.batch.stage import KEY, MODEL, Killed, Stage, params
from thriftgate.batch.build import open_file
from thriftgate.batch.intake import CHUNK, SHOWN, Intake, Taken
from thriftgate.batch.work import Options
from thriftgate.core.errors import InputError

PREFIX = "Say in one word what you think of this review, and be kind. " * 500
BAD = (
    b"not json",
    msgspec.json.encode({"id": "no params"}),
    msgspec.json.encode({"id": "streams", "params": params(1) | {"stream": True}}),
    msgspec.json.encode({"id": "unknown", "params": params(1, model="claude-nonesuch-9")}),
)


async def reading(stage: Stage, **members: bool) -> Taken:
    """Only the intake of a run."""
    stage._engine = await stage.build()
    stage._opened = await open_file(stage.engine, stage.files, KEY)
    return await Intake(stage.work, stage.jobs).take(**members)


async def test_the_estimate_adds_up(tmp_path: Path) -> None:
    stage = Stage(tmp_path, [params(number) for number in range(5)])
    taken = await reading(stage)
    one = taken.estimate
    assert (one.jobs, one.bad, taken.bad) == (5, 0, [])
    assert one.standard_pico == 2 * one.batch_pico
    assert one.batch_pico <= one.worst_pico
    assert one.prompt_tokens > 0
    assert one.output_tokens == 5 * 40
    assert taken.sample == [msgspec.json.encode(params(number)) for number in range(3)]
    await stage.close()


async def test_every_bad_line_is_told_with_its_number(tmp_path: Path) -> None:
    stage = Stage(tmp_path, [params(0), BAD[0], b"", *BAD[1:], params(5)])
    taken = await reading(stage)
    assert [one.number for one in taken.bad] == [2, 4, 5, 6]
    assert "not valid JSON" in taken.bad[0].what
    assert "params" in taken.bad[1].what
    assert "remove stream" in taken.bad[2].what
    assert "'claude-nonesuch-9' is not known" in taken.bad[3].what
    assert (taken.estimate.jobs, taken.estimate.bad) == (2, 4)
    await stage.close()


async def test_many_bad_lines_are_counted_and_the_first_are_told(tmp_path: Path) -> None:
    stage = Stage(tmp_path, [b"no"] * (SHOWN + 5) + [params(1)])
    taken = await reading(stage)
    assert len(taken.bad) == SHOWN
    assert taken.estimate.bad == SHOWN + 5
    await stage.close()


@pytest.mark.parametrize("order", ["input", "arrival"])
async def test_bad_lines_that_are_left_out_get_a_line_of_results(tmp_path: Path, order: str) -> None:
    stage = Stage(tmp_path, [params(0), *BAD, params(5)], members={"order": order, "skip_bad": True})
    lines = await stage.run()
    failed = {line.name for line in lines if line.kind == "errored"}
    assert failed == {"line-2", "line-3", "streams", "unknown"}
    assert sum(line.kind == "succeeded" for line in lines) == 2
    if order == "input":
        assert [line.kind for line in lines] == ["succeeded", *["errored"] * 4, "succeeded"]


@pytest.mark.parametrize("order", ["input", "arrival"])
@pytest.mark.parametrize("writes", range(1, 9))
async def test_bad_lines_are_told_once_whenever_the_process_dies(tmp_path: Path, order: str, writes: int) -> None:
    stage = Stage(tmp_path, [BAD[0], params(1), BAD[2]], members={"order": order, "skip_bad": True})
    stage.doom = ("write", writes, True)
    with pytest.raises(Killed):
        await stage.run()
    await stage.kill()
    assert sorted(line.kind for line in await stage.run()) == ["errored", "errored", "succeeded"]


async def test_only_bad_lines_are_through_at_once(tmp_path: Path) -> None:
    stage = Stage(tmp_path, list(BAD), members={"skip_bad": True})
    assert len(await stage.run()) == len(BAD)
    assert stage.front.seen == []


async def test_names_that_stand_twice_are_refused(tmp_path: Path) -> None:
    line = msgspec.json.encode({"id": "the same", "params": params(1)})
    stage = Stage(tmp_path, [line, params(1), line])
    with pytest.raises(InputError, match="'the same' in jobs 1 and 3 are the same"):
        await reading(stage)
    await stage.close()


async def test_long_files_are_taken_in_by_pages(tmp_path: Path) -> None:
    seen: list[int] = []
    stage = Stage(tmp_path, [params(number) for number in range(2 * CHUNK + 7)])
    await reading(stage)
    await stage.work.book.forget_jobs(stage.work.lease, stage.work.now_us())
    await Intake(stage.work, stage.jobs, seen=seen.append).take()
    assert seen == [CHUNK, 2 * CHUNK, 2 * CHUNK + 7]
    assert sum(one.jobs for one in await stage.work.book.tally(stage.work.lease.run)) == 2 * CHUNK + 7
    await stage.close()


@pytest.mark.parametrize("prime", [True, False])
async def test_shared_prefixes_are_found_where_they_are_wanted(tmp_path: Path, prime: bool) -> None:
    bodies = [params(number, PREFIX if number % 2 else "Be brief.") for number in range(8)]
    stage = Stage(tmp_path, bodies, options=Options(prime=prime))
    await reading(stage)
    assert await stage.work.book.group(stage.work.lease, stage.work.now_us()) == (1 if prime else 0)
    if prime:
        (group,) = await stage.work.book.groups(stage.work.lease.run, 10, state="cold", way="")
        assert (group.items, group.model) == (4, MODEL)
        assert group.prefix_tokens > 4096
    await stage.close()


async def test_a_deadline_is_noted_with_each_job(tmp_path: Path) -> None:
    stage = Stage(tmp_path, [params(1)])
    await reading(stage)
    await stage.work.book.forget_jobs(stage.work.lease, stage.work.now_us())
    await Intake(stage.work, stage.jobs, deadline_us=77).take()
    (job,) = await stage.work.book.in_order(stage.work.lease.run, 0, 10)
    assert (job.deadline_us, job.place, job.size) == (77, 0, stage.jobs.stat().st_size - 1)
    await stage.close()
