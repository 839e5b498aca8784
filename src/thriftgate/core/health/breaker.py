"""Leaves a target alone that fails, and tries it now and then.

Some failures say at once that the next call will fail as well (no money, no such key); of others it takes a few, one after
the other. It is left alone for longer each time it fails again, and one call in a while is let through to see. Where the
money of the month is spent, that lasts to the first of the next month, 00:00 UTC, or until somebody raises a limit, which
nobody tells us (platform.claude.com/docs/en/api/rate-limits, 2026-10).
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NamedTuple

from thriftgate.core.health.faults import Fault, Kind


class Patience(NamedTuple):
    """`failures` one after the other open a breaker, for `open_s` seconds the first time, twice as long each further time,
    `open_s_max` at most. `probe_s` is how often a target without money is tried; 0 is never."""

    failures: int = 5
    open_s: float = 15.0
    open_s_max: float = 300.0
    probe_s: float = 300.0


class Breaker:
    """Of one target, or of one of its models. Times are unix seconds."""

    __slots__ = ("_failed", "_opened_s", "_patience", "_probe_due_s", "_times", "kind", "until_s")

    def __init__(self, patience: Patience) -> None:
        self._patience = patience
        self._failed = self._times = 0
        self._opened_s = self._probe_due_s = 0.0
        self.kind: Kind | None = None  # of the last failure that counted
        self.until_s = 0.0

    def failed(self, fault: Fault, since_s: float, now_s: float) -> bool:
        """A call that was made then has failed; whether the target is left alone from now on that was not before."""
        patience, was_open = self._patience, self.is_open(now_s)
        if was_open and since_s < self._opened_s:
            return False  # it was under way when the breaker opened
        self._failed += 1
        if not was_open and not fault.at_once and self._failed < patience.failures:
            return False
        for_s = _for_s(fault, self._times, patience)
        if fault.kind == "spend":
            self.until_s, self._probe_due_s = month_end_s(now_s), now_s + patience.probe_s
        else:
            self.until_s = self._probe_due_s = now_s + for_s
        self.kind, self._opened_s = fault.kind, now_s
        self._times += 1
        return not was_open and self.is_open(now_s)

    def told(self, kind: Kind, at_s: float, until_s: float) -> bool:
        """Another process has left it alone since then; whether that is news."""
        if until_s <= self.until_s:
            return False
        self._failed, self.kind, self._opened_s = max(1, self._failed), kind, max(at_s, self._opened_s)
        self.until_s = until_s
        self._probe_due_s = at_s + self._patience.probe_s if kind == "spend" else until_s
        return True

    @property
    def opened_s(self) -> float:
        """When it failed last."""
        return self._opened_s

    def served(self, since_s: float) -> None:
        """A call was answered that was made then: if that was after the last failure, all is well."""
        if self._failed and since_s > self._opened_s:
            self.clear()

    def clear(self) -> None:
        """Calls may go again."""
        self.until_s = self._probe_due_s = self._opened_s = 0.0
        self._failed = self._times = 0
        self.kind = None

    def is_open(self, now_s: float) -> bool:
        """Whether calls are to be kept back, but for probes: for the time that the failure lasts, and, where that is only
        our guess, until a probe has got through."""
        return now_s < self.until_s or (self.until_s > 0 and self.kind not in ("rate", "spend"))

    def may(self, now_s: float) -> bool:
        """Whether a call may go."""
        if not self.is_open(now_s):
            return True
        return now_s >= self._probe_due_s and (self.kind != "spend" or self._patience.probe_s > 0)

    def goes(self, now_s: float) -> None:
        """A call goes; where the breaker is open it is the probe, and the only one for a while."""
        if self.is_open(now_s):
            self._probe_due_s = now_s + (self._patience.probe_s if self.kind == "spend" else self._patience.open_s)


def _for_s(fault: Fault, times: int, patience: Patience) -> float:
    """How long a target is left alone that has failed so for one time more than `times` in a row."""
    longest = patience.open_s_max
    if fault.kind == "rate":
        return min(fault.retry_after_s, longest)
    if fault.kind in ("auth", "balance", "model"):
        return longest
    return min(max(patience.open_s * 2.0 ** min(times, 30), fault.retry_after_s), longest)


def month_end_s(now_s: float) -> float:
    """The first of the next month, 00:00 UTC (unix seconds)."""
    at = datetime.fromtimestamp(now_s, UTC)
    year, month = (at.year + 1, 1) if at.month == 12 else (at.year, at.month + 1)
    return datetime(year, month, 1, tzinfo=UTC).timestamp()
