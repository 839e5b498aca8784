"""What roll-ups add to settling a call: the same calls into two files, with them and without."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from unittest import mock

from msgspec import Struct
from msgspec.structs import replace

from thriftgate.core.control.whose import Whose
from thriftgate.core.misses import Miss
from thriftgate.core.usage import Tokens, Usage
from thriftgate.ledger import sql_rollups
from thriftgate.ledger.entries import Entry, Hold, balanced
from thriftgate.ledger.sql import SqlLedger

_OPENED_US = 1_795_262_400_000_000


class Settled(Struct, frozen=True):
    """So many calls, so many at a time: CPU of the whole process and time on the clock, in microseconds a call."""

    at_once: int
    rolled_up: bool
    cpu_us: float
    wall_us: float


def settle_all(folder: Path, calls: int, at_once: int, *, rolled_up: bool) -> Settled:
    """Hold and settle them, in a file of their own."""
    path = folder / f"settled-{at_once}-{rolled_up}.db"
    without = mock.patch.object(sql_rollups, "add", return_value=None)
    if rolled_up:
        return asyncio.run(_settle(path, calls, at_once, rolled_up=True))
    with without:
        return asyncio.run(_settle(path, calls, at_once, rolled_up=False))


async def _settle(path: Path, calls: int, at_once: int, *, rolled_up: bool) -> Settled:
    ledger = SqlLedger.open(path)
    entries = [entry_of(at) for at in range(calls)]
    cpu, wall = time.process_time(), time.perf_counter()
    for at in range(0, calls, at_once):
        some = entries[at : at + at_once]
        await asyncio.gather(*(ledger.hold(hold_of(entry)) for entry in some))
        await asyncio.gather(*(ledger.settle(entry) for entry in some))
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    await ledger.close()
    path.unlink()
    return Settled(at_once, rolled_up, cpu / calls * 1e6, wall / calls * 1e6)


def entry_of(at: int) -> Entry:
    """A call of one of fifty keys, with a miss every third time."""
    key = at % 50
    miss = Miss("expired", 500, 10**6, "sent 400 s ago", avoidable=True)
    base = Entry(
        id=f"tg_{_OPENED_US + at * 250_000:014x}{at:012x}",
        opened_us=_OPENED_US + at * 250_000,
        settled_us=_OPENED_US + at * 250_000 + 1_500_000,
        key=f"key_{key:012x}",
        model=("claude-opus-5-5", "claude-haiku-5-5")[key % 2],
        endpoint="anthropic.messages",
        outcome="answered",
        resolution="post",
        usage_source="exact",
        usage=Usage(Tokens(input=100, read=at % 9_000, output=100)),
        postings=balanced(6_400_000_000, 2_600_000_000, {"cache.breakpoints": 3_800_000_000}),
        provider="anthropic",
        upstream="main",
        task=f"task-{key % 7}",
        whose=Whose(f"user-{key}", f"team-{key % 5}", "org"),
        ttfb_ms=400,
        latency_ms=1_500,
    )
    return replace(base, miss=miss) if at % 3 == 0 else base


def hold_of(entry: Entry) -> Hold:
    return Hold(entry.id, entry.opened_us, entry.key, entry.model, 10**10, 10**9)
