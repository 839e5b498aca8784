"""What an answer tells of the provider's rate limits.

Headers: `anthropic-ratelimit-{requests,input-tokens,output-tokens,tokens}-{limit,remaining,reset}`, `reset` in RFC 3339,
what is left of tokens rounded to thousands, and `retry-after` in seconds (platform.claude.com/docs/en/api/rate-limits,
2026-10).
Fast mode has limits of its own, told under `anthropic-fast-…` (…/build-with-claude/fast-mode, 2026-10).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from email.utils import parsedate_to_datetime

from msgspec import Struct

REQUESTS, INPUT, OUTPUT, TOKENS = range(4)
NAMES = ("requests", "input-tokens", "output-tokens", "tokens")
FAMILIES = len(NAMES)
_KINDS = ("limit", "remaining", "reset")
_PLACES = {
    f"{prefix}-{name}-{kind}".encode(): (family, at, prefix == "anthropic-fast")
    for prefix in ("anthropic-ratelimit", "anthropic-fast")
    for family, name in enumerate(NAMES)
    for at, kind in enumerate(_KINDS)
}
_DEBT_MINUTES = 10.0  # until a bucket is full again; more is another clock
_DIGITS = 15
_LONGEST_S = 86_400.0  # a longer retry-after is taken for nonsense


class Level(Struct, frozen=True):
    """One limit: what may be used in a minute, and what was left of it. `debt` is what was used beyond it, where the time
    of its reset tells that."""

    limit: float
    remaining: float
    debt: float = 0.0


class Told(Struct, frozen=True):
    """All limits that one answer names, by family; `retry_after_s` None where it names no time."""

    levels: tuple[Level | None, ...] = (None,) * FAMILIES
    retry_after_s: float | None = None


def read_told(headers: Iterable[tuple[bytes, bytes]], *, fast: bool = False) -> Told:
    """Read the headers of an answer (lower-case names). What cannot be read is taken as not told."""
    found: dict[tuple[int, int], bytes] = {}
    date = retry_after = b""
    for name, value in headers:
        place = _PLACES.get(name)
        if place is not None:
            if place[2] is fast:
                found[place[0], place[1]] = value
        elif name == b"retry-after":
            retry_after = value
        elif name == b"date":
            date = value
    levels = tuple([_level(found, family, date) for family in range(FAMILIES)]) if found else (None,) * FAMILIES
    return Told(levels, seconds_of(retry_after))


def seconds_of(value: bytes) -> float | None:
    """The seconds of a `retry-after`; None for a date, and for nonsense."""
    try:
        seconds = float(value)
    except ValueError:
        return None
    return seconds if 0 <= seconds <= _LONGEST_S else None


def _level(found: dict[tuple[int, int], bytes], family: int, date: bytes) -> Level | None:
    limit, left = found.get((family, 0), b""), found.get((family, 1), b"")
    if not limit.isdigit() or not left.isdigit() or max(len(limit), len(left)) > _DIGITS or int(limit) == 0:
        return None
    debt = 0.0 if int(left) else _debt(int(limit), found.get((family, 2), b""), date)
    return Level(float(limit), float(left), debt)


def _debt(limit: int, reset: bytes, date: bytes) -> float:
    """What an empty bucket lacks beyond nothing, since it will take longer than a minute until it is full. Only by the
    provider's own clock."""
    try:
        full = datetime.fromisoformat(reset.decode())
        said = parsedate_to_datetime(date.decode())
        minutes = (full - said).total_seconds() / 60.0
        return (minutes - 1.0) * limit if 1.0 < minutes <= _DEBT_MINUTES else 0.0
    except (ValueError, TypeError):
        return 0.0
