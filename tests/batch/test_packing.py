"""The body of a batch: bytes as they stand in the jobs file, within all bounds, and a hold for each job."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.batch.stage import params
from tests.batch.test_planning import NOW, planner
from thriftgate.batch.packing import Bounds, Packing, fingerprint
from thriftgate.batch.sink import OutputError
from thriftgate.core.control.whose import Payer, Whose
from thriftgate.core.errors import InputError
from thriftgate.core.plan import Policy
from thriftgate.ledger.jobs import Job
from thriftgate.wire.anthropic_batches import job_name

ANY = Bounds(100, 10**6, None)
PLAIN = Policy()


def elements(data: bytes) -> list[tuple[str, bytes]]:
    """The requests of a body: custom ids and params."""
    requests = msgspec.json.decode(data, type=dict[str, list[dict[str, msgspec.Raw]]])["requests"]
    return [(msgspec.json.decode(one["custom_id"]), bytes(one["params"])) for one in requests]


class Bodies:
    """Calls by the number of their job."""

    def __init__(self, *bodies: dict[str, Any]) -> None:
        self.bodies = [msgspec.json.encode(body) for body in bodies]

    def params(self, job: Job) -> bytes:
        if job.seq > len(self.bodies):
            raise InputError("it is not there any more")
        return self.bodies[job.seq - 1]

    def payer(self, job: Job) -> Payer:
        return Payer("another", Whose(team="team_1")) if job.seq == 2 else Payer()

    def jobs(self, count: int | None = None) -> list[Job]:
        return [Job("run", seq + 1, f"job {seq}", "waiting") for seq in range(count or len(self.bodies))]


def packing(folder: Path, source: Bodies, bounds: Bounds = ANY, policy: Policy = PLAIN) -> Packing:
    numbers = itertools.count()
    return Packing(
        planner(policy), source, lambda: f"tg_{next(numbers)}", folder / "made" / "tgb_1.json", batch="tgb_1", role="plain",
        bounds=bounds,
    )  # fmt: skip


def test_the_body_holds_each_call_byte_for_byte(tmp_path: Path) -> None:
    source = Bodies(params(1), params(2, metadata={"user_id": "ü"}))
    made = packing(tmp_path, source)
    page = made.add(source.jobs(), {}, NOW)
    body, plans = made.close()
    data = body.path.read_bytes()
    assert body.length == len(data)
    found = dict(elements(data))
    assert list(found.values()) == source.bodies
    names = [job_name(name) for name in found]
    assert [(one.fingerprint, one.seq) for one in names if one] == [(fingerprint("tgb_1"), 1), (fingerprint("tgb_1"), 2)]
    assert len(msgspec.json.decode(plans)) == 1
    assert not page.full


def test_each_job_has_a_hold_for_its_worst_case(tmp_path: Path) -> None:
    source = Bodies(params(1), params(2))
    made = packing(tmp_path, source)
    page = made.add(source.jobs(), {}, NOW)
    made.close()
    assert [hold.id for hold in page.holds] == [job.entry for job in page.jobs] == ["tg_0", "tg_1"]
    assert {hold.batch for hold in page.holds} == {job.batch for job in page.jobs} == {"tgb_1"}
    assert made.worst_pico == sum(hold.worst_pico for hold in page.holds) > 0
    assert [hold.key for hold in page.holds] == ["key", "another"]
    assert [(job.state, job.attempt) for job in page.jobs] == [("packed", 1), ("packed", 1)]


def test_no_more_requests_than_allowed(tmp_path: Path) -> None:
    source = Bodies(*[params(number) for number in range(5)])
    made = packing(tmp_path, source, Bounds(3, 10**6, None))
    page = made.add(source.jobs(), {}, NOW)
    made.close()
    assert (len(page.jobs), page.full, page.too_dear, made.count) == (3, True, False, 3)


@pytest.mark.parametrize("size", range(300, 1200, 37))
def test_never_larger_than_allowed(tmp_path: Path, size: int) -> None:
    source = Bodies(*[params(number) for number in range(8)])
    made = packing(tmp_path, source, Bounds(100, size, None))
    page = made.add(source.jobs(), {}, NOW)
    body, _ = made.close()
    assert body.length == body.path.stat().st_size <= size
    assert page.full or len(page.jobs) == 8
    assert len(elements(body.path.read_bytes())) == len(page.jobs) > 0


def test_never_dearer_than_allowed(tmp_path: Path) -> None:
    source = Bodies(*[params(number) for number in range(5)])
    first = packing(tmp_path, source)
    one = first.add(source.jobs(1), {}, NOW).holds[0].worst_pico
    first.drop()
    made = packing(tmp_path, source, Bounds(100, 10**6, one * 3 + 1))
    page = made.add(source.jobs(), {}, NOW)
    made.close()
    assert (len(page.jobs), page.full, page.too_dear) == (3, True, True)
    assert made.worst_pico <= one * 3 + 1


def test_a_call_larger_than_any_batch_is_told_and_the_others_go(tmp_path: Path) -> None:
    source = Bodies(params(1), params(2, "x" * 2000), params(3))
    made = packing(tmp_path, source, Bounds(100, 1500, None))
    page = made.add(source.jobs(), {}, NOW)
    made.close()
    assert [job.seq for job in page.jobs] == [1, 3]
    assert [(one.job.seq, "more than a batch may have" in one.why) for one in page.misfits] == [(2, True)]


def test_what_cannot_be_sent_is_told_job_by_job(tmp_path: Path) -> None:
    source = Bodies(params(1), params(2, speed="fast"), params(3, model="claude-nonesuch-9"))
    made = packing(tmp_path, source)
    page = made.add(source.jobs(4), {}, NOW)
    made.close()
    assert [job.seq for job in page.jobs] == [1]
    assert [(one.job.seq, one.why.split(" ")[0]) for one in page.misfits] == [(2, "speed"), (3, "model:"), (4, "it")]


def test_a_refusal_of_the_policy_is_a_misfit(tmp_path: Path) -> None:
    source = Bodies(params(1))
    made = packing(tmp_path, source, policy=Policy(cost_limit_pico=1))
    page = made.add(source.jobs(), {}, NOW)
    made.drop()
    assert not page.jobs
    assert "limit" in page.misfits[0].why


def test_a_dropped_batch_leaves_no_file(tmp_path: Path) -> None:
    source = Bodies(params(1))
    made = packing(tmp_path, source)
    made.add(source.jobs(), {}, NOW)
    made.drop()
    made.drop()
    assert not list((tmp_path / "made").iterdir())


def test_a_large_batch_does_not_stand_in_memory(tmp_path: Path) -> None:
    source = Bodies(params(1, "x" * 500_000))
    made = packing(tmp_path, source, Bounds(100, 10**8, None))
    jobs = [msgspec.structs.replace(source.jobs()[0], seq=1) for _ in range(8)]
    for job in jobs:
        made.add([job], {}, NOW)
    assert (tmp_path / "made" / "tgb_1.json").stat().st_size > 3_000_000
    body, _ = made.close()
    assert body.length == body.path.stat().st_size


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "made").write_text("a file")
    with pytest.raises(OutputError, match="cannot write"):
        packing(tmp_path, Bodies(params(1)))
