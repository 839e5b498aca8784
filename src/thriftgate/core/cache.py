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
from thriftgate.core.request import Request, Ttl
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
    formula); without it the class is fixed at the first write: what is written behind a live 5m prefix, or freely inserted
    into one, is billed as marked and lives as a 5m entry does. `in_place_upgrade`: a 1h breakpoint exactly
    on the live 5m entry that is read turns it into a 1h entry. `hour_granted`: without it a 1h breakpoint is kept and billed
    as a 5m one.
    """

    lookback_positions: int = 20
    breakpoints_max: int = 4
    collapse_runs: bool = True
    refresh: Literal["marked", "hit_only", "ancestors"] = "marked"
    free_insert: bool = True
    late_upgrade: bool = True
    in_place_upgrade: bool = False
    hour_granted: bool = True


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


def client_breakpoints(request: Request, prefix: Prefix) -> tuple[Breakpoint, ...]:
    """The breakpoints the client set, in render order; automatic caching puts one on the last block that may carry it."""
    marks = [Breakpoint(at, ttl) for at, ttl in prefix.marks()] if prefix.marks_count else []
    if request.automatic is not None:
        tail = prefix.last_markable()
        if tail is not None and (not marks or marks[-1].at != tail):
            marks.append(Breakpoint(tail, request.automatic))
    return tuple(marks)


Residency = Mapping[bytes, Resident]


class CacheOutcome(Struct, frozen=True):
    """What the provider will bill for the prompt, and the entries it will hold afterwards."""

    tokens: Tokens
    entries: dict[bytes, Resident]
    hit: int | None = None


class Bill(NamedTuple):
    """What the provider will bill for the prompt. `hit` is the block up to which it reads; `marks` are the breakpoints that
    count."""

    tokens: Tokens
    hit: int | None
    marks: Sequence[Breakpoint]


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
    tokens, hit, marks = bill(
        prefix, cumulative, breakpoints, residency, now_s=now_s, cache_min_tokens=cache_min_tokens, rules=rules
    )
    entries = entries_left(prefix, marks, hit, residency, now_s=now_s, usable_s=usable_s, rules=rules)
    return CacheOutcome(tokens, entries, hit)


def bill(
    prefix: Prefix,
    cumulative: Sequence[int],
    breakpoints: Sequence[Breakpoint],
    residency: Residency,
    *,
    now_s: float,
    cache_min_tokens: int,
    rules: CacheRules,
    output: int = 0,
) -> Bill:
    """The part of `forecast` that costs money; `output` is the expected length of the answer."""
    total = cumulative[-1] if cumulative else 0
    marks = [mark for mark in breakpoints if cumulative[mark.at] >= cache_min_tokens]
    if not marks:
        return Bill(Tokens(input=total, output=output), None, marks)
    if not rules.hour_granted:
        marks = [Breakpoint(mark.at, "5m") for mark in marks]
    hit = _deepest_hit(prefix, marks, residency, now_s, rules)
    read = cumulative[hit] if hit is not None else 0
    hour_end = written_end = read
    for at, ttl in marks:
        if hit is None or at > hit:
            written_end = max(written_end, cumulative[at])
            if ttl == "1h":
                hour_end = max(hour_end, cumulative[at])
    tokens = Tokens(total - written_end, written_end - hour_end, hour_end - read, read, output)
    return Bill(tokens, hit, marks)


def _deepest_hit(
    prefix: Prefix, marks: Sequence[Breakpoint], residency: Residency, now_s: float, rules: CacheRules
) -> int | None:
    if not residency:
        return None
    chain = prefix.chain
    for mark in reversed(marks):
        for at in within_reach(prefix, mark.at, rules):
            entry = residency.get(chain[at])
            if entry is not None and entry.usable_s <= now_s < entry.expires_s:
                return at
    return None


def _live(residency: Residency, digest: bytes, now_s: float) -> Resident | None:
    entry = residency.get(digest)
    return entry if entry is not None and entry.live(now_s) else None


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


def entries_left(
    prefix: Prefix,
    marks: Sequence[Breakpoint],
    hit: int | None,
    residency: Residency,
    *,
    now_s: float,
    usable_s: float,
    rules: CacheRules,
) -> dict[bytes, Resident]:
    """Entries made or renewed by a request with this bill. Life counts from the start of the request."""
    chain = prefix.chain
    entries: dict[bytes, Resident] = {}
    fixed = False
    if hit is not None:
        if rules.refresh != "hit_only":
            shallower = chain[:hit] if rules.refresh == "ancestors" else [chain[mark.at] for mark in marks if mark.at < hit]
            for digest in filter(residency.__contains__, shallower):
                entry = residency[digest]
                if entry.live(now_s):
                    entries[digest] = _renewed(entry, entry.ttl, now_s)
        entry = residency[chain[hit]]
        upgraded = rules.in_place_upgrade and Breakpoint(hit, "1h") in marks
        entries[chain[hit]] = found = _renewed(entry, "1h" if upgraded else entry.ttl, now_s)
        fixed = not rules.late_upgrade and found.ttl == "5m"
    for at, marked in marks:
        if hit is None or at > hit or (rules.free_insert and _live(residency, chain[at], now_s) is None):
            ttl: Ttl = "5m" if fixed else marked
            usable, expires = usable_s, now_s + TTL_S[ttl]
            known = residency.get(chain[at])
            if known is not None and known.expires_s > now_s:  # not readable yet, or out of reach: the longer life stands
                ttl = "1h" if "1h" in (ttl, known.ttl) else "5m"
                usable, expires = min(usable, known.usable_s), max(expires, known.expires_s)
            entries[chain[at]] = Resident(ttl, usable, expires)
    return entries


def _renewed(entry: Resident, ttl: Ttl, now_s: float) -> Resident:
    return Resident(ttl, entry.usable_s, max(entry.expires_s, now_s + TTL_S[ttl]))
