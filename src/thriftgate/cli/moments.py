"""Moments as people write them, and as we write them back. All in UTC."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from thriftgate.core.errors import InputError

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


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


def text_from_micros(micros: int) -> str:
    """RFC 3339 with milliseconds: 2026-11-21T08:30:00.000Z."""
    moment = EPOCH + timedelta(microseconds=micros)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
