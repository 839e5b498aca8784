"""Calls that wait for room: in turn, for as long as is allowed, and in nobody's way."""

from __future__ import annotations

import asyncio

import pytest

from tests.engine.limited import Held, Standing, ask, left, limits, once, rule, until_waiting
from tests.fixtures import (
    TestClock,
    engine_on,
    message,
    simulator,
)
from thriftgate.core.control.limit_shelf import Caller
from thriftgate.core.control.limits import Limit, Needs
from thriftgate.core.control.whose import NOBODY, Whose
from thriftgate.core.errors import ClientLeft, LimitExceeded
from thriftgate.engine.admission import Admission
from thriftgate.engine.limiting import Limiting, LimitsTable
from thriftgate.engine.tasks import Tasks


async def test_a_call_may_wait_a_little() -> None:
    async with engine_on(simulator(), limits=limits(rule(amount=60, burst=1), wait_s=2.5)) as engine:
        began_s = engine.clock.now_s()
        await ask(engine)
        await ask(engine)
        assert engine.clock.now_s() == pytest.approx(began_s + 1)
        assert left(engine) == {"requests": 0}
    async with engine_on(simulator(), limits=limits(rule(amount=6, burst=1), wait_s=2.5)) as engine:
        await ask(engine)
        began_s = engine.clock.now_s()
        with pytest.raises(LimitExceeded) as raised:
            await ask(engine)
        assert (engine.clock.now_s(), raised.value.retry_after_s) == (began_s, 10)  # in vain, so not at all


async def test_who_waits_goes_in_turn_and_nobody_overtakes() -> None:
    held = Held()
    async with engine_on(transport=held, clock=Standing(), limits=limits(rule("concurrency", 1), wait_s=60)) as engine:
        asked = []
        for number in range(5):
            body = message(f"n{number} [[sim: out=5]]", max_tokens=100)
            asked.append(asyncio.create_task(ask(engine, body)))
            await until_waiting(engine, number)
        asked[2].cancel()
        await until_waiting(engine, 3)

        await once(held, 1)
        held.go.set()
        results = await asyncio.gather(*asked, return_exceptions=True)
        assert [type(one).__name__ for one in results if isinstance(one, BaseException)] == ["CancelledError"]
        assert [body.decode().partition(" [[")[0][-2:] for body in held.came] == ["n0", "n1", "n3", "n4"]
        assert left(engine) == {}
        assert not engine.limiting._waiting


async def test_patience_ends() -> None:
    held, clock = Held(), TestClock()
    async with engine_on(transport=held, clock=clock, limits=limits(rule("concurrency", 1), wait_s=3)) as engine:
        first = asyncio.create_task(ask(engine))

        await once(held, 1)
        with pytest.raises(LimitExceeded, match="1 calls at once, and as many are under way"):
            await ask(engine)
        assert clock.slept == [3]
        assert not engine.limiting._waiting
        held.go.set()
        await first


async def test_who_waits_for_its_own_limit_is_in_nobodys_way() -> None:
    held = Held()
    table = limits(rule("concurrency", 1, scope=("key=*",)), rule(amount=50), wait_s=60)
    async with engine_on(transport=held, clock=Standing(), limits=table) as engine:
        asked = [asyncio.create_task(ask(engine, key="k1")) for _ in range(5)]
        await until_waiting(engine, 4)
        other = asyncio.create_task(ask(engine, key="k2"))

        await once(held, 2)
        await until_waiting(engine, 4)
        held.go.set()
        await asyncio.gather(*asked, other)
        assert left(engine) == {"requests": 44}


async def test_who_gives_up_lets_the_next_one_pass() -> None:
    """The first in line needs two things, the next one only one of them, and waits because it came later."""
    held = Held()
    table = limits(
        rule("concurrency", 1, scope=("tag=a",)),
        {"name": "rare", "metric": "requests", "amount": 2, "burst": 1, "scope": ("tag=b",)},
        wait_s=60,
    )
    both, one = Whose(tags=("a", "b")), Whose(tags=("b",))
    async with engine_on(transport=held, clock=Standing(), limits=table) as engine:
        first = asyncio.create_task(ask(engine, whose=Whose(tags=("a",))))
        await once(held, 1)
        assert isinstance(engine.clock, TestClock)
        second = asyncio.create_task(ask(engine, whose=one))
        await once(held, 2)  # so that nothing is left of what is rare
        third = asyncio.create_task(ask(engine, whose=both))
        await until_waiting(engine, 1)
        fourth = asyncio.create_task(ask(engine, whose=one))
        await until_waiting(engine, 2)
        engine.clock.advance(30)  # one is free again, but nobody is told by that clock
        third.cancel()
        await once(held, 3)
        held.go.set()
        await asyncio.gather(first, second, fourth)
        assert not engine.limiting._waiting


async def test_a_large_call_is_not_passed_over_for_small_ones() -> None:
    clock, order = Standing(), list[int]()
    table = LimitsTable((Limit("t", "t", "tokens", 100),), wait_s=50)
    limiting = Limiting(table, clock, Tasks())
    who = Caller("k", NOBODY, "m", "p", "")
    taken = Admission(limiting)
    await limiting.let_in(taken, "a", who, Needs(tokens=60))

    async def wants(tokens: int) -> None:
        await limiting.let_in(Admission(limiting), str(tokens), who, Needs(tokens=tokens))
        order.append(tokens)

    asked = []
    for tokens in (70, 10, 20):
        asked.append(asyncio.create_task(wants(tokens)))
        await asyncio.sleep(0)
    for _ in range(10):
        await asyncio.sleep(0)
    assert order == []
    taken.leave()
    await asyncio.gather(*asked)
    assert order == [70, 10, 20]
    with pytest.raises(LimitExceeded, match="0 tokens left, this call needs 90 tokens"):
        await wants(90)


async def test_a_client_that_goes_waits_no_longer() -> None:
    held = Held()
    async with engine_on(transport=held, clock=Standing(), limits=limits(rule("concurrency", 1), wait_s=60)) as engine:
        first = asyncio.create_task(ask(engine))
        await until_waiting(engine, 0)
        hung_up = asyncio.Event()

        async def left_() -> None:
            await hung_up.wait()

        second = asyncio.create_task(ask(engine, left=left_))
        await until_waiting(engine, 1)
        hung_up.set()
        with pytest.raises(ClientLeft):
            await second
        held.go.set()
        await first
        assert len(held.came) == 1
        assert left(engine) == {}
