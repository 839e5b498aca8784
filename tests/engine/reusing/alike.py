"""A help desk on the simulator: what is asked, in many words, and a provider that gives the right label to each."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgspec
from msgspec.structs import replace

from tests.engine.reusing.stage import settled
from tests.fixtures import HEADERS, TestClock, call_of, message, read_all, settings_of, simulator
from thriftgate.engine.build import build_engine
from thriftgate.engine.call import Reply
from thriftgate.engine.engine import Engine
from thriftgate.providers.asgi_transport import AsgiTransport
from thriftgate.providers.transport import Incoming, Outgoing, Timeouts
from thriftgate.simulator import SimClock

SEMANTIC = "reuse.semantic"
TASK = HEADERS | {"thriftgate-task": "desk"}
ROW: dict[str, Any] = {"task": "desk", "max_error": 0.2, "fill": 50, "audit": 0.05}
SUBJECTS = {
    "hours": ("opening hours of the shop", "hours the shop is staffed", "daily hours at the shop counter"),
    "parking": ("parking spaces near the garage", "garage parking for visitors", "visitor parking at the garage"),
    "invoice": ("copy of the yearly invoice", "invoice copies for the year", "yearly invoice as a copy"),
    "warranty": ("warranty on kitchen machines", "kitchen machine warranty terms", "terms of warranty for kitchen machines"),
}
FRAMES = (
    "what about {}", "please tell me about {}", "I need {}", "info on {} please", "can you explain {}", "hello, {} ?",
    "looking for {}", "help with {}", "any details on {}", "{} thanks a lot", "question on {}", "tell us something about {}",
)  # fmt: skip


def asked(draw: random.Random, at: int) -> tuple[str, str]:
    """A question that nobody has asked yet, and its label."""
    label = draw.choice(list(SUBJECTS))
    words = draw.choice(FRAMES).format(draw.choice(SUBJECTS[label]))
    return f"{words}{' please' * (at % 3)}{'.' * (at // 3 % 5)}{' ' + 'ok ' * (at // 15) if at >= 15 else ''}".strip(), label


class Knowing:
    """The simulator, told before each call what is right to answer: `right` is asked with the user's words."""

    def __init__(self, app: Any, right: Callable[[str], str]) -> None:
        self.inner = AsgiTransport(app)
        self.right = right
        self.came = 0

    async def send(self, outgoing: Outgoing, timeouts: Timeouts) -> Incoming:
        self.came += 1
        assert isinstance(outgoing.body, bytes)
        body = msgspec.json.decode(outgoing.body)
        content = body["messages"][-1]["content"]
        text = content if isinstance(content, str) else content[-1]["text"]
        body["messages"][-1]["content"] = f"{text} [[sim: {self.right(text)}]]"
        return await self.inner.send(replace(outgoing, body=msgspec.json.encode(body)), timeouts)

    async def close(self) -> None:
        await self.inner.close()


def right(text: str) -> str:
    """What the simulator is to say of a question."""
    return "say=" + next((label for label, ways in SUBJECTS.items() if any(way in text for way in ways)), "nothing")


@asynccontextmanager
async def desk(
    answer: Callable[[str], str] = right, row: dict[str, Any] | None = None, *, seed: int = 1, **tables: Any
) -> AsyncIterator[tuple[Engine, Knowing]]:
    """An engine with the tier on, and its provider."""
    time = SimClock.frozen()
    app, clock = simulator(clock=time), TestClock(time)
    transport = Knowing(app, answer)
    levers = ("reuse.exact", SEMANTIC)
    reuse = {"rules": ({"task": "desk*"},), "semantic": (ROW | (row or {}),)} | tables.pop("reuse", {})
    settings = settings_of(**{"policy": {"levers": levers}, "reuse": reuse, **tables})
    engine = await build_engine(settings, transport=transport, clock=clock, draw=random.Random(seed).random)
    try:
        yield engine, transport
    finally:
        await engine.close()


async def say(engine: Engine, text: str, **members: Any) -> tuple[Reply, str]:
    """One call, and the text of its answer."""
    headers = dict(members.pop("headers", TASK))
    reply = await engine.messages(call_of(message(text, **members), headers=headers))
    body = await read_all(reply)
    await settled(engine)
    return reply, "".join(block["text"] for block in msgspec.json.decode(body)["content"])


class Day:
    """Calls to a desk, one after the other, and what came of them."""

    def __init__(self, engine: Engine, seed: int = 1) -> None:
        self.engine = engine
        self.draw = random.Random(seed)
        self.calls = self.served = self.wrong = 0

    async def ask(self, calls: int = 1) -> Reply:
        for _ in range(calls):
            text, label = asked(self.draw, self.calls)
            self.calls += 1
            reply, said = await say(self.engine, text)
            if dict(reply.headers)[b"thriftgate-plan"] == SEMANTIC.encode():
                self.served += 1
                self.wrong += said != label
        return reply

    async def until_served(self, most: int = 900) -> Reply:
        while not self.served:
            reply = await self.ask()
            assert self.calls < most
        return reply
