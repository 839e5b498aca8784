"""Several gateways on one set of books: each takes calls that can wait, one of them works on the queue."""

from __future__ import annotations

import asyncio
import contextlib
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest

from tests.fixtures import call_of, message, until
from tests.gateway.many import one_of_many
from thriftgate.batch.queue import LetGo, Queue, Ticket
from thriftgate.engine.engine import Engine
from thriftgate.gateway.duties import Duties
from thriftgate.ledger.jobs import QUEUE, Job
from thriftgate.ledger.sql import SqlLedger
from thriftgate.simulator import Simulator, SimulatorConfig
from thriftgate.simulator.config import BatchRules

SIX_HOURS = 6 * 3600.0


class Fleet:
    """Gateways on one file, in front of one provider."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        rules = BatchRules(duration_s=(0.2, 0.5))
        self.provider = Simulator(SimulatorConfig(seed=1, tokenizer="estimate", batches=rules, instance_id="many"))

    def gateway(self, **batch: Any) -> AbstractAsyncContextManager[tuple[Engine, Duties]]:
        return one_of_many(self._folder, self.provider, batch={"window_s": 1.0} | batch)


async def taken(duties: Duties, engine: Engine, text: str) -> tuple[Queue, Ticket]:
    assert duties.queue is not None
    found = await duties.queue.offer(call_of(message(text)), engine.clock.now_s() + SIX_HOURS)
    assert isinstance(found, Ticket), found
    return duties.queue, found


async def test_calls_of_all_gateways_share_a_batch(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path)
    async with fleet.gateway() as (first, leads), fleet.gateway() as (second, follows):
        assert (leads.worker is not None, follows.worker) == (True, None)
        calls = [await taken(*pair, text) for pair, text in (((leads, first), "a"), ((follows, second), "b"))]
        async with asyncio.timeout(30):
            told = await asyncio.gather(*(queue.wait(ticket.job) for queue, ticket in calls))
        assert [one.answer.status for one in told if one.answer is not None] == [200, 200]
        entries = await first.ledger.entries(limit=10)
        assert [entry.mode for entry in entries] == ["batch", "batch"]
        assert len({entry.upstream_request_id for entry in entries}) == 1
        assert leads.worker is not None
        assert leads.worker.open_jobs == 0


async def test_calls_of_all_gateways_share_a_prefix(tmp_path: Path) -> None:
    """Whose boundaries the one that works has not been told: it reads them off the bodies."""
    fleet = Fleet(tmp_path)
    system = "You are a clerk of the archive, and answer briefly. " * 700
    async with fleet.gateway() as (first, leads), fleet.gateway() as (second, follows):
        calls: list[tuple[Queue, Job]] = []
        for duties, engine in ((leads, first), (follows, second), (follows, second)):
            assert duties.queue is not None
            body = message(f"question {len(calls)}", system=system)
            found = await duties.queue.offer(call_of(body), engine.clock.now_s() + SIX_HOURS)
            assert isinstance(found, Ticket), found
            calls.append((duties.queue, found.job))
        async with asyncio.timeout(30):
            await asyncio.gather(*(queue.wait(job) for queue, job in calls))
        ledger = first.ledger
        assert isinstance(ledger, SqlLedger)
        groups = await ledger.ask(lambda connection: connection.execute("select items from groups").fetchall())
        assert [tuple(row) for row in groups] == [(3,)]


async def test_who_takes_over_goes_on_with_what_another_one_took(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path)
    async with contextlib.AsyncExitStack() as stack:
        await stack.enter_async_context(fleet.gateway(window_s=60.0))
        async with fleet.gateway() as (second, follows):
            queue, ticket = await taken(follows, second, "held")
            waiting = asyncio.ensure_future(queue.wait(ticket.job))
            await stack.aclose()

            async def leads() -> bool:
                return follows.worker is not None

            await until(leads)
            async with asyncio.timeout(30):
                told = await waiting
            assert told.answer is not None
            assert told.answer.status == 200
            entries = await second.ledger.entries(limit=10)
            assert [entry.mode for entry in entries] == ["batch"]


async def test_where_nobody_works_a_call_is_made_at_once(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path)
    async with fleet.gateway() as (_, leads), fleet.gateway() as (second, follows):
        assert leads.worker is not None
        await leads.worker.close()
        assert follows.queue is not None
        found = await follows.queue.offer(call_of(message()), second.clock.now_s() + SIX_HOURS)
        assert getattr(found, "reason", "") == "no gateway works on the queue just now"
        assert await follows.queue.book.in_order(QUEUE, -1, 10) == []


async def test_one_that_stops_lets_its_connections_go(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path)
    async with fleet.gateway(window_s=60.0), fleet.gateway() as (second, follows):
        queue, ticket = await taken(follows, second, "held")
        waiting = asyncio.ensure_future(queue.wait(ticket.job))
        await asyncio.sleep(0.1)
        follows.let_go()
        with pytest.raises(LetGo, match="the gateway is stopping"):
            await waiting
