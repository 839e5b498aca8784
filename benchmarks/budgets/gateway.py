"""Callers through a real gateway to the simulator, whose bill judges; the gateway is killed and started again."""

from __future__ import annotations

import asyncio
import random
import signal
import tempfile
import time
from decimal import Decimal
from pathlib import Path

import aiohttp
from tests.fixtures import HEADERS, Running

from benchmarks.budgets.processes import Outcome, outcome_of
from thriftgate.core.control.budgets import Budget
from thriftgate.core.money import pico_from_usd
from thriftgate.ledger.sql import SqlLedger
from thriftgate.ledger.sql_budget_book import SqlBudgetBook

MODEL = "claude-haiku-4-5-20251001"
CALL_USD = Decimal("0.0015")  # about what one comes to
CALLS_PER_KILL = 25_000


async def through_the_gateway(callers: int, kills: int, seed: int) -> Outcome:
    """The budget is large enough that the calls which a kill leaves in doubt are a small part of it."""
    limit_pico = pico_from_usd(CALL_USD * CALLS_PER_KILL * max(1, kills))
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "books.db")
        ledger = SqlLedger.open(path)
        await SqlBudgetBook(ledger).put(Budget("bud_1", "all", limit_pico, window="total", stages=()))
        await ledger.close()
        simulator = await asyncio.to_thread(Running, "simulate", "--port", "0", "--seed", str(seed))
        arguments = ("serve", "--port", "0", "--upstream", simulator.url, "--ledger", path)
        load = Load(callers, seed)
        began = time.perf_counter()
        try:
            killed = await _lives(load, arguments, kills, seed)
            seconds = time.perf_counter() - began
            billed = await _bill(simulator.url)
        finally:
            await asyncio.to_thread(simulator.stop)
        found = await _judged(path, billed, limit_pico)
        return found._replace(back_end="gateway on sqlite", callers=callers, kills=killed, seconds=seconds)


class Load:
    """Callers that go on until the budget has no room for good."""

    def __init__(self, callers: int, seed: int) -> None:
        self.callers = callers
        self.url = ""
        self.up = asyncio.Event()
        self.draw = random.Random(seed)
        self.answers = 0

    async def run(self) -> None:
        timeout = aiohttp.ClientTimeout(total=60)
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), timeout=timeout) as session:
            await asyncio.gather(*(self._one(session) for _ in range(self.callers)))

    async def _one(self, session: aiohttp.ClientSession) -> None:
        while True:
            await self.up.wait()
            try:
                status = await self._call(session)
            except (aiohttp.ClientError, TimeoutError):  # killed
                await asyncio.sleep(0.05)
                continue
            self.answers += status == 200
            if status == 402:
                return
            if status != 200:
                await asyncio.sleep(self.draw.uniform(0, 0.5))

    async def _call(self, session: aiohttp.ClientSession) -> int:
        out = self.draw.randint(200, 300)
        body = {
            "model": MODEL,
            "max_tokens": 300,
            "messages": [{"role": "user", "content": f"Say something. [[sim: out={out}]]"}],
        }
        async with session.post(f"{self.url}/v1/messages", json=body, headers=HEADERS) as answer:
            await answer.read()
            return answer.status


async def _lives(load: Load, arguments: tuple[str, ...], kills: int, seed: int) -> int:
    draw, killed = random.Random(seed), 0
    gateway = await asyncio.to_thread(Running, *arguments)
    load.url = gateway.url
    load.up.set()
    clients = asyncio.ensure_future(load.run())
    try:
        while killed < kills and not clients.done():
            goal = load.answers + draw.randint(CALLS_PER_KILL // 4, CALLS_PER_KILL // 2)
            while load.answers < goal and not clients.done():
                await asyncio.sleep(0.01)
            if clients.done():
                break
            load.up.clear()
            await asyncio.to_thread(gateway.stop, signal.SIGKILL)
            killed += 1
            gateway = await asyncio.to_thread(Running, *arguments)
            load.url = gateway.url
            load.up.set()
        await clients
    finally:
        clients.cancel()
        await asyncio.to_thread(gateway.stop)
    return killed


async def _bill(url: str) -> int:
    async with aiohttp.ClientSession() as session, session.get(f"{url}/_sim/bill/summary") as answer:
        return pico_from_usd(Decimal((await answer.json())["total_usd"]))


async def _judged(path: str, billed: int, limit_pico: int) -> Outcome:
    ledger = SqlLedger.open(path)
    (standing,) = await SqlBudgetBook(ledger).standings(2**61)
    report = await ledger.report()
    await ledger.close()
    assert standing.spent_pico == report.paid_pico, "the budget and the books differ"
    return outcome_of(standing, report, billed=billed, limit=limit_pico)
