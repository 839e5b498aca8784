"""Calls that go through batches, and come home whatever is killed when."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

from tests.fixtures import KEY, simulator
from tests.quality.evaluating import AT_ONCE, CHEAP, on_stage
from thriftgate.batch.work import Options, Stopped
from thriftgate.core.errors import InputError
from thriftgate.core.money import pico_from_usd
from thriftgate.engine.engine import Engine
from thriftgate.quality.answers import Stored
from thriftgate.quality.batching import Batcher, folder_beside
from thriftgate.simulator import SimClock
from thriftgate.simulator.faults import Faults


class Killed(BaseException):
    """The process is gone."""


def bodies(count: int, **members: object) -> dict[str, bytes]:
    request = {"model": CHEAP, "max_tokens": 60}
    return {
        f"{at:064x}": msgspec.json.encode(
            request | {"messages": [{"role": "user", "content": f"Review {at}. [[sim: out=9]]"}]} | members
        )
        for at in range(count)
    }


def batcher(engine: Engine, folder: Path) -> Batcher:
    return Batcher(engine, KEY, folder_beside(folder / "results.jsonl"), Options())


async def test_answers_come_home_at_half_price(tmp_path: Path) -> None:
    kept: list[Stored] = []
    async with on_stage(tmp_path) as (engine, provider):
        assert await batcher(engine, tmp_path).send(bodies(5), kept.extend, None) == {}
        billed = pico_from_usd(sum((call.cost for call in provider.bill.calls), start=0))
    assert [one.key for one in kept] == list(bodies(5))
    assert sum(one.paid_pico for one in kept) == billed > 0
    assert all(one.baseline_pico == 2 * one.paid_pico for one in kept)
    assert {(one.mode, one.latency_ms) for one in kept} == {("batch", 0)}
    assert not folder_beside(tmp_path / "results.jsonl").exists()


async def test_what_was_asked_before_can_be_asked_anew(tmp_path: Path) -> None:
    """For whoever has thrown the answers away."""
    kept: list[Stored] = []
    async with on_stage(tmp_path) as (engine, provider):
        for _ in range(2):
            await batcher(engine, tmp_path).send(bodies(2), kept.extend, None)
        assert (len(kept), len(provider.bill.calls)) == (4, 4)


async def test_one_that_is_killed_before_it_could_keep_them_pays_once(tmp_path: Path) -> None:
    def dies(_: Sequence[Stored]) -> None:
        raise Killed

    kept: list[Stored] = []
    provider = simulator(clock=SimClock.frozen(), batches=AT_ONCE)
    async with on_stage(tmp_path, provider) as (engine, _):
        with pytest.raises(Killed):
            await batcher(engine, tmp_path).send(bodies(3), dies, None)
    async with on_stage(tmp_path, provider) as (engine, _):
        assert await batcher(engine, tmp_path).left_over(kept.extend, None) == {}
        assert await batcher(engine, tmp_path).left_over(kept.extend, None) == {}
    assert len(kept) == len(provider.bill.calls) == 3
    assert not folder_beside(tmp_path / "results.jsonl").exists()


async def test_one_that_stopped_in_the_middle_goes_on(tmp_path: Path) -> None:
    """Nothing fits below the first limit: it stops, and goes on with a higher one."""
    kept: list[Stored] = []
    async with on_stage(tmp_path) as (engine, provider):
        with pytest.raises(Stopped, match="--max-cost"):
            await batcher(engine, tmp_path).send(bodies(4), kept.extend, 1)
        assert provider.bill.calls == []
        assert await batcher(engine, tmp_path).left_over(kept.extend, 10**12) == {}
        assert len(kept) == len(provider.bill.calls) == 4


async def test_what_was_never_sent_is_forgotten(tmp_path: Path) -> None:
    folder = folder_beside(tmp_path / "results.jsonl")
    folder.mkdir()
    (folder / "tg_1.jobs.jsonl").write_bytes(b'{"id": "cut o')
    async with on_stage(tmp_path) as (engine, _):
        assert await batcher(engine, tmp_path).left_over(lambda _: None, None) == {}
    assert not folder.exists()


async def test_what_is_refused_is_told(tmp_path: Path) -> None:
    kept: list[Stored] = []
    async with on_stage(tmp_path) as (engine, provider):
        with pytest.raises(InputError, match=r"nothing was sent, these calls are refused: .*tool"):
            await batcher(engine, tmp_path).send(bodies(2, tools=[{"name": "no schema"}]), kept.extend, None)
        assert provider.bill.calls == []
        failed = await batcher(engine, tmp_path).send(bodies(2, temperature=7), kept.extend, None)
        assert len(failed) == 2
        assert all(reason.startswith("invalid_request_error: ") for reason in failed.values())
    provider = simulator(clock=SimClock.frozen(), batches=AT_ONCE, faults=Faults(batch_item_error=1.0))
    async with on_stage(tmp_path / "other", provider) as (engine, _):
        failed = await batcher(engine, tmp_path).send(bodies(2), kept.extend, None)
        assert len(failed) == 2
    assert kept == []
