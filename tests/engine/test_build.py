"""The composition root: settings in, a running engine out."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from pathlib import Path

import pytest

from tests.fixtures import MODEL, TestClock, call_of, engine_on, message, only_entry, settings_of
from tests.scripted import MESSAGE, Provider, Say
from thriftgate.core.errors import ConfigError, LedgerError
from thriftgate.engine.build import bounds_of, build_engine, call_ids, open_books, policy_of
from thriftgate.ledger.sql import SqlLedger
from thriftgate.providers.aiohttp_transport import AiohttpTransport
from thriftgate.providers.finishing import FinishingTransport
from thriftgate.providers.http1_transport import Http1Transport
from thriftgate.settings import Settings


def test_the_policy_is_the_table() -> None:
    settings = settings_of(policy={"levers": ["count.guard"], "cost_limit_usd": Decimal("0.25"), "on_cost_limit": "warn"})
    policy = policy_of(settings)
    assert (policy.levers, policy.cost_limit_pico, policy.on_cost_limit) == (("count.guard",), 250_000_000_000, "warn")
    assert policy_of(settings_of()).cost_limit_pico is None
    assert [policy_of(settings_of(cache={"mode": mode})).cache_mode for mode in ("observe", "full")] == ["observe", "full"]
    assert policy_of(settings_of()).cache_mode == "ttl-only"
    assert policy_of(settings_of(cache={"stabilise": ["order_tools", "single_turn"]})).stabilise == (
        "order_tools",
        "single_turn",
    )
    assert policy_of(settings_of()).stabilise == ()


def test_the_bounds_of_pings_are_the_table() -> None:
    table = {"usd_per_day": "2.50", "usd_per_key_per_day": 1, "quiet_hours": "22:00-06:00", "hours_max": 3, "margin": 1.5}
    bounds = bounds_of(settings_of(keepalive=table))
    assert (bounds.day_pico, bounds.key_day_pico) == (2_500_000_000_000, 10**12)
    assert (bounds.quiet, bounds.hours_max, bounds.margin) == ((22 * 60, 6 * 60), 3.0, 1.5)


def test_ids_sort_by_time_and_never_repeat() -> None:
    clock = TestClock()
    one, two = call_ids(clock, "aaaaaaaa"), call_ids(clock, "bbbbbbbb")
    ids = [make() for _ in range(1000) for make in (one, two)]
    assert len(set(ids)) == 2000
    clock.advance(0.001)
    assert one() > max(ids)
    assert all(made.startswith("tg_") for made in ids)


async def test_settings_reach_the_engine() -> None:
    server = {"drain_s": 7.0, "shutdown_s": 8.0}
    upstream = {"connect_timeout_s": 1.5, "read_timeout_s": 2.5, "retry": "never", "attempts_max": 5}
    async with engine_on(Provider(), server=server, upstream=upstream) as engine:
        limits = engine.limits
    assert (limits.drain.seconds, limits.shutdown_s) == (7.0, 8.0)
    assert (limits.timeouts.connect_s, limits.timeouts.read_s) == (1.5, 2.5)
    assert (limits.retry.mode, limits.retry.attempts_max) == ("never", 5)


async def test_the_fan_out_guard_and_pings_are_as_set() -> None:
    async with engine_on(Provider()) as engine:
        assert (engine.limits.fanout_wait_s, engine.limits.keepalive) == (2.0, None)
        assert engine.limits.may_wait("key_a", ())
        assert not engine.limits.may_wait("key_a", ((b"thriftgate-latency", b"critical"),))
    cache = {"fanout_wait_s": 0.5, "latency_critical_keys": ["key_a"]}
    async with engine_on(Provider(), cache=cache, keepalive={"on": True, "margin": 2}) as engine:
        assert engine.limits.fanout_wait_s == 0.5
        assert [engine.limits.may_wait(key, ()) for key in ("key_a", "key_b")] == [False, True]
        assert engine.limits.keepalive is not None
        assert engine.limits.keepalive.margin == 2.0
    async with engine_on(Provider(), cache={"fanout_wait_s": 0}) as engine:
        assert not engine.limits.may_wait("key_b", ())


@pytest.mark.parametrize(("name", "kind"), [("http1", Http1Transport), ("aiohttp", AiohttpTransport)])
async def test_without_a_transport_it_is_the_network(name: str, kind: type) -> None:
    settings = settings_of(upstream={"transport": name})
    engine = await build_engine(settings)
    assert isinstance(engine.transport, FinishingTransport)
    assert isinstance(engine.transport.behind, kind)
    await engine.close()


async def test_own_prices_are_used() -> None:
    own = {"models": [{"id": "house-model", "usd_per_mtok": {"input": "2", "output": "4"}}]}
    body = message(model="house-model")
    answer = Say([MESSAGE.replace(MODEL.encode(), b"house-model")])
    async with engine_on(Provider(answer), prices=own) as engine:
        await engine.messages(call_of(body))
        entry = await only_entry(engine)
    assert entry.price_book == engine.knowledge.book.id
    assert "priced as planned" not in entry.note
    assert -entry.posted("upstream") == 10 * 2_000_000 + 5 * 4_000_000


@pytest.mark.parametrize(
    ("tables", "error"),
    [
        ({"upstream": {"url": "nonsense"}}, ConfigError),
        ({"upstream": {"api_key": "a\nb"}}, ConfigError),
        ({"prices": {"modells": []}}, ConfigError),
        ({"ledger": {"path": "/dev/full"}}, LedgerError),
    ],
)
async def test_what_cannot_work_is_told_at_the_start(tables: dict[str, dict[str, object]], error: type[Exception]) -> None:
    with pytest.raises(error):
        await build_engine(settings_of(**tables))


async def test_engines_that_follow_each_other_share_the_books(tmp_path: Path) -> None:
    path = {"path": str(tmp_path / "books.db")}
    for _ in range(2):
        async with engine_on(Provider(), ledger=path) as engine:
            await asyncio.gather(*(engine.messages(call_of(message(f"m{n}"))) for n in range(3)))
    async with engine_on(Provider(), ledger=path) as engine:
        assert len(await engine.ledger.entries()) == 6


async def test_one_that_cannot_take_up_what_there_is_lets_go_of_the_books(tmp_path: Path) -> None:
    path = str(tmp_path / "books.db")
    settings = settings_of(ledger={"path": path})

    def failing(given: Settings) -> SqlLedger:
        ledger = open_books(given)

        async def kept(_name: str) -> bytes | None:
            raise LedgerError("cannot read the ledger")

        ledger.kept = kept  # type: ignore[method-assign, assignment]
        return ledger

    with pytest.raises(LedgerError, match="cannot read"):
        await build_engine(settings, opening=failing)
    engine = await build_engine(settings)
    assert engine.leading.leads
    await engine.close()
