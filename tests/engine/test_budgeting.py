"""Budgets at work, on the simulator and through the gateway: never overspent, nothing left held, stages do what they say."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from msgspec.structs import replace

from tests.fixtures import (
    HEADERS,
    MODEL,
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
from thriftgate.core.control.budgets import Budget, Stage, Standing
from thriftgate.core.control.whose import Whose
from thriftgate.core.errors import BudgetExceeded
from thriftgate.engine.budgeting import budget_headers
from thriftgate.engine.engine import Engine
from thriftgate.gateway.app import Gateway
from thriftgate.ledger.entries import UPSTREAM
from thriftgate.ledger.sql import SqlLedger
from thriftgate.ledger.sql_budget_book import SqlBudgetBook

DOLLAR = 10**12
CENT = DOLLAR // 100
OUTPUT_PICO = 25_000_000  # Opus 4.8, a token
WORST = message("All. [[sim: out=50]]", max_tokens=400)


def budget(limit_pico: int, *stages: Stage, **members: Any) -> Budget:
    base = Budget("bud_1", "search", limit_pico, window="total", stages=stages)
    return replace(base, **members)


def book_of(engine: Engine) -> SqlBudgetBook:
    assert isinstance(engine.ledger, SqlLedger)
    return SqlBudgetBook(engine.ledger)


async def put(engine: Engine, *budgets: Budget) -> None:
    for one in budgets:
        await book_of(engine).put(one)
    await engine.budgeting.refresh()


async def standing(engine: Engine) -> Standing:
    (one,) = await book_of(engine).standings(int(engine.clock.now_s() * 1e6))
    return one


async def paid(engine: Engine) -> int:
    return -sum(entry.posted(UPSTREAM) for entry in await engine.ledger.entries(limit=10_000))


async def test_what_is_spent_of_a_budget_is_what_the_books_say() -> None:
    async with engine_on(simulator()) as engine:
        await put(engine, budget(DOLLAR, Stage(50), scope=("team=search",)))
        for team in ("search", "search", "sales"):
            reply = await engine.messages(call_of(WORST, whose=Whose(team=team)))
            await read_all(reply)
        entries = await engine.ledger.entries()
        mine = [-entry.posted(UPSTREAM) for entry in entries if entry.whose.team == "search"]
        one = await standing(engine)
        assert (one.spent_pico, one.held_pico, one.doubt_pico) == (sum(mine), 0, 0)
        assert len(mine) == 2
        assert not any(name == b"thriftgate-budget" for name, _ in reply.headers)  # sales has none
        reply = await engine.messages(call_of(WORST, whose=Whose(team="search")))
        assert told(reply.headers, "thriftgate-budget").startswith('name="search"; limit=1; spent=0.00')


async def test_parallel_calls_never_overspend_and_use_nearly_all() -> None:
    async with engine_on(simulator()) as engine:
        await put(engine, budget(30 * CENT))

        async def caller() -> None:
            while True:
                try:
                    await read_all(await engine.messages(call_of(WORST)))
                except BudgetExceeded as error:
                    if error.status_hint == 402:
                        return
                    await asyncio.sleep(0)

        async with asyncio.timeout(60):
            await asyncio.gather(*(caller() for _ in range(100)))
        one = await standing(engine)
        assert one.spent_pico == await paid(engine) <= 30 * CENT
        assert one.held_pico == 0
        assert one.spent_pico >= 0.95 * 30 * CENT
        await assert_sound(engine.ledger)


async def test_a_call_without_room_is_booked_as_refused_and_answered_in_the_apis_shape(tmp_path: Path) -> None:
    settings = settings_of(ledger={"path": str(tmp_path / "books.db")})
    with serving(simulator()) as url:
        gateway = Gateway(settings.model_copy(update={"upstream": settings.upstream.model_copy(update={"url": url})}))
        ledger = SqlLedger.open(tmp_path / "books.db")
        await SqlBudgetBook(ledger).put(budget(1000))
        with serving(gateway) as at:
            async with aiohttp.ClientSession() as http, http.post(at + "/v1/messages", json=WORST, headers=HEADERS) as got:
                assert (got.status, got.headers["thriftgate-error"]) == (402, "budget")
                assert got.headers["x-should-retry"] == "false"
                error = (await got.json())["error"]
        assert error["type"] == "billing_error"
        assert error["message"].startswith("budget search: $0 of $0.000000001 is spent; this call could cost up to $0.01")
        (entry,) = await ledger.entries()
        assert (entry.outcome, entry.resolution, entry.status, entry.postings) == ("refused", "void", 402, entry.postings)
        assert not await ledger.open_holds()
        await ledger.close()


async def test_held_money_is_worth_another_try() -> None:
    app = simulator()
    async with engine_on(app) as engine:
        await put(engine, budget(3 * CENT // 2))
        calls = [engine.messages(call_of(WORST)) for _ in range(5)]
        results = await asyncio.gather(*calls, return_exceptions=True)
        refused = [one for one in results if isinstance(one, BudgetExceeded)]
        assert refused
        assert {(one.status_hint, one.retry_after_s) for one in refused} == {(429, 1.0)}
        reply = await engine.messages(call_of(WORST))
        assert reply.status == 200


async def test_a_killed_process_leaves_its_worst_case_in_doubt(tmp_path: Path) -> None:
    path = tmp_path / "books.db"
    ledger = SqlLedger.open(path)
    await SqlBudgetBook(ledger).put(budget(DOLLAR))
    from tests.contracts.check_budgets import taking

    await ledger.hold(taking("tg_00000000000001deadbeef0001", 0.5))
    await ledger.close()
    async with engine_on(simulator(), ledger={"path": str(path)}) as engine:  # which closes what was left open
        one = await standing(engine)
        assert (one.spent_pico, one.held_pico, one.doubt_pico) == (DOLLAR // 4, 0, DOLLAR // 4)
        assert engine.budgeting.standings() == [one]


async def spend(engine: Engine, share: float) -> None:
    """Spend that share of the one budget there is, as its book sees it."""
    one = await standing(engine)
    await book_of(engine).put(replace(one.budget, limit_pico=round(one.spent_pico / share)))
    await engine.budgeting.refresh()


async def test_stages_are_told_once_and_squeeze_calls() -> None:
    stages = (
        Stage(50),
        Stage(60, "no_fast"),
        Stage(70, "cheaper", "claude-haiku-4-5-20251001"),
        Stage(80, "batch"),
        Stage(90, "refuse"),
    )
    crossed: list[int] = []
    async with engine_on(simulator(), transport=None) as engine:
        engine.budgeting.crossed.append(lambda _standing, stage: crossed.append(stage.percent))
        await put(engine, budget(DOLLAR, *stages, hard=False))
        fast = message("Hi. [[sim: out=5]]", model="claude-opus-4-6", speed="fast")
        beta = {**HEADERS, "anthropic-beta": "fast-mode-2026-02-01"}
        await read_all(await engine.messages(call_of(WORST)))
        for share in (0.51, 0.55):
            await spend(engine, share)
        assert crossed == [50]
        reply = await engine.messages(call_of(WORST))
        assert "stage=50" in told(reply.headers, "thriftgate-budget")
        await spend(engine, 0.65)
        await read_all(await engine.messages(call_of(fast, headers=beta)))
        assert (await engine.ledger.entries())[-1].mode == "standard"
        await spend(engine, 0.75)
        reply = await engine.messages(call_of(message("What is 2 + 2? [[sim: out=5]]", max_tokens=100)))
        entry = (await engine.ledger.entries())[-1]
        assert (entry.asked_model, entry.model) == (MODEL, "claude-haiku-4-5-20251001")
        assert entry.choice is not None
        assert "budget search is at 75 %" in entry.choice.reason
        await spend(engine, 0.85)
        with pytest.raises(BudgetExceeded, match="only calls that can wait are taken; send it with a thriftgate-deadline"):
            await engine.messages(call_of(WORST))
        await spend(engine, 0.95)
        with pytest.raises(BudgetExceeded, match="budget search is at 95 %: no calls are taken any more"):
            await engine.messages(call_of(WORST))
        assert crossed == [50, 60, 70, 80, 90]
        assert [one.outcome for one in await engine.ledger.entries()][-2:] == ["refused", "refused"]
        await assert_sound(engine.ledger)


async def test_what_another_process_changes_is_seen_soon(tmp_path: Path) -> None:
    path = tmp_path / "books.db"
    clock = TestClock()
    async with engine_on(simulator(), clock=clock, ledger={"path": str(path)}) as engine:
        assert not engine.budgeting.on
        beside = SqlLedger.open(path)
        await SqlBudgetBook(beside).put(budget(1000))
        with pytest.raises(BudgetExceeded):  # the ledger knows at once
            await engine.messages(call_of(WORST))
        clock.advance(5)
        with pytest.raises(BudgetExceeded):
            await engine.messages(call_of(WORST))

        async def seen() -> bool:
            return engine.budgeting.on

        await until(seen)
        await beside.close()


async def test_a_listener_that_fails_hurts_nobody() -> None:
    async with engine_on(simulator()) as engine:

        def fails(_standing: Standing, _stage: Stage) -> None:
            raise ValueError

        engine.budgeting.crossed.append(fails)
        await put(engine, budget(DOLLAR, Stage(1), hard=False))
        await read_all(await engine.messages(call_of(WORST)))
        await spend(engine, 0.5)
        assert (await engine.messages(call_of(WORST))).status == 200


def test_the_header_tells_of_the_budget_nearest_to_its_limit() -> None:
    near = Standing(budget(10 * DOLLAR, Stage(50), name='"a"\n'), "key=é", 6 * DOLLAR, DOLLAR, DOLLAR, 0, 2**62)
    far = Standing(budget(100 * DOLLAR), "", DOLLAR, 0, 0, 0, 5)
    ((name, value),) = budget_headers((far, near))
    assert name == b"thriftgate-budget"
    assert value == b"name=\"'a'? (key=?)\"; limit=10; spent=7; left=2; percent=70; stage=50"
    assert budget_headers(()) == ()


async def test_each_member_is_told_of_once_a_window() -> None:
    told: list[tuple[str, int]] = []
    each = budget(10 * CENT, Stage(50), Stage(90), scope=("key=*",), window="day", hard=False)

    def stands(member: str, cents: int, day: int) -> Standing:
        return Standing(each, member, cents * CENT, 0, 0, day, day + 1)

    async with engine_on(simulator()) as engine:
        engine.budgeting.crossed.append(lambda standing, stage: told.append((standing.member, stage.percent)))
        for one in (
            stands("a", 6, 1),
            stands("b", 5, 1),
            stands("a", 7, 1),
            stands("a", 9, 1),
            stands("b", 1, 2),
            stands("b", 5, 2),
        ):
            engine.budgeting.held((one,))
    assert told == [("a", 50), ("b", 50), ("a", 90), ("b", 50)]
