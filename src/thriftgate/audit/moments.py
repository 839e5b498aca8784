"""Moments as logs write them → microseconds since 1970, UTC."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from thriftgate.core.errors import InputError
from thriftgate.core.moments import EPOCH

DAY_US = 86_400_000_000
_MICROSECOND = timedelta(microseconds=1)
_UNITS = ((1e17, 1e-3), (1e14, 1.0), (1e11, 1e3))


def micros(value: object) -> int:
    """Microseconds since 1970 of an RFC 3339 text, a day, or a number in seconds, milli-, micro- or nanoseconds (told by its
    size). What names no zone is UTC. Raises InputError for what is no moment since then."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise InputError("no moment")
    try:
        if isinstance(value, str):
            text = value.strip()
            if not _is_number(text):
                return _from_text(text)
            value = float(text) if "." in text else int(text)
        return _from_number(value)
    except (ValueError, OverflowError):
        raise InputError("no moment") from None


def _from_text(text: str) -> int:
    if text.endswith(" UTC"):
        text = text.removesuffix(" UTC")
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    told = (moment - EPOCH) // _MICROSECOND
    if told < 0:  # what some programs write where they know none
        raise ValueError(text)
    return told


def _from_number(value: float) -> int:
    if not 0 <= value < 1e20:
        raise ValueError(value)
    for above, factor in _UNITS:
        if value > above:
            return int(value * factor) if factor >= 1 else int(value) // 1000
    return round(value * 1e6)


def _is_number(text: str) -> bool:
    return bool(text) and all(character in "0123456789." for character in text) and not (len(text) == 8 and text.isdigit())
