"""How jobs that share a prefix are sent: priming waves. Pure.

A batch works its items off in an order of its own, many at once; an entry of the provider's cache can be read only some
seconds after the item that wrote it began. So neither file order nor grouping by prefix promises hits: grouped, the items
of a group run at the same time and all of them write. What does promise them, whatever the order and however many run at
once: a wave sends one job of each of some groups, waits for its end, and then sends the rest of those groups. The choice is
by expected cost, in input tokens at the base price, all of it halved in a batch:

    plain batch             N (P + S)                                   P: tokens of the prefix    S: the rest of a job, with
    primed batch            w P + (N - 1) (h r + (1 - h) w) P + N S        its answer    h: share of followers that read
    primed calls            2 (w P + (N - 1) r P + N S)

Rules: the study of batches in docs/concepts/batches.md; prices: platform.claude.com/docs/en/about-claude/pricing, 2026-10.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import msgspec
from msgspec import Struct

from thriftgate.core.placement import Ratios
from thriftgate.core.request import Ttl

FIRST_WAVE = 2_000  # requests, before any wave was seen: 30 minutes at one a second
_SURE = 20.0  # followers that what is believed of hits counts for before any was seen
_SHORT_WAVE_S = 150.0  # a wave that takes less fits into five minutes twice
_KEPT = 5_000.0  # followers at most that what was seen counts for

Lane = Literal["plain", "batch", "calls"]


class Way(NamedTuple):
    """One way to send a group, and what it is expected to cost (input tokens at the base price; a batch at half)."""

    lane: Lane
    ttl: Ttl | None
    cost: float


class Sharing(NamedTuple):
    """What decides: how many jobs, how long their common prefix, how much the rest of each."""

    items: int
    prefix_tokens: float
    rest_tokens: float


class Reads(Struct):
    """Of followers whose prefix was written before, how many read it: of all that were seen. One per engine, kept."""

    read: dict[str, float] = {}
    seen: dict[str, float] = {}
    pace: float = 0.0
    wave_s: float = 0.0

    def share(self, ttl: Ttl) -> float:
        """Expected share of hits among followers. Nothing seen yet: nearly all, as a wave is made for."""
        seen = self.seen.get(ttl, 0.0)
        return (self.read.get(ttl, 0.0) + 0.95 * _SURE) / (seen + _SURE)

    def learn(self, ttl: Ttl, read: int, followers: int) -> None:
        """So many of these followers have read the prefix."""
        keep = min(1.0, _KEPT / (self.seen.get(ttl, 0.0) + followers + 1))
        self.read[ttl] = self.read.get(ttl, 0.0) * keep + read
        self.seen[ttl] = self.seen.get(ttl, 0.0) * keep + followers

    def learn_pace(self, requests: int, duration_s: float, wave_s: float) -> None:
        """A batch of so many requests took so long; the whole wave, from its leaders on, `wave_s`."""
        if requests > 0 and duration_s > 0:
            fresh = requests / duration_s
            self.pace = fresh if not self.pace else 0.5 * self.pace + 0.5 * fresh
        self.wave_s = wave_s

    def kept(self) -> bytes:
        """To be taken up again by `restore`."""
        return msgspec.msgpack.encode(self)

    def restore(self, data: bytes) -> None:
        """Take up what `kept` gave. Raises msgspec's errors for anything else."""
        known = msgspec.msgpack.decode(data, type=Reads)
        self.read, self.seen, self.pace, self.wave_s = known.read, known.seen, known.pace, known.wave_s


def ways(group: Sharing, ratios: Ratios, reads: Reads) -> tuple[Way, ...]:
    """Every way to send a group, each at its expected cost, the cheapest first. Waves that may take longer than five
    minutes write for an hour."""
    n, prefix, rest = group.items, group.prefix_tokens, group.rest_tokens
    writes: dict[Ttl, float] = {"5m": ratios.write_5m, "1h": ratios.write_1h}
    if not _is_short(reads):
        del writes["5m"]
    found = [Way("plain", None, 0.5 * n * (prefix + rest))]
    for ttl, write in writes.items():
        hits = reads.share(ttl)
        each = hits * ratios.read + (1 - hits) * write
        found.append(Way("batch", ttl, 0.5 * (write * prefix + (n - 1) * each * prefix + n * rest)))
    calls = ratios.write_5m * prefix + (n - 1) * ratios.read * prefix + n * rest
    found.append(Way("calls", "5m", calls))
    return tuple(sorted(found, key=lambda way: way.cost))


def choose(group: Sharing, ratios: Ratios, reads: Reads, *, minimum: int) -> Way:
    """The cheapest way. A prefix under the model's minimum is never cached, and so never marked."""
    if group.items < 2 or group.prefix_tokens < minimum:
        return Way("plain", None, 0.5 * group.items * (group.prefix_tokens + group.rest_tokens))
    return ways(group, ratios, reads)[0]


def ttl_of(reads: Reads, lane: Way, group: Sharing, ratios: Ratios) -> Ttl:
    """For how long this wave writes. An hour to begin with, since nobody knows how long the batch will queue; five minutes
    once a whole wave was seen to take less than half of that, as long as it is the cheaper one."""
    if not _is_short(reads) or lane.lane != "batch":
        return "1h"
    return next((way.ttl or "1h" for way in ways(group, ratios, reads) if way.lane == "batch"), "1h")


def _is_short(reads: Reads) -> bool:
    return 0 < reads.wave_s <= _SHORT_WAVE_S


def wave_requests(reads: Reads, ttl: Ttl) -> int:
    """How many requests a wave may have so that it is over within half the life of what its leaders write."""
    life_s = 3600.0 if ttl == "1h" else 300.0
    return FIRST_WAVE if not reads.pace else max(2, int(reads.pace * life_s / 2))
