"""A second target is asked where the first takes long: the client gets what comes first, the books both."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.fixtures import assert_sound, call_of, engine_on, message, read_all, told, until
from tests.scripted import MESSAGE, Hosts, Provider, Say, say_error, say_stream, sse_events, targets
from thriftgate.clock import SystemClock
from thriftgate.engine.engine import Engine
from thriftgate.engine.hedging import LEAST
from thriftgate.ledger.entries import UPSTREAM

ORDERED = targets("one", "two", two={"order": 1})
AFTER_S = 0.05


class Stalled(Provider):
    """Answers once it is let go."""

    def __init__(self, *answers: Say) -> None:
        super().__init__(*answers)
        self.go = asyncio.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.asked.set()
        try:
            await self.go.wait()
        except asyncio.CancelledError:
            self.gone += 1
            raise
        await super().__call__(scope, receive, send)


def engine(hosts: Hosts, **failover: Any) -> Any:
    rules = {"hedge_share": 1.0, "hedge_after_s": AFTER_S} | failover
    return engine_on(transport=hosts, clock=SystemClock(), failover=rules, **ORDERED)


async def spent_before(made: Engine, hosts: Hosts) -> None:
    """Some calls, so that a share of what they cost has room for a copy."""
    for _ in range(3):
        await made.messages(call_of(message()))
    hosts.sent.clear()


async def warmed(made: Engine, hosts: Hosts, slow: Provider) -> None:
    hosts.apps["one"] = Provider()
    await spent_before(made, hosts)
    hosts.apps["one"] = slow


async def test_what_comes_first_is_the_clients_and_the_late_one_is_ended_and_booked() -> None:
    slow = Stalled()
    hosts = Hosts(one=slow, two=Provider())
    async with engine(hosts) as made:
        await warmed(made, hosts, slow)
        reply = await made.messages(call_of(message()))
        assert (reply.status, reply.body, told(reply.headers, "thriftgate-target")) == (200, MESSAGE, "two")
        assert hosts.sent == ["one", "two"]

        async def both_booked() -> bool:
            return len(await made.ledger.entries()) == 5

        await until(both_booked)
        late, came = sorted(await made.ledger.entries(), key=lambda entry: entry.id)[-2:]
        await assert_sound(made.ledger)
    assert (late.upstream, late.outcome) == ("one", "left")
    assert (came.upstream, came.outcome) == ("two", "answered")
    assert slow.gone == 1


async def test_a_quick_answer_is_not_hedged() -> None:
    hosts = Hosts(one=Provider(), two=Provider())
    async with engine(hosts, hedge_after_s=5) as made:
        await spent_before(made, hosts)
        await made.messages(call_of(message()))
    assert hosts.sent == ["one"]


@pytest.mark.parametrize("share", [0.0, 1e-9])
async def test_without_room_in_the_rule_there_is_no_copy(share: float) -> None:
    slow = Stalled()
    hosts = Hosts(one=slow, two=Provider())
    async with engine(hosts, hedge_share=share) as made:
        await warmed(made, hosts, slow)
        asyncio.get_running_loop().call_later(3 * AFTER_S, slow.go.set)
        reply = await made.messages(call_of(message()))
        assert told(reply.headers, "thriftgate-target") == "one"
        await assert_sound(made.ledger)
    assert hosts.sent == ["one"]


async def test_copies_use_their_share_up() -> None:
    slow = Stalled()
    hosts = Hosts(one=slow, two=Provider())
    async with engine(hosts, hedge_share=0.5) as made:
        await warmed(made, hosts, slow)
        for _ in range(12):
            asyncio.get_running_loop().call_later(3 * AFTER_S, slow.go.set)
            await made.messages(call_of(message()))
            slow.go.clear()
        await made.tasks.finish(2.0)
        entries = await made.ledger.entries()
        copies = sum(-entry.posted(UPSTREAM) for entry in entries if entry.outcome == "left")
        paid = sum(-entry.posted(UPSTREAM) for entry in entries)
        await assert_sound(made.ledger)
    assert copies <= 0.5 * paid * 1.01
    assert 0 < hosts.sent.count("two") < 12


async def test_a_copy_that_fails_is_not_the_clients() -> None:
    slow = Stalled()
    hosts = Hosts(one=slow, two=Provider(say_error(500, "api_error")))
    async with engine(hosts) as made:
        await warmed(made, hosts, slow)
        asyncio.get_running_loop().call_later(3 * AFTER_S, slow.go.set)
        reply = await made.messages(call_of(message()))
        await made.tasks.finish(2.0)
        await assert_sound(made.ledger)
    assert (reply.status, reply.body) == (200, MESSAGE)
    assert told(reply.headers, "thriftgate-target") == "one"
    assert hosts.sent[:2] == ["one", "two"]


async def test_a_late_stream_is_ended_at_once() -> None:
    slow = Stalled()
    hosts = Hosts(one=slow, two=Provider(say_stream(*sse_events())))
    async with engine(hosts) as made:
        await warmed(made, hosts, slow)
        reply = await made.messages(call_of(message(stream=True)))
        assert await read_all(reply) == b"".join(sse_events())
        await made.tasks.finish(2.0)
        await assert_sound(made.ledger)
    assert hosts.sent == ["one", "two"]


class Steady(Provider):
    """Takes a while, always the same."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await asyncio.sleep(0.01)
        await super().__call__(scope, receive, send)


async def test_how_long_is_long_is_learned() -> None:
    slow = Stalled()
    hosts = Hosts(one=Steady(), two=Provider())
    async with engine(hosts, hedge_after_s=0) as made:
        for _ in range(LEAST):
            await made.messages(call_of(message()))
        assert set(hosts.sent) == {"one"}
        hosts.apps["one"] = slow
        reply = await made.messages(call_of(message()))
        assert told(reply.headers, "thriftgate-target") == "two"
        await made.tasks.finish(2.0)
