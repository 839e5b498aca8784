"""Limits: how much may be asked for in a short time, or at once, and by whom.

Each is a bucket that holds `room` and fills again evenly, all the time: there is no window whose edge lets twice as much
through. A call takes what it is expected to need when it is let in, and what it needed in the end is put right when that is
known: only then may a bucket be overdrawn. Amounts are integers, counted in a unit so fine that nothing is ever rounded.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple, get_args

from msgspec import Struct

from thriftgate.core.control.whose import check_scope, member_of
from thriftgate.core.errors import InputError, LimitExceeded
from thriftgate.core.money import usd_from_pico
from thriftgate.core.usage import Tokens

# What is counted:
#   requests        calls of the client; counting tokens is one, a second try of ours is none
#   input_tokens    tokens of the prompt that are not read from the cache: what the API's own limits count
#                   (platform.claude.com/docs/en/api/rate-limits, 2026-10)
#   output_tokens   tokens of the answer, thinking among them
#   tokens          both together
#   usd             what calls cost (pico-USD)
#   concurrency     calls under way at once
Metric = Literal["requests", "input_tokens", "output_tokens", "tokens", "usd", "concurrency"]
Per = Literal["second", "minute", "hour"]
METRICS: tuple[Metric, ...] = get_args(Metric)
PER_US: dict[Per, int] = {"second": 1_000_000, "minute": 60_000_000, "hour": 3_600_000_000}
AMOUNT_MAX = 10**24


class Needs(NamedTuple):
    """What a call needs, or has used, of each metric, in their order. Money in pico-USD."""

    requests: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    tokens: int = 0
    pico: int = 0
    concurrency: int = 0


NOTHING = Needs()


def needs_of(tokens: Tokens, pico: int, *, requests: int = 0, concurrency: int = 0) -> Needs:
    """Of a call with that usage and cost, expected or true."""
    fresh = tokens.input + tokens.write_5m + tokens.write_1h
    return Needs(requests, fresh, tokens.output, fresh + tokens.output, pico, concurrency)


class Limit(Struct, frozen=True):
    """So much of `metric`, in `per` where it is not `concurrency`, of the calls that `scope` names: as with budgets, all
    conditions must hold, and `key=*` is a limit of its own for each key. `burst` is how much may come at once; 0 is as much
    as `amount`. `usd` is in pico-USD. `ended_us` is when it was ended (0: it stands)."""

    id: str
    name: str
    metric: Metric
    amount: int
    per: Per = "minute"
    burst: int = 0
    scope: tuple[str, ...] = ()
    created_us: int = 0
    ended_us: int = 0

    def member(self, scopes: frozenset[str]) -> str | None:
        """Which of its limits a call counts under: see `whose.member_of`."""
        return member_of(self.scope, scopes)

    @property
    def per_us(self) -> int:
        """In how many microseconds the amount becomes free; 0 where that is not a matter of time."""
        return 0 if self.metric == "concurrency" else PER_US[self.per]

    @property
    def room(self) -> int:
        """The most that may come at once."""
        return self.burst or self.amount


Place = tuple[str, str]
"""The id of a limit, and which of its members."""


class Bucket:
    """A limit, as it stands for one of its members: what is used of it, and when that was counted. Moments are of a clock
    that does not go back; if it does, nothing is freed for that step, and nothing is lost.

    A unit is divided into so many grains that each microsecond frees a whole number of them, `_rate`."""

    __slots__ = ("_at_us", "_brim", "_grain", "_kind", "_rate", "_used", "limit", "member")

    def __init__(self, limit: Limit, member: str = "") -> None:
        self.member = member
        self._used = 0
        self._at_us = 0
        self.lay(limit)

    def lay(self, limit: Limit) -> None:
        """Its limit was changed. What is used stays used."""
        self.limit = limit
        self._kind = METRICS.index(limit.metric)
        self._rate = limit.amount if limit.per_us else 0
        self._grain = limit.per_us or 1
        self._brim = limit.room * self._grain

    @property
    def place(self) -> Place:
        return self.limit.id, self.member

    @property
    def whose(self) -> str:
        """The limit in words, such as `agents (key=key_1)`."""
        return f"{self.limit.name} ({self.member})" if self.member else self.limit.name

    @property
    def at_us(self) -> int:
        """When it was last looked at."""
        return self._at_us

    def seen(self, units: int, grains: int, now_us: int) -> None:
        """So many units, and grains of one more, are used, as another store counts it."""
        self._used = units * self._grain + grains
        self._at_us = now_us

    def used(self, now_us: int) -> int:
        """In grains; more than there is room for where it is overdrawn."""
        used = self._used
        if used:
            freed = (now_us - self._at_us) * self._rate
            if freed > 0:
                self._used = used = used - freed if used > freed else 0
        self._at_us = now_us
        return used

    def left(self, now_us: int) -> int:
        """What may be asked for now, in whole units; below zero where it is overdrawn."""
        return (self._brim - self.used(now_us)) // self._grain

    def share(self, now_us: int) -> float:
        """How much of it is used: 1 where nothing is left, more where it is overdrawn."""
        return self.used(now_us) / self._brim

    def needed(self, needs: Needs) -> int:
        """Of what a call needs, that which is counted here."""
        return needs[self._kind]

    def wait_us(self, units: int, now_us: int) -> int | None:
        """How long until so much may be taken; 0 now, None when others give back what they have."""
        over = self.used(now_us) + units * self._grain - self._brim
        if over <= 0 or not units:
            return 0
        return -(-over // self._rate) if self._rate else None

    def full_us(self, now_us: int) -> int | None:
        """How long until nothing of it is used, if no more comes; None where that is not a matter of time."""
        return -(-self.used(now_us) // self._rate) if self._rate else None

    def take(self, units: int, now_us: int) -> None:
        """Take so much, whether there is room or not; less than nothing gives back."""
        used = self.used(now_us) + units * self._grain
        self._used = max(0, used)


class Lack(NamedTuple):
    """Which limit has no room for a call, and in how many microseconds it will (None: when another call ends). With `never`
    the call needs more than there ever is."""

    bucket: Bucket
    units: int
    wait_us: int | None
    never: bool = False

    def error(self, now_us: int) -> LimitExceeded:
        """What the caller is told."""
        limit, whose = self.bucket.limit, self.bucket.whose
        if limit.metric == "concurrency":
            return LimitExceeded(f"limit {whose}: {limit.room} calls at once, and as many are under way; try again")
        if self.never:
            return LimitExceeded(
                f"limit {whose}: this call is expected to need {amount_text(limit.metric, self.units)}, and at most "
                f"{amount_text(limit.metric, limit.room)} may ever come at once; {_SMALLER[limit.metric]}",
                never=True,
            )
        left = max(0, self.bucket.left(now_us))
        return LimitExceeded(
            f"limit {whose}: {amount_text(limit.metric, limit.amount)} a {limit.per}; {amount_text(limit.metric, left)} "
            f"left, this call needs {amount_text(limit.metric, self.units)}",
            retry_after_s=(self.wait_us or 0) / 1e6,
        )


_SMALLER: dict[Metric, str] = {
    "requests": "raise its burst",
    "input_tokens": "send less, or raise its burst",
    "output_tokens": "lower max_tokens, or raise its burst",
    "tokens": "send less, lower max_tokens, or raise its burst",
    "usd": "send less, lower max_tokens, or raise its burst",
}


def lacking(buckets: Sequence[Bucket], needs: Needs, now_us: int) -> Lack | None:
    """What stands in the way of a call; None where it may go. Of several, the one that does so for longest."""
    worst: Lack | None = None
    for one in buckets:
        units = one.needed(needs)
        if not units:
            continue
        wait_us = one.wait_us(units, now_us)
        if wait_us == 0:
            continue
        if units > one.limit.room:
            return Lack(one, units, None, never=True)
        if worst is None or (wait_us or 0) > (worst.wait_us or 0):
            worst = Lack(one, units, wait_us)
    return worst


def amount_text(metric: Metric, amount: int) -> str:
    """In words, such as `300 output tokens` or `$0.25`."""
    if metric == "usd":
        return f"${usd_from_pico(amount)}"
    words = {"requests": "request", "concurrency": "call", "tokens": "token"}.get(metric, metric.replace("_", " ")[:-1])
    return f"{amount} {words}" + ("s" if amount != 1 else "")


def checked(limit: Limit) -> Limit:
    """The limit, its scope in order. Raises InputError naming what is wrong."""
    where = f"limit {limit.name!r}"
    if not limit.name.strip() or not limit.name.isprintable() or len(limit.name) > 100:
        raise InputError(f"{where}: a name of one to a hundred printable characters is needed")
    if limit.metric not in METRICS:
        raise InputError(f"{where}: metric {limit.metric!r} is none of {', '.join(METRICS)}")
    if limit.per not in PER_US:
        raise InputError(f"{where}: per {limit.per!r} is none of {', '.join(PER_US)}")
    if not 0 < limit.amount <= AMOUNT_MAX:
        raise InputError(f"{where}: the amount must be above zero")
    if not 0 <= limit.burst <= AMOUNT_MAX:
        raise InputError(f"{where}: a burst cannot be negative")
    if limit.metric == "concurrency" and limit.burst:
        raise InputError(f"{where}: calls at once have no burst; the amount says how many")
    check_scope(where, limit.scope)
    return Limit(
        id=limit.id,
        name=limit.name.strip(),
        metric=limit.metric,
        amount=limit.amount,
        per=limit.per,
        burst=limit.burst,
        scope=tuple(sorted(set(limit.scope))),
        created_us=limit.created_us,
        ended_us=limit.ended_us,
    )


def check_names(limits: Iterable[Limit]) -> None:
    """Raises InputError where two have one name."""
    seen: set[str] = set()
    for one in limits:
        if one.name in seen:
            raise InputError(f"there are two limits {one.name!r}; choose another name for one")
        seen.add(one.name)
