"""What others may have changed is read again, not too often."""

from __future__ import annotations

import asyncio

from tests.fixtures import TestClock
from thriftgate.core.errors import LedgerError
from thriftgate.engine.freshness import FRESH_S, Freshness
from thriftgate.engine.tasks import Tasks


async def test_read_again_once_it_is_old_and_by_one_at_a_time() -> None:
    clock, tasks, reads = TestClock(), Tasks(), list[float]()
    takes_s = 0.0

    async def read() -> None:
        reads.append(clock.now_s())
        clock.advance(takes_s)
        await asyncio.sleep(0)

    fresh = Freshness(read, "things", clock, tasks)
    fresh.soon()
    fresh.soon()
    await tasks.finish(1)
    fresh.soon()
    await tasks.finish(1)
    assert len(reads) == 1
    clock.advance(FRESH_S)
    takes_s = 1.0
    fresh.soon()
    await tasks.finish(1)
    assert len(reads) == 2
    clock.advance(19)  # what takes a second is read every twenty
    fresh.soon()
    await tasks.finish(1)
    assert len(reads) == 2
    clock.advance(1)
    fresh.soon()
    await tasks.finish(1)
    assert len(reads) == 3


async def test_books_that_cannot_be_read_are_tried_again() -> None:
    clock, tasks, reads = TestClock(), Tasks(), list[int]()

    async def read() -> None:
        reads.append(1)
        raise LedgerError("closed")

    fresh = Freshness(read, "things", clock, tasks)
    for _ in range(2):
        fresh.soon()
        await tasks.finish(1)
    assert len(reads) == 2
