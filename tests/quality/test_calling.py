"""Calls that are made at once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

from tests.fixtures import KEY, simulator
from tests.quality.evaluating import CHEAP, STRONG, on_stage
from thriftgate.batch.work import Stopped
from thriftgate.core.errors import LedgerError
from thriftgate.core.money import pico_from_usd
from thriftgate.engine.engine import Engine
from thriftgate.quality.answers import Stored
from thriftgate.quality.asks import Pricer
from thriftgate.quality.calling import TRIES_MAX, Caller
from thriftgate.simulator.faults import Faults


def body(text: str, model: str = CHEAP, **members: object) -> bytes:
    request = {"model": model, "max_tokens": 100, "messages": [{"role": "user", "content": text}]}
    return msgspec.json.encode(request | members)


def bodies(count: int) -> dict[str, bytes]:
    return {str(at): body(f"Tell me about {at}. [[sim: out=20]]") for at in range(count)}


def caller(engine: Engine, parallel: int = 4) -> Caller:
    return Caller(engine, KEY, parallel=parallel, worst_pico=Pricer(engine, KEY, now=True).worst_pico)


async def test_every_answer_is_kept_as_it_comes_with_its_cost_and_latency(tmp_path: Path) -> None:
    kept: list[list[Stored]] = []
    async with on_stage(tmp_path) as (engine, provider):
        one = caller(engine)
        assert await one.left_over(lambda _: None, None) == {}
        assert await one.send(bodies(6), lambda answers: kept.append(list(answers)), None) == {}
        billed = pico_from_usd(sum((call.cost for call in provider.bill.calls), start=0))
    assert [len(one) for one in kept] == [1] * 6
    answers = [answer for several in kept for answer in several]
    assert sorted(answer.key for answer in answers) == [str(at) for at in range(6)]
    assert sum(answer.paid_pico for answer in answers) == billed > 0
    assert {answer.mode for answer in answers} == {"standard"}


async def test_what_is_refused_is_told_and_the_rest_goes_on(tmp_path: Path) -> None:
    kept: list[Stored] = []
    async with on_stage(tmp_path) as (engine, _):
        asked = bodies(2) | {"bad": body("x", STRONG, temperature=7), "broken": b'{"model": "m"}'}
        failed = await caller(engine).send(asked, kept.extend, None)
    assert {answer.key for answer in kept} == {"0", "1"}
    assert failed["bad"].startswith("invalid_request_error: ")
    assert "max_tokens" in failed["broken"]


async def test_what_may_pass_is_tried_again(tmp_path: Path) -> None:
    kept: list[Stored] = []
    provider = simulator(faults=Faults(overloaded=0.3))
    async with on_stage(tmp_path, provider) as (engine, _):
        failed = await caller(engine).send(bodies(10), kept.extend, None)
        assert len(kept) + len(failed) == 10
        assert len(kept) >= 8
    provider = simulator(faults=Faults(overloaded=1.0))
    async with on_stage(tmp_path, provider) as (engine, _):
        failed = await caller(engine).send(bodies(1), kept.extend, None)
        assert next(iter(failed.values())).startswith("overloaded_error")
        assert sum(engine.ledger.counters.calls.values()) >= TRIES_MAX


async def test_nothing_is_sent_that_could_cost_more_than_is_left(tmp_path: Path) -> None:
    kept: list[Stored] = []
    async with on_stage(tmp_path) as (engine, provider):
        one = caller(engine)
        worst = Pricer(engine, KEY, now=True).worst_pico(bodies(1)["0"])
        with pytest.raises(Stopped, match=r"calls are left.*a higher --max-cost goes on"):
            await one.send(bodies(20), kept.extend, 3 * worst)
        spent = pico_from_usd(sum((call.cost for call in provider.bill.calls), start=0))
    assert 3 <= len(kept) < 20  # as calls end cheaper than they could, more fit
    assert 3 * worst - worst < spent <= 3 * worst


async def test_books_that_cannot_be_written_end_it(tmp_path: Path) -> None:
    def full(_: Sequence[Stored]) -> None:
        raise LedgerError("no room")

    async with on_stage(tmp_path) as (engine, provider):
        with pytest.raises(LedgerError, match="no room"):
            await caller(engine, parallel=2).send(bodies(10), full, None)
        assert len(provider.bill.calls) <= 2
