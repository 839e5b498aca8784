"""When a verb that repeats itself is due."""

from __future__ import annotations

import re

from thriftgate.core.errors import InputError

DAY_S = 86_400
_SECONDS = {"s": 1, "m": 60, "h": 3600}
_EVERY = re.compile(r"(\d{1,6})([smh])")
_AT = re.compile(r"([01]\d|2[0-3]):([0-5]\d)")


def every_s(text: str) -> float:
    """Seconds of `55m`, `90s` or `2h`. Raises InputError."""
    found = _EVERY.fullmatch(text)
    if found is None or not int(found[1]):
        raise InputError(f"--every: {text!r} is no length of time; write it like 55m, 90s or 2h")
    return float(int(found[1]) * _SECONDS[found[2]])


def next_at_s(text: str, now_s: float) -> float:
    """The next moment, in unix seconds, at which a UTC clock shows `HH:MM`; later than now. Raises InputError."""
    found = _AT.fullmatch(text)
    if found is None:
        raise InputError(f"--at: {text!r} is no time of day; write it like 08:30 (UTC)")
    at_s = now_s // DAY_S * DAY_S + int(found[1]) * 3600 + int(found[2]) * 60
    return at_s if at_s > now_s else at_s + DAY_S
