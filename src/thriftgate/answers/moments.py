"""Moments as people write them on a command line. All in UTC."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from thriftgate.core.errors import InputError
from thriftgate.core.moments import EPOCH

FOREVER_US = 2**62


def micros_from_text(text: str, flag: str) -> int:
    """Microseconds since 1970 of an RFC 3339 time or of the start of a day (UTC). Raises InputError naming `flag`."""
    try:
        day = date.fromisoformat(text) if len(text) == len("2026-11-21") else None
        moment = datetime(day.year, day.month, day.day, tzinfo=UTC) if day else datetime.fromisoformat(text)
    except ValueError:
        raise InputError(
            f"{flag}: {text!r} is no moment; write a day like 2026-11-21 or a time like 2026-11-21T08:30:00Z"
        ) from None
    if moment.tzinfo is None:
        raise InputError(f"{flag}: {text!r} has no offset; add Z for UTC, as in {text}Z")
    return (moment - EPOCH) // timedelta(microseconds=1)


def span_from_text(since: str | None, until: str | None) -> tuple[int, int]:
    """The span that `--since` and `--until` name, in microseconds since 1970; open ends where one is not given. Raises
    InputError for what is no moment, and for a span that ends before it begins."""
    since_us = micros_from_text(since, "--since") if since else 0
    until_us = micros_from_text(until, "--until") if until else FOREVER_US
    if since_us >= until_us:
        raise InputError(f"--since {since} must lie before --until {until}")
    return since_us, until_us
