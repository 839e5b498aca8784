"""The short form of `python -m benchmarks.batch deadlines`: no deadline is missed, and most jobs are at batch price."""

from __future__ import annotations

import asyncio

import pytest
from benchmarks.batch import deadlines

from thriftgate.simulator import SimClock


@pytest.mark.parametrize(("case", "count"), [("calls", 150), ("files", 600)])
def test_no_deadline_is_missed_with_a_slow_provider(case: str, count: int) -> None:
    (kept,) = deadlines.measure(count, seed=4, cases=(case,), arriving_s=600.0)
    print(deadlines.table([kept]))
    assert kept.missed == 0
    assert kept.jobs == count
    assert kept.closest_s > 0
    assert kept.share > 0.7
    assert kept.cost < kept.as_calls
    assert kept.canceled > 0, "no batch was ever late: that proves nothing"
    assert deadlines.goals([kept])[0].passed


async def test_waits_that_begin_together_end_together() -> None:
    time = deadlines.Time()
    begun = SimClock.frozen()()
    await asyncio.gather(time.overlapping(3.0), time.overlapping(5.0), time.overlapping(4.0))
    assert time() == begun + 5.0
