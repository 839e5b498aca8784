"""A key whose money is spent: nothing goes out on it until the month is over, an operator says so, or a probe gets through.

The tier's cap lasts to the first of the next month, 00:00 UTC; a limit of the organisation's or the workspace's own also to
the moment at which somebody raises it, which nobody tells us (platform.claude.com/docs/en/api/rate-limits, 2026-10). So one
call in a while is let through to see: what is refused costs nothing.
"""

from __future__ import annotations

from datetime import UTC, datetime


class Breaker:
    """Times are unix seconds. `probe_s` is how often one call may try; 0 is never."""

    __slots__ = ("_probe_due_s", "_probe_s", "_tripped_s", "until_s")

    def __init__(self, probe_s: float) -> None:
        self._probe_s = probe_s
        self._probe_due_s = 0.0
        self._tripped_s = 0.0
        self.until_s = 0.0

    def trip(self, now_s: float) -> None:
        """The provider says that the money is spent."""
        self.until_s = month_end_s(now_s)
        self._probe_due_s = now_s + self._probe_s
        self._tripped_s = now_s

    def served(self, since_s: float) -> None:
        """A call was answered that was made then: if that was after the refusal, there is money again."""
        if since_s > self._tripped_s:
            self.clear()

    def clear(self) -> None:
        """Calls may go again."""
        self.until_s = 0.0

    def is_open(self, now_s: float) -> bool:
        """Whether calls are to be kept back, but for probes."""
        return now_s < self.until_s

    def may(self, now_s: float) -> bool:
        """Whether a call may go."""
        return now_s >= self.until_s or (self._probe_s > 0 and now_s >= self._probe_due_s)

    def goes(self, now_s: float) -> None:
        """A call goes; where the breaker is open it is the probe, and the only one for a while."""
        if now_s < self.until_s:
            self._probe_due_s = now_s + self._probe_s


def month_end_s(now_s: float) -> float:
    """The first of the next month, 00:00 UTC (unix seconds)."""
    at = datetime.fromtimestamp(now_s, UTC)
    year, month = (at.year + 1, 1) if at.month == 12 else (at.year, at.month + 1)
    return datetime(year, month, 1, tzinfo=UTC).timestamp()
