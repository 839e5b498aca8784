"""A clock that runs and can be moved on."""

from __future__ import annotations

from thriftgate.clock import SystemClock
from thriftgate.demo.clock import DemoClock


async def test_pauses_move_wall_time_only() -> None:
    clock = DemoClock(1_000_000.0)
    before = clock.monotonic_s()
    assert 0 <= clock.now_s() - 1_000_000.0 < 5
    clock.pause(3600)
    assert 0 <= clock.now_s() - 1_003_600.0 < 5
    await clock.sleep(0)
    assert clock.monotonic_s() - before < 5


def test_it_begins_now_unless_told() -> None:
    assert abs(DemoClock().now_s() - SystemClock().now_s()) < 5
