"""What is asked of answers in live conversations: nothing breaks, whatever restarts or changes; refusals are lived with."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.engine.asking import BOUND, LONG_SYSTEM, PLAIN, RAW, Json, Talk, answer_of, booked, executed, tables, text_of
from tests.engine.test_stabilising import Recording
from tests.fixtures import TestClock, call_of, engine_on, message, read_all, simulator, told
from tests.scripted import Provider, Say, say_error, say_stream
from thriftgate.core.errors import InputError
from thriftgate.engine import shaping
from thriftgate.engine.engine import Engine
from thriftgate.engine.shaping import REFUSED, RESTS_S
from thriftgate.simulator import Simulator
from thriftgate.simulator.faults import Faults

BREVITY, EFFORT, STOP, SCHEMA, CAP = "output.brevity", "output.effort", "output.stop", "output.schema", "output.cap"
LINE = "on a single line"
ROW: Json = {"brevity": "line", "effort": "low"}
ON = tables((BREVITY, EFFORT, "cache.breakpoints"), ROW)
Play = Callable[[Engine, int], Awaitable[None]]


class Stage:
    """A simulator that checks what thinking is bound to, and engines in front of it, one after the other."""

    def __init__(self, path: Path) -> None:
        self.app: Simulator = simulator(instance_id="one", enforce_prefix_binding=True)
        self.wire = Recording(self.app)
        self.clock = TestClock(self.app.config.clock)  # type: ignore[arg-type]
        self.ledger = {"ledger": {"path": str(path / "books.db")}}

    async def played(self, play: Play, *settings: dict[str, Any], elsewhere: bool = False) -> None:
        """One turn with each of the settings, the engine started anew for each."""
        for turn, table in enumerate(settings):
            books = {"ledger": {"path": ":memory:"}} if elsewhere and turn else self.ledger
            async with engine_on(self.app, transport=self.wire, clock=self.clock, **(table | books)) as engine:
                await play(engine, turn)
                self.clock.advance(20.0)

    @property
    def systems(self) -> list[str]:
        """The system prompts that left."""
        bodies = [msgspec.json.decode(body) for body in self.wire.bodies]
        return [str(body.get("system", "")) for body in bodies if "max_tokens" in body]

    @property
    def refused(self) -> int:
        return len([body for body in self.wire.bodies if b'"max_tokens"' in body]) - len(self.app.bill.calls)


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


def bound_talk(**members: Any) -> Talk:
    return Talk(model=BOUND, system="You answer mails.", thinking={"type": "adaptive"}, **members)


def ask(turn: int) -> str:
    return f"And now {turn}? [[sim: think={80 + turn} out=60]]"


def thought(talk: Talk) -> int:
    """Blocks of thinking that the client has got, and sends back."""
    said = [one["content"] for one in talk.body["messages"] if one["role"] == "assistant"]
    return sum(block["type"] == "thinking" for content in said for block in content)


# --- thinking that is bound to its prompt -----------------------------------------------------------------------------


@pytest.mark.parametrize("restarts", [False, True])
async def test_a_bound_conversation_of_four_turns(stage: Stage, restarts: bool) -> None:
    talk = bound_talk()
    if restarts:
        await stage.played(lambda engine, turn: _say(talk, engine, turn), *[ON] * 4)
    else:

        async def all_four(engine: Engine, _: int) -> None:
            for turn in range(4):
                await talk.says(engine, ask(turn))
                stage.clock.advance(20.0)

        await stage.played(all_four, ON)
    assert thought(talk) == 4
    assert stage.refused == 0
    assert [LINE in system for system in stage.systems] == [True] * 4
    assert len(set(stage.systems)) == 1


async def _say(talk: Talk, engine: Engine, turn: int) -> None:
    await talk.says(engine, ask(turn))


OTHERWISE: dict[str, dict[str, Any]] = {
    "another text": tables((BREVITY, EFFORT), {"brevity": "word", "effort": "medium"}),
    "no brevity": tables((BREVITY, EFFORT), {"effort": "low"}),
    "another task's": tables((BREVITY, EFFORT), ROW | {"task": "never met"}),
    "no rules": tables((BREVITY, EFFORT)),
    "lever off": tables((EFFORT,), ROW),
    "all levers off": tables((), ROW),
    "nothing at all": {},
}


@pytest.mark.parametrize("changed", OTHERWISE)
async def test_settings_change_in_mid_conversation(stage: Stage, changed: str) -> None:
    """What is bound goes on as it began; what begins after the change obeys it."""
    talk, fresh, after = bound_talk(), bound_talk(), OTHERWISE[changed]

    async def play(engine: Engine, turn: int) -> None:
        await talk.says(engine, ask(turn))
        if turn == 2:
            await fresh.says(engine, "Something else. [[sim: think=70 out=60]]")

    await stage.played(play, ON, ON, after, after)
    assert thought(talk) == 4
    assert stage.refused == 0
    assert [LINE in system for system in stage.systems] == [True, True, True, False, True]


async def test_the_same_question_after_a_change_begins_anew(stage: Stage) -> None:
    """Its first request ends where that of an earlier conversation did, which was asked otherwise."""
    first, second = bound_talk(), bound_talk()
    await stage.played(lambda engine, turn: _say(first, engine, turn), ON)

    async def again(engine: Engine, _: int) -> None:
        for turn in range(3):
            await second.says(engine, ask(turn))

    await stage.played(again, {})
    assert stage.refused == 0
    assert [LINE in system for system in stage.systems] == [True, False, False, False]


@pytest.mark.parametrize(
    "more", [{"output_config": {"effort": "max"}}, {"tool_choice": {"type": "none"}}, {"max_tokens": 900}]
)
async def test_parameters_that_change_from_turn_to_turn(stage: Stage, more: Json) -> None:
    tool = {"name": "look", "input_schema": {"type": "object"}}
    talk = bound_talk(tools=[tool])

    async def play(engine: Engine, turn: int) -> None:
        plain = dict(talk.body)
        talk.body |= more if turn % 2 else {}
        await talk.says(engine, ask(turn))
        talk.body = plain

    await stage.played(play, *[ON] * 4)
    assert stage.refused == 0
    assert thought(talk) == 4
    assert [LINE in system for system in stage.systems] == [True] * 4


async def test_a_conversation_that_nobody_remembers_is_tried_as_it_came_first(stage: Stage) -> None:
    """A killed process takes what it learned in its last minutes with it."""
    talk = bound_talk()
    await stage.played(lambda engine, turn: _say(talk, engine, turn), ON, ON, elsewhere=True)
    assert stage.refused == 1
    assert [LINE in system for system in stage.systems] == [True, False, True]
    before = len(stage.systems)

    async def on(engine: Engine, _: int) -> None:
        await talk.says(engine, ask(2))
        await talk.says(engine, ask(3))
        assert [entry.outcome for entry in await booked(engine)] == ["failed", "answered", "answered"]

    del stage.ledger["ledger"]["path"]
    stage.ledger["ledger"]["path"] = ":memory:"
    await stage.played(on, ON)
    assert [LINE in system for system in stage.systems[before:]] == [False, True, True]


async def test_one_that_began_without_is_left_alone(stage: Stage) -> None:
    talk = bound_talk()
    told_ = []

    async def play(engine: Engine, turn: int) -> None:
        await talk.says(engine, ask(turn))
        told_.append({one.lever: one.reason for one in (await booked(engine))[-1].decisions}[BREVITY])

    await stage.played(play, {}, ON, ON)
    assert told_[1:] == [
        "thinking in this conversation is bound to the prompt as it was",
        "the conversation began without it",
    ]
    assert stage.refused == 0
    assert [LINE in system for system in stage.systems] == [False] * 3
    assert thought(talk) == 3


async def test_a_provider_that_is_overloaded_breaks_no_conversation(stage: Stage) -> None:
    """An answer that would have been looked at first did not come: it is asked for in the same way."""
    talk = bound_talk()
    row = ROW | {"schema": RAW, "repair": True}
    on = tables((BREVITY, SCHEMA), row)

    async def play(engine: Engine, turn: int) -> None:
        stage.app.faults = Faults(overloaded=float(turn == 1))
        if turn == 1:
            talk.body["messages"].append({"role": "user", "content": ask(turn)})
            assert (await engine.messages(call_of(talk.body))).status == 529
            talk.body["messages"].pop()
            return
        await talk.says(engine, f'{turn} [[sim: think=50 say={{"label":"a"}}]]')

    await stage.played(play, *[on] * 4)
    assert {LINE in system for system in stage.systems} == {True}


# --- conversations that are bound by their cache alone ----------------------------------------------------------------


async def test_a_later_turn_that_meets_another_rule_keeps_the_prompt(stage: Stage) -> None:
    """Cap, stops and early ends are each turn's own."""
    rows = ({"kind": "classify", "brevity": "word", "cap": 64}, {"kind": "email", "brevity": "paragraph", "cap": 300})
    talk = Talk(model=PLAIN, system=LONG_SYSTEM)

    async def play(engine: Engine, turn: int) -> None:
        await talk.says(engine, "Classify this. [[sim: out=9]]" if turn != 1 else "Write an email to them. [[sim: out=90]]")

    await stage.played(play, *[tables((BREVITY, CAP, "cache.breakpoints"), *rows)] * 3)
    bodies = [msgspec.json.decode(body) for body in stage.wire.bodies]
    assert len({"|".join(block["text"] for block in body["system"]) for body in bodies}) == 1
    assert [body["max_tokens"] for body in bodies] == [64, 300, 64]
    assert [call.usage.read > 0 for call in stage.app.bill.calls] == [False, True, True]


async def test_a_rule_that_is_gone_no_longer_holds(stage: Stage) -> None:
    """What is warm goes on without the text; nothing is asked that could not be taken back."""
    talk = Talk(model=PLAIN, system="You answer mails.")
    await stage.played(lambda engine, turn: _say(talk, engine, turn), ON, ON, {}, OTHERWISE["another text"])
    assert [LINE in system for system in stage.systems] == [True, True, False, False]


# --- failing open -----------------------------------------------------------------------------------------------------


async def test_whatever_fails_the_call_goes_out_as_it_came(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise LookupError("a bug")

    monkeypatch.setattr(shaping, "shape", broken)
    body = message(model=PLAIN)
    run = await executed([body, body | {"stream": True}], **ON)
    assert run.bodies == [msgspec.json.encode(body), msgspec.json.encode(body | {"stream": True})]
    told_ = {one.lever: one for one in run.entries[0].decisions}
    assert (told_[BREVITY].decision, told_[BREVITY].reason) == ("skipped", "failed with LookupError")


async def test_a_call_that_cannot_be_read_is_refused_as_ever() -> None:
    provider = Provider()
    async with engine_on(provider, **ON) as engine:
        with pytest.raises(InputError):
            await engine.messages(call_of(message(messages=[{"role": "user", "content": 5}])))
    assert provider.bodies == []


# --- a provider that refuses what was asked ---------------------------------------------------------------------------


class Picky:
    """Takes no structured outputs: "too complex"; or nothing at all."""

    def __init__(self, nothing: bool = False) -> None:
        self.provider = Provider()
        self.nothing = nothing
        self.bodies: list[bytes] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        event = await receive()
        self.bodies.append(event["body"])
        streams = b'"stream":true' in event["body"]
        refuses = self.nothing or b'"format"' in event["body"]
        self.provider.answers = [say_error(400, "invalid_request_error") if refuses else say_stream() if streams else Say()]

        async def given() -> Any:
            return event

        await self.provider(scope, given, send)


@pytest.mark.parametrize("repair", [False, True])
@pytest.mark.parametrize("stream", [False, True])
async def test_what_was_refused_as_shaped_goes_out_as_it_came(repair: bool, stream: bool) -> None:
    picky, clock = Picky(), TestClock()
    body = message("hello", system="You sort mails.", **({"stream": True} if stream else {}))
    on = tables((SCHEMA, "cache.breakpoints"), {"schema": RAW, "repair": repair})
    async with engine_on(picky, clock=clock, **on) as engine:
        reply = await engine.messages(call_of(body))
        assert text_of(await answer_of(reply)) == "scripted"
        first, second = await booked(engine)
        assert (first.outcome, first.status, first.resolution) == ("failed", 400, "void")
        assert not any(posting.pico for posting in first.postings)
        assert (second.outcome, second.status) == ("answered", 200)
        assert told(reply.headers, "thriftgate-request-id") == second.id
        assert picky.bodies[1] == msgspec.json.encode(body)
        decision = next(one for one in second.decisions if one.lever == SCHEMA)
        assert (decision.decision, decision.reason) == ("skipped", REFUSED)
        await read_all(await engine.messages(call_of(message("other", system="You sort mails."))))
        assert len(picky.bodies) == 3  # not tried again at this call site
        await read_all(await engine.messages(call_of(message("hello", system="You write poems."))))
        assert len(picky.bodies) == 5  # another one
        clock.advance(RESTS_S + 1)
        await read_all(await engine.messages(call_of(body)))
        assert len(picky.bodies) == 7


@pytest.mark.parametrize("row", [{"schema": RAW}, {"schema": RAW, "repair": True}, {"cap": 50}])
async def test_the_clients_own_mistake_is_told_byte_for_byte_and_blames_no_rule(row: Json) -> None:
    picky = Picky(nothing=True)
    async with engine_on(picky, **tables((SCHEMA, CAP), row)) as engine:
        for _ in range(2):
            reply = await engine.messages(call_of(message()))
            assert reply.status == 400
            assert await read_all(reply) == say_error(400, "invalid_request_error").pieces[0]
        assert len(picky.bodies) == 4  # the rule does not rest: it was not at fault
        assert not any(posting.pico for entry in await booked(engine) for posting in entry.postings)


async def test_a_call_that_was_not_changed_is_not_sent_twice() -> None:
    picky = Picky(nothing=True)
    async with engine_on(picky, **tables((SCHEMA, "output.early_stop"), {"until": "json"})) as engine:
        assert (await engine.messages(call_of(message()))).status == 400
    assert len(picky.bodies) == 1


@pytest.mark.parametrize("members", [{"max_tokens": 0}, {"stream": True, "max_tokens": 0}])
async def test_a_call_without_an_answer_is_left_alone(members: Json) -> None:
    body = message("hm", system="You answer mails.") | members
    run = (
        await executed([body], **tables((BREVITY, CAP), {"brevity": "line", "cap": 9})) if "stream" not in members else None
    )
    assert run is None or run.bodies == [msgspec.json.encode(body)]
