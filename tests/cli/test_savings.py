"""`thriftgate savings`: over books of an engine that held conversations out, and over small ones."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest
from msgspec.structs import replace

from tests.cli.conftest import HANDBOOK, Books, Run
from tests.cli.entries import entry_of
from tests.core.routing.artefacts import artefact_of
from tests.engine.routes import Wire, certified
from tests.fixtures import HEADERS, TestClock, assert_sound, call_of, engine_on, read_all, simulator
from thriftgate.core.money import pico_from_usd
from thriftgate.ledger.entries import BASELINE, Entry, balanced
from thriftgate.ledger.sql import SqlLedger
from thriftgate.quality.proof import Proof, Sampling
from thriftgate.simulator import TASK_SETS

STRONG, CHEAP = "claude-opus-5-5", "claude-haiku-5-5"
CONVERSATIONS = 150
HELD_OUT = 0.4
SALT = "5a" * 32  # of the lots, so that they are the same in each run


class Ran(NamedTuple):
    """The books of a run, in a file and as entries; bodies as they were asked and sent; the bill (pico-USD)."""

    path: str
    entries: Sequence[Entry]
    bodies: Sequence[tuple[bytes, bytes]]
    billed_pico: int


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """Conversations of two turns: those that are not held out go to the cheap model, their prompts are cached, and some of
    their calls are made a second time."""
    return asyncio.run(_run(tmp_path_factory.mktemp("savings")))


async def _run(folder: Path) -> Ran:
    app, path = simulator(), str(folder / "books.db")
    books = SqlLedger.open(path)
    await books.secret("key_salt", SALT)
    await books.close()
    wire = Wire(app)
    artefact = artefact_of({"tickets": -5.0}, strong=STRONG, cheap=CHEAP)
    tables: dict[str, Any] = {
        "policy": {"levers": ("cache.breakpoints", "count.guard", "route.learned")},
        "routing": certified(folder, artefact),
        "experiment": {"holdout": HELD_OUT},
        "ledger": {"path": path},
    }
    bodies: list[tuple[bytes, bytes]] = []
    clock = TestClock(app.config.clock)  # type: ignore[arg-type]
    async with engine_on(transport=wire, clock=clock, **tables) as engine:
        proof = Proof(engine, Sampling(audit=0.3, day_pico=10**15))
        await engine.witnessed("proof", proof, proof)
        for item in TASK_SETS[2].items(CONVERSATIONS):
            messages: list[dict[str, Any]] = [{"role": "user", "content": item.prompt}]
            for _ in range(2):
                asked = {"model": STRONG, "max_tokens": 400, "system": HANDBOOK * 3, "messages": messages}
                call = call_of(asked, headers=HEADERS | {"thriftgate-task": "tickets"})
                at = len(wire.bodies)
                answer = msgspec.json.decode(await read_all(await engine.messages(call)))
                bodies.append((call.body, wire.bodies[at]))
                await engine.tasks.finish(5)
                messages = [
                    *messages,
                    {"role": "assistant", "content": answer["content"]},
                    {"role": "user", "content": "Sure?"},
                ]
                clock.advance(20)
        await assert_sound(engine.ledger)
        entries = await engine.ledger.entries(limit=10_000)
    return Ran(path, entries, bodies, sum(pico_from_usd(call.cost) for call in app.bill.calls))


def test_the_arms_are_drawn_by_conversation(ran: Ran) -> None:
    theirs = [entry for entry in ran.entries if not entry.parent]
    assert len(theirs) == 2 * CONVERSATIONS
    arms: dict[str, set[tuple[str, float]]] = {}
    for entry in theirs:
        arms.setdefault(entry.conversation, set()).add((entry.arm, entry.propensity))
    assert len(arms) == CONVERSATIONS
    assert all(len(found) == 1 for found in arms.values()), "the same at each turn"
    assert {one for (one,) in arms.values()} == {("holdout", HELD_OUT), ("", 1 - HELD_OUT)}


def test_who_is_held_out_is_left_alone(ran: Ran) -> None:
    theirs = [entry for entry in ran.entries if not entry.parent]
    for entry, (asked, sent) in zip(theirs, ran.bodies, strict=True):
        held = entry.arm == "holdout"
        assert (asked == sent) == held
        assert entry.model == (STRONG if held else CHEAP)
        if held:
            assert [one.account for one in entry.postings] == ["baseline", "upstream"]
    parents = {entry.id: entry for entry in theirs}
    seconds = [entry for entry in ran.entries if entry.parent]
    assert seconds
    assert {parents[entry.parent].arm for entry in seconds} == {""}


def test_three_ways_side_by_side(ran: Ran, run: Run) -> None:
    done = run("savings", "--ledger", ran.path, "--json")
    assert (done.code, done.err) == (0, "")
    found = done.json()
    gross, own, net, paid = (pico_from_usd(found[f"{name}_usd"]) for name in ("gross", "own", "net", "paid"))
    assert paid == ran.billed_pico
    assert gross - own == net == pico_from_usd(found["baseline_usd"]) - paid == pico_from_usd(found["saved_usd"])
    assert gross > net > 0
    assert found["own"] == [{"endpoint": "proof", "calls": _seconds(ran), "paid_usd": found["own_usd"]}]
    assert own == -pico_from_usd(found["levers"]["proof.calls"])
    held = found["holdout"]
    assert held["conversations"]["treated"] + held["conversations"]["holdout"] == CONVERSATIONS
    assert abs(held["conversations"]["holdout"] - HELD_OUT * CONVERSATIONS) < 25
    assert held["lot_is_fair"]
    assert held["low"] < held["books_net"] < held["high"], "the books are right here, as far as the experiment can tell"
    assert held["low"] < held["saving"] < held["high"]
    assert 0.1 < held["saving"] == pytest.approx(held["books_net"], abs=0.06)
    assert held["books_gross"] - held["books_net"] == pytest.approx(own / _baseline_treated(ran))
    for shift in ("baseline_shift", "calls_shift"):
        assert held[shift]["low"] <= 0 <= held[shift]["high"]


def _seconds(ran: Ran) -> int:
    return sum(bool(entry.parent) for entry in ran.entries)


def _baseline_treated(ran: Ran) -> int:
    return sum(entry.posted(BASELINE) for entry in ran.entries if entry.arm == "")


def test_the_report_says_the_same(ran: Ran, run: Run) -> None:
    saved = run("savings", "--ledger", ran.path, "--json").json()
    told = run("report", "--ledger", ran.path, "--json").json()
    assert set(saved) - set(told) == {"own", "own_usd"}
    assert {name: saved[name] for name in told} == told
    assert f"${Decimal(told['gross_usd']) - Decimal(told['net_usd']):.6f} of what was paid went to thriftgate's own" in (
        run("report", "--ledger", ran.path).err
    )


def test_for_people(ran: Ran, run: Run) -> None:
    done = run("savings", "--ledger", ran.path)
    assert done.code == 0
    for words in ("gross, by the books", "spent by thriftgate itself", "net", "proof", "$"):
        assert words in done.out
    assert "against the hold-out: " in done.err
    assert "held out)" in done.err
    assert "the books say of the same conversations" in done.err
    assert "do not trust" not in done.err


def test_without_an_experiment_it_says_how_to_run_one(books: Books, run: Run) -> None:
    done = run("savings", "--ledger", books.path, "--json")
    found = done.json()
    assert (found["holdout"], found["own"], found["own_usd"]) == ({}, [], "0")
    assert found["gross_usd"] == found["net_usd"] == found["saved_usd"]
    assert "set experiment.holdout" in run("savings", "--ledger", books.path).err


@pytest.mark.parametrize(("arguments", "calls"), [(("--since", "2026-11-22"), 0), (("--until", "2026-11-22"), 4)])
def test_spans(books: Books, run: Run, arguments: tuple[str, ...], calls: int) -> None:
    assert run("savings", "--ledger", books.path, "--json", *arguments).json()["calls"] == calls
    assert run("savings", "--ledger", books.path, *arguments).code == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--since", "yesterday"), "--since: 'yesterday' is no moment"),
        (("--ledger", "none.db"), "there is no ledger at none.db"),
    ],
)
def test_bad_usage(run: Run, arguments: tuple[str, ...], words: str) -> None:
    done = run("savings", *arguments)
    assert (done.code, done.out) == (2, "")
    assert words in done.err


def _drawn(arm: str, propensity: float, baseline: int, paid: int, count: int) -> list[Entry]:
    saved = {"route.rules": baseline - paid} if baseline != paid else {}
    one = entry_of(arm=arm, propensity=propensity, postings=balanced(baseline, paid, saved))
    return [replace(one, id=f"{arm}{at}", conversation=f"{arm}{at}") for at in range(count)]


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        (_drawn("", 0.95, 10, 6, 12), "too little to tell yet (12 conversations treated, 0 held out; it takes 30 of each)"),
        (
            _drawn("", 0.5, 10**10, 6 * 10**9, 2) + _drawn("holdout", 0.5, 10**10, 10**10, 200),
            "the arms are not as large as the lot should have made them",
        ),
        (
            _drawn("", 0.5, 3 * 10**10, 10**10, 300) + _drawn("holdout", 0.5, 10**10, 10**10, 300),
            "what the books say is not what was saved",
        ),
    ],
    ids=["few", "uneven", "books wrong"],
)
def test_what_is_not_to_be_trusted_is_said(tmp_path: Path, run: Run, entries: Sequence[Entry], words: str) -> None:
    path = str(tmp_path / "books.db")

    async def write() -> None:
        ledger = SqlLedger.open(path)
        for entry in entries:
            await ledger.settle(entry)
        await ledger.close()

    asyncio.run(write())
    assert words in run("savings", "--ledger", path).err
