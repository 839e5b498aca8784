"""A thousand mixed calls through real sockets, with faults: each is in the books once, to the pico-dollar."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest

from tests.fixtures import assert_sound, books, client, running, serving
from tests.sim.traffic import Manner, Seen, ask, draw_request
from thriftgate.core.money import pico_from_usd
from thriftgate.ledger.entries import UPSTREAM, Entry
from thriftgate.simulator import Faults, Latency, Simulator, SimulatorConfig

SEED = 20261121
CALLS = 1000
CLIENTS = 24
MANNERS: dict[Manner, int] = {"json": 40, "stream": 42, "leave": 10, "invalid": 3, "unknown_model": 2, "count": 3}
FAULTS = Faults(
    seed=SEED,
    reset_before_headers=0.01,
    rate_limit=0.02,
    rate_limit_bare=0.02,
    internal_error=0.02,
    overloaded=0.02,
    garbage_body=0.02,
    empty_body=0.01,
    wrong_length=0.02,
    reset_mid_stream=0.02,
    cut_stream=0.02,
    garbage_sse=0.02,
    error_event=0.02,
    latency=0.005,
    latency_s=2.5,
    slow_drip=0.02,
    drip_s=0.01,
)
CONFIG = """
[upstream]
read_timeout_s = 1.0
retry_wait_s_max = 0.1
[server]
drain_s = 1.0
[governor]
on = {governor}
"""


def new_simulator() -> Simulator:
    latency = Latency(first_byte_s=0.005, per_output_token_s=0.0002)
    return Simulator(SimulatorConfig(seed=SEED, tokenizer="estimate", faults=FAULTS, latency=latency))


async def load(url: str, calls: int) -> list[Seen]:
    """All calls, by so many clients at once."""
    draw = random.Random(SEED)
    manners = draw.choices(list(MANNERS), list(MANNERS.values()), k=calls)
    work = [(manner, draw_request(draw, manner, number), draw.randint(1, 6)) for number, manner in enumerate(manners)]
    seen: list[Seen] = []

    async def one(session: aiohttp.ClientSession) -> None:
        while work:
            manner, raw, leave_after = work.pop()
            seen.append(await ask(session, url, manner, raw, leave_after=leave_after))

    async with client() as session:
        await asyncio.gather(*(one(session) for _ in range(CLIENTS)))
    return seen


async def bill_of(url: str) -> dict[str, dict[str, Any]]:
    """What the simulator says that each message cost."""
    async with client() as session, session.get(f"{url}/_sim/bill") as response:
        calls = msgspec.json.decode(await response.read())["calls"]
    by_message = {call["message_id"]: call for call in calls}
    assert len(by_message) == len(calls)
    return by_message


@pytest.mark.parametrize(("calls", "governor"), [(CALLS, "false"), (CALLS // 20, "true")])  # it waits where it is told to
async def test_every_call_is_booked_once_and_exactly(tmp_path: Path, calls: int, governor: str) -> None:
    config = tmp_path / "thriftgate.toml"
    config.write_text(CONFIG.format(governor=governor))
    path = tmp_path / "books.db"
    with serving(new_simulator()) as upstream:
        arguments = ("serve", "--port", "0", "--upstream", upstream, "--ledger", str(path), "--config", str(config))
        with running(*arguments) as gateway:
            seen = await asyncio.wait_for(load(gateway.url, calls), 60)
            gateway.stop()
        billed = await bill_of(upstream)
    assert "Traceback" not in gateway.stderr, gateway.stderr
    async with books(path) as ledger:
        entries = list(await ledger.entries(limit=2 * CALLS))
        await assert_sound(ledger)
    assert len(seen) == calls
    check_once(seen, entries)
    check_outcomes(seen, {entry.id: entry for entry in entries})
    check_bill(entries, billed)
    exact = sum(entry.usage_source == "exact" for entry in entries)
    counted = Counter(entry.outcome for entry in entries)
    assert exact > calls * 0.6
    if calls == CALLS:
        assert counted.keys() == {"answered", "failed", "cut", "left", "garbage", "timeout", "refused"}, counted


def check_once(seen: list[Seen], entries: list[Entry]) -> None:
    """As many entries as calls that cost something or were refused; none twice."""
    booked = [call for call in seen if call.manner != "count"]
    assert len(entries) == len(booked)
    told = [call.call_id for call in booked if call.status]
    assert "" not in told
    assert len(set(told)) == len(told)
    assert {entry.id for entry in entries} == set(told)


def check_outcomes(seen: list[Seen], entries: dict[str, Entry]) -> None:
    """What the books say is what the client saw."""
    for call in seen:
        if call.manner == "count":
            continue
        entry = entries[call.call_id]
        if call.manner in ("invalid", "unknown_model"):
            assert (call.status, entry.outcome) == (400, "refused")
        elif call.status == 200 and call.whole and call.manner != "leave":
            assert (entry.outcome, entry.usage_source) == ("answered", "exact")
            assert entry.message_id == call.message_id
        elif call.status in (502, 504):
            assert entry.outcome in ("garbage", "cut", "timeout")
            assert b'"type":"api_error"' in call.body or b'"type":"timeout_error"' in call.body
        elif call.status >= 400:
            assert (entry.outcome, entry.status) == ("failed", call.status)
        elif call.manner == "stream":
            assert entry.outcome == "cut", entry


def check_bill(entries: list[Entry], billed: dict[str, dict[str, Any]]) -> None:
    """Exact entries equal the bill to the pico-dollar, void ones are not on it, and all else is flagged."""
    exact = [entry for entry in entries if entry.usage_source == "exact"]
    for entry in exact:
        assert -entry.posted(UPSTREAM) == pico_from_usd(billed[entry.message_id]["cost_usd"]), entry
    by_request = {call["request_id"] for call in billed.values()}
    for entry in entries:
        if entry.usage_source == "none":
            assert entry.upstream_request_id not in by_request
            assert entry.posted(UPSTREAM) == 0
        if entry.outcome == "answered":
            assert entry.usage_source == "exact"
    assert any(entry.usage.total.read for entry in exact)
    left = [entry for entry in entries if entry.outcome == "left"]
    assert any(entry.usage_source == "exact" for entry in left), "none was drained to its end"
