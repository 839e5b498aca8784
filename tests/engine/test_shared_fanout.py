"""The fan-out guard across replicas: of calls on one cold prefix, wherever they come in, one writes it."""

from __future__ import annotations

import asyncio

import pytest

from tests.engine.sharing import replicas
from tests.engine.test_fanout import marked, reads, slow, unmarked, writes
from tests.fixtures import call_of, read_all
from tests.servers import RedisServer
from thriftgate.clock import SystemClock
from thriftgate.engine.engine import Engine


async def one(engine: Engine, body: dict[str, object]) -> int:
    reply = await engine.messages(call_of(body, key="key_a"))
    await read_all(reply)
    return reply.status


@pytest.mark.parametrize("body", [marked, unmarked])
async def test_one_writes_and_the_others_read(redis: RedisServer, body: object) -> None:
    assert callable(body)
    app = slow()
    async with replicas(app, redis, clock=SystemClock(), cache={"fanout_wait_s": 20.0}) as engines:
        statuses = await asyncio.gather(*(one(engines[n % 2], body(n)) for n in range(8)))
    assert statuses == [200] * 8
    assert (writes(app), reads(app)) == (1, 7)


async def test_without_a_server_in_common_each_replica_writes(redis: RedisServer) -> None:
    app = slow()
    async with replicas(app, None, clock=SystemClock(), cache={"fanout_wait_s": 20.0}) as engines:
        await asyncio.gather(*(one(engines[n % 2], marked(n)) for n in range(8)))
    assert writes(app) == 2
