"""Calls through engines that are killed and started again: plain and streamed, some left by their clients, with a hard
budget that binds or without."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any

from msgspec import Struct

from tests.fixtures import HEADERS, call_of, message
from tests.sim.chaos.world import World
from thriftgate.core.control.budgets import Budget
from thriftgate.core.errors import LedgerError, ThriftgateError
from thriftgate.engine.engine import Engine
from thriftgate.ledger.sql import SqlLedger
from thriftgate.ledger.sql_budget_book import SqlBudgetBook
from thriftgate.providers.transport import header

LETTERS = 8
LIMITS_PICO = (6 * 10**9, 9 * 10**9, 13 * 10**9)
"""A call is held at 5.1 thousandths of a dollar, and costs up to 1.7."""
LIVES_MAX = 12
STOP = b"event: message_stop\ndata: "


class Seen(Struct):
    """One letter as its client saw it answered. `whole`: to the very end."""

    call_id: str = ""
    status: int = 0
    whole: bool = False
    body: bytes = b""
    error: str = ""

    @property
    def message_id(self) -> str:
        _, _, rest = self.body.partition(b'"id":"msg_')
        return "msg_" + rest.partition(b'"')[0].decode()


class Office:
    """The clients of a world. `seen` is what became of each letter, by its number."""

    def __init__(self, world: World, *, budget: bool) -> None:
        self.world = world
        self.limit_pico = world.draw.choice(LIMITS_PICO) if budget else 0
        self.seen: dict[int, Seen] = {}
        self.held: list[str] = []
        self._letters = list(range(LETTERS))

    @property
    def through(self) -> bool:
        return not self._letters

    async def clerk(self, engine: Engine) -> None:
        """Send letters until there are none."""
        draw, world = self.world.draw, self.world
        while self._letters:
            number = self._letters.pop()
            world.clock.advance(draw.choice((0.0, 0.1, 5.0)))
            if world.fault.jumps and draw.random() < 0.3:
                world.jump()
            await self._send(engine, number)

    async def _send(self, engine: Engine, number: int) -> None:
        world, draw = self.world, self.world.draw
        stream, leaves = draw.random() < 0.5, draw.random() < 0.15
        text = f"Letter {number}: what now? [[sim: out={draw.randint(3, 60)}]]"
        body = message(text, max_tokens=200, **({"stream": True} if stream else {}))
        seen = self.seen[number] = Seen()
        headers = HEADERS | ({"x-stainless-retry-count": "0"} if draw.random() < 0.5 else {})
        try:
            reply = await engine.messages(call_of(body, headers=headers))
            seen.status, seen.call_id = reply.status, header(reply.headers, b"thriftgate-request-id")
            if reply.body is not None:
                seen.body, seen.whole = reply.body, True
                return
            try:
                while piece := await reply.read():
                    seen.body += piece
                    seen.whole = STOP in seen.body and seen.body.endswith(b"\n\n")
                    if leaves:
                        break
            finally:
                if engine not in world.dead:
                    await reply.leave()
        except ThriftgateError as error:
            if engine in world.dead:
                return  # nobody is there to say so
            seen.call_id = seen.call_id or error.call_id
            seen.error = f"{type(error).__name__}: {error}"


async def run(world: World, *, budget: bool) -> Office:
    """All letters, in as many lives as it takes."""
    office = Office(world, budget=budget)
    if budget:
        await _limited(world, office.limit_pico)
    for _ in range(LIVES_MAX):
        engine = await _started(world)
        other = await _started(world, beside=True) if world.fault.replica else None
        dies = world.fault.kills and world.kills < 3
        ticks = int(2 ** world.draw.uniform(0.0, 9.5)) if dies else None
        clerks = [office.clerk(engine) for _ in range(world.draw.choice((1, 2, 3)))]
        if other is not None:
            clerks += [office.clerk(other) for _ in range(2)]
        whole = await world.until_killed(engine, _all(clerks), ticks)
        if other is not None:
            await _survived(world, office, other)
        if whole:
            await _calmed(world, office, engine)
            await engine.close()
        if office.through:
            break
    world.mend()
    return office


async def _calmed(world: World, office: Office, engine: Engine) -> None:
    """Once the books can be written again, an engine that lives holds nothing any more: nobody waits for its restart."""
    if office.through:
        world.mend()
        world.clock.advance(60.0)
        await engine.ledger.keep("calm", b"")
        await engine.sweeper.sweep()
        office.held += [hold.id for hold in await engine.ledger.open_holds() if hold.id[17:25] == engine.worker_name]


async def _all(clerks: Sequence[Coroutine[Any, Any, None]]) -> None:
    """Until the last of them is through, whatever becomes of another."""
    for one in await asyncio.gather(*clerks, return_exceptions=True):
        if isinstance(one, Exception):
            raise one


async def _survived(world: World, office: Office, other: Engine) -> None:
    """The replica that lives does the rest, and takes up what the other left."""
    await office.clerk(other)
    world.ground.watch()
    await other.sweeper.sweep()
    assert {one.id[17:25] for one in await other.ledger.open_holds()} <= {other.worker_name}
    await _calmed(world, office, other)
    await other.close()


async def _limited(world: World, limit_pico: int) -> None:
    way, world.strikes.way = world.strikes.way, ""
    engine = await world.start()
    assert isinstance(engine.ledger, SqlLedger)
    await SqlBudgetBook(engine.ledger).put(Budget("b1", "small", limit_pico, window="total"))
    await engine.close()
    world.strikes.way, world.strikes.count, world.strikes.struck = way, 0, 0


async def _started(world: World, **members: Any) -> Engine:
    said = ""
    for _ in range(100):
        try:
            return await world.start(**members)
        except LedgerError as error:  # whoever keeps processes running starts it again
            said = str(error)
    raise AssertionError(f"does not start: {said}")
