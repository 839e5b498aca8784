"""The batch benchmark's own parts: its jobs, its lean provider, what it measures, its command line."""

from __future__ import annotations

import resource
import time
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
from benchmarks.batch import jobs, memory, speed
from benchmarks.batch.__main__ import main
from benchmarks.batch.lean import Lean
from benchmarks.batch.worker import working
from benchmarks.cache.goals import Goal

from thriftgate.batch.job_line import read_job_line
from thriftgate.core.money import pico_from_usd
from thriftgate.simulator import SimClock, Simulator, SimulatorConfig


def test_jobs_are_the_same_for_the_same_seed() -> None:
    assert list(jobs.small(20, 3)) == list(jobs.small(20, 3)) != list(jobs.small(20, 4))
    lines = list(jobs.grouped(3, 4, 50))
    systems = [msgspec.json.decode(line)["params"]["system"] for line in lines]
    assert [len(set(systems[at : at + 4])) for at in (0, 4, 8)] == [1, 1, 1]
    assert len(set(systems)) == 3
    assert [read_job_line(line.strip()).name for line in lines] == [f"job-{number}" for number in range(12)]


def test_small_prompts_have_about_600_bytes() -> None:
    for line in jobs.small(50):
        params = msgspec.json.decode(line)["params"]
        assert 500 < len(params["system"]) + len(params["messages"][0]["content"]) < 700


def test_a_prefix_has_the_tokens_that_were_asked_for() -> None:
    simulator = Simulator(SimulatorConfig(tokenizer="estimate"))
    counted = dict(simulator.count_blocks(jobs.body("", jobs.words(jobs.words_of(3_000), "any"))))
    assert counted["system.0"] == pytest.approx(3_000, rel=0.02)


@pytest.mark.parametrize(("lines", "prefix_tokens"), [(jobs.small(40), 0), (jobs.grouped(1, 40, 2_000), 2_500)])
async def test_the_lean_provider_is_worked_with_like_the_real_one(
    tmp_path: Path, lines: list[bytes], prefix_tokens: int
) -> None:
    path = jobs.write(tmp_path / "jobs.jsonl", lines)
    async with working(Lean(prefix_tokens), path, SimClock.frozen(time.time()), folder=tmp_path) as worker:
        await worker.take()
        await worker.run()
        reached = worker.work.progress
        assert (reached.done, reached.failed) == (40, {})
        assert reached.read_tokens == 39 * prefix_tokens
        assert len(await worker.batches()) == (2 if prefix_tokens else 1)
        worker.opened.sink.finish()
    names = [msgspec.json.decode(line)["custom_id"] for line in (tmp_path / "out.jsonl").read_bytes().splitlines()]
    assert names == [f"job-{number}" for number in range(40)]


async def test_ids_that_fall_between_two_pieces_of_a_body_are_read() -> None:
    ids = [f"tg_{'ab' * 10}_{number:x}" for number in range(300)]
    body = msgspec.json.encode({"requests": [{"custom_id": one, "params": {}} for one in ids]})
    pieces = [body[at : at + 17] for at in range(0, len(body), 17)]
    asked = [{"body": piece, "more_body": at < len(pieces) - 1} for at, piece in enumerate(pieces)]
    said: list[dict[str, bytes]] = []

    async def receive() -> dict[str, object]:
        return asked.pop(0)

    async def send(message: dict[str, bytes]) -> None:
        said.append(message)

    lean = Lean()
    await lean({"type": "http", "method": "POST", "path": "/v1/messages/batches"}, receive, send)
    name = msgspec.json.decode(said[-1]["body"])["id"]
    said.clear()
    await lean({"type": "http", "method": "GET", "path": f"/v1/messages/batches/{name}/results"}, receive, send)
    lines = b"".join(one["body"] for one in said[1:]).splitlines()
    assert sorted(msgspec.json.decode(line)["custom_id"] for line in lines) == sorted(ids)


def test_both_halves_are_measured() -> None:
    speeds = speed.measure(60, 20, rounds=2, prefix_tokens=2_000)
    assert [(one.case, one.jobs, len(one.prepare_s), len(one.book_s)) for one in speeds] == [
        (speed.SMALL, 60, 2, 2),
        (speed.SHARED, 20, 2, 2),
    ]
    assert all(one.prepared > 50 and one.booked > 50 for one in speeds)
    assert len(speed.table(speeds).splitlines()) == 3
    assert [one["jobs"] for one in speed.document(speeds)] == [60, 20]
    assert {goal.limit for goal in speed.goals(speeds)} == {speed.GOAL}


def test_memory_is_judged_by_its_growth() -> None:
    runs = [memory.Memory(10_000, 80.0, 1.0, 1.0), memory.Memory(1_000_000, 99.5, 100.0, 90.0)]
    assert [(goal.value, goal.passed) for goal in memory.goals(runs)] == [(19.5, True)]
    assert "1,000,000 jobs     99.5" in memory.table(runs)
    assert memory.goals(runs[:1])[0].passed is None


def test_the_command_itself_is_watched(tmp_path: Path) -> None:
    (run,) = memory.measure((50,), tmp_path)
    assert run.jobs == 50
    own_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024  # a child begins so large
    assert 20 < run.peak_mb < max(400, own_mb + 100)


def test_the_command_prints_one_json_object_last(capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["speed", "--jobs", "50", "--rounds", "1", "--json"])
    document = msgspec.json.decode(capsys.readouterr().out.splitlines()[-1])
    assert document["benchmark"] == "batch speed"
    assert [one["jobs"] for one in document["figures"]] == [50, 5]
    assert code == int(document["failed"])


@pytest.mark.parametrize("arguments", [["sideways"], ["kill", "--jobs", "0"], []])
def test_wrong_arguments_are_refused(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2


def test_goals_are_of_the_shared_kind() -> None:
    assert all(isinstance(goal, Goal) for goal in speed.goals([]))
    assert pico_from_usd(Decimal("0.000001")) == 10**6
