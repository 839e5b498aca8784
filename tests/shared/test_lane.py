"""A lane: batches, a server that goes and comes, what was sent is done once, a cluster."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import Any

import pytest
from redis import Redis

from tests.fixtures import until
from tests.servers import RedisServer, redis_server
from tests.shared.clusters import cluster
from tests.shared.lanes import fresh_prefix, lane_to
from thriftgate.clock import SystemClock
from thriftgate.core.errors import SharedLost
from thriftgate.shared import lane as module
from thriftgate.shared.address import read_address
from thriftgate.shared.counts import PUT, TAKE
from thriftgate.shared.lane import LOST, Lane, Op
from thriftgate.shared.scripts import script

HOUR = (3_600_000_000, 0, 1, 1_000)


def key(lane: Lane, name: str = "k") -> bytes:
    return f"{{{lane.tag}}}:{name}".encode()


def plus(lane: Lane, units: int = 1) -> Op:
    return Op(PUT, "c", [key(lane)], [(units, *HOUR)])


async def level(lane: Lane) -> int:
    """What was counted, a little of which is free again."""
    _, (units, grains) = await lane.ask(TAKE, [key(lane)], [(0, *HOUR)])
    return int(units) + int(grains > 0)


async def up(lane: Lane) -> None:
    async def there() -> bool:
        return lane.up

    await until(there)


async def test_what_is_asked_at_once_goes_out_together(redis: RedisServer) -> None:
    async with lane_to(redis) as lane:
        before = lane.view()
        await asyncio.gather(*(lane.ask(0, (), ()) for _ in range(module.BATCH_MAX + 10)))
        after = lane.view()
        assert (after.batches - before.batches, after.ops - before.ops) == (2, module.BATCH_MAX + 10)
        assert after.seconds > before.seconds


async def test_a_script_that_the_server_has_forgotten_is_sent_again(redis: RedisServer) -> None:
    async with lane_to(redis) as lane:
        with Redis.from_url(redis.url) as client:
            client.script_flush()
        assert await lane.ask(0, (), ()) == 0
        assert lane.view().lost == 0


async def test_all_keys_of_a_batch_are_in_one_place_of_a_cluster(redis: RedisServer) -> None:
    async with lane_to(redis, prefix="some.fleet") as lane:
        batch = lane._batch([plus(lane), Op(TAKE, "c", [key(lane, "a}b{c"), key(lane)], ())])
        count = int(batch.command[2])
        keys = batch.command[3 : 3 + count]
        assert count == 3
        with Redis.from_url(redis.url) as client:
            assert {one.split(b"}")[0] for one in keys} == {b"{some.fleet:calls"}
            assert client.ping()


async def test_a_connection_that_is_killed_is_made_anew(redis: RedisServer) -> None:
    async with lane_to(redis) as lane:
        with Redis.from_url(redis.url) as client:
            for one in client.client_list():
                if one["name"] == "thriftgate":
                    client.client_kill(one["addr"])

        async def lost() -> bool:
            return lane.view().lost == 1

        await until(lost)
        await up(lane)
        assert await lane.ask(0, (), ()) == 0


async def test_what_was_sent_is_done_once_however_often_it_is_sent() -> None:
    """The server stands still: it reads what was sent when it goes on, and then is sent it again."""
    with redis_server() as server:
        async with lane_to(server, timeout_s=0.2) as lane:
            lane.send(plus(lane))
            assert await level(lane) == 1
            for number in range(3):
                os.kill(server.pid, signal.SIGSTOP)
                try:
                    heard: list[Any] = []
                    lane.send(plus(lane)._replace(heard=heard.append))
                    with pytest.raises(SharedLost):
                        await lane.ask(0, (), ())
                    assert heard == [LOST]
                    lane.send(plus(lane))
                    with pytest.raises(SharedLost, match="out of reach"):
                        await lane.ask(0, (), ())
                finally:
                    os.kill(server.pid, signal.SIGCONT)
                await up(lane)
                assert await level(lane) == 3 + 2 * number
                assert heard == [LOST, 0]


async def test_a_server_that_has_forgotten_all_is_told_what_was_not_answered() -> None:
    with redis_server() as server:
        async with lane_to(server) as lane:
            lane.send(plus(lane, 5))
            assert await level(lane) == 5
            with Redis.from_url(server.url) as client:
                client.flushall()
            assert await level(lane) == 0
            lane.send(plus(lane))
            assert await level(lane) == 1


async def test_while_a_server_only_reads_it_is_lost() -> None:
    """As after a fail-over, when the old address is that of a replica."""
    with redis_server() as server, redis_server() as other, Redis.from_url(server.url) as client:
        async with lane_to(server, timeout_s=0.5) as lane:
            client.replicaof("127.0.0.1", other.port)
            with pytest.raises(SharedLost):
                await lane.ask(0, (), ())
            assert not lane.up
            client.replicaof("NO", "ONE")
            await up(lane)
            assert await lane.ask(0, (), ()) == 0


async def test_our_own_mistake_loses_an_operation_and_not_the_lane(redis: RedisServer) -> None:
    async with lane_to(redis) as lane:
        with pytest.raises(SharedLost):
            await lane.ask(TAKE, [key(lane)], "no parameters")
        assert await lane.ask(0, (), ()) == 0


async def test_without_a_server_the_longest_waiting_give_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "QUEUE_MAX", 3)
    lane = Lane(
        read_address("redis://127.0.0.1:1"), script("calls"), tag="t", replica="r", timeout_s=0.1, clock=SystemClock()
    )
    heard: list[str] = []
    for number in range(5):
        lane.send(Op(0, "", (), (), lambda _, number=number: heard.append(f"lost {number}")))  # type: ignore[misc]
    assert heard == ["lost 0", "lost 1"]
    await lane.close()
    assert len(heard) == 5


@pytest.mark.slow
async def test_a_cluster_is_followed() -> None:
    """Three nodes; keys move from one to another while operations go on."""
    with cluster() as nodes:
        prefix = fresh_prefix()
        async with lane_to(nodes[0].url, prefix=prefix) as lane, lane_to(nodes[1].url, prefix=prefix, replica="b") as other:
            lane.send(plus(lane))
            other.send(plus(other))
            await other.ask(0, (), ())
            assert await level(lane) == 2
            with Redis.from_url(nodes[0].url) as client:
                slot = client.cluster("keyslot", key(lane).decode())
            owner = next(one for one in nodes if one.owns(slot))
            target = next(one for one in nodes if one is not owner)
            owner.move(slot, target)

            async def goes_on() -> bool:
                try:
                    return await level(lane) == 2
                except SharedLost:
                    return False

            await until(goes_on)
            assert await level(other) == 2
