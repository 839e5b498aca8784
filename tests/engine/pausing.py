"""A conversation that pauses, in simulated time that moves only when a test moves it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import msgspec

from tests.fixtures import KEY, assert_sound, call_of, engine_on, read_all, simulator
from thriftgate.engine.engine import Engine
from thriftgate.ledger.entries import UPSTREAM, Entry
from thriftgate.simulator import SimClock, Simulator
from thriftgate.wire.assemble import Assembler

MODEL = "claude-opus-4-8"
HEAD = "You are a careful assistant. " + "word " * 24_000
MARK = {"type": "ephemeral"}
TOOL = {"name": "look", "description": "Look.", "input_schema": {"type": "object", "properties": {"at": {"type": "string"}}}}


class Metronome:
    """thriftgate's Clock over the simulator's: who sleeps wakes when a test moves the time past it."""

    def __init__(self, time: SimClock) -> None:
        self.time = time
        self._sleepers: list[tuple[float, asyncio.Future[None]]] = []

    def now_s(self) -> float:
        return self.time()

    def monotonic_s(self) -> float:
        return self.time()

    async def sleep(self, seconds: float) -> None:
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._sleepers.append((self.time() + seconds, woken))
        await woken

    def next_s(self) -> float:
        return min((at for at, woken in self._sleepers if not woken.done()), default=float("inf"))

    def wake(self) -> None:
        for at, woken in self._sleepers:
            if at <= self.time() and not woken.done():
                woken.set_result(None)
        self._sleepers = [(at, woken) for at, woken in self._sleepers if not woken.done()]


class Talk:
    """One conversation with the simulator through an engine. The end of every request is marked, as Claude Code does."""

    def __init__(self, app: Simulator, engine: Engine, clock: Metronome, *, stream: bool = False, **members: Any) -> None:
        self.app = app
        self.engine = engine
        self.clock = clock
        self.stream = stream
        self.members = members
        self.messages: list[dict[str, Any]] = []

    async def say(self, text: str) -> dict[str, Any]:
        """A turn; the answer becomes part of the conversation."""
        return await self.send([{"type": "text", "text": text}])

    async def send(self, content: list[dict[str, Any]]) -> dict[str, Any]:
        marked = [*content[:-1], content[-1] | {"cache_control": MARK}]
        body: dict[str, Any] = {
            "model": MODEL,
            "max_tokens": 500,
            "system": [{"type": "text", "text": HEAD, "cache_control": MARK}],
            "messages": [*self.messages, {"role": "user", "content": marked}],
            "stream": self.stream,
        }
        reply = await self.engine.messages(call_of(body | self.members, credential=KEY))
        data = await read_all(reply)
        assert reply.status == 200, data
        answer = self._read(data)
        self.messages += [{"role": "user", "content": content}, {"role": "assistant", "content": answer["content"]}]
        return answer

    def _read(self, data: bytes) -> dict[str, Any]:
        if not self.stream:
            return msgspec.json.decode(data, type=dict[str, Any])
        assembler = Assembler(10**7)
        assembler.feed(data)
        answer = assembler.answer()
        assert answer is not None
        return {"content": answer.content, "stop_reason": answer.stop_reason}

    async def wait(self, seconds: float) -> None:
        """Time passes; what is due happens at its time."""
        end = self.clock.time() + seconds
        while True:
            await self.settled()
            at = self.clock.next_s()
            if at > end:
                break
            self.clock.time.set(max(at, self.clock.time()))
            self.clock.wake()
        self.clock.time.set(end)

    async def settled(self) -> None:
        """Nothing runs but what sleeps."""
        for _ in range(2_000):
            await asyncio.sleep(0)
            busy = [task for task in self.engine.tasks._running if not task.done()]
            if len(busy) <= len(self.clock._sleepers):
                return
            await asyncio.sleep(0.001)
        raise AssertionError("tasks do not come to rest")

    async def pings(self) -> list[Entry]:
        return [entry for entry in await self.engine.ledger.entries() if entry.endpoint == "keepalive"]

    async def check_books(self) -> None:
        """Every entry balances, and the books agree with the bill to the pico-dollar."""
        await assert_sound(self.engine.ledger)
        entries = await self.engine.ledger.entries()
        booked = sorted(-entry.posted(UPSTREAM) for entry in entries)
        assert booked == sorted(int(call.cost * 10**12) for call in self.app.bill.calls)

    def billed(self) -> float:
        return float(sum(call.cost for call in self.app.bill.calls))


@contextlib.asynccontextmanager
async def talk(
    *,
    keepalive: dict[str, Any] | None = None,
    stream: bool = False,
    sim: dict[str, Any] | None = None,
    ledger: str = ":memory:",
    governor: dict[str, Any] | None = None,
    **members: Any,
) -> AsyncIterator[Talk]:
    """A conversation to be had. The client's breakpoints are left as they are, so that only pings prolong a life."""
    app = simulator(**(sim or {}))
    assert isinstance(app.config.clock, SimClock)
    clock = Metronome(app.config.clock)
    tables: dict[str, Any] = {
        "keepalive": keepalive or {"on": True},
        "cache": {"mode": "observe"},
        "ledger": {"path": ledger},
        "governor": governor or {},
    }
    async with engine_on(app, clock=clock, **tables) as engine:
        yield Talk(app, engine, clock, stream=stream, **members)
