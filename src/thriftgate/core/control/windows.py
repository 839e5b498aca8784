"""The spans of time that budgets are kept for.

    hour, day, week, month     of the calendar, in a time zone; weeks begin on Monday
    rolling 24h                the last 24 hours, at any moment
    total                      for ever

What is spent is added up in slots. A calendar window is one slot. A rolling one has sixty, and counts every slot of which
any part is within it: rather too much than too little, by a sixtieth at most.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo

from msgspec import Struct

from thriftgate.core.deadline import parse_duration
from thriftgate.core.errors import InputError

CALENDAR = ("hour", "day", "week", "month")
TOTAL = "total"
ROLLING = "rolling "
ROLLING_SLOTS = 60
ROLLING_MIN_S, ROLLING_MAX_S = 60.0, 366 * 86_400.0
NEVER_US = 2**62
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Span(Struct, frozen=True):
    """The window that a moment falls into: slots from `since_us` on count, what is spent now goes into `slot_us`, and at
    `until_us` the oldest of it is free again (`NEVER_US`: never). Microseconds since 1970."""

    since_us: int
    slot_us: int
    until_us: int


class Window(Struct, frozen=True):
    """A kind of window. `rolling_us` is its length where it is a rolling one (microseconds)."""

    name: str
    rolling_us: int = 0

    def span(self, at_us: int, zone: tzinfo) -> Span:
        """The window at a moment."""
        if self.rolling_us:
            width = self.rolling_us // ROLLING_SLOTS
            slot = at_us - at_us % width
            first = at_us - self.rolling_us
            return Span(first - first % width, slot, slot + self.rolling_us + width)
        if self.name == TOTAL:
            return Span(0, 0, NEVER_US)
        start = _start(self.name, datetime.fromtimestamp(at_us // 1_000_000, zone))
        return Span(_micros(start), _micros(start), _micros(_next(self.name, start)))


def parse_window(text: str) -> Window:
    """Raises InputError."""
    name = " ".join(text.lower().split())
    if name in (*CALENDAR, TOTAL):
        return Window(name)
    if name.startswith(ROLLING):
        seconds = parse_duration(name.removeprefix(ROLLING))
        if not ROLLING_MIN_S <= seconds <= ROLLING_MAX_S:
            raise InputError(f"window {text!r}: a rolling window is a minute to a year long")
        return Window(name, int(seconds) * 1_000_000)
    raise InputError(f"window {text!r}: choose one of {', '.join(CALENDAR)}, {TOTAL}, or such as 'rolling 24h'")


def _start(name: str, at: datetime) -> datetime:
    """The beginning of the calendar window. An hour is found in absolute time: where clocks go back, its wall time comes
    twice."""
    if name == "hour":
        into = timedelta(minutes=at.minute, seconds=at.second, microseconds=at.microsecond)
        return (at.astimezone(UTC) - into).astimezone(at.tzinfo)
    day = at.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    if name == "week":
        return day - timedelta(days=day.weekday())
    return day.replace(day=1) if name == "month" else day


def _next(name: str, start: datetime) -> datetime:
    if name == "hour":
        return start.astimezone(UTC) + timedelta(hours=1)
    if name == "month":
        return (start + timedelta(days=32)).replace(day=1, fold=0)
    return (start + timedelta(days=7 if name == "week" else 1)).replace(fold=0)


def _micros(moment: datetime) -> int:
    """Wall time that a change of clocks leaves out is read as the zone reads it."""
    return (moment.astimezone(UTC) - _EPOCH) // timedelta(microseconds=1)
