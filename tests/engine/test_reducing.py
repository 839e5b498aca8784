"""Prompts made shorter on their way: against the simulator, and by its bill."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest

from tests.engine.test_stabilising import Recording
from tests.fixtures import TestClock, assert_sound, call_of, engine_on, read_all, simulator, told
from thriftgate.core.money import pico_from_usd, usd_from_pico
from thriftgate.engine.engine import Engine
from thriftgate.ledger.entries import BASELINE, UPSTREAM, Entry
from thriftgate.simulator import Simulator

PLAIN, BOUND = "claude-opus-4-8", "claude-opus-5-5"
ROWS = [{"id": n, "name": f"item {n}", "tags": ["a", "b"], "price": 1.5 * n} for n in range(40)]
JSON = msgspec.json.format(msgspec.json.encode(ROWS), indent=4).decode()
ON = {"levers": ["cache.breakpoints", "compress.json"]}


class Scene:
    """An engine in front of a simulator, and what left it."""

    def __init__(self, app: Simulator, engine: Engine, wire: Recording) -> None:
        self.app, self.engine, self.wire = app, engine, wire
        self.messages: list[dict[str, Any]] = []

    async def say(self, content: Any, *, model: str = PLAIN, **members: Any) -> Entry:
        """One turn of the conversation."""
        self.messages.append({"role": "user", "content": content})
        body = {"model": model, "max_tokens": 300, "messages": self.messages, **members}
        reply = await self.engine.messages(call_of(body))
        answer = msgspec.json.decode(await read_all(reply))
        assert reply.status == 200, answer
        self.messages.append({"role": "assistant", "content": answer["content"]})
        entry = await self.engine.ledger.entry(told(reply.headers, "thriftgate-request-id"))
        assert entry is not None
        return entry

    def sent(self) -> dict[str, Any]:
        """The body that left last."""
        decoded: dict[str, Any] = msgspec.json.decode(self.wire.bodies[-1])
        return decoded

    def billed(self) -> int:
        return pico_from_usd(str(self.app.bill.total))


@asynccontextmanager
async def scene(**tables: Any) -> AsyncIterator[Scene]:
    app = simulator()
    wire = Recording(app)
    async with engine_on(app, transport=wire, clock=TestClock(app.config.clock), **tables) as engine:  # type: ignore[arg-type]
        yield Scene(app, engine, wire)
        await assert_sound(engine.ledger)


async def talk(one: Scene, model: str) -> list[Entry]:
    """Four questions about as many tables."""
    return [await one.say(f"{turn} [[sim: out=90]]\n\n```json\n{JSON}\n```", model=model) for turn in range(4)]


@pytest.mark.parametrize("model", [PLAIN, BOUND])
async def test_the_bill_is_lower_and_the_books_say_why(model: str) -> None:
    async with scene(policy={"levers": ["cache.breakpoints"]}) as one:
        before = await talk(one, model)
        dearer = one.billed()
    async with scene(policy=ON) as one:
        after = await talk(one, model)
        paid = one.billed()
    assert paid < 0.9 * dearer
    assert sum(-entry.posted(UPSTREAM) for entry in after) == paid
    # The baseline is what the same conversation costs without any lever, as far as estimates can tell.
    plain, claimed = (sum(entry.posted(BASELINE) for entry in entries) for entries in (before, after))
    assert claimed == pytest.approx(plain, rel=0.2)  # the simulator's quick count of indented JSON is not our estimate
    saved = sum(-entry.posted("saved:compress.json") for entry in after)
    assert saved == pytest.approx(dearer - paid, rel=0.35)


async def test_each_turn_is_sent_as_the_turn_before_it() -> None:
    """So what was sent stays in the cache, and thinking that is sent back stays valid."""
    async with scene(policy=ON) as one:
        entries = await talk(one, BOUND)
        bodies = [msgspec.json.decode(body)["messages"] for body in one.wire.bodies]
    plain = [[_bare(message) for message in messages] for messages in bodies]
    for first, second in itertools.pairwise(plain):
        assert second[: len(first)] == first
    assert all(entry.usage.total.read > 0 for entry in entries[1:])
    assert JSON not in _text(bodies[-1][0])


def _text(message: dict[str, Any]) -> str:
    return "".join(block["text"] for block in _bare(message))


def _bare(message: dict[str, Any]) -> Any:
    """Without breakpoints, text as a list of blocks."""
    content = message["content"]
    blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
    return [{key: value for key, value in block.items() if key != "cache_control"} for block in blocks]


async def test_what_is_warm_is_left_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """A conversation that was under way when the lever was put on is shortened from there on."""
    async with scene(policy=ON) as one:
        policy, preparer = one.engine.policy, one.engine._preparer
        monkeypatch.setattr(preparer, "_policy", msgspec.structs.replace(policy, levers=("cache.breakpoints",)))
        await one.say(f"```json\n{JSON}\n```")
        monkeypatch.setattr(preparer, "_policy", policy)
        entry = await one.say(f"and\n\n```json\n{JSON}\n```")
        assert JSON in _text(one.sent()["messages"][0])
        assert JSON not in _text(one.sent()["messages"][2])
        assert entry.usage.total.read > 1_000
        (line,) = [one_ for one_ in entry.decisions if one_.lever == "compress.json"]
        assert line.decision == "applied"
        assert "in 1 message" in line.reason


async def test_a_lever_that_is_put_off_stops_at_once_unless_thinking_is_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    for model, goes_on in ((PLAIN, False), (BOUND, True)):
        async with scene(policy=ON) as one:
            await one.say(f"[[sim: think=40]] ```json\n{JSON}\n```", model=model, max_tokens=2_000)
            off = msgspec.structs.replace(one.engine.policy, levers=("cache.breakpoints",))
            monkeypatch.setattr(one.engine._preparer, "_policy", off)
            entry = await one.say("and?", model=model, max_tokens=2_000)
            assert (JSON not in _text(one.sent()["messages"][0])) is goes_on
            assert (entry.posted("saved:compress.json") != 0) is goes_on


async def test_nothing_is_done_where_nothing_is_asked() -> None:
    async with scene(policy={"levers": []}) as one:
        await one.say(f"```json\n{JSON}\n```")
        assert JSON in _text(one.sent()["messages"][0])
        assert one.engine._preparer._rooms.reducer.conversations.of([b""]) is None


async def test_a_failure_leaves_the_prompt_as_it_came(monkeypatch: pytest.MonkeyPatch) -> None:
    async with scene(policy=ON) as one:
        reducer = one.engine._preparer._rooms.reducer

        def fails(*_: object) -> None:
            raise RuntimeError("no")

        monkeypatch.setattr(reducer, "_going", fails)
        entry = await one.say(f"```json\n{JSON}\n```")
        assert JSON in _text(one.sent()["messages"][0])
        (line,) = [one_ for one_ in entry.decisions if one_.lever == "compress.json"]
        assert (line.decision, line.reason) == ("skipped", "failed with RuntimeError")


async def test_a_client_that_marks_is_held_against_its_own_bill() -> None:
    """The baseline is what its own breakpoints would have cost on its own prompt."""
    mark = {"cache_control": {"type": "ephemeral"}}
    totals = []
    for levers in ([], ["compress.json"]):
        async with scene(policy={"levers": levers}) as one:
            entries = [
                await one.say([{"type": "text", "text": f"{turn}\n\n```json\n{JSON}\n```", **(mark if turn < 4 else {})}])
                for turn in range(3)
            ]
            totals.append((sum(entry.posted(BASELINE) for entry in entries), one.billed()))
    (baseline, dearer), (claimed, paid) = totals
    assert baseline == pytest.approx(dearer, rel=0.05)
    assert paid < dearer
    assert claimed == pytest.approx(baseline, rel=0.2), (usd_from_pico(claimed), usd_from_pico(baseline))


@pytest.mark.parametrize("model", [PLAIN, BOUND])
async def test_tokens_are_counted_of_the_prompt_as_it_is_sent(model: str) -> None:
    async with scene(policy=ON) as one:
        for text in (JSON, "[[sim: think=50 out=20]] and?"):
            entry = await one.say(text, model=model)
        body = {"model": model, "messages": one.messages[:-1]}
        reply = await one.engine.count(call_of(body, path="/v1/messages/count_tokens"))
        counted = msgspec.json.decode(reply.body)["input_tokens"]
        assert counted == entry.usage.total.prompt
        plain = await one.engine.forward(call_of(body, path="/v1/messages/count_tokens"))
        if model == BOUND:  # the thinking answered the shorter prompt
            assert plain.status == 400
        else:
            assert counted < msgspec.json.decode(plain.body)["input_tokens"] * 0.8


async def test_what_cannot_be_read_is_counted_as_it_came() -> None:
    async with scene(policy=ON) as one:
        for body in (b"no json", {"model": "claude-unheard-of", "messages": []}):
            reply = await one.engine.count(call_of(body, path="/v1/messages/count_tokens"))
            assert reply.status in (400, 404)
