"""A clock that runs faster than the machine's, the same in every process that is told its beginning and its speed.

What lives by the clock (cache entries, windows of budgets, limits, roll-ups, pings, batches, retries) then lives through a
day in minutes. What waits on the wire does not: latencies and time-outs of connections are real.
"""

from __future__ import annotations

import asyncio
import time
from typing import NamedTuple


class Hastened(NamedTuple):
    """A `Clock`. `began_s` is the Unix time at which its own time and the machine's were the same."""

    began_s: float
    speed: float

    def now_s(self) -> float:
        return self.began_s + (time.time() - self.began_s) * self.speed

    def monotonic_s(self) -> float:
        return time.perf_counter() * self.speed

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds / self.speed)
