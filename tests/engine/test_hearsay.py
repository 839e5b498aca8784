"""What one engine tells and another takes in: digests and numbers, bounded, and nothing that breaks it."""

from __future__ import annotations

import msgspec
import pytest

from tests.fixtures import TestClock, call_of, engine_on, message, read_all, simulator
from thriftgate.core.health.faults import Fault
from thriftgate.engine import hearsay as module
from thriftgate.engine.engine import Engine
from thriftgate.engine.hearsay import Hearsay

SECRET = "the launch code is 0000. " * 400


def hearsay_of(engine: Engine) -> Hearsay:
    found = Hearsay(engine.knowledge, engine.upstreams.health, engine.clock)
    found.listen()
    return found


async def test_what_one_has_sent_the_other_knows_to_be_cached() -> None:
    app = simulator()
    body = message("and now?", system=SECRET)
    async with engine_on(app) as one, engine_on(app) as other:
        told, heard = hearsay_of(one), hearsay_of(other)
        await read_all(await one.messages(call_of(body, key="key_a")))
        news = told.gathered()
        assert b"launch" not in news
        assert len(news) < 1_000
        heard.take_in(news)
        assert not heard.gathered()  # what was heard is not told again
        await read_all(await other.messages(call_of(body, key="key_a")))
        (entry,) = await other.ledger.entries()
        assert entry.usage.total.read > 0
        assert entry.forecast_pico < (await one.ledger.entries())[0].forecast_pico  # it was expected


async def test_more_than_can_be_told_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SIGHTINGS_MAX", 2)
    async with engine_on(simulator()) as engine:
        told = hearsay_of(engine)
        for n in range(5):
            await read_all(await engine.messages(call_of(message(f"{n}"))))
        assert len(msgspec.msgpack.decode(told.gathered())[0]) == 2
        assert told.left_out == 3
        assert told.gathered() == b""


@pytest.mark.parametrize(
    "news", [b"", b"\x93", b"{}", msgspec.msgpack.encode([[1]]), msgspec.msgpack.encode([[], [], [], b"x"])]
)
async def test_what_cannot_be_read_changes_nothing(news: bytes) -> None:
    async with engine_on(simulator()) as engine:
        heard = hearsay_of(engine)
        heard.take_in(news)
        assert heard.gathered() == b""


async def test_a_breaker_opens_and_closes_elsewhere() -> None:
    keys = {"keys": [{"name": "one", "key": "sk-ant-sim-1"}]}
    clock = TestClock()
    async with (
        engine_on(simulator(), clock=clock, upstream=keys) as one,
        engine_on(simulator(), clock=clock) as stranger,
        engine_on(simulator(), clock=clock, upstream=keys) as other,
    ):
        told, heard = hearsay_of(one), hearsay_of(other)
        one.upstreams.failed("one", "opus", Fault("auth"), clock.now_s())
        news = told.gathered()
        heard.take_in(news)
        hearsay_of(stranger).take_in(news)
        assert not stranger.upstreams.left_alone()
        assert [left.kind for left in other.upstreams.left_alone()] == ["auth"]
        clock.advance(10)
        other.upstreams.failed("one", "opus", Fault("auth"), clock.now_s())  # for longer
        told.take_in(heard.gathered())
        assert one.upstreams.left_alone() == other.upstreams.left_alone()
        clock.advance(1_000)
        one.upstreams.served("one", "opus", clock.now_s())
        heard.take_in(told.gathered())
        assert not other.upstreams.left_alone()
