"""Second calls behind a real gateway: through a batch where it has a queue, at once where it has none, booked as ours."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from tests.batch.queueing import CALLER, GATEWAY, QueueStage
from tests.batch.stage import BATCHES
from tests.core.routing.artefacts import artefact_of
from tests.fixtures import assert_sound, client, engine_on, settings_of, simulator, until
from tests.gateway.deferring import Got, Setup, serving_here
from thriftgate.core.errors import ConfigError
from thriftgate.core.money import pico_from_usd
from thriftgate.core.routing.artefact import signed
from thriftgate.gateway.app import Gateway
from thriftgate.gateway.proving import open_proof, sampling_of
from thriftgate.ledger.entries import BASELINE, UPSTREAM, Entry
from thriftgate.quality.proof import Proof
from thriftgate.settings import ProofSettings
from thriftgate.simulator import TASK_SETS
from thriftgate.simulator.accuracy import AccuracyShift

STRONG, CHEAP, JUDGE = "claude-opus-5-5", "claude-haiku-5-5", "claude-sonnet-5-5"
SECRET = "a-secret-for-tests"
TICKETS = TASK_SETS[2].items(40)
FOR_TICKETS = {"thriftgate-task": "tickets"}


@contextlib.asynccontextmanager
async def proving(
    folder: Path, flags: dict[str, Any] | None = None, *, flows: bool = True
) -> AsyncIterator[tuple[Setup, Proof]]:
    """A gateway that sends the task "tickets" to the cheap model, and audits every call of it."""
    one = artefact_of({"tickets": -5.0}, strong=STRONG, cheap=CHEAP)
    path = folder / "artefact.json"
    path.write_bytes(signed(replace(one, tasks={"tickets": 0.15}, differ=0.15), SECRET.encode()))
    told = {
        "policy.levers": ("cache.breakpoints", "batch.defer", "count.guard", "route.learned"),
        "routing.artefacts": (str(path),),
        "routing.secret": SECRET,
        "proof.audit": 1.0,
        "proof.usd_per_day": 1000,
        "batch.window_s": 5.0,
    }
    stage = QueueStage(folder, flows=flows, flags=told | (flags or {}))
    gateway = Gateway(stage.settings, await stage.build())
    async with serving_here(gateway) as url, client() as session:
        stage.serves(gateway)
        if stage._queue is not None:
            await stage.begun()
        witness = stage.engine.witness
        assert isinstance(witness, Proof)
        try:
            yield Setup(url, stage, gateway, session), witness
        finally:
            gateway.stopping()
            await session.close()
            await asyncio.sleep(0)


async def ticket(setup: Setup, at: int = 0, headers: dict[str, str] = FOR_TICKETS, **members: Any) -> Got:
    """One ticket, answered by the cheap model."""
    body = {"model": STRONG, "max_tokens": 2_000, "messages": [{"role": "user", "content": TICKETS[at].prompt}]}
    got = await setup.ask(body | members, headers)
    assert got.status == 200, got
    return got


async def entries(setup: Setup) -> tuple[list[Entry], list[Entry]]:
    """The clients' calls, and ours. All are sound and come to the simulator's bill."""
    ledger = setup.stage.engine.ledger
    await assert_sound(ledger)
    found = list(await ledger.entries(limit=1_000))
    billed = sum(pico_from_usd(call.cost) for call in setup.stage.simulator.bill.calls)
    assert -sum(one.posted(UPSTREAM) for one in found) == billed
    return [one for one in found if one.posted(BASELINE)], [one for one in found if one.parent]


async def audited(proof: Proof, times: int) -> None:
    """Wait until so many verdicts are in."""

    async def reached() -> bool:
        tally = proof.watches["cal-1"].tallies.get("tickets")
        return tally is not None and tally.audits == times

    await until(reached)


async def test_a_second_call_goes_through_a_batch_and_is_booked_as_ours(tmp_path: Path) -> None:
    async with proving(tmp_path) as (setup, proof):
        got = await ticket(setup, headers=FOR_TICKETS | {"x-stainless-retry-count": "1"})
        assert got.document["model"] == CHEAP
        await audited(proof, 1)
        (entry,), (second,) = await entries(setup)
        assert (entry.model, entry.asked_model, entry.id) == (CHEAP, STRONG, got.headers["thriftgate-request-id"])
        assert (second.model, second.mode, second.endpoint, second.parent) == (STRONG, "batch", "proof", entry.id)
        assert second.key == entry.key == setup.stage.engine.key_of(CALLER) != setup.stage.engine.key_of(GATEWAY)
        assert second.posted(BASELINE) == 0
        assert second.posted("saved:proof.calls") == -second.posted(UPSTREAM) > 0
        assert setup.stage.front.times(f"POST {BATCHES}") == 1


async def test_second_calls_of_a_while_leave_together(tmp_path: Path) -> None:
    async with proving(tmp_path, flows=False) as (setup, proof):
        for at in range(4):
            await ticket(setup, at, stream=at % 2 == 1)
        await until(lambda: _open_jobs(setup, 4))
        setup.stage.clock.flow()
        await audited(proof, 4)
        asked, ours = await entries(setup)
        assert sorted(one.parent for one in ours) == sorted(one.id for one in asked)
        assert [batch.jobs for batch in await setup.stage.batches()] == [4]


async def _open_jobs(setup: Setup, count: int) -> bool:
    return setup.stage.worker.open_jobs == count


@pytest.mark.parametrize("flags", [{"proof.batch": False}, {"upstream.api_key": ""}], ids=["off", "no key"])
async def test_without_batches_it_is_made_at_once(flags: dict[str, Any], tmp_path: Path) -> None:
    async with proving(tmp_path, flags) as (setup, proof):
        await ticket(setup)
        await audited(proof, 1)
        (entry,), (second,) = await entries(setup)
        assert (second.mode, second.parent, second.posted(BASELINE)) == ("standard", entry.id, 0)
        assert not setup.stage.front.times(f"POST {BATCHES}")


async def test_a_judge_is_asked_at_once_about_what_a_batch_answered(tmp_path: Path) -> None:
    """The cheap model is wrong, so the answers differ and there is something to judge."""
    flags = {"proof.judge": JUDGE, "proof.store": str(tmp_path / "kept.jsonl")}
    async with proving(tmp_path, flags) as (setup, proof):
        setup.stage.simulator.accuracy.set(AccuracyShift(CHEAP, -1.0))
        await ticket(setup)
        await audited(proof, 1)
        _, ours = await entries(setup)
        assert sorted((one.model, one.mode) for one in ours) == [(STRONG, "batch"), (JUDGE, "standard"), (JUDGE, "standard")]
        assert all(one.posted("saved:proof.judge") == -one.posted(UPSTREAM) for one in ours if one.model == JUDGE)
        assert len((tmp_path / "kept.jsonl").read_bytes().splitlines()) == 1


async def test_a_gateway_that_stops_makes_no_second_call_twice(tmp_path: Path) -> None:
    """The job is in the book, and its batch is paid for: the next gateway takes it up."""
    async with proving(tmp_path, flows=False) as (setup, _proof):
        await ticket(setup)
        await until(lambda: _open_jobs(setup, 1))
    stage = setup.stage
    assert [call.model for call in stage.simulator.bill.calls] == [CHEAP]
    stage.clock.flow()
    async with proving(tmp_path) as (again, _proof):
        again.stage.simulator.bill.calls.extend(stage.simulator.bill.calls)
        await again.stage.idle()
        (entry,), (second,) = await entries(again)
        assert (second.parent, second.mode) == (entry.id, "batch")


async def test_a_judge_that_is_not_known_is_said(tmp_path: Path) -> None:
    async with engine_on(simulator()) as engine:
        with pytest.raises(ConfigError, match=r"proof\.judge: claude-nobody-1 is neither 'agreement' nor in the capability"):
            sampling_of(ProofSettings(judge="claude-nobody-1"), engine)
        assert sampling_of(ProofSettings(judge=JUDGE), engine).judge == JUDGE
        assert sampling_of(ProofSettings(), engine).judge == ""


async def test_nothing_is_opened_where_there_is_nothing_to_prove(tmp_path: Path) -> None:
    async with engine_on(simulator()) as engine:
        assert await open_proof(engine, settings_of(), None) is None
        assert engine.witness is None
    async with proving(tmp_path) as (setup, _):
        engine = setup.stage.engine
        none = settings_of(proof={"audit": 0.0, "shadow": 0.0})
        assert await open_proof(engine, none, setup.stage.queue) is None


async def test_a_gateway_with_an_unknown_judge_does_not_start(tmp_path: Path) -> None:
    gateway = Gateway(settings_of(proof={"judge": "claude-nobody-1"}))
    sent: list[Any] = []

    async def send(told: Any) -> None:
        sent.append(told)

    async def receive() -> dict[str, Any]:
        return {"type": "lifespan.startup"}

    await gateway({"type": "lifespan"}, receive, send)
    assert [told["type"] for told in sent] == ["lifespan.startup.failed"]
    assert "proof.judge" in str(gateway.failure)
