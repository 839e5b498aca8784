"""Engines that reuse answers, on the simulator; providers that can be held up; questions for a tier."""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager
from typing import Any

from tests.fixtures import HEADERS, TestClock, call_of, engine_on, message, read_all
from thriftgate.core.earlier.rules import Rule
from thriftgate.core.plan import Policy
from thriftgate.core.request import parse_request
from thriftgate.core.routing.choice import Route
from thriftgate.engine.call import Reply
from thriftgate.engine.engine import Engine
from thriftgate.engine.reusing.tier import Question
from thriftgate.ledger.entries import SAVED, UPSTREAM, Entry
from thriftgate.providers.asgi_transport import AsgiTransport
from thriftgate.providers.transport import Incoming, Outgoing, Timeouts

EXACT = "reuse.exact"
ON = {"levers": (EXACT, "cache.breakpoints", "count.guard")}
OTHER = HEADERS | {"x-api-key": "sk-ant-sim-other-1"}


def reusing(app: Any, *rules: dict[str, Any], **tables: Any) -> AbstractAsyncContextManager[Engine]:
    """An engine with these rules; without any, one for all calls."""
    reuse = {"rules": rules or ({},)} | tables.pop("reuse", {})
    return engine_on(app, **{"policy": ON, "reuse": reuse, **tables})


async def ask(engine: Engine, text: str | dict[str, Any] = "hello there", wish: str = "", **members: Any) -> Reply:
    """One call, read to its end; what is kept of it is kept by then."""
    headers = dict(members.pop("headers", HEADERS)) | ({"thriftgate-reuse": wish} if wish else {})
    body = message(text) if isinstance(text, str) else text
    reply = await engine.messages(call_of(body, headers=headers, **members))
    if reply.body is None:
        await read_all(reply)
    await settled(engine)
    return reply


async def settled(engine: Engine) -> None:
    """What the room does behind the client's back is done."""
    while engine.tasks._running:
        await asyncio.sleep(0)


async def entries(engine: Engine) -> list[Entry]:
    return list(await engine.ledger.entries(limit=10_000))


def reused(entry: Entry) -> bool:
    """Whether it was booked as reuse: nothing paid, all of it saved."""
    if not any(one.account == SAVED + EXACT for one in entry.postings):
        return False
    assert entry.posted(UPSTREAM) == 0
    assert entry.posted("baseline") == -entry.posted(SAVED + EXACT) > 0
    return True


def advance(engine: Engine, seconds: float) -> None:
    assert isinstance(engine.clock, TestClock)
    engine.clock.advance(seconds)


def question(text: str = "hello there", **members: Any) -> Question:
    """What a tier is asked."""
    call = call_of(message(text))
    values: dict[str, Any] = {
        "call": call,
        "request": parse_request(call.body),
        "rule": Rule("rule 1", ttl_s=100.0),
        "wish": "",
        "key": "key_1",
        "task": "fp:1",
        "route": Route(),
        "policy": Policy((EXACT,)),
        "tenant": b"t" * 32,
        "setting": b"s" * 32,
        "digest": b"d" * 32,
    }
    return Question(**values | members)


class Held:
    """A provider that lets calls wait until it is told to go, and notes how many came."""

    def __init__(self, app: Any) -> None:
        self.inner = AsgiTransport(app)
        self.go = asyncio.Event()
        self.came = 0

    async def send(self, outgoing: Outgoing, timeouts: Timeouts) -> Incoming:
        self.came += 1
        await self.go.wait()
        return await self.inner.send(outgoing, timeouts)

    async def close(self) -> None:
        await self.inner.close()
