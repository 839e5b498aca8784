"""Whether a ping is worth its price: a call that reads a prefix (`max_tokens: 0`) only so that its cache entry lives on.

All money is in units of one input token at the base price. A ping of a prefix of d tokens costs r d, and saves (w - r) d if
the conversation comes back in the time it buys and would have had to write the prefix again. The chance of that is read from
the learned curve of the conversation's end, given how long it has been silent. Because a curve can be wrong there is a
second rule that knows no chances: all pings of one silence together never cost more than the one re-write they might spare,
so that a return never costs more than twice what it would have cost without (ski rental: Karlin, Manasse, Rudolph and
Sleator, Competitive snoopy caching, Algorithmica 3, 1988).

    d = 30,000, r = 0.1, w = 1.25, silent for 285 s, 25 % come back within the hour: costs 3,000, saves 0.25 * 34,500 = 8,625
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from msgspec import Struct

from thriftgate.core.errors import InputError
from thriftgate.core.hazards import chance_by

SPARE_SHARE = 0.25  # of a rate limit that must be left
REFILL_S = 60.0  # limits are buckets that refill within a minute (platform.claude.com/docs/en/api/rate-limits, 2026-10)
AFTER_429_S = 300.0
DAY_MINUTES = 24 * 60

_HOURS = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)")
_LIMIT = re.compile(rb"anthropic-ratelimit-([a-z-]+)-(limit|remaining)")


class Bounds(Struct, frozen=True):
    """How far pings may go: `margin` times their cost must be expected back, nothing is done after `hours_max` of silence or
    in the `quiet` hours (minutes of the UTC day, from and until), and never more than so much a day is spent (pico-USD)."""

    margin: float = 1.2
    hours_max: float = 12.0
    quiet: tuple[int, int] | None = None
    day_pico: int = 0
    key_day_pico: int = 0


class Ping(Struct, frozen=True):
    """A ping that could be sent. Seconds count from the start of the conversation's last request: `silent_s` have passed,
    without the ping the entry is gone at `dies_s`, with it at `lives_s`. `tokens` are read, `fresh` are written for an hour,
    `overhead` is sent besides; prices are multiples of the input price. `spent` is what this silence's pings cost so far.
    `kept` tokens of the prefix are held by another entry until `kept_until_s`: a return would find these in any case."""

    curve: Sequence[float]
    silent_s: float
    dies_s: float
    lives_s: float
    tokens: int
    fresh: int
    overhead: int
    read: float
    write_5m: float
    write_1h: float
    spent: float = 0.0
    kept: int = 0
    kept_until_s: float = 0.0

    @property
    def cost(self) -> float:
        """Input tokens at the base price."""
        return self.read * self.tokens + self.write_1h * self.fresh + self.overhead

    @property
    def saving(self) -> float:
        """What is expected to be saved: returns in the time the ping buys, and what each would have had to write again."""
        rewrite = self.write_5m - self.read
        whole = self.tokens + self.fresh
        held_s = min(max(self.kept_until_s, self.dies_s), self.lives_s)
        return rewrite * (self.chance(self.dies_s, held_s) * (whole - self.kept) + self.chance(held_s, self.lives_s) * whole)

    def chance(self, from_s: float, until_s: float) -> float:
        """Of a return between the two moments, given the silence so far."""
        silent = 1.0 - chance_by(self.curve, self.silent_s)
        return (chance_by(self.curve, until_s) - chance_by(self.curve, from_s)) / silent if silent > 0 else 0.0


def objection(ping: Ping, bounds: Bounds) -> str:
    """Why this ping should not be sent; "" when it should."""
    if ping.silent_s >= bounds.hours_max * 3600:
        return "silent for too long"
    if ping.spent + ping.cost > (ping.write_5m - ping.read) * ping.tokens:
        return "the pings of this silence would cost more than writing the prefix again"
    if ping.saving <= bounds.margin * ping.cost:
        return "a return in time is too unlikely"
    return ""


def quiet_hours(text: str) -> tuple[int, int] | None:
    """`22:00-06:00` as minutes of the UTC day, from and until; None for "". Raises InputError."""
    if not text:
        return None
    found = _HOURS.fullmatch(text)
    if found is None:
        raise InputError(f"{text!r} are no hours; write them like 22:00-06:00 (UTC)")
    from_hour, from_minute, until_hour, until_minute = (int(part) for part in found.groups())
    return from_hour * 60 + from_minute, until_hour * 60 + until_minute


def is_quiet(hours: tuple[int, int] | None, now_s: float) -> bool:
    """Whether it is now within the hours; they may go over midnight."""
    if hours is None:
        return False
    minute = int(now_s // 60) % DAY_MINUTES
    start, end = hours
    return start <= minute < end if start <= end else minute >= start or minute < end


def spare_share(headers: Iterable[tuple[bytes, bytes]]) -> float | None:
    """The least share of a rate limit that an answer says is left; None where it says nothing."""
    counts: dict[tuple[bytes, bytes], float] = {}
    for name, value in headers:
        found = _LIMIT.fullmatch(name)
        if found is not None and value.isdigit():
            counts[found[1], found[2]] = float(value)
    shares = [counts[kind, b"remaining"] / limit for (kind, what), limit in counts.items()
              if what == b"limit" and limit > 0 and (kind, b"remaining") in counts]  # fmt: skip
    return min(shares, default=None)
