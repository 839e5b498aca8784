"""A clock that runs and can be moved on: hours of pauses between calls pass in no time."""

from __future__ import annotations

import asyncio

from thriftgate.clock import SystemClock


class DemoClock:
    """See `thriftgate.clock.Clock`. Wall time is the machine's plus all pauses; durations are real."""

    def __init__(self, start_s: float | None = None) -> None:
        """`start_s`: where to begin, unix seconds; without it now."""
        self._system = SystemClock()
        self.paused_s = 0.0 if start_s is None else start_s - self._system.now_s()

    def now_s(self) -> float:
        return self._system.now_s() + self.paused_s

    def monotonic_s(self) -> float:
        return self._system.monotonic_s()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def pause(self, seconds: float) -> None:
        """Move wall time on."""
        self.paused_s += seconds
