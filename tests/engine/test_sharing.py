"""Two replicas behind a round-robin know together what one would: savings, dead targets, limits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from tests.engine.limited import SHORT, ask, limits, rule
from tests.engine.sharing import replicas
from tests.fixtures import PATIENCE_S, TestClock, assert_sound, call_of, message, read_all, simulator
from tests.servers import RedisServer
from thriftgate.core.errors import LimitExceeded, SharedLost
from thriftgate.core.health.faults import Fault
from thriftgate.engine.engine import Engine
from thriftgate.ledger.entries import UPSTREAM
from thriftgate.shared import news

PAUSE_S = 200.0  # between the turns of a conversation: within the five minutes of a cache entry, twice that is not
TEXT = "The quick brown fox jumps over the lazy dog and runs into the wood. "


async def heard(engines: list[Engine]) -> None:
    """Until each has told what it has learned by now, and then has heard what the others had told."""
    async with asyncio.timeout(PATIENCE_S):
        for sharing in [engine.sharing for engine in engines if engine.sharing is not None] * 2:
            before = sharing.view().background.batches
            while sharing.view().background.batches < before + 2:  # one may be on its way already
                await asyncio.sleep(0.002)


async def saved(server: RedisServer | None, count: int) -> float:
    """What share of the bill is saved where each turn of each conversation goes to the next replica."""
    app = simulator()
    async with replicas(app, server, count=count) as engines:
        said: list[list[dict[str, object]]] = [[], [], []]
        for turn in range(7):
            for at, messages in enumerate(said):
                text = f"turn {turn} of {at}: " + TEXT * (300 if turn == 0 else 30)
                messages.append({"role": "user", "content": text})
                body = message(messages=list(messages), system=TEXT * 20, max_tokens=300)
                engine = engines[(turn + at) % count]
                await read_all(await engine.messages(call_of(body, key="key_a")))
                messages.append({"role": "assistant", "content": "so it does"})
                clock = engine.clock
                assert isinstance(clock, TestClock)
                clock.advance(PAUSE_S / len(said))
                await heard(engines)
        entries = [one for engine in engines for one in await engine.ledger.entries(limit=1_000)]
        for engine in engines:
            await assert_sound(engine.ledger)
    paid, baseline = (sum(one.posted(account) for one in entries) for account in (UPSTREAM, "baseline"))
    return 1 - abs(paid) / abs(baseline)


async def test_a_conversation_that_alternates_saves_as_on_one(redis: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(news, "EVERY_S", 0.01)
    one, together, apart = await saved(None, 1), await saved(redis, 2), await saved(None, 2)
    print(f"saved: one replica {one:.4f}, two that share {together:.4f}, two that do not {apart:.4f}")
    assert one == pytest.approx(together, abs=0.005)
    assert apart < one - 0.1


async def test_a_dead_target_is_known_to_all_within_a_second(redis: RedisServer) -> None:
    keys = [{"name": name, "key": f"sk-ant-sim-{name}"} for name in ("one", "two")]
    async with replicas(simulator(), redis, upstream={"keys": keys}) as (first, second):
        now_s = first.clock.now_s()
        first.upstreams.failed("one", "opus", Fault("balance"), now_s)
        await _within_a_second(lambda: not second.upstreams.health.may("one", "opus"))
        assert [one.kind for one in second.upstreams.left_alone()] == ["balance"]
        second.upstreams.clear("one")
        await _within_a_second(lambda: first.upstreams.health.may("one", "opus"))


async def _within_a_second(condition: Callable[[], bool]) -> None:
    for _ in range(100):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("not within a second")


async def test_limits_hold_for_both_together(redis: RedisServer) -> None:
    async with replicas(simulator(), redis, limits=limits(rule(amount=7), rule("concurrency", 50))) as engines:
        results = await asyncio.gather(*(ask(engines[n % 2]) for n in range(30)), return_exceptions=True)
        assert sum(not isinstance(one, BaseException) for one in results) == 7
        assert sum(isinstance(one, LimitExceeded) for one in results) == 23


@pytest.mark.parametrize("on_loss", ["refuse", "alone"])
async def test_calls_under_a_limit_while_there_is_no_server(on_loss: str) -> None:
    table = {"url": "redis://127.0.0.1:1", "on_loss": on_loss, "timeout_s": 0.05}
    rules = limits(rule(amount=1, scope=("key=a",)))
    async with replicas(simulator(), None, count=1, redis=table, limits=rules) as (engine,):
        await ask(engine, key="b")  # under no limit
        if on_loss == "alone":
            await ask(engine, key="a")
            with pytest.raises(LimitExceeded):
                await ask(engine, key="a")
            return
        with pytest.raises(SharedLost, match="nothing was sent") as raised:
            await ask(engine, SHORT, key="a")
        assert (raised.value.status_hint, raised.value.retry_after_s) == (503, 1.0)
        assert raised.value.call_id == (await engine.ledger.entries())[-1].id
        await assert_sound(engine.ledger)
