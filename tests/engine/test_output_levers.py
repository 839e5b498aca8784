"""Every lever of the output, executed twice on the simulator: the bill is lower with it than without, or it stands aside and
the bills are equal to the pico-dollar. What is booked as saved is near the truth, or nothing is.

Early ends are in `test_carrying.py`: they need a socket.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest

from tests.engine.asking import (
    BOUND,
    LONG_SYSTEM,
    OLD,
    OLDER,
    PLAIN,
    RAW,
    THINKS,
    Json,
    Talk,
    assert_billed,
    booked,
    executed,
    tables,
)
from tests.engine.test_reducing import scene
from tests.fixtures import TestClock, call_of, engine_on, simulator
from thriftgate.core.money import pico_from_usd
from thriftgate.engine.engine import Engine
from thriftgate.ledger.entries import BASELINE, UPSTREAM, Entry
from thriftgate.simulator import Simulator

CAP, STOP, BREVITY, EFFORT = "output.cap", "output.stop", "output.brevity", "output.effort"
PREFILL, SCHEMA, CACHE = "output.prefill", "output.schema", "cache.breakpoints"
MODELS = (PLAIN, THINKS, BOUND, OLD, OLDER)
THINKING = (THINKS, BOUND)


class Case(NamedTuple):
    """A lever, its rule, what the user says in call number n, and the models that it acts on."""

    lever: str
    row: Json
    says: Callable[[int], str]
    models: tuple[str, ...] = MODELS
    streams: bool = True
    members: tuple[tuple[str, Any], ...] = ()


ACTS = (
    Case(BREVITY, {"brevity": "line"}, lambda n: f"Tell me {n} [[sim: long=300,0.5]]"),
    Case(EFFORT, {"effort": "low", "thinking": "off"}, lambda n: f"Tell me {n} [[sim: long=300,0.5]]", (PLAIN, *THINKING)),
    Case(STOP, {"stop": ["</a>"]}, lambda n: f"Sort {n} [[sim: say=<a>{n}</a> and so on, as far as I can say]]"),
    Case(SCHEMA, {"schema": RAW}, lambda n: f"Characterise {n} {'extraordinarily ' * 10}"),
    Case(CAP, {"cap": 300}, lambda n: f"Sort {n} [[sim: long=80,0.3,0.4]]", (PLAIN, OLD, OLDER), streams=False),
)
FORMAT = {"type": "json_schema", "schema": msgspec.json.decode(RAW)}
TOOL = {"name": "look", "input_schema": {"type": "object"}}
ASIDE = (
    Case(BREVITY, {"cap": 9}, lambda n: f"Tell me {n} [[sim: long=300,0.5]]"),
    Case(EFFORT, {"effort": "low"}, lambda n: f"Tell me {n} [[sim: long=300,0.5]]", (OLD, OLDER)),
    Case(EFFORT, {"effort": "high"}, lambda n: f"Tell me {n} [[sim: long=300,0.5]]", (PLAIN, BOUND)),
    Case(STOP, {"stop": ["</a>"]}, lambda n: f"Sort {n} [[sim: out=30]]", members=(("tools", [TOOL]),)),
    Case(SCHEMA, {"schema": RAW}, lambda n: f"Sort {n}", members=(("output_config", {"format": FORMAT}),)),
    Case(CAP, {"cap": 300}, lambda n: f"Sort {n} [[sim: long=80,0.3,0.4]]", THINKING),
    Case(CAP, {"cap": 300}, lambda n: f"Sort {n} [[sim: out=400]]", members=(("tools", [TOOL]),)),
    Case(PREFILL, {"prefill": "{"}, lambda n: f"Sort {n} [[sim: out=30]]", (OLD, OLDER), members=(("tools", [TOOL]),)),
)  # fmt: skip


WAYS = {"plain": (False, False), "cached": (False, True), "streamed and cached": (True, True)}


def bodies(case: Case, model: str, *, stream: bool, cached: bool, calls: int = 3) -> list[Json]:
    base: Json = {"model": model, "max_tokens": 2_000, **dict(case.members)}
    base |= {"system": LONG_SYSTEM} if cached else {}
    base |= {"stream": True} if stream else {}
    return [base | {"messages": [{"role": "user", "content": case.says(n)}]} for n in range(calls)]


def each(cases: tuple[Case, ...]) -> list[Any]:
    return [
        pytest.param(case, model, id=f"{case.lever}-{model}-{at}") for at, case in enumerate(cases) for model in case.models
    ]


@pytest.mark.parametrize(("stream", "cached"), list(WAYS.values()), ids=list(WAYS))
@pytest.mark.parametrize(("case", "model"), each(ACTS))
async def test_the_bill_is_lower(case: Case, model: str, stream: bool, cached: bool) -> None:
    sent, before = bodies(case, model, stream=stream, cached=cached), (CACHE,) if cached else ()
    without = await executed(sent, **tables(before))
    run = await executed(sent, **tables((*before, case.lever), case.row))
    if stream and not case.streams:
        assert run.billed == without.billed
        assert run.bodies == without.bodies
        return
    assert run.billed < without.billed
    assert [answer["stop_reason"] for answer in run.answers] != ["max_tokens"] * len(sent)
    assert run.saved(case.lever) <= 0  # nothing is known yet of answers that nothing shortens
    if cached:
        assert sum(entry.usage.total.read > 0 for entry in run.entries) >= 1


@pytest.mark.parametrize(("stream", "cached"), list(WAYS.values()), ids=list(WAYS))
@pytest.mark.parametrize(("case", "model"), each(ASIDE))
async def test_where_it_stands_aside_nothing_changes(case: Case, model: str, stream: bool, cached: bool) -> None:
    sent, before = bodies(case, model, stream=stream, cached=cached), (CACHE,) if cached else ()
    without = await executed(sent, **tables(before))
    run = await executed(sent, **tables((*before, case.lever), case.row))
    assert run.bodies == without.bodies
    assert run.billed == without.billed
    assert run.saved(case.lever) == 0
    decisions = {(one.decision, one.reason) for entry in run.entries for one in entry.decisions if one.lever == case.lever}
    assert len(decisions) == 1
    ((decision, reason),) = decisions
    assert decision == "skipped"
    assert reason not in ("", "off in the policy", "nothing in this call needs it")


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("model", MODELS)
async def test_a_beginning_costs_itself_and_claims_nothing(model: str, stream: bool) -> None:
    """The simulator writes no introductions that a beginning could leave out: so all there is to see is its own price."""
    case = Case(PREFILL, {"prefill": "{"}, lambda n: f"Sort {n} [[sim: out=40 think=20]]")
    sent = bodies(case, model, stream=stream, cached=False)
    without, run = await executed(sent, **tables(())), await executed(sent, **tables((PREFILL,), case.row))
    added = [one.usage.total.input - two.usage.total.input for one, two in zip(run.entries, without.entries, strict=True)]
    assert all(1 <= tokens <= 15 for tokens in added)
    assert [one.usage.total.output for one in run.entries] == [one.usage.total.output for one in without.entries]
    assert run.saved(PREFILL) == 0
    assert all(text.startswith("{") for text in run.texts()) == (model in (OLD, OLDER))


@pytest.mark.parametrize("model", [PLAIN, BOUND])
async def test_a_cached_conversation_of_four_turns(model: str) -> None:
    """What is said at the end of the system prompt moves no breakpoint and loses no cache."""

    async def talked(levers: tuple[str, ...]) -> tuple[int, list[Entry], list[int]]:
        app = simulator(instance_id="one")
        clock = TestClock(app.config.clock)  # type: ignore[arg-type]
        row = {"brevity": "line", "effort": "low"}
        async with engine_on(app, clock=clock, **tables(levers, row)) as engine:
            talk = Talk(model=model, system=[{"type": "text", "text": LONG_SYSTEM, "cache_control": {"type": "ephemeral"}}])
            for turn in range(4):
                await talk.says(engine, f"And {turn}? [[sim: long=300,0.3]]")
                clock.advance(20.0)
            entries = await booked(engine)
        assert_billed(entries, app)
        return pico_from_usd(app.bill.total), entries, [call.usage.read for call in app.bill.calls]

    without, _, _ = await talked((CACHE,))
    billed, entries, read = await talked((CACHE, BREVITY, EFFORT))
    assert billed < without
    assert read == sorted(read)
    assert read[1] > 2_000
    assert not any(entry.miss is not None and entry.miss.avoidable for entry in entries)


# --- learned caps -------------------------------------------------------------------------------------------------------

CALLS, RATE = 1_000, 0.03
LEARNED = tables((CAP,), {"cap": "learned"}, cap_rate=RATE)


def mail(number: int, **members: Any) -> Json:
    text = f"{number} [[sim: long=80,0.4,0.01]]"
    return {
        "model": PLAIN,
        "max_tokens": 4_000,
        "system": "Sort.",
        "messages": [{"role": "user", "content": text}],
        **members,
    }


async def sorted_mails(engine: Engine, clock: TestClock, numbers: range) -> None:
    for number in numbers:
        await engine.messages(call_of(mail(number)))
        clock.advance(1.0)


def engine_for(app: Simulator, path: Path, settings: dict[str, Any]) -> Any:
    clock = TestClock(app.config.clock)  # type: ignore[arg-type]
    return engine_on(app, clock=clock, **(settings | {"ledger": {"path": str(path / "books.db")}}))


async def test_a_learned_cap(tmp_path: Path) -> None:
    """Set once enough answers are known, right at the start after a restart; few are cut, and the bill is lower."""
    app, plain = simulator(instance_id="one"), simulator(instance_id="one")
    clock, other = TestClock(app.config.clock), TestClock(plain.config.clock)  # type: ignore[arg-type]
    async with engine_for(app, tmp_path, LEARNED) as engine:
        await sorted_mails(engine, clock, range(CALLS))
        entries = await booked(engine)
    assert_billed(entries, app)
    async with engine_on(plain, clock=other) as engine:
        await sorted_mails(engine, other, range(CALLS))
    capped = [at for at, entry in enumerate(entries) if applied(entry)]
    again = [entry for entry in entries if entry.endpoint == "again"]
    assert 300 <= capped[0] < 700
    assert 0 < len(again) <= RATE * CALLS
    assert app.bill.total < plain.bill.total
    saved = sum(-entry.posted(f"saved:{CAP}") for entry in entries)
    assert sum(entry.posted(BASELINE) for entry in entries) == pico_from_usd(app.bill.total) + saved
    assert saved > 0
    async with engine_for(app, tmp_path, LEARNED) as engine:
        await engine.messages(call_of(mail(CALLS)))
        await (await engine.messages(call_of(mail(CALLS + 1, stream=True)))).leave()
        entries = await booked(engine)
    last, streamed = [entry for entry in entries if entry.endpoint != "again"][-2:]
    assert applied(last)
    assert not applied(streamed)


async def test_a_cap_is_learned_from_answers_that_are_asked_for_alike(tmp_path: Path) -> None:
    """With a request for brevity besides, all answers are of one kind: and the cap is far lower than without."""
    app = simulator(instance_id="one")
    clock = TestClock(app.config.clock)  # type: ignore[arg-type]
    row = {"cap": "learned", "brevity": "line"}
    async with engine_for(app, tmp_path, tables((CAP, BREVITY), row, cap_rate=RATE)) as engine:
        await sorted_mails(engine, clock, range(600))
        told = [one.reason for entry in await booked(engine) for one in entry.decisions if one.lever == CAP]
    caps = [int(reason.split()[3].rstrip(";")) for reason in told if reason.startswith("max_tokens")]
    assert caps
    assert max(caps) < 60


def applied(entry: Entry) -> bool:
    return any(one.lever == CAP and one.decision == "applied" for one in entry.decisions)


# --- what is booked ------------------------------------------------------------------------------------------------------

SAYS = [f"Tell me {n} [[sim: long=300,0.2]]" for n in range(120)]


def questions(texts: list[str], **members: Any) -> list[Json]:
    base: Json = {"model": PLAIN, "max_tokens": 2_000, "system": "You answer mails.", **members}
    return [base | {"messages": [{"role": "user", "content": text}]} for text in texts]


@pytest.mark.parametrize(("lever", "row"), [(BREVITY, {"brevity": "line"}), (EFFORT, {"effort": "low"})])
async def test_what_is_booked_is_near_the_truth(lever: str, row: Json, tmp_path: Path) -> None:
    """Once thirty answers of the task are known that nothing shortens; before, and without them, nothing is claimed."""
    books = {"ledger": {"path": str(tmp_path / "books.db")}}
    unknown = await executed(questions(SAYS[40:]), **tables((lever,), row))
    assert unknown.saved(lever) == 0
    app = simulator(instance_id="one")
    await executed(questions(SAYS[:40]), app, **(tables((), row) | books))
    run = await executed(questions(SAYS[40:]), app, **(tables((lever,), row) | books))
    without = await executed(questions(SAYS[40:]))
    true = without.billed - run.billed
    assert run.saved(lever) == pytest.approx(true, rel=0.25)
    assert sum(entry.posted(BASELINE) for entry in run.entries) == run.billed + run.saved(lever)


async def test_a_hold_out_is_what_it_is_learned_from() -> None:
    """Calls that an experiment leaves unshaped tell how long answers are."""
    rows = tables((BREVITY,), {"brevity": "line"})
    run = await executed(questions(SAYS), **rows, experiment={"holdout": 0.4})
    held = [entry for entry in run.entries if entry.arm == "holdout"]
    assert len(held) > 30
    saved = [-entry.posted(f"saved:{BREVITY}") for entry in run.entries if entry.arm != "holdout"]
    assert saved[0] == 0
    long = sum(entry.usage.total.output for entry in held) / len(held)
    last = next(entry for entry in reversed(run.entries) if entry.arm != "holdout")
    rate = 25 * 10**6  # pico-USD a token
    assert saved[-1] == pytest.approx((long - last.usage.total.output) * rate, rel=0.15)
    assert not any(entry.posted(f"saved:{BREVITY}") for entry in held)
    assert -sum(entry.posted(UPSTREAM) for entry in run.entries) == run.billed


@pytest.mark.parametrize("model", ["claude-opus-4-8", "claude-opus-5-5"])
async def test_tokens_are_counted_with_what_is_asked_of_the_answer(model: str) -> None:
    async with scene(**tables((CACHE, BREVITY), {"brevity": "line"})) as one:
        for text in ("[[sim: think=50 out=200]] hello", "[[sim: think=50 out=20]] and?"):
            entry = await one.say(text, model=model)
        call = call_of({"model": model, "messages": one.messages[:-1]}, path="/v1/messages/count_tokens")
        for _ in range(2):  # counting changes nothing
            reply = await one.engine.count(call)
            assert msgspec.json.decode(reply.body) == {"input_tokens": entry.usage.total.prompt}
        assert (await one.say("[[sim: think=50 out=20]] go on", model=model)).status == 200
