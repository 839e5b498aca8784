"""The simulator's time: one settable clock, in Unix seconds (UTC).

`SimClock.real()` follows the machine's clock plus an offset, `SimClock.frozen(start)` stands still until it is moved.
Caches, batches, rate limits, prices and model life cycles all read this one clock.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime

DEFAULT_FROZEN_START = 1_795_262_400.0
"""2026-11-21T12:00:00Z: every model that was current in November 2026 is callable."""


class SimClock:
    """A callable that tells the simulated time. Setting it backwards is allowed; expired things may then live again."""

    def __init__(self, source: Callable[[], float] | None = None, start: float = DEFAULT_FROZEN_START) -> None:
        """`source` gives running Unix seconds; None makes a frozen clock at `start`."""
        self._source = source
        self._offset = 0.0 if source else start

    @classmethod
    def real(cls) -> SimClock:
        """Follows the machine's clock."""
        return cls(time.time)  # noqa: TID251  the only reading of the machine's clock

    @classmethod
    def frozen(cls, start: float = DEFAULT_FROZEN_START) -> SimClock:
        """Stands still at `start` until `advance`, `set` or `sleep` moves it."""
        return cls(None, start)

    def __call__(self) -> float:
        """Now, in Unix seconds."""
        return (self._source() if self._source else 0.0) + self._offset

    def advance(self, seconds: float) -> float:
        """Moves the clock on by `seconds` (negative: back) and gives the new time."""
        self._offset += seconds
        return self()

    def set(self, moment: float) -> float:
        """Moves the clock to `moment` (Unix seconds)."""
        self._offset += moment - self()
        return self()

    async def sleep(self, seconds: float) -> None:
        """Waits `seconds` of simulated time: a running clock really waits, a frozen one is moved on and yields once."""
        if self._source is None:
            if seconds > 0:
                self.advance(seconds)
            await asyncio.sleep(0)
        else:
            await asyncio.sleep(max(0.0, seconds))


def rfc3339(moment: float, *, micros: bool = True) -> str:
    """`2026-11-21T12:00:00.000000Z`, or without the fraction."""
    at = datetime.fromtimestamp(moment, UTC)
    return at.strftime("%Y-%m-%dT%H:%M:%S.%fZ" if micros else "%Y-%m-%dT%H:%M:%SZ")


def parse_moment(value: object) -> float:
    """Unix seconds from a number or an RFC 3339 text. TypeError or ValueError say what was wrong."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise TypeError(f"a time must be Unix seconds or an RFC 3339 text, not {value!r}")
    if isinstance(value, (int, float)):
        return float(value)
    try:
        at = datetime.fromisoformat(value)
    except ValueError:
        raise ValueError(f"{value!r} is no RFC 3339 time such as 2026-11-21T12:00:00Z") from None
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
