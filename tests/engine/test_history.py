"""Older parts of conversations left out: against the simulator, by its bill."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import settings

from tests.engine.talking import (
    BOUND,
    CHEAP,
    COMPACT,
    EAGER,
    LEVERS,
    PLAIN,
    TRIM,
    WINDOW,
    Detour,
    Talk,
    is_new,
    paid,
    reason_of,
    saved,
    tables,
)
from tests.engine.test_reducing import Scene
from tests.fixtures import TestClock, assert_sound, engine_on, simulator
from thriftgate.cli.explain import explain
from thriftgate.core.reduction.when import Decision
from thriftgate.engine import history
from thriftgate.engine.history import ENDPOINT
from thriftgate.engine.talks import PATIENCE_TURNS
from thriftgate.ledger.entries import BASELINE, UPSTREAM, Entry
from thriftgate.simulator import Simulator
from thriftgate.simulator.faults import Faults

DEEP = settings().max_examples > 100


@asynccontextmanager
async def scene(app: Simulator | None = None, wire: Detour | None = None, **settings: Any) -> AsyncIterator[Scene]:
    app = app or simulator()
    wire = wire or Detour(app)
    async with engine_on(transport=wire, clock=TestClock(app.config.clock), **settings) as engine:  # type: ignore[arg-type]
        yield Scene(app, engine, wire)  # type: ignore[arg-type]
        await assert_sound(engine.ledger)


async def books(one: Scene) -> list[Entry]:
    """All entries, which are the simulator's bill."""
    entries = sorted(await one.engine.ledger.entries(limit=10_000), key=lambda entry: entry.opened_us)
    assert paid(entries) == one.billed()
    return entries


async def whole(model: str, turns: int, gaps: list[float], **members: Any) -> list[Entry]:
    """The books of a conversation that nothing is left out of."""
    return await shortened(model, turns, gaps, "", **members)


async def shortened(model: str, turns: int, gaps: list[float], lever: str, **members: Any) -> list[Entry]:
    """The books of the same conversation with a lever on."""
    async with scene(**tables(*([lever] if lever else []))) as one:
        talk = Talk(one, model, **members)
        for number in range(turns):
            await talk.turn(gaps[number % len(gaps)])
        return await books(one)


# --- money ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", [PLAIN, BOUND])
@pytest.mark.parametrize("lever", LEVERS)
async def test_what_the_books_say_was_saved_is_what_the_bills_differ_by(
    lever: str, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "decide", EAGER if lever != TRIM else every(40))
    gaps = [20.0] * 9 + [330.0]  # a lapse now and then
    before, after = await whole(model, 60, gaps), await shortened(model, 60, gaps, lever)
    assert any(is_new(entry, lever) for entry in after if entry.endpoint != ENDPOINT)
    assert paid(after) < paid(before) or lever == TRIM  # emptied too early here: that is a loss, and booked as one
    assert saved(after) == pytest.approx(paid(before) - paid(after), abs=0.03 * paid(before))
    baselines = [sum(entry.posted(BASELINE) for entry in entries) for entries in (before, after)]
    assert baselines[1] == pytest.approx(baselines[0], rel=0.03)


def every(calls: int) -> Any:
    """`decide`, which goes each time that it was asked so often."""
    numbers = itertools.count(1)
    return lambda *asked: msgspec.structs.replace(EAGER(*asked), go=next(numbers) % calls == 0)


async def test_a_summary_is_a_call_of_its_own_and_a_cost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "decide", EAGER)
    entries = await shortened(PLAIN, 40, [20.0], COMPACT)
    summaries = [entry for entry in entries if entry.endpoint == ENDPOINT]
    assert summaries
    for entry in summaries:
        assert entry.posted(BASELINE) == 0
        assert entry.posted(f"saved:{COMPACT}") == -entry.posted(UPSTREAM) > 0
        assert reason_of(entry, COMPACT)[1].startswith("a summary of ")


PAUSES = ([20.0], [5.0, 60.0, 200.0, 310.0, 900.0], [400.0, 1_000.0, 3_700.0], [100.0, 700.0, 3_500.0])
MODELS = (PLAIN, BOUND, CHEAP, "claude-sonnet-5-5", "claude-sonnet-4-6")


@pytest.mark.parametrize("seed", range(60 if DEEP else 5))
async def test_no_conversation_costs_more_for_it(seed: int) -> None:
    """However long it gets, whatever the pauses, whether the client's breakpoints live for minutes or for an hour."""
    random = Random(f"lengths {seed}")
    model, turns, gaps = random.choice(MODELS), random.randint(1, 80), random.choice(PAUSES)
    members = {"seed": seed, "ttl": random.choice(("", "5m", "1h")), "length": random.choice((3_000, 12_000))}
    members["tools"] = random.random() < 0.6
    before = await whole(model, turns, gaps, **members)
    for lever in LEVERS:
        after = await shortened(model, turns, gaps, lever, **members)
        failed = sum(
            -entry.posted(UPSTREAM) for entry in after if entry.endpoint == ENDPOINT and entry.stop_reason != "end_turn"
        )
        assert paid(after) - failed <= 1.01 * paid(before), (lever, model, turns, gaps, members)


@pytest.mark.parametrize(("ttl", "pause_s"), [("5m", 330.0), ("1h", 3_700.0)])
@pytest.mark.parametrize("lever", [WINDOW, COMPACT])
async def test_after_a_pause_a_long_conversation_is_cut_and_that_saves_at_once(lever: str, ttl: str, pause_s: float) -> None:
    costs = {}
    for on in ("", lever):
        async with scene(**tables(*([on] if on else []))) as one:
            talk = Talk(one, PLAIN, length=9_000, ttl=ttl, tools=False)
            await talk.last(22)
            costs[on] = -one.billed()
            assert not any(is_new(entry, lever) for entry in await books(one))
            entry = await talk.turn(pause_s)
            costs[on] += one.billed()
            if on:
                assert is_new(entry, lever), reason_of(entry, lever)
                assert " saves $" in reason_of(entry, lever)[1].split(" this turn")[0]
    assert costs[lever] < 0.9 * costs[""]  # the summary included


# --- summaries ------------------------------------------------------------------------------------------------------------


def a_way(by: str) -> Any:
    """`decide`, which always goes, with that summariser."""

    def decided(*arguments: Any) -> Decision:
        found = EAGER(*arguments)
        return msgspec.structs.replace(found, go=True, summariser=by)

    return decided


@pytest.mark.parametrize("model", [PLAIN, BOUND])
async def test_the_model_itself_reads_the_conversation_from_the_cache(model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    app = simulator()
    wire = Detour(app)
    async with scene(app, wire, **tables(COMPACT, summarisers=["own"])) as one:
        talk = Talk(one, model, tools=False)
        await talk.last(10)
        monkeypatch.setattr(history, "decide", a_way(model))
        before, sent = one.messages[:], one.sent()["messages"]
        entry = await talk.turn()
        entries = await books(one)
    (summary,) = [entry for entry in entries if entry.endpoint == ENDPOINT]
    assert summary.usage.total.read > 5_000
    assert summary.usage.total.write_5m == summary.usage.total.write_1h == 0
    asked = msgspec.json.decode(wire.summaries[0])
    assert _words(asked["messages"][: len(sent)]) == _words(sent)
    assert "Sum up the conversation up to here" in asked["messages"][-1]["content"][-1]["text"]
    assert asked["model"] == model
    left = msgspec.json.decode(wire.bodies[-1])["messages"]
    assert "<summary>" in str(left[0]["content"])
    assert len(left) < len(before) - 8
    assert is_new(entry, COMPACT)
    assert entry.usage.total.read > 1_500  # tools and system, kept by the summary's request


async def test_another_model_is_given_a_transcript(monkeypatch: pytest.MonkeyPatch) -> None:
    app = simulator()
    wire = Detour(app)
    async with scene(app, wire, **tables(COMPACT)) as one:
        talk = Talk(one, BOUND)
        await talk.last(10)
        monkeypatch.setattr(history, "decide", a_way(CHEAP))
        await talk.say("and? [[sim: out=30]]")
        entries = await books(one)
    (summary,) = [entry for entry in entries if entry.endpoint == ENDPOINT]
    assert (summary.model, summary.usage.total.read) == (CHEAP, 0)
    (message,) = msgspec.json.decode(wire.summaries[0])["messages"]
    assert message["content"].startswith("<conversation>\n[user]\n0 [[sim: think=")
    assert '(calls look: {"path":' in message["content"]
    assert "Simulated thinking" not in message["content"]


async def test_a_summary_is_repeated_byte_for_byte(monkeypatch: pytest.MonkeyPatch) -> None:
    app = simulator()
    wire = Detour(app)
    async with scene(app, wire, **tables(COMPACT)) as one:
        talk = Talk(one, BOUND)
        await talk.last(10)
        monkeypatch.setattr(history, "decide", a_way(CHEAP))
        await talk.say("and? [[sim: out=30]]")
        monkeypatch.undo()
        sent = [_words(msgspec.json.decode(wire.bodies[-1])["messages"])]
        for _ in range(4):
            entry = await talk.turn()
            sent.append(_words(one.sent()["messages"]))
            assert entry.usage.total.read > 0.7 * entry.usage.total.prompt
    for first, second in itertools.pairwise(sent):
        assert second[: len(first)] == first
    assert len(wire.summaries) == 1


FAILURES: list[tuple[str, str, dict[str, Any]]] = [
    ("a refusal", "[[sim: refuse=cyber]]", {}),
    ("cut off", "[[sim: stop=max_tokens]]", {}),
    ("a call of a tool", "[[sim: tool=look]]", {}),
    ("nothing", "[[sim: say= ]]", {}),
    ("a fault", "", {"internal_error": 1.0}),
    ("no answer", "", {"reset_before_headers": 1.0}),
    ("garbage", "", {"garbage_body": 1.0}),
]


@pytest.mark.parametrize(("told", "faults"), [row[1:] for row in FAILURES], ids=[row[0] for row in FAILURES])
async def test_a_summary_that_fails_leaves_the_conversation_as_it_is_for_a_while(
    told: str, faults: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    app = simulator()
    elsewhere = simulator(faults=Faults(**faults)) if faults else app
    wire = Detour(app, told=told, elsewhere=elsewhere)
    async with scene(app, wire, **tables(COMPACT, summarisers=["own"])) as one:
        talk = Talk(one, PLAIN)
        await talk.last(9)
        monkeypatch.setattr(history, "decide", a_way(PLAIN))
        asked = []
        for number in range(3 * PATIENCE_TURNS + 4):
            entry = await talk.say(f"{number} [[sim: say=well]]")
            decision, reason = reason_of(entry, COMPACT)
            assert decision == "skipped"
            assert "summary failed" in reason
            asked.append(len(wire.summaries))
        assert len(one.sent()["messages"]) == len(one.messages) - 1
    assert asked == [1] * (PATIENCE_TURNS + 1) + [2] * (2 * PATIENCE_TURNS + 1) + [3] * 2


async def test_a_request_that_comes_twice_is_sent_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second comes while the summary for the first is on its way. That comes too late then: whoever goes on with the
    second answer has thinking that is bound to the whole."""
    app = simulator()
    wire = Detour(app)
    async with scene(app, wire, **tables(COMPACT, summarisers=["own"])) as one:
        talk = Talk(one, BOUND, tools=False)
        await talk.last(8)
        monkeypatch.setattr(history, "decide", a_way(BOUND))
        twin = Talk(Scene(app, one.engine, wire), BOUND, tools=False)  # type: ignore[arg-type]
        twin.one.messages = one.messages[:]

        async def meanwhile() -> None:
            wire.meanwhile = None
            await twin.say("and? [[sim: think=50 out=20]]")

        wire.meanwhile = meanwhile
        first = await talk.say("and? [[sim: think=50 out=20]]")
        assert reason_of(first, COMPACT)[0] == "skipped"
        for each in (talk, twin):
            entry = await each.say("go on [[sim: think=50 out=20]]")
            assert entry.status == 200


@pytest.mark.parametrize("stores", [True, False])
async def test_a_summary_outlives_a_restart_only_where_it_may(
    stores: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app, ledger = simulator(), {"path": str(tmp_path / "books.db")}
    wire = Detour(app)
    on = tables(COMPACT, store_summaries=stores) | {"ledger": ledger}
    async with scene(app, wire, **on) as one:
        talk = Talk(one, PLAIN)
        await talk.last(10)
        monkeypatch.setattr(history, "decide", a_way(CHEAP))
        await talk.say("and? [[sim: out=30]]")
        monkeypatch.undo()
        sent = _words(one.sent()["messages"])
    summary = b"This text was written by a simulator"  # nothing that the conversation itself says is kept
    assert (summary in (tmp_path / "books.db").read_bytes()) is stores
    async with scene(app, wire, **on) as again:
        talk.one, again.messages = again, one.messages
        await talk.turn()
        left = _words(msgspec.json.decode(wire.bodies[-1])["messages"])
    assert (left[: len(sent)] == sent) is stores
    assert (len(left) == len(again.messages) - 1) is not stores


def _words(messages: list[dict[str, Any]]) -> list[Any]:
    """Without breakpoints, text as a list of blocks."""
    return [[one["role"], _blocks(one["content"])] for one in messages]


def _blocks(content: Any) -> Any:
    blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
    return [{key: value for key, value in block.items() if key != "cache_control"} for block in blocks]


# --- told -----------------------------------------------------------------------------------------------------------------


async def test_explain_shows_the_sum_to_go_and_to_wait(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = {"path": str(tmp_path / "books.db")}
    async with scene(**tables(WINDOW) | {"ledger": ledger}) as one:
        talk = Talk(one, PLAIN)
        await talk.last(8)
        waits = await talk.turn()
        monkeypatch.setattr(history, "decide", a_way(""))
        goes = await talk.turn()
    for entry, decision in ((waits, "skipped"), (goes, "applied")):
        code = await asyncio.to_thread(explain, entry.id, ledger=str(tmp_path / "books.db"), json=True)
        assert code == 0
        plan = msgspec.json.decode(capsys.readouterr().out)["plan"]
        (line,) = [one_ for one_ in plan if one_["lever"] == WINDOW]
        assert line["decision"] == decision
        for words in (
            "dropping older turns ",
            " tokens to ",
            " this turn (rewriting ",
            " in each of ",
            " expected further turns; ",
        ):
            assert words in line["reason"]


async def test_where_nothing_can_be_left_out_that_is_said() -> None:
    async with scene(**tables(WINDOW, COMPACT, TRIM)) as one:
        entry = await Talk(one, PLAIN).turn()
        assert reason_of(entry, WINDOW) == reason_of(entry, COMPACT) == ("skipped", history.TOO_SHORT)
