"""Jobs from a file and results into one: a file that changed stops the run, the results bear the callers' own ids."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from tests.batch.stage import Stage, params, staged, write_file
from thriftgate.batch.files import FileSource
from thriftgate.batch.jobs_file import lines_of
from thriftgate.batch.work import Options, Stopped
from thriftgate.core.control.whose import Payer
from thriftgate.ledger.jobs import Job


def jobs_of(path: Path) -> list[Job]:
    found = enumerate(lines_of(path))
    return [Job("run", at + 1, f"job {at}", "waiting", place=one.offset, size=one.length) for at, one in found]


async def test_calls_are_read_from_their_places_in_any_order(tmp_path: Path) -> None:
    bodies = [params(number, metadata={"user_id": "ü" * number}) for number in range(5)]
    path = write_file(tmp_path / "jobs.jsonl", bodies)
    source = FileSource(path, ((b"anthropic-beta", b"a"),))
    await source.load(jobs_of(path))
    for job in reversed(jobs_of(path)):
        assert msgspec.json.decode(source.params(job)) == bodies[job.seq - 1]
        assert source.headers(job) == ((b"anthropic-beta", b"a"),)
        assert source.payer(job) == Payer()
    source.close()
    source.close()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda data: data[len(data.splitlines()[0]) + 1 :], "has changed"),
        (lambda data: data[:-20], "has changed .*it ends before byte"),
        (lambda data: data.replace(b'"job 1"', b'"job X"'), "where job 'job 1' stood there is 'job X' now"),
        (lambda data: b"\n" * len(data), "has changed"),
    ],
)
def test_a_jobs_file_that_changed_stops_the_run(tmp_path: Path, change: object, told: str) -> None:
    path = write_file(tmp_path / "jobs.jsonl", [params(number) for number in range(2)])
    jobs = jobs_of(path)
    path.write_bytes(change(path.read_bytes()))  # type: ignore[operator]
    source = FileSource(path)
    with pytest.raises(Stopped, match=told):
        [source.params(job) for job in jobs]
    source.close()


def test_a_jobs_file_that_is_gone_stops_the_run(tmp_path: Path) -> None:
    path = write_file(tmp_path / "jobs.jsonl", [params(1)])
    jobs = jobs_of(path)
    path.unlink()
    with pytest.raises(Stopped, match=r"cannot read .*jobs\.jsonl.*put it back"):
        FileSource(path).params(jobs[0])


async def test_jobs_put_back_go_on_and_none_has_failed(tmp_path: Path) -> None:
    stage = Stage(tmp_path, [params(number) for number in range(6)])
    await stage.open()
    stage.jobs.rename(tmp_path / "elsewhere")
    with pytest.raises(Stopped):
        await stage.step()
    await stage.kill()
    (tmp_path / "elsewhere").rename(stage.jobs)
    assert {line.kind for line in await stage.run()} == {"succeeded"}
    await stage.check()


async def test_results_bear_the_callers_own_ids(tmp_path: Path) -> None:
    lines = [
        msgspec.json.encode({"id": 'a "quoted" ü', "params": params(0)}),
        msgspec.json.encode({"id": 4711, "params": params(1)}),
        msgspec.json.encode({"custom_id": "plain-1", "params": params(2)}),
    ]
    stage = Stage(tmp_path, lines)
    assert [line.name for line in await stage.run()] == ['a "quoted" ü', "4711", "plain-1"]
    (first, *_) = stage.documents()
    assert first["result"]["message"]["type"] == "message"


async def test_results_stand_in_input_order_while_batches_end_out_of_order(tmp_path: Path) -> None:
    async with staged(tmp_path, 40, options=Options(requests_max=3)) as stage:
        assert [line.name for line in await stage.run()] == stage.names()
        assert not list(tmp_path.glob("*.spool"))
        await stage.check()


async def test_results_stand_in_the_order_in_which_they_came(tmp_path: Path) -> None:
    async with staged(tmp_path, 40, options=Options(requests_max=3), members={"order": "arrival"}) as stage:
        names = [line.name for line in await stage.run()]
        assert names != stage.names()
        await stage.check()
