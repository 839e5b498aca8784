"""Limits at work, on the simulator and through the gateway: never passed, given back in the end, told in headers."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from msgspec.structs import replace

from tests.engine.asking import tables
from tests.engine.limited import SHORT, STREAM, Standing, ask, left, limits, rule
from tests.fixtures import (
    HEADERS,
    TestClock,
    assert_sound,
    call_of,
    engine_on,
    message,
    read_all,
    serving,
    settings_of,
    simulator,
    told,
    until,
)
from thriftgate.core.control.budgets import Budget
from thriftgate.core.control.limits import Limit
from thriftgate.core.control.whose import Whose
from thriftgate.core.errors import BudgetExceeded, LedgerError, LimitExceeded, Unreachable
from thriftgate.engine.engine import Engine
from thriftgate.gateway.app import Gateway
from thriftgate.ledger.sql import SqlLedger
from thriftgate.ledger.sql_budget_book import SqlBudgetBook
from thriftgate.ledger.sql_limits import SqlLimitBook
from thriftgate.providers.transport import Incoming, Outgoing, Timeouts


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
        assert isinstance(engine.ledger, SqlLedger)
        book = SqlBudgetBook(engine.ledger)
        budget = Budget("bud_1", "all", 1)
        await book.put(budget)
        with pytest.raises(BudgetExceeded):
            await ask(engine)
        assert left(engine) == full
        await book.put(replace(budget, ended_us=1))

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


@pytest.mark.parametrize("seed", range(6))
async def test_a_storm_of_clients_that_leave_keeps_nothing(seed: int) -> None:
    """Calls are cancelled and streams left at any moment, some wait; afterwards all places are free."""
    draw = random.Random(seed)
    each = rule("concurrency", 2, scope=("key=*",)) | {"name": "each"}
    rules = (rule("concurrency", 3), each, rule("output_tokens", 10**6))
    most = 0

    async def client(engine: Engine) -> None:
        nonlocal most
        body = draw.choice([SHORT, STREAM])
        call = call_of(body, key=draw.choice(["k1", "k2", "k3"]))
        while True:
            try:
                reply = await engine.messages(call)
                break
            except LimitExceeded:
                for _ in range(100):
                    await asyncio.sleep(0)
        most = max(most, 3 - left(engine).get("concurrency", 3))
        try:
            for _ in range(draw.randrange(4)):
                if not await reply.read():
                    break
                await asyncio.sleep(0)
        finally:
            await reply.leave()

    table = limits(*rules, wait_s=0 if seed == 0 else 60)
    async with engine_on(simulator(), clock=Standing(), limits=table) as engine:
        clients = [asyncio.create_task(client(engine)) for _ in range(60)]
        while not all(one.done() for one in clients):
            if draw.random() < 0.2:
                draw.choice(clients[3:]).cancel()
            for _ in range(draw.randrange(20)):
                await asyncio.sleep(0)
        results = await asyncio.gather(*clients, return_exceptions=True)
        assert all(one is None or isinstance(one, asyncio.CancelledError) for one in results)
        await engine.tasks.finish(5)
        assert list(left(engine)) == ["output_tokens"]
        assert not engine.limiting._waiting
        assert 1 <= most <= 3

        async def written() -> bool:  # who was cancelled has not waited for that
            return not await engine.ledger.open_holds()

        await until(written)
        used = sum(one.usage.total.output for one in await engine.ledger.entries(limit=100_000))
        assert left(engine)["output_tokens"] == 10**6 - used < 10**6
        await assert_sound(engine.ledger)


async def test_counting_tokens_is_a_request() -> None:
    rules = (rule(amount=2, scope=("model=claude-opus-4-8",)), rule("tokens", 1), rule("concurrency", 1))
    body = {"model": "claude-opus-4-8", "messages": [{"role": "user", "content": "how long am I?"}]}
    async with engine_on(simulator(), limits=limits(*rules)) as engine:
        for _ in range(2):
            reply = await engine.count(call_of(body, path="/v1/messages/count_tokens"))
            assert b"input_tokens" in reply.body
        with pytest.raises(LimitExceeded, match="limit requests"):
            await engine.count(call_of(body, path="/v1/messages/count_tokens"))
        assert (await engine.count(call_of(b"{", path="/v1/messages/count_tokens"))).status == 400
        assert left(engine) == {"requests": 0, "tokens": 1}


async def test_calls_of_the_queue_are_not_limited() -> None:
    async with engine_on(simulator(), limits=limits(rule(amount=1))) as engine:
        await ask(engine)
        await ask(engine, waited=True)
        assert left(engine) == {"requests": 0}


async def test_a_call_that_is_made_again_is_one_request() -> None:
    """Its answer was cut by a cap of ours, and asked for again: one request, the tokens of both."""
    rules = (rule(amount=5), rule("concurrency", 1), rule("output_tokens", 100_000))
    asked = message("Which? [[sim: out=700]]", max_tokens=2000)
    async with engine_on(simulator(), limits=limits(*rules), **tables(("output.cap",), {"cap": 300})) as engine:
        await ask(engine, asked)
        entries = await engine.ledger.entries()
        assert [one.usage.total.output for one in entries] == [300, 700]
        assert left(engine) == {"requests": 4, "output_tokens": 99_000}


async def test_through_the_gateway_in_the_apis_shape(tmp_path: Path) -> None:
    """A limit made beside a running gateway, and changed; then a client that goes, and a gateway that is started anew."""
    path = tmp_path / "books.db"
    settings = settings_of(ledger={"path": str(path)}, limits=limits(rule("concurrency", 1)))
    with serving(simulator()) as url:
        settings = settings.model_copy(update={"upstream": settings.upstream.model_copy(update={"url": url})})
        ledger = SqlLedger.open(path)
        async with aiohttp.ClientSession(headers=HEADERS) as http:
            with serving(Gateway(settings)) as at:

                async def answers(status: int) -> bool:
                    async with http.post(at + "/v1/messages", json=SHORT) as got:
                        await got.read()
                        return got.status == status

                assert await answers(200)
                await SqlLimitBook(ledger).put(Limit("lim_1", "few", "requests", 2, per="hour"))
                await until(lambda: answers(429))
                async with http.post(at + "/v1/messages", json=SHORT) as got:
                    error = (await got.json())["error"]
                    assert (got.status, got.headers["thriftgate-error"]) == (429, "limit")
                    assert 1700 < int(got.headers["retry-after"]) <= 1800
                    assert "x-should-retry" not in got.headers
                    assert got.headers["thriftgate-limit"].startswith('name="few"; metric=requests; limit=2; remaining=0; ')
                    assert got.headers["request-id"].startswith("tg_")
                assert error["type"] == "rate_limit_error"
                assert error["message"].startswith("limit few: 2 requests a hour; 0 requests left")
                await SqlLimitBook(ledger).put(Limit("lim_1", "few", "requests", 200, per="hour"))
                await until(lambda: answers(200))
                await SqlLimitBook(ledger).put(Limit("lim_1", "few", "requests", 2, per="hour"))
                await until(lambda: answers(429))
            with serving(Gateway(settings)) as at:
                assert await answers(200)  # nothing is used after a restart
                long = message("Hi. [[sim: out=4000]]", max_tokens=8000, stream=True)
                async with http.post(at + "/v1/messages", json=long) as got:
                    assert got.status == 200
                    await got.content.readany()  # and gone
                await SqlLimitBook(ledger).put(Limit("lim_1", "few", "requests", 200, per="hour"))
                await until(lambda: answers(200))  # the only place is free again
        await ledger.close()
