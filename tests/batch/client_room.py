"""Batches of clients on an engine, with the simulator behind it in this process."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from tests.fixtures import HEADERS, KEY, TestClock, assert_sound, call_of, engine_on, message, read_all, simulator
from thriftgate.batch.build import job_book
from thriftgate.batch.client_batches import ClientBatches
from thriftgate.batch.client_intake import Intake
from thriftgate.batch.spool import Spool
from thriftgate.core.money import usd_from_pico
from thriftgate.engine.call import Reply, WholeReply
from thriftgate.engine.engine import Engine
from thriftgate.ledger.entries import BASELINE, UPSTREAM, Entry
from thriftgate.ledger.jobs import OPEN_BATCHES, BatchState
from thriftgate.simulator import Simulator
from thriftgate.simulator.config import BatchRules
from thriftgate.simulator.faults import Faults
from thriftgate.wire.anthropic_batches import PATH

ALL: tuple[BatchState, ...] = (*OPEN_BATCHES, "booked", "dropped", "gone")


class Room:
    """Client batches on an engine, with the simulator behind it."""

    def __init__(self, engine: Engine, clients: ClientBatches, provider: Simulator, path: Path) -> None:
        self.engine = engine
        self.clients = clients
        self.provider = provider
        self.path = path

    async def post(self, *names: str, headers: dict[str, str] = HEADERS, **params: Any) -> WholeReply:
        rows = [{"custom_id": name, "params": message(f"this is {name}", **params)} for name in names]
        body = msgspec.json.encode({"requests": rows})
        call = call_of(b"", path=PATH, headers=headers)
        intake = Intake(self.engine.knowledge, self.engine.policy, "", self.engine.clock.now_s())
        intake.feed(body)
        spool = Spool(self.path, "body")
        spool.add(body)
        return await self.clients.create(call, spool, intake.close())

    async def create(self, *names: str, **members: Any) -> str:
        reply = await self.post(*names, **members)
        assert reply.status == 200
        made: str = msgspec.json.decode(reply.body)["id"]
        return made

    async def elsewhere(self, *names: str) -> str:
        """A batch created past the gateway."""
        rows = [{"custom_id": name, "params": message(f"this is {name}")} for name in names]
        call = call_of(msgspec.json.encode({"requests": rows}), path=PATH)
        made: str = msgspec.json.decode((await self.engine.forward(call)).body)["id"]
        return made

    async def results(self, remote: str, headers: dict[str, str] = HEADERS) -> Reply:
        return await self.clients.results(
            call_of(b"", method="GET", path=f"{PATH}/{remote}/results", headers=headers), remote
        )

    async def read(self, remote: str, headers: dict[str, str] = HEADERS) -> bytes:
        return await read_all(await self.results(remote, headers))

    async def delete(self, remote: str) -> WholeReply:
        return await self.clients.delete(call_of(b"", method="DELETE", path=f"{PATH}/{remote}"), remote)

    async def step_after(self, seconds: float = 7200.0) -> None:
        """Time passes, and it is looked after what is due then."""
        clock = self.engine.clock
        assert isinstance(clock, TestClock)
        clock.advance(seconds)
        await self.clients.step()

    async def states(self) -> list[BatchState]:
        book = job_book(self.engine)
        return [batch.state for run in await book.runs() for batch in await book.batches(run.id, ALL)]

    async def entries(self) -> list[Entry]:
        return list(await self.engine.ledger.entries(limit=100_000))

    async def sound(self, calls: int | None = None) -> list[Entry]:
        """All entries: every hold is resolved, and what the simulator bills is booked, to the last digit, once."""
        await assert_sound(self.engine.ledger)
        entries = await self.entries()
        told = [entry for entry in entries if entry.message_id]
        booked = {one.message_id: Decimal(usd_from_pico(-one.posted(UPSTREAM))) for one in told}
        assert booked == {call.message_id: call.cost for call in self.provider.bill.calls}
        assert len(booked) == len(told)
        assert all(one.posted(BASELINE) == -one.posted(UPSTREAM) for one in entries)
        assert calls is None or len(entries) == calls
        return entries


@contextlib.asynccontextmanager
async def room(
    path: Path, provider: Simulator | None = None, *, own_key: bool = False, transport: Any = None, **faults: float
) -> AsyncIterator[Room]:
    provider = provider or simulator(batches=BatchRules(duration_s=(60.0, 60.0)))
    provider.faults = Faults(**faults)  # type: ignore[arg-type]
    tables: dict[str, Any] = {"ledger": {"path": str(path / "books.db")}}
    if own_key:
        tables["upstream"] = {"api_key": KEY}
    async with engine_on(provider, transport=transport(provider) if transport else None, **tables) as engine:
        clients = ClientBatches(engine, own_key=own_key)
        yield Room(engine, clients, provider, path)
        clients.stop()
