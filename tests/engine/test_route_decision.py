"""Decisions: which lever speaks, in what order, what stands against it, and what is said of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.core.routing.artefacts import artefact_of, cascade_of
from tests.engine.routes import CHEAP, STRONG, Wire, ask, assert_billed, certified, routing_on, rows, to
from tests.fixtures import message, simulator
from thriftgate.core.routing.artefact import Artefact
from thriftgate.engine.engine import Engine
from thriftgate.ledger.entries import Entry

EASY = {"thriftgate-task": "easy"}
LEARNED = artefact_of(strong=STRONG, cheap=CHEAP)


async def last(engine: Engine) -> Entry:
    return (await engine.ledger.entries(limit=1_000))[-1]


def reason(entry: Entry, lever: str) -> str:
    return {one.lever: one.reason for one in entry.decisions}[lever]


async def one(routing: dict[str, Any], headers: dict[str, str] | None = None, **members: Any) -> Entry:
    """A single call on a fresh engine."""
    app = simulator()
    async with routing_on(app, routing=routing) as engine:
        status, _ = await ask(engine, message(**members), headers)
        assert status == 200
        (entry,) = await assert_billed(engine, app)
    return entry


# --- rules --------------------------------------------------------------------------------------------------------------


async def test_what_a_rule_knows_of_a_call() -> None:
    conditions = {"task": "easy", "kind": "short_qa", "asked": STRONG, "tenant": "acme", "tokens_max": 60, "turns_max": 1}
    conditions |= {"tools": False, "images": False, "schema": False}
    headers = EASY | {"thriftgate-tenant": "acme"}
    entry = await one(to(CHEAP, **conditions), headers, text="What is the capital of Peru?")
    assert (entry.model, entry.task) == (CHEAP, "easy")
    entry = await one(to(CHEAP, **conditions), EASY, text="What is the capital of Peru?")
    assert entry.model == STRONG
    assert reason(entry, "route.rules") == "no rule fits task easy, kind short_qa"


async def test_the_arm_of_a_rule_may_be_an_effort() -> None:
    app = simulator()
    wire = Wire(app)
    async with routing_on(app, wire, routing=to("claude-sonnet-5-5", effort="low")) as engine:
        await ask(engine, message(model="claude-opus-5-5"))
        entry = await last(engine)
    assert b'"output_config":{"effort":"low"}' in wire.bodies[0]
    assert entry.choice is not None
    assert (entry.choice.served, entry.choice.effort) == ("claude-sonnet-5-5", "low")
    assert "claude-opus-5-5 → claude-sonnet-5-5@low: rule 'r'; effort by default became low; " in entry.choice.reason


async def test_a_rule_that_waits_until_a_key_has_spent() -> None:
    app = simulator()
    wire = Wire(app)
    async with routing_on(app, wire, routing=to(CHEAP, spent_usd="0.001")) as engine:
        for _ in range(2):
            await ask(engine, message("[[sim: out=40]]"))
        app.config.clock.advance(86_400)  # type: ignore[attr-defined]
        await ask(engine, message("[[sim: out=40]]"))
        await assert_billed(engine, app)
    assert wire.models == [STRONG, CHEAP, STRONG]


async def test_rules_speak_first_and_what_they_pass_on_is_learned(tmp_path: Path) -> None:
    routing = certified(tmp_path, LEARNED) | {"rules": rows({"to": "claude-haiku-5-5", "task": "mail", "name": "m"})}
    entry = await one(routing, {"thriftgate-task": "mail"})
    assert (entry.model, entry.choice and entry.choice.lever) == ("claude-haiku-5-5", "route.rules")
    entry = await one(routing, EASY)
    assert (entry.model, entry.choice and entry.choice.lever) == (CHEAP, "route.learned")
    assert reason(entry, "route.rules") == "no rule fits task easy"


async def test_a_rule_that_names_the_model_asked_for_says_that_it_stays(tmp_path: Path) -> None:
    routing = certified(tmp_path, LEARNED) | {"rules": rows({"to": STRONG, "task": "easy", "name": "stay"})}
    entry = await one(routing, EASY)
    assert (entry.model, entry.choice) == (STRONG, None)
    assert reason(entry, "route.rules") == "rule 'stay': it is the model that was asked for"


# --- learned ------------------------------------------------------------------------------------------------------------


async def test_a_learned_choice_names_its_certificate(tmp_path: Path) -> None:
    entry = await one(certified(tmp_path, LEARNED), EASY)
    assert entry.choice is not None
    assert (entry.choice.certificate, entry.choice.threshold, entry.choice.cascade) == ("cal-1", 0.5, False)
    assert entry.choice.score is not None
    assert entry.choice.score < 0.01
    assert entry.choice.asked_pico > entry.choice.pico > 0


@pytest.mark.parametrize(
    ("artefact", "task", "said"),
    [
        (LEARNED, "new", "task new was not in the calibration data"),
        (artefact_of({"easy": 5.0}), "easy", "is above the certified 0.500"),
        (artefact_of(pinned=("easy",)), "easy", f"task easy is kept on {STRONG}: too many losses in calibration"),
        (artefact_of(expires_s=1.0), "easy", "artefact cal-1 is not used: it has expired: calibrate again"),
        (artefact_of(price_ratio=0.5), "easy", "artefact cal-1 is not used: the price ratio was 0.500 and is 0.200"),
        (artefact_of(features_version=999), "easy", "artefact cal-1 is not used: it was made for version 999"),
        (artefact_of(strong="claude-opus-5-5"), "easy", f"no artefact for calls to {STRONG}"),
        (artefact_of(share=0.0), "easy", f"kept on {STRONG} by lot: 0% of such calls are certified to go"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_why_the_strong_model_serves(tmp_path: Path, artefact: Artefact, task: str, said: str) -> None:
    entry = await one(certified(tmp_path, artefact), {"thriftgate-task": task})
    assert (entry.model, entry.choice) == (STRONG, None)
    assert said in reason(entry, "route.learned")


async def test_what_the_watch_has_taken_out_of_service_is_not_used(tmp_path: Path) -> None:
    app = simulator()
    wire = Wire(app)
    async with routing_on(app, wire, routing=certified(tmp_path, LEARNED)) as engine:
        engine.router.pinned["cal-1"] = {"easy": "9 of 20 audits differed"}
        await ask(engine, message(), EASY)
        pinned = await last(engine)
        engine.router.pinned.clear()
        engine.router.suspended["cal-1"] = "quality fell"
        await ask(engine, message(), EASY)
        suspended = await last(engine)
        engine.router.suspended.clear()
        await ask(engine, message(), EASY)
    assert reason(pinned, "route.learned") == f"task easy is kept on {STRONG}: 9 of 20 audits differed"
    assert reason(suspended, "route.learned") == "artefact cal-1 is not used: quality fell"
    assert wire.models == [STRONG, STRONG, CHEAP]


async def test_an_artefact_of_a_cascade_is_no_learned_one(tmp_path: Path) -> None:
    routing = certified(tmp_path, artefact_of(cascade=cascade_of(0.0, skip_above=0.001)))
    entry = await one(routing, EASY)
    assert entry.model == STRONG
    assert reason(entry, "route.learned") == f"no artefact for calls to {STRONG}"
    assert "a try is not expected to pay above 0.001" in reason(entry, "route.cascade")


# --- money --------------------------------------------------------------------------------------------------------------


async def test_the_ratio_of_two_vocabularies_does_not_move_with_what_is_learned_of_one() -> None:
    """Ten calls teach how long the prompt is on the one model and nothing of the other."""
    app = simulator()
    async with routing_on(app, routing=to(CHEAP)) as engine:
        for _ in range(10):
            await ask(engine, message("[[sim: out=10]]", system="word " * 3_000))
        entries = await assert_billed(engine, app)
    ratios = {entry.choice.ratio for entry in entries if entry.choice is not None}
    assert len(ratios) == 1
    assert 1.2 < ratios.pop() < 1.5


async def test_two_models_of_one_vocabulary_have_the_ratio_one() -> None:
    entry = await one(to("claude-haiku-5-5"), model="claude-opus-5-5", text="What is the capital of Peru?")
    assert entry.choice is not None
    assert entry.choice.ratio == 1.0
