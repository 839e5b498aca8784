"""Calls that can wait, on a supervisor with two workers: both take them, and are killed one after the other."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest

from tests.fixtures import KEY, Running, assert_sound, books, message, running, serving, until
from tests.postgres_books import fresh_books
from thriftgate.core.money import pico_from_usd
from thriftgate.ledger.entries import UPSTREAM
from thriftgate.simulator import Simulator, SimulatorConfig
from thriftgate.simulator.config import BatchRules

CALLS = 24
TRIES = 20


def settings(folder: Path, upstream: str, ledger: str) -> Path:
    path = folder / "settings.toml"
    path.write_text(
        f'[server]\nport = 0\nworkers = 2\nunshared = true\n[ledger]\npath = "{ledger}"\n'
        f'[upstream]\nurl = "{upstream}"\napi_key = "{KEY}"\n[batch]\nwindow_s = 2\n'
        '[policy]\nlevers = ["cache.breakpoints", "batch.defer", "count.guard"]\n'
    )
    return path


def ups(process: Running) -> set[int]:
    """The processes of workers that came up."""
    return {int(msgspec.json.decode(line)["pid"]) for line in process.said if '"worker up"' in line}


async def ask(url: str, number: int) -> dict[str, Any]:
    """One call that waits at its connection, sent again under the same name where that breaks. Each has a connection of its
    own, so that both workers are asked."""
    headers = {"x-api-key": KEY, "anthropic-version": "2023-06-01", "thriftgate-deadline": "6h", "thriftgate-wait": "true"}
    headers["thriftgate-idempotency-key"] = f"call {number}"
    for _ in range(TRIES):
        try:
            async with (
                aiohttp.ClientSession() as session,
                session.post(f"{url}/v1/messages", json=message(f"question {number}"), headers=headers) as response,
            ):
                body = await response.read()
                if response.status == 200:
                    return {"body": msgspec.json.decode(body), "deferred": response.headers.get("thriftgate-deferred", "")}
        except aiohttp.ClientError:
            pass
        await asyncio.sleep(0.5)
    raise AssertionError(f"call {number} was not answered in {TRIES} tries")


@pytest.mark.parametrize("on", ["sqlite", "postgres"])
async def test_both_workers_take_calls_and_none_is_lost_when_they_are_killed(on: str, tmp_path: Path) -> None:
    ledger = fresh_books() if on == "postgres" else str(tmp_path / "books.db")
    simulator = Simulator(SimulatorConfig(seed=1, tokenizer="estimate", batches=BatchRules(duration_s=(8.0, 12.0))))
    with serving(simulator) as upstream, running("serve", "--config", str(settings(tmp_path, upstream, ledger))) as process:

        async def up() -> bool:
            return len(ups(process)) == 2

        await until(up)
        asking = [asyncio.ensure_future(ask(process.url, number)) for number in range(CALLS)]

        async def sent() -> bool:
            return any('"event": "batch created"' in line for line in process.said)

        await until(sent)
        first, second = sorted(ups(process))
        os.kill(first, signal.SIGKILL)

        async def replaced() -> bool:
            return len(ups(process)) == 3

        await until(replaced)
        os.kill(second, signal.SIGKILL)  # one of the two led
        answers = await asyncio.wait_for(asyncio.gather(*asking), 90)
        await asyncio.to_thread(process.stop)
    assert any('"event": "this process leads"' in line for line in process.said), "the other one took the queue up"
    assert len({one["body"]["id"] for one in answers}) == CALLS
    assert {one["deferred"] for one in answers} == {""}, "none was made at once"
    async with books(ledger) as opened:
        await assert_sound(opened)
        assert not await opened.open_holds()
        entries = await opened.entries(limit=1000)
    assert sum(-entry.posted(UPSTREAM) for entry in entries) == sum(pico_from_usd(one.cost) for one in simulator.bill.calls)
    assert len(simulator.bill.calls) == CALLS, "each was billed once"
    assert {entry.mode for entry in entries} == {"batch"}
