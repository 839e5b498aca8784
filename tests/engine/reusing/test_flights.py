"""Singleflight: identical calls at one time are made once, and nobody is lost whatever becomes of the first."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest

from tests.core.earlier.test_answer import kept
from tests.engine.reusing.stage import OTHER, Held, ask, entries, reused, reusing
from tests.fixtures import HEADERS, TestClock, assert_sound, call_of, message, simulator, told, until
from thriftgate.core.errors import ClientLeft
from thriftgate.core.money import usd_from_pico
from thriftgate.engine.engine import Engine
from thriftgate.engine.reusing.flights import Flights
from thriftgate.engine.tasks import Tasks
from thriftgate.ledger.entries import UPSTREAM
from thriftgate.simulator import Faults, SimClock

MANY = 200


def held(app: Any, **tables: Any) -> tuple[Held, Any]:
    transport = Held(app)
    return transport, reusing(None, transport=transport, clock=TestClock(SimClock.frozen()), **tables)


async def under_way(engine: Engine, transport: Held, waiting: int) -> None:
    """One call has reached the provider, and so many wait for it."""

    async def is_so() -> bool:
        flights = engine.reusing._flights
        assert flights is not None
        seen = [len(one._over._waiters) for one in flights._flights.values()]
        return transport.came == 1 and sum(seen) == waiting

    await until(is_so)


@pytest.mark.parametrize("stream", [False, True])
async def test_two_hundred_at_once_are_one_call(stream: bool) -> None:
    sim = simulator()
    transport, staged = held(sim)
    async with staged as engine:
        calls = [asyncio.ensure_future(ask(engine, message(stream=stream or at % 2 > 0))) for at in range(MANY)]
        await under_way(engine, transport, MANY - 1)
        transport.go.set()
        replies = await asyncio.gather(*calls)
        assert (transport.came, len(sim.bill.calls)) == (1, 1)
        booked = await entries(engine)
        assert len(booked) == len({told(one.headers, "thriftgate-request-id") for one in replies}) == MANY
        assert sorted(reused(entry) for entry in booked) == [False] + [True] * (MANY - 1)
        assert sum(-entry.posted(UPSTREAM) for entry in booked) == -booked[0].posted(UPSTREAM)
        assert Decimal(usd_from_pico(-booked[0].posted(UPSTREAM))) == Decimal(sim.bill.summary()["total_usd"])
        await assert_sound(engine.ledger)


async def test_those_of_other_tenants_and_of_other_words_do_not_wait() -> None:
    sim = simulator()
    transport, staged = held(sim)
    async with staged as engine:
        texts = [("a", HEADERS), ("a", OTHER), ("b", HEADERS), ("b", OTHER)]
        calls = [
            asyncio.ensure_future(ask(engine, text, headers=headers, credential=headers["x-api-key"]))
            for text, headers in texts * 5
        ]

        async def four() -> bool:
            return transport.came == len(texts)

        await until(four)
        transport.go.set()
        await asyncio.gather(*calls)
        assert (transport.came, len(sim.bill.calls)) == (len(texts), len(texts))


@pytest.mark.parametrize("stream", [False, True])
async def test_when_the_first_is_killed_the_next_one_takes_its_place(stream: bool) -> None:
    sim = simulator()
    transport, staged = held(sim)
    async with staged as engine:
        calls = [asyncio.ensure_future(ask(engine, message(stream=stream))) for _ in range(10)]
        for killed in range(3):
            await until(lambda killed=killed: _came(transport, killed + 1))  # type: ignore[misc]
            calls[killed].cancel()
            await asyncio.wait([calls[killed]])
        await until(lambda: _came(transport, 4))
        transport.go.set()
        replies = await asyncio.gather(*calls, return_exceptions=True)
        assert sum(isinstance(one, asyncio.CancelledError) for one in replies) == 3
        assert transport.came == 4  # never two at a time
        assert len(sim.bill.calls) == 1
        booked = await entries(engine)
        assert len(booked) == 10
        assert sum(reused(entry) for entry in booked) == 6
        await assert_sound(engine.ledger)


async def _came(transport: Held, calls: int) -> bool:
    return transport.came == calls


async def test_when_the_provider_fails_one_at_a_time_tries_anew() -> None:
    sim = simulator(faults=Faults(overloaded=0.8, seed=3))
    async with reusing(sim, upstream={"retry": "never"}) as engine:
        replies = await asyncio.gather(*(ask(engine) for _ in range(40)))
        statuses = [reply.status for reply in replies]
        assert statuses.count(200) + statuses.count(529) == 40
        assert statuses.count(529) >= 1
        assert statuses.count(200) >= 1
        assert len(sim.bill.calls) == 1  # all that came after the first that went well were given its answer
        assert sum(reused(entry) for entry in await entries(engine)) == statuses.count(200) - 1
        await assert_sound(engine.ledger)


async def test_when_the_first_client_leaves_its_stream_another_makes_the_call() -> None:
    sim = simulator()
    async with reusing(sim) as engine:
        body = message("tell me all [[sim: out=150]]", stream=True)
        first = await engine.messages(call_of(body))
        await first.read()
        others = [asyncio.ensure_future(ask(engine, body)) for _ in range(5)]
        await asyncio.sleep(0.01)
        assert len(await engine.ledger.open_holds()) == 1  # they wait
        await first.leave()
        replies = await asyncio.gather(*others)
        assert [reply.status for reply in replies] == [200] * 5
        assert len(sim.bill.calls) == 2
        assert sum(reused(entry) for entry in await entries(engine)) == 4
        await assert_sound(engine.ledger)


async def test_a_call_that_would_be_refused_again_holds_nobody_up() -> None:
    sim = simulator()
    transport, staged = held(sim)
    async with staged as engine:
        calls = [asyncio.ensure_future(ask(engine, message(temperature=7))) for _ in range(20)]
        await under_way(engine, transport, 19)
        transport.go.set()
        assert [reply.status for reply in await asyncio.gather(*calls)] == [400] * 20
        assert transport.came == 20


async def test_an_answer_that_may_not_be_given_again_holds_nobody_up() -> None:
    sim = simulator()
    transport, staged = held(sim)
    async with staged as engine:
        calls = [asyncio.ensure_future(ask(engine, message(max_tokens=3))) for _ in range(20)]
        await under_way(engine, transport, 19)
        transport.go.set()
        assert [reply.status for reply in await asyncio.gather(*calls)] == [200] * 20
        assert (transport.came, len(sim.bill.calls)) == (20, 20)


async def test_waiting_is_bounded() -> None:
    for wait_s in (0.05, 0):
        sim = simulator()
        transport, staged = held(sim, reuse={"wait_s": wait_s})
        async with staged as engine:
            calls = [asyncio.ensure_future(ask(engine)) for _ in range(3)]
            await until(lambda transport=transport: _came(transport, 3))  # type: ignore[misc]
            transport.go.set()
            await asyncio.gather(*calls)
            assert not any(reused(entry) for entry in await entries(engine))
            await ask(engine)
            assert transport.came == 3


async def test_a_client_that_leaves_while_it_waits_is_booked_and_nothing_is_sent() -> None:
    sim = simulator()
    transport, staged = held(sim)
    async with staged as engine:
        gone = asyncio.Event()

        async def left() -> None:
            await gone.wait()

        first = asyncio.ensure_future(ask(engine))
        second = asyncio.ensure_future(engine.messages(call_of(message(), left=left)))
        third = asyncio.ensure_future(ask(engine))
        await under_way(engine, transport, 2)
        gone.set()
        with pytest.raises(ClientLeft) as raised:
            await second
        transport.go.set()
        await asyncio.gather(first, third)
        assert transport.came == 1
        entry = next(one for one in await entries(engine) if one.id == raised.value.call_id)
        assert (entry.outcome, entry.balance()) == ("refused", 0)
        await assert_sound(engine.ledger)


async def test_a_call_that_wants_a_new_answer_waits_for_nobody_and_others_wait_for_it() -> None:
    sim = simulator()
    transport, staged = held(sim)
    async with staged as engine:
        calls = [asyncio.ensure_future(ask(engine, wish="refresh")) for _ in range(2)]
        calls += [asyncio.ensure_future(ask(engine)) for _ in range(2)]
        await until(lambda: _came(transport, 2))
        transport.go.set()
        await asyncio.gather(*calls)
        assert transport.came == 2
        assert sum(reused(entry) for entry in await entries(engine)) == 2


async def test_the_first_end_counts_and_leaves_nothing_behind() -> None:
    tasks = Tasks()
    flights = Flights(tasks)
    flight = flights.begin(b"d")
    assert flights.under_way(b"d") is flight
    beside = flights.begin(b"d")
    beside.end("failed")
    assert flights.under_way(b"d") is flight
    flight.end("answered", kept())
    flight.end("failed")
    assert (flight.ended, flight.answer) == ("answered", kept())
    assert flights.under_way(b"d") is None
    loop = asyncio.get_running_loop()
    assert await flights.wait(flight, loop.time(), None) == "answered"
    assert await flights.wait(flights.begin(b"e"), loop.time() + 0.01, None) == "late"
    await tasks.finish(1.0)
    assert not tasks._running
