"""A few jobs are tried at the provider before anything is paid."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from tests.batch.stage import KEY, App, Stage, drops, error, params, says
from thriftgate.batch.sample import Tried, try_sample

COUNT = "/v1/messages/count_tokens"


async def tried(folder: Path, *bodies: dict[str, object], answer: App | None = None) -> tuple[Tried, Stage]:
    stage = Stage(folder, [params(0)])
    await stage.open()
    if answer is not None:
        stage.front.script = lambda _method, path: answer if path == COUNT else None
    found = await try_sample(stage.engine, stage.work, [msgspec.json.encode(body) for body in bodies], KEY)
    await stage.close()
    return found, stage


async def test_the_providers_counts_correct_our_own(tmp_path: Path) -> None:
    found, stage = await tried(tmp_path, params(1), params(2, "You are a critic. " * 300))
    assert found.refusal == ""
    assert 0.5 < found.ratio < 2
    assert stage.front.times(f"POST {COUNT}") == 2
    assert not stage.simulator.bill.calls


async def test_it_is_the_ratio_of_the_sums(tmp_path: Path) -> None:
    found, _ = await tried(tmp_path, params(1), answer=says(200, {"input_tokens": 1_000_000}))
    assert found.ratio > 1000


@pytest.mark.parametrize("status", [400, 401, 403, 404, 413])
async def test_what_the_provider_refuses_is_told(tmp_path: Path, status: int) -> None:
    found, stage = await tried(tmp_path, params(1), params(2), answer=says(status, error("some_error", "because")))
    assert found == Tried(f"{status} some_error: because", 1.0)
    assert stage.front.times(f"POST {COUNT}") == 1


@pytest.mark.parametrize(
    "answer", [says(500, error("api_error")), says(429, error("rate_limit_error")), drops, says(200, {})]
)
async def test_a_provider_that_cannot_say_now_is_no_reason_to_stop(tmp_path: Path, answer: App) -> None:
    found, _ = await tried(tmp_path, params(1), answer=answer)
    assert found == Tried("", 1.0)


async def test_an_empty_sample_asks_nothing(tmp_path: Path) -> None:
    found, stage = await tried(tmp_path)
    assert found == Tried("", 1.0)
    assert stage.front.seen == []
