"""Batch or synchronous? A pure decision over a deadline and how long batches have taken so far.

A batch costs half, and an item that was not reached before its batch was canceled costs nothing
(platform.claude.com/docs/en/build-with-claude/batch-processing, 2026-10). So waiting for a batch risks time, never money,
as long as what is left can still be called synchronously before the deadline: that time is the reserve.

    deadline in 6 h, reserve 10 min, batches so far: half of them within 20 min -> batch, canceled after 5 h 50 min
    deadline in 8 min, reserve 10 min                                           -> synchronous, now
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from math import isfinite, log2
from typing import NamedTuple

import msgspec
from msgspec import Struct

from thriftgate.core.errors import InputError

DAY_S = 86_400.0
FARTHEST_S = 28 * DAY_S  # of a deadline: what a batch has answered can be fetched for 29 days (the page above)

# Edges of the bins in which durations are counted, seconds: about a half more from one to the next, up to the 24 hours after
# which a batch expires.
EDGES_S = (
    15.0, 30.0, 45.0, 60.0, 90.0, 120.0, 180.0, 300.0, 450.0, 600.0, 900.0, 1200.0, 1800.0, 2700.0, 3600.0, 5400.0,
    7200.0, 10800.0, 16200.0, 21600.0, 32400.0, 43200.0, 64800.0, DAY_S,
)  # fmt: skip
# Before any was seen: "most batches finish in less than 1 hour" (the page above, 2026-10), spread over what that leaves
# open. Together they count as much as five batches seen.
_PRIOR = {60.0: 0.5, 300.0: 1.0, 900.0: 1.0, 1800.0: 1.0, 3600.0: 0.75, 10_800.0: 0.5, DAY_S: 0.25}
_FORGET = 0.98  # of what is known, with each batch more: about the last fifty count


class Completions:
    """How long batches took from their creation to their end. Owned by one engine; kept with what it learned."""

    def __init__(self) -> None:
        self._seen = [0.0] * len(EDGES_S)

    def observe(self, duration_s: float) -> None:
        """A batch has ended by itself after so long."""
        self._seen = [weight * _FORGET for weight in self._seen]
        self._seen[min(bisect_right(EDGES_S, duration_s), len(EDGES_S) - 1)] += 1.0

    def chance(self, within_s: float) -> float:
        """How likely a batch is to end within so many seconds. What lies within a bin counts when the bin is over."""
        if within_s <= 0:
            return 0.0
        bins = bisect_right(EDGES_S, within_s)
        prior = sum(weight for end, weight in _PRIOR.items() if end <= within_s)
        return (sum(self._seen[:bins]) + prior) / (sum(self._seen) + sum(_PRIOR.values()))

    def quantile(self, share: float) -> float:
        """Seconds within which that share of batches ends, rounded up to the edge of a bin."""
        return next((edge for edge in EDGES_S if self.chance(edge) >= share), DAY_S)

    def outlasted(self, duration_s: float) -> None:
        """A batch was canceled after so long, and would have taken longer: it counts where longer ones tend to end."""
        beyond = [self._weight(at) if edge > duration_s else 0.0 for at, edge in enumerate(EDGES_S)]
        whole = sum(beyond)
        self._seen = [weight * _FORGET for weight in self._seen]
        for at, weight in enumerate(beyond):
            self._seen[at] += weight / whole if whole else float(at == len(EDGES_S) - 1)

    def _weight(self, at: int) -> float:
        return self._seen[at] + _PRIOR.get(EDGES_S[at], 0.0)

    def kept(self) -> bytes:
        """To be taken up again by `restore`."""
        return msgspec.msgpack.encode(self._seen)

    def restore(self, data: bytes) -> None:
        """Take up what `kept` gave. Raises ValueError or msgspec's errors for anything else."""
        seen = msgspec.msgpack.decode(data, type=list[float])
        if len(seen) != len(EDGES_S) or any(not 0 <= weight < 1e9 for weight in seen):
            raise ValueError("these are no counts of batches")
        self._seen = seen


class Reserve(Struct, frozen=True):
    """What it takes to serve what a batch has not: `cancel_s` until a canceled batch has ended, `call_s` for one synchronous
    call, `parallel` of them at once."""

    cancel_s: float = 300.0
    call_s: float = 60.0
    parallel: int = 16

    def seconds(self, jobs: int) -> float:
        """For so many jobs, twice over: a deadline is a promise, and calls may have to be tried again."""
        rounds = -(-max(jobs, 1) // max(self.parallel, 1))
        return self.cancel_s + 2 * rounds * self.call_s


def rescue_at_s(now_s: float, deadline_s: float, reserve: Reserve, jobs: int) -> float:
    """When what a batch of so many jobs has not done must be taken back, to be called before the deadline (unix seconds).

    Never sooner than half-way: of very many jobs not all will be left, and more calls are made at once then.
    """
    wanted_s = min(reserve.seconds(jobs), (deadline_s - now_s) / 2)
    return deadline_s - max(reserve.seconds(1), wanted_s)


def urgency(left_s: float) -> int:
    """The class of what is left until a deadline. Calls of one class differ by less than a factor of two and share batches:
    one is canceled for the most urgent of its calls, however long the others could still wait."""
    return int(log2(max(1.0, left_s / 60)))


class Choice(NamedTuple):
    """`batch`, or a synchronous call now. `rescue_at_s` (unix seconds) is when a batch that has not ended is canceled."""

    batch: bool
    rescue_at_s: float
    chance: float
    reason: str


def choose(
    now_s: float,
    deadline_s: float,
    completions: Completions,
    reserve: Reserve,
    *,
    jobs: int = 1,
    begun_s: float | None = None,
    chance_min: float = 0.05,
) -> Choice:
    """Batch or synchronous, for `jobs` calls that share a deadline (unix seconds). `begun_s` is when they were taken, where
    that was not just now: once it was time to take a batch back, what it has left is not put into another one.

    A batch is worth trying down to a small chance: an item it has not reached costs nothing. Below `chance_min` it would
    only make the answer late.
    """
    rescue_s = rescue_at_s(now_s if begun_s is None else begun_s, deadline_s, reserve, jobs)
    left_s = rescue_s - now_s
    chance = completions.chance(left_s)
    if left_s <= 0:
        return Choice(False, rescue_s, 0.0, f"due in {words(deadline_s - now_s)}: no time to wait for a batch")
    if chance < chance_min:
        why = f"a batch ends within {words(left_s)} only {chance:.0%} of the time"
        return Choice(False, rescue_s, chance, why)
    return Choice(True, rescue_s, chance, f"a batch ends within {words(left_s)} {chance:.0%} of the time")


class Window(Struct, frozen=True):
    """How long deferred calls are gathered before they leave as one batch: `least_s` to `most_s` seconds, until `items` have
    come, and never more than `share` of the time that the most urgent one has left."""

    least_s: float = 1.0
    most_s: float = 60.0
    items: int = 1000
    share: float = 0.02

    def closes_at_s(self, opened_s: float, urgent_s: float, arrivals_s: Sequence[float]) -> float:
        """When the window that opened at `opened_s` closes (unix seconds). `urgent_s` is by when the most urgent of the
        calls must be rescued; `arrivals_s` are the latest arrivals, whose rate says when `items` will be there.

        A batch has no least size, so waiting only saves requests and polls, and lets calls share a prefix: a call that is
        likely to stay alone does not wait.
        """
        most = min(self.most_s, max(0.0, urgent_s - opened_s) * self.share)
        rate = _rate(arrivals_s)
        if rate * most < 1:  # nobody else is expected in time
            return opened_s + min(self.least_s, most)
        return opened_s + min(most, max(self.least_s, self.items / rate))


def _rate(arrivals_s: Sequence[float]) -> float:
    """Arrivals a second, from the first to the last of these."""
    if len(arrivals_s) < 2:
        return 0.0
    span = arrivals_s[-1] - arrivals_s[0]
    return (len(arrivals_s) - 1) / span if span > 0 else float(len(arrivals_s))


def parse_duration(text: str) -> float:
    """Seconds from `90s`, `45m`, `6h` or `2d`, parts joined as in `1h30m`. Raises InputError."""
    units = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": DAY_S}
    total, digits = 0.0, ""
    for letter in text.strip().lower():
        if letter.isascii() and (letter.isdigit() or letter == "."):
            digits += letter
            continue
        try:
            total += float(digits) * units[letter]
        except (ValueError, KeyError):
            raise InputError(f"{text!r} is no length of time; write 90s, 45m, 6h, 2d or 1h30m") from None
        digits = ""
    if digits or not text.strip() or not isfinite(total):
        raise InputError(f"{text!r} is no length of time; write 90s, 45m, 6h, 2d or 1h30m")
    return total


def words(seconds: float) -> str:
    """A length of time for people: `45 s`, `12 min`, `5.8 h`."""
    if seconds < 120:
        return f"{max(0.0, seconds):.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
