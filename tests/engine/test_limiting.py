"""Limits at work, on the simulator and through the gateway: never passed, nothing kept that was given back, told in headers."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from msgspec.structs import replace

from tests.fixtures import (
    TestClock,
    assert_sound,
    call_of,
    engine_on,
    message,
    read_all,
    simulator,
    told,
)
from thriftgate.core.control.whose import Whose
from thriftgate.core.errors import BudgetExceeded, LedgerError, LimitExceeded, Unreachable
from thriftgate.engine.engine import Engine
from thriftgate.ledger.sqlite import SqliteLedger
from thriftgate.ledger.sqlite_budget_book import SqliteBudgetBook
from thriftgate.providers.transport import Incoming, Outgoing, Timeouts

SHORT = message("Hi. [[sim: out=20]]", max_tokens=100)
STREAM = message("Hi. [[sim: out=20]]", max_tokens=100, stream=True)


def rule(metric: str = "requests", amount: Any = 3, **members: Any) -> dict[str, Any]:
    return {"name": metric, "metric": metric, "amount": amount, **members}


def limits(*rules: dict[str, Any], wait_s: float = 0.0) -> dict[str, Any]:
    return {"wait_s": wait_s, "rules": rules}


def left(engine: Engine) -> dict[str, int]:
    """What is left of every limit that something is used of, by name and member."""
    shelf, now_us = engine.limiting._shelf, int(engine.clock.monotonic_s() * 1e6)
    by_id = {one.id: one for one in shelf.limits}
    buckets = {**dict(shelf._buckets.recent(1000)), **shelf._busy}
    return {by_id[id_].name + member: bucket.left(by_id[id_], now_us) for (id_, member), bucket in buckets.items()}


async def ask(engine: Engine, body: dict[str, Any] = SHORT, **members: Any) -> Any:
    reply = await engine.messages(call_of(body, **members))
    await read_all(reply)
    return reply


async def test_so_many_requests_and_then_as_time_passes() -> None:
    async with engine_on(simulator(), limits=limits(rule(amount=3))) as engine:
        for remaining in (2, 1, 0):
            reply = await ask(engine)
            assert told(reply.headers, "thriftgate-limit").startswith(
                f'name="requests"; metric=requests; limit=3; remaining={remaining}; reset=2'
            )
        with pytest.raises(LimitExceeded, match="limit requests: 3 requests a minute; 0 requests left") as raised:
            await ask(engine)
        assert (raised.value.status_hint, raised.value.error_type, raised.value.retry_after_s) == (
            429,
            "rate_limit_error",
            20,
        )
        assert raised.value.call_id == (await engine.ledger.entries())[-1].id
        assert isinstance(engine.clock, TestClock)
        engine.clock.advance(20)
        await ask(engine)
        with pytest.raises(LimitExceeded):
            await ask(engine)
        assert [one.outcome for one in await engine.ledger.entries()] == [
            *["answered"] * 3,
            "refused",
            "answered",
            "refused",
        ]
        await assert_sound(engine.ledger)


async def test_without_limits_nothing_is_told_and_nothing_counted() -> None:
    async with engine_on(simulator()) as engine:
        assert not engine.limiting.on
        reply = await ask(engine)
        assert not any(name == b"thriftgate-limit" for name, _ in reply.headers)


@pytest.mark.parametrize("body", [SHORT, STREAM], ids=["whole", "stream"])
async def test_what_was_expected_gives_way_to_what_was_used(body: dict[str, Any]) -> None:
    rules = (rule("output_tokens", 10_000), rule("input_tokens", 10_000), rule("tokens", 10_000), rule("usd", "1"))
    async with engine_on(simulator(), limits=limits(*rules)) as engine:
        await ask(engine, body)
        (entry,) = await engine.ledger.entries()
        total, paid = entry.usage.total, sum(one.pico for one in entry.postings if one.account == "upstream")
        fresh = total.prompt - total.read
        assert left(engine) == {
            "output_tokens": 10_000 - total.output,
            "input_tokens": 10_000 - fresh,
            "tokens": 10_000 - fresh - total.output,
            "usd": 10**12 + paid,
        }
        assert total.output > 0 > paid


async def test_parallel_calls_never_pass_a_limit() -> None:
    async with engine_on(simulator(), limits=limits(rule(amount=17), rule("concurrency", 100))) as engine:
        results = await asyncio.gather(*(ask(engine) for _ in range(60)), return_exceptions=True)
        assert sum(not isinstance(one, BaseException) for one in results) == 17
        assert sum(isinstance(one, LimitExceeded) for one in results) == 43
        assert left(engine) == {"requests": 0}


async def test_one_for_each_key_and_model() -> None:
    async with engine_on(simulator(), limits=limits(rule(amount=1, scope=("key=*", "tier=opus")))) as engine:
        await ask(engine, key="key_a")
        await ask(engine, key="key_b")
        for _ in range(3):
            await ask(engine, message("Hi. [[sim: out=5]]", model="claude-haiku-4-5-20251001"), key="key_a")
        with pytest.raises(LimitExceeded, match=r"limit requests \(key=key_a\)"):
            await ask(engine, key="key_a")
        with pytest.raises(LimitExceeded):
            await ask(engine, key="key_b", whose=Whose(team="t"))


async def test_what_is_too_large_is_told_at_once() -> None:
    async with engine_on(simulator(), limits=limits(rule("output_tokens", 50), wait_s=30)) as engine:
        with pytest.raises(
            LimitExceeded, match="at most 50 output tokens may ever come at once; lower max_tokens"
        ) as raised:
            await ask(engine, message("Hi.", max_tokens=4000))
        assert (raised.value.status_hint, raised.value.error_type, raised.value.retry_after_s) == (
            400,
            "invalid_request_error",
            0,
        )
        await ask(engine, message("Hi. [[sim: out=5]]", max_tokens=50))


async def test_nothing_is_used_by_a_call_that_was_not_sent() -> None:
    rules = (rule(amount=5), rule("output_tokens", 10_000), rule("concurrency", 2))
    full = {"requests": 5, "output_tokens": 10_000}
    async with engine_on(simulator(), limits=limits(*rules)) as engine:
        assert isinstance(engine.ledger, SqliteLedger)
        from tests.engine.test_budgeting import budget

        book = SqliteBudgetBook(engine.ledger)
        await book.put(budget(1))
        with pytest.raises(BudgetExceeded):
            await ask(engine)
        assert left(engine) == full
        await book.put(replace(budget(1), ended_us=1))

        async def breaks(_hold: object) -> None:
            raise LedgerError("no disk")

        engine.ledger.hold = breaks  # type: ignore[assignment, method-assign]
        with pytest.raises(LedgerError):
            await ask(engine)
        assert left(engine) == full


class Refusing:
    """A provider that cannot be reached."""

    async def send(self, _outgoing: Outgoing, _timeouts: Timeouts) -> Incoming:
        raise Unreachable("nobody there")

    async def close(self) -> None:
        return


async def test_nothing_is_used_where_nobody_could_be_reached() -> None:
    rules = (rule(amount=5), rule("tokens", 10_000), rule("concurrency", 2))
    async with engine_on(transport=Refusing(), limits=limits(*rules), upstream={"retry": "never"}) as engine:
        with pytest.raises(Unreachable):
            await ask(engine)
        assert left(engine) == {"requests": 5, "tokens": 10_000}


async def test_calls_under_way_are_counted_until_they_end() -> None:
    async with engine_on(simulator(), limits=limits(rule("concurrency", 2))) as engine:
        streams = [await engine.messages(call_of(STREAM)) for _ in range(2)]
        with pytest.raises(LimitExceeded, match="2 calls at once, and as many are under way") as raised:
            await ask(engine)
        assert raised.value.retry_after_s == 1
        await read_all(streams[0])
        await ask(engine)
        await streams[1].leave()
        assert left(engine) == {}
