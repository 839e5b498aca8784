"""Second calls: sampled, judged, booked as what they are; and the roll-back they lead to. Real engine, real simulator."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from tests.core.routing.artefacts import artefact_of, cascade_of
from tests.fixtures import HEADERS, assert_sound, call_of, engine_on, simulator, told
from thriftgate.core.routing.artefact import Artefact, signed
from thriftgate.engine.engine import Engine
from thriftgate.ledger.entries import BASELINE, UPSTREAM, Entry
from thriftgate.quality.datasets import read_set
from thriftgate.quality.proof import ACCOUNT, JUDGE_ACCOUNT, Proof, Sampling, audited, rolled_back
from thriftgate.simulator import TASK_SETS, Simulator
from thriftgate.simulator.accuracy import AccuracyShift
from thriftgate.simulator.faults import Faults

STRONG, CHEAP = "claude-opus-5-5", "claude-haiku-5-5"
SECRET = "a-secret-for-tests"
TICKETS = TASK_SETS[2].items(400)
ALL = Sampling(audit=1.0, shadow=1.0, day_pico=10**13)


@contextlib.asynccontextmanager
async def proving(
    tmp_path: Path, sampling: Sampling = ALL, artefact: Artefact | None = None, *, app: Simulator | None = None
) -> AsyncIterator[tuple[Engine, Proof]]:
    """An engine that sends the task "tickets" to the cheap model, with a witness."""
    one = replace(
        artefact or artefact_of({"tickets": -5.0}, strong=STRONG, cheap=CHEAP), tasks={"tickets": 0.15}, differ=0.15
    )
    lever = "route.learned" if one.cascade is None else "route.cascade"
    path = tmp_path / "artefact.json"
    path.write_bytes(signed(one, SECRET.encode()))
    tables: dict[str, Any] = {
        "policy": {"levers": ("cache.breakpoints", "count.guard", lever)},
        "routing": {"artefacts": (str(path),), "secret": SECRET},
        "ledger": {"path": str(tmp_path / "books.db")},
    }
    async with engine_on(app or simulator(), **tables) as engine:
        proof = Proof(engine, sampling)
        await engine.witnessed("proof", proof, proof)
        yield engine, proof


async def ask(engine: Engine, at: int, task: str = "tickets", **members: Any) -> Entry:
    """One ticket, to its end and through its second call."""
    body = {"model": STRONG, "max_tokens": 2_000, "messages": [{"role": "user", "content": TICKETS[at].prompt}]} | members
    reply = await engine.messages(call_of(body, headers=HEADERS | {"thriftgate-task": task}))
    while reply.body is None and await reply.read():
        pass
    await engine.tasks.finish(5)
    entry = await engine.ledger.entry(told(reply.headers, "thriftgate-request-id"))
    assert entry is not None
    return entry


async def own(engine: Engine) -> list[Entry]:
    return [entry for entry in await engine.ledger.entries(limit=10_000) if entry.parent]


@pytest.mark.parametrize("stream", [False, True])
async def test_an_audit_asks_the_strong_model_and_books_it_as_a_cost_of_ours(tmp_path: Path, stream: bool) -> None:
    async with proving(tmp_path) as (engine, proof):
        entry = await ask(engine, 0, stream=stream)
        assert (entry.model, entry.asked_model) == (CHEAP, STRONG)
        (second,) = await own(engine)
        assert (second.model, second.parent, second.endpoint) == (STRONG, entry.id, "proof")
        assert second.posted(BASELINE) == 0
        assert second.posted(f"saved:{ACCOUNT}") == -second.posted(UPSTREAM) > 0
        assert proof.watches["cal-1"].tallies["tickets"].audits == 1
        await assert_sound(engine.ledger)


async def test_a_shadow_asks_the_cheap_model_of_what_the_strong_one_served(tmp_path: Path) -> None:
    async with proving(tmp_path) as (engine, proof):
        entry = await ask(engine, 0, task="unknown")
        assert (entry.model, entry.asked_model) == (STRONG, "")
        (second,) = await own(engine)
        assert (second.model, second.parent) == (CHEAP, entry.id)
        assert not proof.watches["cal-1"].tallies  # what was not routed says nothing of the promise


async def test_shares_are_kept(tmp_path: Path) -> None:
    async with proving(tmp_path, Sampling(audit=0.25, day_pico=10**13)) as (engine, _):
        for at in range(80):
            await ask(engine, at)
        assert 8 <= len(await own(engine)) <= 34


async def test_the_budget_of_a_day_is_kept(tmp_path: Path) -> None:
    async with proving(tmp_path, Sampling(audit=1.0, day_pico=9_000_000_000)) as (engine, _):
        for at in range(12):
            await ask(engine, at)
        spent = -sum(entry.posted(UPSTREAM) for entry in await own(engine))
        assert 0 < len(await own(engine)) < 12
        assert spent <= 2 * 9_000_000_000  # reckoned with forecasts


async def test_it_rolls_back_when_the_cheap_model_gets_worse(tmp_path: Path) -> None:
    """Fine at first; then, in mid-run, its answers are wrong half of the time."""
    app = simulator()
    async with proving(tmp_path, app=app) as (engine, proof):
        served = [(await ask(engine, at)).model for at in range(60)]
        assert set(served) == {CHEAP}
        assert not engine.router.suspended
        app.accuracy.set(AccuracyShift(CHEAP, -0.6))
        after = [(await ask(engine, at)).model for at in range(60, 160)]
        until = after.index(STRONG)
        assert until <= 60
        assert set(after[until:]) == {STRONG}
        pinned, suspended = engine.router.pinned.get("cal-1", {}), engine.router.suspended
        assert "tickets" in pinned or "cal-1" in suspended
        assert "differed, where calibration allows 15.0%" in (*pinned.values(), *suspended.values())[0]
        entry = await ask(engine, 170)
        reason = next(one.reason for one in entry.decisions if one.lever == "route.learned")
        assert "differed" in reason
        assert proof.watches["cal-1"].tallies["tickets"].audits == 60 + until
        assert audited(proof.kept()) == {"tickets": proof.watches["cal-1"].tallies["tickets"]}


async def test_a_roll_back_outlives_a_restart(tmp_path: Path) -> None:
    app = simulator()
    async with proving(tmp_path, app=app) as (engine, _):
        engine.router.pinned["cal-1"] = {"tickets": "of 20 audited calls 9 differed"}
        await ask(engine, 0, task="other")
    async with proving(tmp_path, app=app) as (engine, _):
        assert (await ask(engine, 1)).model == STRONG


async def test_a_judge_is_asked_in_both_orders_and_booked(tmp_path: Path) -> None:
    app = simulator()
    app.accuracy.set(AccuracyShift(CHEAP, -0.9))
    async with proving(tmp_path, replace(ALL, judge="claude-sonnet-5-5"), app=app) as (engine, proof):
        for at in range(3):
            await ask(engine, at)
        entries = await own(engine)
        judged = [entry for entry in entries if entry.model == "claude-sonnet-5-5"]
        assert len(judged) >= 4
        assert len(judged) % 2 == 0
        assert all(entry.posted(f"saved:{JUDGE_ACCOUNT}") == -entry.posted(UPSTREAM) for entry in judged)
        tally = proof.watches["cal-1"].tallies["tickets"]
        assert tally.strong_better > tally.cheap_better
        assert tally.audits == 3


async def test_nothing_is_stored_unless_a_file_is_named(tmp_path: Path) -> None:
    store = tmp_path / "exchanges.jsonl"
    async with proving(tmp_path, replace(ALL, store=str(store))) as (engine, _):
        await ask(engine, 0)
    (line,) = store.read_bytes().splitlines()
    kept = msgspec.json.decode(line)
    assert set(kept["answers"]) == {STRONG, CHEAP}
    assert store.stat().st_mode & 0o077 == 0
    (item,) = read_set(store)  # it is an evaluation set as it stands
    assert item.task == "tickets"
    assert TICKETS[0].prompt in item.question


async def test_tool_loops_hold_outs_and_second_calls_have_no_second_call(tmp_path: Path) -> None:
    tool = {"name": "look", "description": "Looks.", "input_schema": {"type": "object", "properties": {}}}
    asked = [
        {"role": "user", "content": "look twice"},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "toolu_1", "name": "look", "input": {}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "nothing"}]},
    ]
    async with proving(tmp_path) as (engine, _):
        await ask(engine, 0, tools=[tool], messages=asked)
        assert not await own(engine)


async def test_a_second_call_that_fails_harms_nobody(tmp_path: Path) -> None:
    app = simulator()
    async with proving(tmp_path, app=app) as (engine, proof):
        heard = proof.heard

        def failing(*told: Any) -> None:
            app.faults = Faults(overloaded=1.0)
            heard(*told)

        proof.heard = failing  # type: ignore[method-assign, assignment]
        entry = await ask(engine, 0)
        assert entry.outcome == "answered"
        assert not proof.watches["cal-1"].tallies
        await assert_sound(engine.ledger)


async def test_a_cascade_is_audited_too(tmp_path: Path) -> None:
    artefact = artefact_of({"tickets": -5.0}, strong=STRONG, cheap=CHEAP, cascade=cascade_of(0.5))
    async with proving(tmp_path, artefact=artefact) as (engine, proof):
        entry = await ask(engine, 0)
        assert (entry.model, entry.asked_model) == (CHEAP, STRONG)
        assert [one.model for one in await own(engine)] == [STRONG]
        assert proof.watches["cal-1"].tallies["tickets"].audits == 1


async def test_a_roll_back_outlives_audits_that_cannot_be_taken_up(tmp_path: Path) -> None:
    """There is a judge now: what was audited without one is of no use, but what it has led to holds."""
    app = simulator()
    async with proving(tmp_path, app=app) as (engine, proof):
        await ask(engine, 0)
        engine.router.pinned["cal-1"] = {"tickets": "of 20 audited calls 9 differed"}
        assert rolled_back(proof.kept()) == ({}, engine.router.pinned)
    async with proving(tmp_path, replace(ALL, judge="claude-sonnet-5-5"), app=app) as (engine, proof):
        assert engine.router.pinned == {"cal-1": {"tickets": "of 20 audited calls 9 differed"}}
        assert not proof.watches["cal-1"].tallies
        assert (await ask(engine, 1)).model == STRONG
