"""Calls of our own: sent once, booked as a cost, and the cache they touch is known afterwards."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from tests.fixtures import KEY, assert_sound, call_of, engine_on, message, only_entry, simulator
from tests.scripted import MESSAGE, Provider, Say, say_error
from thriftgate.core.errors import BrokenReply, ThriftgateError, Unreachable, UpstreamTimeout
from thriftgate.engine.engine import Engine
from thriftgate.engine.touch import Purpose, Touched
from thriftgate.ledger.entries import BASELINE, UPSTREAM
from thriftgate.providers.transport import Incoming, Outgoing, Timeouts

PURPOSE = Purpose("cache.keepalive", "keepalive", "because")
HEAD = [{"type": "text", "text": "word " * 12_000, "cache_control": {"type": "ephemeral"}}]
BODY = message(".", system=HEAD, max_tokens=0)


async def touch(engine: Engine) -> Touched:
    call = call_of(BODY)
    return await engine.toucher.send(call, engine.toucher.plan(call, engine.key_of(KEY)), PURPOSE)


async def test_what_it_costs_stands_against_its_account() -> None:
    app = simulator()
    async with engine_on(app) as engine:
        first, second = await touch(engine), await touch(engine)
        await assert_sound(engine.ledger)
        entries = await engine.ledger.entries()
        report = await engine.ledger.report()
    assert [int(call.cost * 10**12) for call in app.bill.calls] == [first.paid_pico, second.paid_pico]
    assert first.tokens.write_5m == second.tokens.read > 10_000
    for entry in entries:
        paid = -entry.posted(UPSTREAM)
        assert (entry.posted(BASELINE), entry.posted("saved:cache.keepalive")) == (0, paid)
        assert (entry.endpoint, entry.outcome, entry.usage_source) == ("keepalive", "answered", "exact")
        assert [(one.lever, one.decision, one.reason) for one in entry.decisions] == [
            ("cache.keepalive", "applied", "because")
        ]
    assert report.baseline_pico == 0
    assert report.levers == {"cache.keepalive": -report.paid_pico}


async def test_the_next_plan_knows_that_it_is_cached() -> None:
    async with engine_on(simulator()) as engine:
        await touch(engine)
        call = call_of(message("a question", system=HEAD))
        plan = engine.toucher.plan(call, engine.key_of(KEY)).plan
    assert plan.forecast.tokens.read > 10_000


async def test_an_error_is_not_tried_again() -> None:
    said = say_error(429, "rate_limit_error", ("retry-after", "0"))
    provider = Provider(said)
    async with engine_on(provider) as engine:
        touched = await touch(engine)
        entry = await only_entry(engine)
    assert (touched.body, len(provider.bodies)) == (said.pieces[0], 1)
    assert (entry.outcome, entry.status, entry.usage_source, entry.posted(UPSTREAM)) == ("failed", 429, "none", 0)


class Failing:
    """A transport that fails in one way."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    async def send(self, outgoing: Outgoing, timeouts: Timeouts) -> Incoming:
        raise self.error

    async def close(self) -> None:
        return


@pytest.mark.parametrize(
    ("error", "outcome", "billed"),
    [
        (Unreachable("x"), "unreachable", False),
        (UpstreamTimeout("x"), "timeout", True),
        (BrokenReply("x"), "garbage", True),
    ],
)
async def test_what_may_have_been_billed_is_booked(error: ThriftgateError, outcome: str, billed: bool) -> None:
    async with engine_on(transport=Failing(error)) as engine:
        with pytest.raises(type(error)):
            await touch(engine)
        entry = await only_entry(engine)
    assert entry.outcome == outcome
    assert (entry.posted(UPSTREAM) < 0) is billed
    assert entry.posted(BASELINE) == 0


async def test_garbage_is_booked_as_estimated() -> None:
    async with engine_on(Provider(Say([b"{}"]))) as engine:
        touched = await touch(engine)
        entry = await only_entry(engine)
    assert (touched.body, entry.outcome, entry.usage_source) == (b"{}", "garbage", "estimated")


async def test_cancelled_it_is_settled() -> None:
    gate = asyncio.Event()
    provider = Provider(Say([gate, MESSAGE]))
    async with engine_on(provider) as engine:
        task = asyncio.ensure_future(touch(engine))
        await provider.asked.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        entry = await only_entry(engine)
    assert entry.outcome == "left"
    assert msgspec.json.decode(provider.bodies[0])["max_tokens"] == 0
