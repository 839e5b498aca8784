"""Engines that route, on the simulator: tables, artefacts, what was sent, and books against the bill."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any

import msgspec

from tests.core.routing.artefacts import SECRET
from tests.fixtures import HEADERS, TestClock, assert_sound, call_of, engine_on, read_all
from thriftgate.core.money import pico_from_usd
from thriftgate.core.routing.artefact import Artefact, signed
from thriftgate.engine.engine import Engine
from thriftgate.ledger.entries import UPSTREAM, Entry
from thriftgate.providers.asgi_transport import AsgiTransport
from thriftgate.providers.transport import Incoming, Outgoing, Timeouts
from thriftgate.settings import RuleRow
from thriftgate.simulator import Simulator
from thriftgate.wire.meter import StreamMeter

STRONG, CHEAP = "claude-opus-4-8", "claude-haiku-4-5-20251001"
ALL = ("cache.breakpoints", "count.guard", "route.rules", "route.learned", "route.cascade")


def rows(*tables: dict[str, Any]) -> tuple[RuleRow, ...]:
    return tuple(RuleRow.model_validate(table) for table in tables)


def to(model: str = CHEAP, **conditions: Any) -> dict[str, Any]:
    """The `[routing]` table with one rule."""
    return {"rules": rows({"to": model, "name": "r"} | conditions)}


def certified(folder: Path, *artefacts: Artefact) -> dict[str, Any]:
    """The `[routing]` table with these artefacts."""
    paths = []
    for number, artefact in enumerate(artefacts):
        path = folder / f"{number}.json"
        path.write_bytes(signed(artefact, SECRET))
        paths.append(str(path))
    return {"artefacts": tuple(paths), "secret": SECRET.decode()}


def bytes_of(outgoing: Outgoing) -> bytes:
    """The very object that is to be sent."""
    assert isinstance(outgoing.body, bytes)
    return outgoing.body


class Wire:
    """The way to the simulator; keeps the very objects that were sent."""

    def __init__(self, app: Simulator) -> None:
        self.app = app
        self.transport = AsgiTransport(app)
        self.bodies: list[bytes] = []

    async def send(self, outgoing: Outgoing, timeouts: Timeouts) -> Incoming:
        self.bodies.append(bytes_of(outgoing))
        return await self.transport.send(outgoing, timeouts)

    async def close(self) -> None:
        await self.transport.close()

    @property
    def models(self) -> list[str]:
        return [str(msgspec.json.decode(body)["model"]) for body in self.bodies]


@contextlib.asynccontextmanager
async def routing_on(app: Simulator, wire: Wire | None = None, **tables: Any) -> AsyncIterator[Engine]:
    """An engine with all levers of routing on."""
    tables = {"policy": {"levers": ALL}} | tables
    async with engine_on(transport=wire or Wire(app), clock=TestClock(app.config.clock), **tables) as engine:  # type: ignore[arg-type]
        yield engine


async def ask(
    engine: Engine, body: bytes | dict[str, Any], headers: dict[str, str] | None = None, **members: Any
) -> tuple[int, dict[str, Any]]:
    """One call; the status and the answer, put together where it is a stream."""
    reply = await engine.messages(call_of(body, headers=HEADERS | (headers or {}), **members))
    data = await read_all(reply)
    if data.startswith(b"event:"):
        meter = StreamMeter()
        assert meter.feed(data)
        assert meter.reading().complete
        return reply.status, {"stream": data}
    return reply.status, msgspec.json.decode(data)


async def assert_billed(engine: Engine, app: Simulator) -> list[Entry]:
    """Every entry is sound, and the exact ones are the simulator's bill to the pico-dollar. All of them, in order."""
    await assert_sound(engine.ledger)
    entries = list(await engine.ledger.entries(limit=100_000))
    billed = {call.request_id: pico_from_usd(call.cost) for call in app.bill.calls}
    for entry in entries:
        if entry.usage_source == "exact":
            assert -entry.posted(UPSTREAM) == billed.pop(entry.upstream_request_id), entry
    assert all(cost == 0 for cost in billed.values()), "a call that was billed is not in the books"
    return entries


def by_model(entries: Iterable[Entry]) -> list[tuple[str, str]]:
    """Who was asked for (as far as another served), and who served."""
    return [(entry.asked_model, entry.model) for entry in entries]
