"""The provider's prompt cache as a pure model: residency × request × now → what is read, written, paid; residency'.

Documented rules come from platform.claude.com/docs/en/build-with-claude/prompt-caching (2026-10); what the documentation
leaves open is a switch in `CacheRules`, so that a belief can be corrected when real usage tells otherwise.

    prefix of 30k tokens, 1h breakpoint at 20k, 5m breakpoint at 30k, 10k live:
    read 10k, write_1h 10k, write_5m 10k, input 0
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal, NamedTuple

from msgspec import Struct

from thriftgate.core.prefix import Prefix
from thriftgate.core.request import Ttl
from thriftgate.core.usage import Tokens

TTL_S: dict[Ttl, int] = {"5m": 300, "1h": 3600}
_RUNS = frozenset({"tool_use", "tool_result"})


class CacheRules(Struct, frozen=True):
    """What is assumed of one provider's cache.

    `lookback_positions`: from each breakpoint so many positions are searched, the breakpoint itself first (documented).
    `collapse_runs`: a run of tool_use, or of tool_result, blocks is one position (documented for the first-party API).
    `refresh`: which shallower entries a deep hit renews: only those marked in the request, none, or all of them.
    `free_insert`: a breakpoint inside the part already read makes an entry free of charge.
    `late_upgrade`: a 1h breakpoint behind a live 5m prefix makes a 1h entry for the whole prefix (implied by the billing
    formula). `in_place_upgrade`: a 1h breakpoint exactly on a live 5m entry turns it into a 1h entry.
    """

    lookback_positions: int = 20
    breakpoints_max: int = 4
    collapse_runs: bool = True
    refresh: Literal["marked", "hit_only", "ancestors"] = "marked"
    free_insert: bool = True
    late_upgrade: bool = True
    in_place_upgrade: bool = False


class Breakpoint(NamedTuple):
    """A cache breakpoint on the block with index `at`."""

    at: int
    ttl: Ttl


class Resident(Struct, frozen=True, gc=False):
    """One live entry. Times in unix seconds: it can be read from `usable_s` on and is gone at `expires_s`."""

    ttl: Ttl
    usable_s: float
    expires_s: float

    def live(self, now_s: float) -> bool:
        return self.usable_s <= now_s < self.expires_s


Residency = Mapping[bytes, Resident]


class CacheOutcome(Struct, frozen=True):
    """What the provider will bill for the prompt, and the entries it will hold afterwards."""

    tokens: Tokens
    entries: dict[bytes, Resident]
    hit: int | None = None


def forecast(
    prefix: Prefix,
    cumulative: Sequence[int],
    breakpoints: Sequence[Breakpoint],
    residency: Residency,
    *,
    now_s: float,
    usable_s: float,
    cache_min_tokens: int,
    rules: CacheRules,
) -> CacheOutcome:
    """Bill one prompt.

    `cumulative[i]` is the token count of everything up to and including block i; breakpoints stand in document order. An
    entry written now is readable from `usable_s`, when the response begins. A breakpoint on a prefix under the minimum is
    ignored without an error.
    """
    total = cumulative[-1] if cumulative else 0
    marks = [mark for mark in breakpoints if cumulative[mark.at] >= cache_min_tokens]
    if not marks:
        return CacheOutcome(Tokens(input=total), {})
    hit = _deepest_hit(prefix, marks, residency, now_s, rules)
    read_end = -1 if hit is None else hit
    read = cumulative[hit] if hit is not None else 0
    hour_end = max((cumulative[mark.at] for mark in marks if mark.ttl == "1h" and mark.at > read_end), default=read)
    written_end = max((cumulative[mark.at] for mark in marks if mark.at > read_end), default=hour_end)
    tokens = Tokens(input=total - written_end, write_5m=written_end - hour_end, write_1h=hour_end - read, read=read)
    return CacheOutcome(tokens, _entries(prefix, marks, hit, residency, now_s=now_s, usable_s=usable_s, rules=rules), hit)


def _deepest_hit(
    prefix: Prefix, marks: Sequence[Breakpoint], residency: Residency, now_s: float, rules: CacheRules
) -> int | None:
    if not residency:
        return None
    for mark in reversed(marks):
        for at in within_reach(prefix, mark.at, rules):
            entry = residency.get(prefix.chain[at])
            if entry is not None and entry.live(now_s):
                return at
    return None


def within_reach(prefix: Prefix, at: int, rules: CacheRules) -> Iterator[int]:
    """The blocks that look-back from a breakpoint on block `at` reaches, deepest first. Blocks count one position each;
    a run of tool_use, or of tool_result, blocks counts once where `collapse_runs` holds."""
    left = rules.lookback_positions
    after = ""
    while at >= 0:
        kind = prefix.blocks[at].part.kind
        if not (rules.collapse_runs and kind == after and kind in _RUNS):
            left -= 1
            if left < 0:
                return
        yield at
        after = kind
        at -= 1


def _entries(
    prefix: Prefix,
    marks: Sequence[Breakpoint],
    hit: int | None,
    residency: Residency,
    *,
    now_s: float,
    usable_s: float,
    rules: CacheRules,
) -> dict[bytes, Resident]:
    """Entries made or renewed by the request. Life counts from the start of the request."""
    entries: dict[bytes, Resident] = {}
    hit_entry = residency[prefix.chain[hit]] if hit is not None else None

    def renew(digest: bytes, entry: Resident, ttl: Ttl) -> None:
        entries[digest] = Resident(ttl, entry.usable_s, max(entry.expires_s, now_s + TTL_S[ttl]))

    if hit is not None and hit_entry is not None:
        renew(prefix.chain[hit], hit_entry, hit_entry.ttl)
        if rules.refresh == "ancestors":
            for digest in prefix.chain[:hit]:
                entry = residency.get(digest)
                if entry is not None and entry.live(now_s):
                    renew(digest, entry, entry.ttl)
    for mark in marks:
        digest = prefix.chain[mark.at]
        if hit is None or hit_entry is None or mark.at > hit:
            demoted = hit_entry is not None and hit_entry.ttl == "5m" and not rules.late_upgrade
            ttl: Ttl = "5m" if demoted else mark.ttl
            entries[digest] = Resident(ttl, usable_s, now_s + TTL_S[ttl])
            continue
        entry = residency.get(digest)
        if entry is not None and entry.live(now_s):
            upgrade = rules.in_place_upgrade and mark.ttl == "1h"
            if mark.at == hit or rules.refresh != "hit_only":
                renew(digest, entry, "1h" if upgrade else entry.ttl)
        elif rules.free_insert:
            entries[digest] = Resident(mark.ttl, usable_s, now_s + TTL_S[mark.ttl])
    return entries
