"""The law of history: no conversation is ever broken by leaving out a part of it.

What the provider takes without the levers it takes with them, no thinking is dropped, each turn goes on with what was sent
before until the next step, and the books are the bill to the pico-dollar. The real engine on the simulator, with thinking
bound to its prefix as on new accounts. Steps come at random turns here: the law is about safety, not about money.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import settings
from msgspec.structs import replace

from tests.engine.routes import assert_billed
from tests.fixtures import HEADERS, TestClock, call_of, engine_on, read_all, simulator, told
from tests.laws.talkers import CONTROLS, Messages, Talker, meaning
from thriftgate.core.reduction.when import Decision, decide
from thriftgate.engine import history
from thriftgate.engine.engine import Engine
from thriftgate.providers.asgi_transport import AsgiTransport
from thriftgate.providers.transport import Incoming, Outgoing, Timeouts
from thriftgate.simulator import Simulator
from thriftgate.wire.assemble import Assembler, read_answer

CONVERSATIONS = 500 if settings().max_examples > 100 else 15  # of each set of levers
TOGETHER = 5
BETAS = {"anthropic-beta": CONTROLS}
HISTORY = ("context.window", "context.compact", "context.trim_tools")
Tables = dict[str, dict[str, Any]]
SETS: dict[str, Tables] = {
    "none": {"policy": {"levers": ["cache.breakpoints"]}},
    "window": {"policy": {"levers": ["cache.breakpoints", "context.window"]}},
    "compact": {"policy": {"levers": ["cache.breakpoints", "context.compact"]}},
    "clear": {"policy": {"levers": ["cache.breakpoints", "context.trim_tools"]}, "context": {"clear_old_results": True}},
    "all": {
        "policy": {"levers": ["cache.breakpoints", "compress.json", *HISTORY]},
        "context": {"clear_old_results": True, "tool_result_tokens": 100},
    },
}


class Tap:
    """The way to the simulator, with what went it, by the name of the call."""

    def __init__(self, app: Simulator) -> None:
        self._transport = AsgiTransport(app)
        self.bodies: dict[str, list[bytes]] = {}

    async def send(self, outgoing: Outgoing, timeouts: Timeouts) -> Incoming:
        assert isinstance(outgoing.body, bytes)
        if outgoing.url.endswith("/messages"):
            self.bodies.setdefault(dict(outgoing.headers)[b"x-call"].decode(), []).append(outgoing.body)
        return await self._transport.send(outgoing, timeouts)

    async def close(self) -> None:
        await self._transport.close()


class Law:
    """One client in front of an engine that is started again now and then, with other levers or the same."""

    def __init__(self, seed: int, name: str, path: Path) -> None:
        self.where = (name, seed)
        self.random = Random(f"law {seed}")
        self.talker = Talker(seed)
        self.app = simulator(seed=7)
        self.tap = Tap(self.app)
        self.tables = SETS[name] | {"ledger": {"path": str(path / "books.db")}}
        self.found: Counter[str] = Counter()
        self._context = {
            "keep_messages": self.random.choice((2, 3, 6)),
            "summary_tokens": 200,
            "store_summaries": self.random.random() < 0.5,
        }
        self._calls = 0
        self._engines = 0
        self._asked: set[tuple[int, bytes]] = set()
        self._left: dict[tuple[int, bytes], list[Any]] = {}

    async def converse(self, requests: int) -> None:
        """Some requests, on several engines."""
        while requests > 0:
            some = self.random.choice((4, 9, 20))
            self._engines += 1
            async with engine_on(transport=self.tap, clock=TestClock(self.app.config.clock), **self._tables()) as engine:  # type: ignore[arg-type]
                for _ in range(min(some, requests)):
                    await self._act(engine)
                entries = await assert_billed(engine, self.app)
            requests -= some
        self.found["summaries"] = sum(entry.endpoint == history.ENDPOINT for entry in entries)

    def _tables(self) -> Tables:
        """The settings; now and then without the levers, though a conversation was begun with them."""
        tables = self.tables | {"context": self._context | self.tables.get("context", {})}
        if self._engines > 1 and self.random.random() < 0.25:
            return tables | {"policy": SETS["none"]["policy"]}
        return tables

    async def _act(self, engine: Engine) -> None:
        random, talker = self.random, self.talker
        self.app.config.clock.advance(random.choice((0.0, 1.0, 20.0, 20.0, 60.0, 299.0, 310.0, 3_500.0, 3_700.0)))  # type: ignore[attr-defined]
        kind = random.random()
        asked = talker.elsewhere() if kind < 0.15 else talker.lighter() if kind < 0.22 else talker.further()
        if random.random() < 0.08:
            await self._count(engine, asked)
        if random.random() < 0.12:  # the same twice at once, or two ways on
            other = random.choice((asked, talker.further()))
            await asyncio.gather(self._ask(engine, asked), self._ask(engine, other))
        else:
            await self._ask(engine, asked)

    async def _count(self, engine: Engine, asked: Messages) -> None:
        body = self.talker.body(asked)
        kept = {name: body[name] for name in ("model", "messages", "system", "tools", "thinking") if name in body}
        call = call_of(msgspec.json.encode(kept), headers=HEADERS | BETAS, path="/v1/messages/count_tokens")
        reply = await engine.count(call)
        assert reply.status == 200, (self.where, reply.body)

    async def _ask(self, engine: Engine, asked: Messages) -> None:
        self._calls += 1
        name = f"call-{self._calls}"
        body = self.talker.body(asked)
        before = self.talker.before(asked)
        same = (self._engines, msgspec.json.encode(asked))
        again = same in self._asked  # maybe a moment ago, and not answered yet
        self._asked.add(same)
        reply = await engine.messages(call_of(body, headers=HEADERS | BETAS | {"x-call": name}))
        data = await read_all(reply)
        assert reply.status == 200, (self.where, name, data, body["model"])
        assert b"thinking_dropped" not in data, (self.where, name, data[:500])
        entry = await engine.ledger.entry(told(reply.headers, "thriftgate-request-id"))
        assert entry is not None
        assert not any("failed with" in one.reason for one in entry.decisions), (self.where, entry.decisions)
        steps = [one.lever for one in entry.decisions if one.lever in HISTORY and _is_new(one.reason, one.decision)]
        left = meaning(self.tap.bodies[name][-1])
        if same in self._left:
            assert left == self._left[same], (self.where, name)
        elif before is not None and before.at == self._engines and not (steps or again):
            assert left[: len(before.left)] == before.left, (self.where, name)
            self.found["appended"] += 1
        self._left[same] = left
        self.found.update(steps)
        self.found["shorter"] += left != meaning(msgspec.json.encode(body))
        answer = _answer(data)
        self.found["thought"] += any(block["type"] == "thinking" for block in answer)
        self.talker.answered(asked, answer, left, self._engines)


def _is_new(reason: str, decision: str) -> bool:
    return decision == "applied" and FORCED in reason


def _answer(data: bytes) -> list[dict[str, Any]]:
    if not data.startswith(b"event:"):
        answer = read_answer(data)
    else:
        assembler = Assembler(10_000_000)
        assembler.feed(data)
        answer = assembler.answer()
    assert answer is not None, data[:300]
    return answer.content


FORCED = "a step for the sake of it"


def at_random(seed: int) -> Callable[..., Decision]:
    """`decide`, which goes or waits as it likes."""
    random = Random(f"steps {seed}")

    def decided(*arguments: Any) -> Decision:
        found = decide(*arguments)
        by = random.choice(arguments[2]).model if len(arguments) > 2 else ""
        return replace(found, go=random.random() < 0.3, saving_pico=random.randint(1, 9), summariser=by, reason=FORCED)

    return decided


async def some(name: str, seeds: range, path: Path, patch: pytest.MonkeyPatch) -> Counter[str]:
    found: Counter[str] = Counter()
    for seed in seeds:
        patch.setattr(history, "decide", at_random(seed))
        law = Law(seed, name, path / f"{name}-{seed}")
        (path / f"{name}-{seed}").mkdir()
        await law.converse(14)
        found += law.found
    return found


@pytest.mark.parametrize("first", range(0, CONVERSATIONS, TOGETHER))
@pytest.mark.parametrize("name", SETS)
async def test_what_is_taken_whole_is_taken_shortened(
    name: str, first: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = await some(name, range(first, first + TOGETHER), tmp_path, monkeypatch)
    assert found["appended"]


async def test_the_conversations_are_shortened_often_enough_to_say_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = await some("all", range(1_000, 1_010), tmp_path, monkeypatch)
    assert min(found[lever] for lever in HISTORY) >= 3
    assert found["appended"] > 30
    assert found["thought"] > 30
    assert found["summaries"] >= 5
