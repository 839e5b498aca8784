"""Callers under limits, on the simulator: rules, what is left of them, a provider that lets calls wait."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.fixtures import (
    TestClock,
    call_of,
    message,
    read_all,
    simulator,
    until,
)
from thriftgate.engine.engine import Engine
from thriftgate.providers.asgi_transport import AsgiTransport
from thriftgate.providers.transport import Incoming, Outgoing, Timeouts

SHORT = message("Hi. [[sim: out=20]]", max_tokens=100)
STREAM = message("Hi. [[sim: out=20]]", max_tokens=100, stream=True)


def rule(metric: str = "requests", amount: Any = 3, **members: Any) -> dict[str, Any]:
    return {"name": metric, "metric": metric, "amount": amount, **members}


def limits(*rules: dict[str, Any], wait_s: float = 0.0) -> dict[str, Any]:
    return {"wait_s": wait_s, "rules": rules}


def left(engine: Engine) -> dict[str, int]:
    """What is left of each limit; of calls at once only where there are any."""
    now_us = int(engine.clock.monotonic_s() * 1e6)
    return {
        one.limit.name + one.member: one.left(now_us)
        for one in engine.limiting._shelf._buckets.values()
        if one.limit.per_us or one.used(now_us)
    }


async def ask(engine: Engine, body: dict[str, Any] = SHORT, **members: Any) -> Any:
    reply = await engine.messages(call_of(body, **members))
    await read_all(reply)
    return reply


class Held:
    """A provider that lets calls wait until it is told, and notes their order."""

    def __init__(self) -> None:
        self.inner = AsgiTransport(simulator())
        self.go = asyncio.Event()
        self.came: list[bytes] = []

    async def send(self, outgoing: Outgoing, timeouts: Timeouts) -> Incoming:
        assert isinstance(outgoing.body, bytes)
        self.came.append(outgoing.body)
        await self.go.wait()
        return await self.inner.send(outgoing, timeouts)

    async def close(self) -> None:
        await self.inner.close()


class Standing(TestClock):
    """Sleeps do not end by themselves."""

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        await asyncio.Event().wait()


async def until_waiting(engine: Engine, number: int) -> None:
    """So many calls wait for room."""

    async def there() -> bool:
        return len({one for line in engine.limiting._waiting.values() for one in line}) == number

    await until(there)


async def once(held: Held, number: int) -> None:
    """So many calls have come to the provider."""

    async def there() -> bool:
        return len(held.came) == number

    await until(there)
