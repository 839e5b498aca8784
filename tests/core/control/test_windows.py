"""Windows of budgets."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thriftgate.core.control.windows import CALENDAR, NEVER_US, ROLLING_SLOTS, parse_window
from thriftgate.core.errors import InputError

ZONES = ("UTC", "Europe/Zurich", "America/St_Johns", "Asia/Kolkata", "Australia/Lord_Howe", "Pacific/Apia")
MOMENTS = st.integers(0, 4_000_000_000_000_000)


def micros(text: str, zone: str = "UTC") -> int:
    moment = datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone))
    return (moment.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


@pytest.mark.parametrize(
    ("window", "zone", "at", "since", "until"),
    [
        ("hour", "UTC", "2026-11-22T10:59:59", "2026-11-22T10:00", "2026-11-22T11:00"),
        ("day", "Europe/Zurich", "2026-11-22T00:00", "2026-11-22T00:00", "2026-11-23T00:00"),
        ("week", "UTC", "2026-11-22T12:00", "2026-11-16T00:00", "2026-11-23T00:00"),
        ("month", "Asia/Kolkata", "2026-12-31T23:59:59", "2026-12-01T00:00", "2027-01-01T00:00"),
        ("month", "UTC", "2028-02-29T00:00", "2028-02-01T00:00", "2028-03-01T00:00"),
        ("Day", "Europe/Zurich", "2026-03-29T12:00", "2026-03-29T00:00", "2026-03-30T00:00"),  # 23 hours long
    ],
)
def test_calendar_windows(window: str, zone: str, at: str, since: str, until: str) -> None:
    span = parse_window(window).span(micros(at, zone), ZoneInfo(zone))
    assert (span.since_us, span.slot_us, span.until_us) == (micros(since, zone), micros(since, zone), micros(until, zone))


def test_the_hour_that_comes_twice_is_two_hours() -> None:
    zone = ZoneInfo("Europe/Zurich")
    first = micros("2026-10-25T00:30")  # 02:30 summer time
    second = micros("2026-10-25T01:30")  # 02:30 winter time
    hour = parse_window("hour")
    assert hour.span(first, zone).until_us == hour.span(second, zone).since_us


@given(at_us=MOMENTS, window=st.sampled_from(CALENDAR), zone=st.sampled_from(ZONES))
def test_windows_cover_time_without_gaps(at_us: int, window: str, zone: str) -> None:
    kind, tz = parse_window(window), ZoneInfo(zone)
    span = kind.span(at_us, tz)
    assert span.since_us <= at_us < span.until_us
    assert kind.span(span.since_us, tz) == span
    assert kind.span(span.until_us - 1, tz) == span
    assert kind.span(span.until_us, tz).since_us == span.until_us


@given(at_us=MOMENTS, back=st.floats(0, 1))
def test_a_rolling_window_counts_all_of_its_length_and_little_more(at_us: int, back: float) -> None:
    window = parse_window("rolling 24h")
    length = 24 * 3_600_000_000
    span = window.span(at_us, UTC)
    earlier = max(0, at_us - int(back * length))
    assert span.since_us <= window.span(earlier, UTC).slot_us <= span.slot_us
    assert at_us - span.since_us <= length + length // ROLLING_SLOTS
    assert window.span(span.until_us, UTC).since_us > span.slot_us - length // ROLLING_SLOTS


def test_total_never_ends() -> None:
    span = parse_window(" total ").span(5, UTC)
    assert (span.since_us, span.slot_us, span.until_us) == (0, 0, NEVER_US)


@pytest.mark.parametrize("text", ["", "year", "rolling", "rolling 5s", "rolling 400d", "rolling x", "days"])
def test_what_is_no_window(text: str) -> None:
    with pytest.raises(InputError):
        parse_window(text)
