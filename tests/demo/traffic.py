"""What one workload left in the books of the whole demo."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from tests.demo.done import demo_done
from thriftgate.ledger.entries import Entry
from thriftgate.ledger.sql import SqlLedger


def entries_of(workload: str) -> list[Entry]:
    """The entries of a workload, in order."""
    done = demo_done()
    outcome = next(one for one in done.outcomes if one.name == workload)
    entries = asyncio.run(_entries(done.ledger))
    key = next(entry.key for entry in entries if entry.id == outcome.example)
    return [entry for entry in entries if entry.key == key]


async def _entries(path: str) -> Sequence[Entry]:
    ledger = SqlLedger.open(path)
    try:
        return await ledger.entries(limit=10_000)
    finally:
        await ledger.close()
