"""Prefixes that are being written: one call at a time, seen by all, not held for ever."""

from __future__ import annotations

import asyncio

from tests.servers import RedisServer
from tests.shared.lanes import fresh_prefix, lane_to
from thriftgate.core.cache import Resident
from thriftgate.shared.writes import Writes, Written

A, B, C = b"\x00" * 16, b"\x01" * 16, b"\xff" * 16
ENTRY = Resident("1h", 12.25, 3612.5)


def soon_s() -> float:
    return asyncio.get_running_loop().time() + 5.0


async def test_who_comes_first_leads_until_it_lands(redis: RedisServer) -> None:
    prefix = fresh_prefix()
    async with lane_to(redis, prefix=prefix) as one, lane_to(redis, prefix=prefix, replica="r2") as two:
        first, second = Writes(one), Writes(two)
        assert await first.lead("call1", [A, B], 5.0) is None
        assert await first.lead("call1", [A, B], 5.0) is None  # it is its own
        assert await second.lead("call2", [A, C], 5.0) == Written(A, None)
        assert await second.lead("call2", [A, B, C], 5.0) == Written(B, None)  # the deepest
        waiting = asyncio.ensure_future(second.landed(B, soon_s()))
        await asyncio.sleep(0.05)
        assert not waiting.done()
        first.land("call1", [A, B], [None, ENTRY])
        assert await waiting == ENTRY
        assert await second.landed(A, soon_s()) is None
        assert await second.lead("call2", [B], 5.0) == Written(B, ENTRY)
        assert await second.lead("call2", [A], 5.0) is None


async def test_a_killed_replica_is_waited_for_no_longer_than_it_said(redis: RedisServer) -> None:
    async with lane_to(redis) as lane:
        writes = Writes(lane)
        assert await writes.lead("call1", [A], 0.1) is None
        assert await writes.landed(A, soon_s()) is None
        assert await writes.lead("call2", [A], 5.0) is None
        writes.land("call1", [A], [ENTRY])  # too late: it is not its own any more
        assert await writes.lead("call3", [A], 5.0) == Written(A, None)


async def test_nobody_waits_longer_than_it_may(redis: RedisServer) -> None:
    async with lane_to(redis) as lane:
        writes = Writes(lane)
        assert await writes.lead("call1", [A], 60.0) is None
        began_s = asyncio.get_running_loop().time()
        assert await writes.landed(A, began_s + 0.1) is None
        assert asyncio.get_running_loop().time() - began_s < 4.0


async def test_without_the_server_nobody_waits() -> None:
    async with lane_to("redis://127.0.0.1:1", timeout_s=0.05) as lane:
        assert not lane.up
        assert await Writes(lane).lead("call1", [A], 5.0) is None
        assert await Writes(lane).landed(A, soon_s()) is None
