"""The governor in an engine: through the simulator's limits, and through answers that a script gives."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.fixtures import (
    HEADERS,
    KEY,
    MODEL,
    TestClock,
    assert_sound,
    call_of,
    engine_on,
    message,
    only_entry,
    simulator,
    told,
)
from tests.scripted import MESSAGE, Provider, Say, say_error
from thriftgate.core.errors import ClientLeft, Crowded, InputError
from thriftgate.core.governing.line import PRIORITIES
from thriftgate.engine.engine import Engine
from thriftgate.engine.touch import Purpose
from thriftgate.engine.turns import wishes
from thriftgate.providers.transport import Headers
from thriftgate.simulator import LimitRules

LIMITED = "your organization's rate limit of 5 requests per minute"


def level(engine: Engine, family: int) -> float:
    assert engine.governor is not None
    ((_, place),) = engine.governor._places.recent(2)
    bucket = place.gate.buckets[family]
    assert bucket is not None
    return bucket.level


def say_limited(seconds: str = "2", text: str = LIMITED) -> Say:
    body = b'{"type":"error","error":{"type":"rate_limit_error","message":"%b"}}' % text.encode()
    return Say([body], 429, [("retry-after", seconds)])


async def test_nothing_waits_where_no_limit_is_known_or_near() -> None:
    clock = TestClock()
    async with engine_on(Provider(*[Say() for _ in range(50)]), clock=clock) as engine:
        await asyncio.gather(*[engine.messages(call_of(message(str(n)))) for n in range(50)])
        assert engine.governor is not None
        view = engine.governor.view()
    assert (clock.slept, view.waited, view.refusals) == ([], 0, {})


async def test_calls_beyond_the_limit_wait_and_none_is_refused() -> None:
    app = simulator(limits=LimitRules(rpm=10))
    async with engine_on(app, governor={"queue_s_max": 120.0}) as engine:
        await engine.messages(call_of(message("first")))
        replies = await asyncio.gather(*[engine.messages(call_of(message(str(n)))) for n in range(20)])
        await assert_sound(engine.ledger)
        assert engine.governor is not None
        view = engine.governor.view()
        entries = await engine.ledger.entries(limit=100)
    assert {reply.status for reply in replies} == {200}
    assert {entry.attempts for entry in entries} == {1}
    assert (view.refusals, view.waited > 0) == ({}, True)


async def test_what_was_really_used_counts() -> None:
    app = simulator(limits=LimitRules(rpm=100, itpm=100_000, otpm=50_000))
    async with engine_on(app) as engine:
        for n in range(4):
            await engine.messages(call_of(message(f"[[sim: out={900 * n + 1}]]", max_tokens=4_000)))
        for family, real in enumerate(app.limiter._buckets.values()):
            assert level(engine, family) == pytest.approx(real.level, abs=500 * (family > 0) + 1)


async def test_a_refusal_is_waited_out_even_for_clients_that_retry_themselves() -> None:
    provider, clock = Provider(say_limited(), say_limited("1"), Say()), TestClock()
    async with engine_on(provider, clock=clock) as engine:
        reply = await engine.messages(call_of(message(), headers=HEADERS | {"x-stainless-retry-count": "0"}))
        entry = await only_entry(engine)
    assert (reply.body, entry.attempts, entry.outcome) == (MESSAGE, 3, "answered")
    assert sum(clock.slept) == pytest.approx(3.0)


async def test_a_refusal_that_lasts_too_long_reaches_the_client_as_it_came() -> None:
    said = say_limited("40")
    async with engine_on(Provider(said, Say())) as engine:
        reply = await engine.messages(call_of(message()))
        assert (reply.status, reply.body, told(reply.headers, "retry-after")) == (429, said.pieces[0], "40")
        assert (await engine.messages(call_of(message(), headers=HEADERS | {"thriftgate-queue-s": "60"}))).status == 200


async def test_what_cannot_be_sent_in_time_is_booked_as_refused() -> None:
    async with engine_on(Provider(say_limited("40"))) as engine:
        await engine.messages(call_of(message("a")))
        with pytest.raises(Crowded, match="no room within the 30 s") as refused:
            await engine.messages(call_of(message("b")))
        assert refused.value.retry_after_s == 40
        entry = await engine.ledger.entry(refused.value.call_id)
        assert entry is not None
        assert (entry.outcome, entry.attempts, entry.usage_source) == ("refused", 0, "none")
        assert "thriftgate's queue" in entry.note
        await assert_sound(engine.ledger)


async def test_without_a_governor_calls_go_as_they_come() -> None:
    said = say_limited("2")
    async with engine_on(Provider(said), governor={"on": False}, upstream={"retry": "never"}) as engine:
        assert engine.governor is None
        assert [(await engine.messages(call_of(message()))).status for _ in range(2)] == [429, 429]


async def test_a_client_that_goes_while_it_waits_is_booked_as_gone() -> None:
    gone = asyncio.Event()

    async def left() -> None:
        await gone.wait()

    class Still(TestClock):
        async def sleep(self, seconds: float) -> None:
            await asyncio.sleep(3600)

    async with engine_on(Provider(Say(), Say()), clock=Still()) as engine:
        assert engine.governor is not None
        await engine.messages(call_of(message("a")))
        ((_, place),) = engine.governor._places.recent(2)
        place.gate.paused_until_s = engine.clock.monotonic_s() + 10
        waits = asyncio.ensure_future(engine.messages(call_of(message("b"), left=left)))
        while not place.line:
            await asyncio.sleep(0)
        gone.set()
        with pytest.raises(ClientLeft) as error:
            await waits
        entry = await engine.ledger.entry(error.value.call_id)
        assert entry is not None
        assert (entry.outcome, entry.attempts, entry.usage_source) == ("left", 0, "none")
        cancelled = asyncio.ensure_future(engine.messages(call_of(message("c"))))
        while not place.line:
            await asyncio.sleep(0)
        cancelled.cancel()
        with pytest.raises(asyncio.CancelledError):
            await cancelled
        assert (len(place.line), place.futures, place.gate._waiting) == (0, {}, 0)
        await assert_sound(engine.ledger)


async def test_a_call_that_ends_badly_gives_its_slot_back() -> None:
    async with engine_on(Provider(say_error(500, "api_error")), upstream={"retry": "never"}) as engine:
        for _ in range(3):
            await engine.messages(call_of(message()))
        assert engine.governor is not None
        ((_, place),) = engine.governor._places.recent(2)
        assert (place.gate._waiting, place.gate._output, engine._turns and engine._turns._open) == (0, 0.0, {})


async def test_calls_that_nobody_asked_for_are_the_first_to_stand_back() -> None:
    app = simulator(limits=LimitRules(rpm=10))
    async with engine_on(app) as engine:
        for n in range(8):
            await engine.messages(call_of(message(str(n))))
        call, ping = call_of(message("ping")), Purpose("cache.keepalive", "keepalive", "a ping")
        prepared = engine.toucher.plan(call, engine.key_of(KEY))
        with pytest.raises(Crowded, match="can be left"):
            await engine.toucher.send(call, prepared, ping, stands_back=True)
        assert not await engine.ledger.open_holds()
        assert (await engine.toucher.send(call, prepared, ping)).entry.status == 200


@pytest.mark.parametrize(
    ("headers", "found"),
    [
        ({}, ("normal", 30.0)),
        ({"thriftgate-priority": "High"}, ("high", 30.0)),
        ({"thriftgate-priority": "low", "thriftgate-queue-s": "0"}, ("low", 0.0)),
        ({"thriftgate-queue-s": "2.5"}, ("normal", 2.5)),
    ],
)
def test_what_a_client_asks_for(headers: dict[str, str], found: tuple[str, float]) -> None:
    assert wishes(raw(headers), 30.0) == (PRIORITIES[found[0]], found[1])


@pytest.mark.parametrize(
    "headers",
    [{"thriftgate-priority": "urgent"}, *({"thriftgate-queue-s": text} for text in ("soon", "-1", "nan", "inf", "3601"))],
)
def test_what_it_cannot_ask_for(headers: dict[str, str]) -> None:
    with pytest.raises(InputError, match=next(iter(headers))):
        wishes(raw(headers), 30.0)


async def test_in_an_engine_without_a_door_an_unreadable_wish_is_none() -> None:
    async with engine_on(Provider(say_limited("1"), Say())) as engine:
        assert (await engine.messages(call_of(message(), headers=HEADERS | {"thriftgate-priority": "urgent"}))).status == 200


def raw(headers: dict[str, Any]) -> Headers:
    return tuple((name.encode(), value.encode()) for name, value in headers.items())


async def test_limits_are_of_each_group_of_models() -> None:
    app = simulator(limits=LimitRules(rpm=1))
    async with engine_on(app, governor={"queue_s_max": 1.0}) as engine:
        for model, status in ((MODEL, 200), ("claude-opus-5", 200), ("claude-opus-4-7", 0)):
            try:
                assert (await engine.messages(call_of(message(model=model)))).status == status
            except Crowded:
                assert status == 0
