"""The machine's clock, behind the interface everything else takes."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from thriftgate.clock import SystemClock


def test_now_is_unix_time() -> None:
    assert abs(SystemClock().now_s() - datetime.now(UTC).timestamp()) < 1


async def test_sleep_takes_its_time_on_the_monotonic_clock() -> None:
    clock = SystemClock()
    before, cpu = clock.monotonic_s(), time.process_time()
    await clock.sleep(0.05)
    assert 0.045 <= clock.monotonic_s() - before < 5
    assert time.process_time() - cpu < 0.05  # waited, not span
