"""Limits that replicas count together: as one process counts them, whatever is asked in which order; lost and found."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Sequence
from fractions import Fraction
from typing import Any, Protocol

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from redis.asyncio import Redis

from tests.fixtures import TestClock, until
from tests.servers import RedisServer, redis_server
from tests.shared.lanes import fresh_prefix, lane_to
from thriftgate.clock import SystemClock
from thriftgate.core.control.limit_shelf import Caller, Shelf
from thriftgate.core.control.limits import NOTHING, Bucket, Lack, Limit, Needs
from thriftgate.core.control.whose import NOBODY
from thriftgate.core.errors import SharedLost
from thriftgate.shared import counts as module
from thriftgate.shared.counts import Counts
from thriftgate.shared.lane import Lane

LIMITS = (
    Limit("slow", "slow", "requests", 5, per="hour"),
    Limit("quick", "quick", "tokens", 70_919, per="second", burst=600),
    Limit("odd", "odd", "output_tokens", 999_983, per="minute", burst=301),
    Limit("money", "money", "usd", 7 * 10**12 + 1, per="hour", burst=9 * 10**9, scope=("key=*",)),
    Limit("many", "many", "input_tokens", 10**6, per="second", burst=10**15),
    Limit("at once", "at once", "concurrency", 3),
    Limit("each", "each", "concurrency", 2, scope=("key=*",)),
)
KEYS = ("k1", "k2")


class Store(Protocol):
    """One of two replicas does it; the time of the place where it is counted is told (microseconds)."""

    async def take(self, replica: int, name: str, key: str, needs: Needs) -> tuple[Lack | None, Sequence[Bucket], int]: ...

    async def put(self, replica: int, name: str, key: str, used: Needs, taken: Needs) -> int: ...

    async def wait(self, microseconds: int) -> None: ...


class InMemory:
    def __init__(self) -> None:
        self.clock = TestClock()
        self.shelf = Shelf()
        self.shelf.lay(LIMITS)

    def now_us(self) -> int:
        return int(self.clock.monotonic_s() * 1e6)

    async def take(self, replica: int, name: str, key: str, needs: Needs) -> tuple[Lack | None, Sequence[Bucket], int]:
        buckets = self.shelf.buckets(_caller(key), self.now_us())
        return self.shelf.take(buckets, needs, self.now_us()), buckets, self.now_us()

    async def put(self, replica: int, name: str, key: str, used: Needs, taken: Needs) -> int:
        self.shelf.put(self.shelf.buckets(_caller(key), self.now_us()), used, taken, self.now_us())
        return self.now_us()

    async def wait(self, microseconds: int) -> None:
        self.clock.advance(microseconds / 1e6)


class InRedis:
    """Two replicas, by the server's own clock."""

    def __init__(self, lanes: Sequence[Lane]) -> None:
        self.lanes = lanes
        self.shelves = [Shelf(), Shelf()]
        for shelf in self.shelves:
            shelf.lay(LIMITS)
        self.counts = [Counts(lane, TestClock(), "refuse", lambda: 2) for lane in lanes]  # a frozen copy is compared exactly

    async def take(self, replica: int, name: str, key: str, needs: Needs) -> tuple[Lack | None, Sequence[Bucket], int]:
        buckets = self.shelves[replica].buckets(_caller(key), 0)
        lack = await self.counts[replica].take(name, buckets, needs)
        return lack, buckets, self.lanes[replica].server_us

    async def put(self, replica: int, name: str, key: str, used: Needs, taken: Needs) -> int:
        self.counts[replica].put(name, self.shelves[replica].buckets(_caller(key), 0), used, taken)
        await self.lanes[replica].ask(0, (), ())  # behind it
        return self.lanes[replica].server_us

    async def wait(self, microseconds: int) -> None:
        await asyncio.sleep(microseconds / 1e6 if microseconds < 5_000 else 0.005)


@contextlib.asynccontextmanager
async def replicas(server: RedisServer | None) -> AsyncIterator[Store]:
    if server is None:
        yield InMemory()
        return
    prefix = fresh_prefix()
    async with lane_to(server, prefix=prefix) as one, lane_to(server, prefix=prefix, replica="r2") as other:
        yield InRedis([one, other])


class Model:
    """What must be: fractions, and sets of calls."""

    def __init__(self) -> None:
        self.used: dict[tuple[str, str], tuple[Fraction, int]] = {}
        self.calls: dict[tuple[str, str], set[str]] = {}

    def level(self, limit: Limit, key: str, now_us: int) -> Fraction:
        place = (limit.id, key if limit.scope else "")
        if not limit.per_us:
            return Fraction(len(self.calls.setdefault(place, set())))
        used, at_us = self.used.get(place, (Fraction(0), now_us))
        return max(Fraction(0), used - Fraction(limit.amount * max(0, now_us - at_us), limit.per_us))

    def add(self, limit: Limit, key: str, name: str, units: int, now_us: int) -> None:
        place = (limit.id, key if limit.scope else "")
        if limit.per_us:
            self.used[place] = max(Fraction(0), self.level(limit, key, now_us) + units), now_us
        else:
            calls = self.calls.setdefault(place, set())
            calls.add(name) if units > 0 else calls.discard(name)


def _caller(key: str) -> Caller:
    return Caller(key, NOBODY, "m", "p", "")


_NEEDS = st.builds(
    Needs,
    requests=st.just(1),
    input_tokens=st.integers(0, 10**14),
    output_tokens=st.integers(0, 305),
    tokens=st.integers(0, 700),
    pico=st.integers(0, 10**10),
    concurrency=st.just(1),
)
_STEPS = st.lists(
    st.tuples(
        st.sampled_from(["take", "take", "settle", "leave", "wait"]),
        st.integers(0, 1),
        st.sampled_from(KEYS),
        _NEEDS,
        st.integers(0, 10**6),
    ),
    max_size=40,
)


async def follows(store: Store, steps: list[tuple[str, int, str, Needs, int]]) -> None:
    """The store does as the model says, to the last grain."""
    model, running, numbers = Model(), dict[str, tuple[str, Needs]](), 0
    for what, replica, caller, needs, number in steps:
        key = caller
        if what == "wait":
            await store.wait(number % 20_000)
        elif what == "take":
            numbers += 1
            name = f"call{numbers}"
            lack, buckets, now_us = await store.take(replica, name, key, needs)
            over = {}
            for one in buckets:
                limit, units = one.limit, one.needed(needs)
                level = model.level(limit, key, now_us)
                if units and level + units > limit.room:
                    over[limit.id] = _wait_us(limit, units, level)
                if units:
                    taken = 0 if lack is not None else units
                    assert Fraction(one._used, limit.per_us or 1) == level + taken, limit
            assert (lack is None) == (not over)
            if lack is None:
                running[name] = (key, needs)
                for one in buckets:
                    model.add(one.limit, key, name, one.needed(needs), now_us)
            else:
                assert lack.wait_us == over[lack.bucket.limit.id]
        elif running:
            name = sorted(running)[number % len(running)]
            key, taken_needs = running[name]
            used = needs._replace(concurrency=taken_needs.concurrency)
            if what == "leave":
                used = NOTHING._replace(requests=1)
                del running[name]
            else:
                running[name] = (key, used)
            now_us = await store.put(replica, name, key, used, taken_needs)
            for limit in LIMITS:
                bucket = Bucket(limit)
                units = bucket.needed(used) - bucket.needed(taken_needs)
                if units:
                    model.add(limit, key, name, units, now_us)


def _wait_us(limit: Limit, units: int, level: Fraction) -> int | None:
    if units > limit.room or not limit.per_us:
        return None
    over = (level + units - limit.room) * limit.per_us
    return -(-over.numerator // (over.denominator * limit.amount))


@pytest.mark.parametrize("kind", ["memory", "redis"])
@settings(max_examples=60)
@given(data=st.data())
def test_both_count_as_the_model_does(kind: str, request: Any, data: st.DataObject) -> None:
    server = request.getfixturevalue("redis") if kind == "redis" else None
    steps = data.draw(_STEPS)

    async def run() -> None:
        async with replicas(server) as store:
            await follows(store, steps)

    asyncio.run(run())


async def test_parallel_calls_of_two_replicas_never_pass_a_limit(redis: RedisServer) -> None:
    async with replicas(redis) as store:
        needs = Needs(requests=1)
        found = await asyncio.gather(*(store.take(at % 2, f"c{at}", "k1", needs) for at in range(200)))
        assert sum(lack is None for lack, *_ in found) == 5
        assert isinstance(store, InRedis)
        assert all(lane.view().batches < 20 for lane in store.lanes)  # in few round trips


async def test_who_gives_up_while_it_is_asked_has_taken_nothing(redis: RedisServer) -> None:
    async with replicas(redis) as store:
        for _ in range(20):
            tasks = [asyncio.create_task(store.take(0, f"c{at}", "k1", Needs(concurrency=1))) for at in range(2)]
            await asyncio.sleep(0)
            for one in tasks:
                one.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        assert isinstance(store, InRedis)
        await store.lanes[0].ask(0, (), ())
        lack, buckets, _ = await store.take(1, "last", "k1", Needs(concurrency=1))
        assert lack is None
        assert [one._used for one in buckets if not one.limit.per_us] == [1, 1]


async def test_calls_of_a_killed_replica_are_free_again(redis: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LEASE_S", 0.3)
    prefix = fresh_prefix()
    bucket = Bucket(Limit("c", "c", "concurrency", 1))
    async with lane_to(redis, prefix=prefix) as lane:
        counts = Counts(lane, SystemClock(), "refuse", lambda: 1)
        async with lane_to(redis, prefix=prefix, replica="r2") as other:
            living = Counts(other, SystemClock(), "refuse", lambda: 1)
            living.start()
            assert await living.take("b", [bucket], Needs(concurrency=1)) is None
            await asyncio.sleep(0.7)  # it says again and again that its call is under way
            assert await counts.take("a", [bucket], Needs(concurrency=1)) is not None
            living.close()

            async def free() -> bool:
                return await counts.take("a", [bucket], Needs(concurrency=1)) is None

            await until(free)


async def test_without_the_server_calls_are_refused_and_settled_later() -> None:
    bucket = Bucket(Limit("r", "r", "requests", 10, per="hour"))
    prefix = fresh_prefix()
    with redis_server(keep=True) as server:
        async with lane_to(server, prefix=prefix, timeout_s=0.2) as lane:
            counts = Counts(lane, SystemClock(), "refuse", lambda: 1)
            for at in range(4):
                assert await counts.take(f"c{at}", [bucket], Needs(requests=1)) is None
            os.kill(server.pid, signal.SIGSTOP)  # slow beyond all patience
            try:
                with pytest.raises(SharedLost, match="out of reach"):
                    await counts.take("c5", [bucket], Needs(requests=1))
                counts.put("c0", [bucket], Needs(), Needs(requests=1))
                with pytest.raises(SharedLost):  # at once
                    await counts.take("c6", [bucket], Needs(requests=1))
            finally:
                os.kill(server.pid, signal.SIGCONT)

            async def up() -> bool:
                return lane.up

            await until(up)
            await lane.ask(0, (), ())
            assert await counts.take("c7", [bucket], Needs(requests=1)) is None
            # c5 was asked for and given back when the answer came at last; c0 was settled; none was counted twice
            assert -(-bucket._used // bucket.limit.per_us) == 4


async def test_alone_it_goes_on_with_its_part() -> None:
    shelf = Shelf()
    rules = (Limit("r", "r", "requests", 10, per="hour"), Limit("c", "c", "concurrency", 4))
    shelf.lay(rules)
    with redis_server() as server:
        async with lane_to(server, timeout_s=0.2) as lane:
            clock = SystemClock()
            counts = Counts(lane, clock, "alone", lambda: 2)
            buckets = shelf.buckets(_caller("k"), 0)
            one = Needs(requests=1, concurrency=1)
            assert await counts.take("a", buckets, one) is None
            lane._drop("tried")
            assert counts.alone_among == 2
            assert counts.under_way() == {("c", ""): 1}
            assert await counts.take("b", buckets, one) is None

            async def up() -> bool:
                return lane.up

            await until(up)
            assert counts.alone_among == 0
            await lane.ask(0, (), ())
            assert await counts.take("c", buckets, one) is None
            assert buckets[1]._used == 3  # the one that began without the server is known to it now
            counts.put("b", buckets, NOTHING, one)
            counts.left("b")
            assert await counts.take("d", buckets, one) is None
            assert buckets[1]._used == 3
            assert -(-buckets[0]._used // buckets[0].limit.per_us) == 3  # what b has used is forgotten


async def test_all_is_forgotten_with_a_flush_and_calls_under_way_are_not(redis: RedisServer) -> None:
    bucket = Bucket(Limit("c", "c", "concurrency", 2))
    async with lane_to(redis) as lane, Redis.from_url(redis.url) as client:
        counts = Counts(lane, SystemClock(), "refuse", lambda: 1)
        assert await counts.take("a", [bucket], Needs(concurrency=1)) is None
        await client.flushall()
        counts._renew()
        assert await counts.take("b", [bucket], Needs(concurrency=1)) is None
        assert bucket._used == 2
