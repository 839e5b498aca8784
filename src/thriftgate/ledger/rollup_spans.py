"""Which cells a span of time is made of. Pure.

A span is whole days from cells of a day, whole hours from cells of an hour, and ragged ends from the entries themselves. A
local day that begins at another hour than the UTC day is its nearest UTC day, plus or minus the few hours between.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Literal, NamedTuple
from zoneinfo import ZoneInfo

from thriftgate.core.errors import InputError
from thriftgate.core.moments import EPOCH
from thriftgate.ledger.rollup_columns import HOUR_US

DAY_US = 24 * HOUR_US
Step = Literal["total", "day", "hour"]
ENTRIES = 0


class Piece(NamedTuple):
    """Part of the bucket that begins at `start_us`: cells of so many hours, by slot from `low` on and before `high`, or
    entries (`hours` is `ENTRIES`), by the moment they came in. `sign` is -1 for what is to be taken away again."""

    start_us: int
    hours: int
    low: int
    high: int
    sign: int = 1


def zone_of(name: str) -> ZoneInfo:
    """Raises InputError for a name that is no time zone."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise InputError(f"{name!r} is no time zone; write one such as Europe/Berlin or UTC") from None


def buckets(span: tuple[int, int], step: Step, zone: ZoneInfo) -> Iterator[tuple[int, int, int]]:
    """The buckets of a span, each as its own start, and where the part of it begins and ends that is within the span. Days
    begin at midnight in `zone`; hours are those of UTC, told apart later."""
    since_us, until_us = span
    if step != "day":
        yield since_us, since_us, until_us
        return
    day = (EPOCH + timedelta(microseconds=since_us)).astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0)
    start = _micros(day)
    while start < until_us:
        day = _midnight_after(day)
        end = _micros(day)
        if end > start:
            yield start, max(start, since_us), min(end, until_us)
        start = end


def pieces(span: tuple[int, int], step: Step, zone: ZoneInfo, kept_from_us: int = 0) -> list[Piece]:
    """All that is to be added up, in microseconds since 1970. Before `kept_from_us` single calls are no longer there: what
    begins or ends there within an hour does so at the beginning of that hour."""
    return [
        piece
        for start, low, high in buckets(span, step, zone)
        for piece in _cover(start, rounded(low, kept_from_us), rounded(high, kept_from_us), step)
    ]


def rounded(moment_us: int, kept_from_us: int) -> int:
    """A moment from which on cells and entries can tell apart what was before it."""
    return moment_us - moment_us % HOUR_US if moment_us < kept_from_us else moment_us


def _cover(start: int, low: int, high: int, step: Step) -> Iterator[Piece]:
    if low >= high:
        return
    first, last = -(-low // HOUR_US), high // HOUR_US
    if first > last:  # within one hour
        yield Piece(start, ENTRIES, low, high)
        return
    if low < first * HOUR_US:
        yield Piece(start, ENTRIES, low, first * HOUR_US)
    yield from _whole_hours(start, first, last, step)
    if last * HOUR_US < high:
        yield Piece(start, ENTRIES, last * HOUR_US, high)


def _whole_hours(start: int, first: int, last: int, step: Step) -> Iterator[Piece]:
    if step == "hour" or last - first < 24:
        if first < last:
            yield Piece(start, 1, first, last)
        return
    days = (first + 12) // 24, (last + 12) // 24
    if days[0] < days[1]:
        yield Piece(start, 24, *days)
    for at, day, sign in ((first, days[0], 1), (last, days[1], -1)):
        if at < 24 * day:
            yield Piece(start, 1, at, 24 * day, sign)
        elif at > 24 * day:
            yield Piece(start, 1, 24 * day, at, -sign)


def _midnight_after(day: datetime) -> datetime:
    return (day + timedelta(days=1)).replace(fold=0)


def _micros(moment: datetime) -> int:
    return (moment.astimezone(EPOCH.tzinfo) - EPOCH) // timedelta(microseconds=1)
