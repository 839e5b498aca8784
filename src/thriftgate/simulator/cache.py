"""The prompt cache: a plain list of prefixes and the longest match, as the documentation tells it.

Source: platform.claude.com/docs/en/build-with-claude/prompt-caching, 2026-10; rules it leaves open are `CacheRules`
switches. A prefix is known by a chained hash of scope, level settings and blocks; an entry is one prefix that a
breakpoint wrote. All times are Unix seconds, all sizes tokens.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from thriftgate.simulator.config import CacheRules
from thriftgate.simulator.draws import digest, digest_again
from thriftgate.simulator.render import Position

HOUR_S = 3600
SHORT_S = 300
PURGE_ABOVE = 10_000
"""entries from which on dead ones are dropped; above it, whenever their number has doubled"""


@dataclass(frozen=True, slots=True)
class Mark:
    """A breakpoint: index of its position, life in seconds."""

    index: int
    ttl_s: int


@dataclass(frozen=True, slots=True)
class Prefix:
    """Everything up to and including one position. `place` counts positions as the look-back does."""

    key: bytes
    tokens: int
    place: int


@dataclass(slots=True)
class Entry:
    """One cached prefix."""

    tokens: int
    ttl_s: int
    expires_at: float
    usable_from: float


@dataclass(slots=True)
class Lookup:
    """What one request reads and writes. The three lists take effect only by `CacheOracle.commit`."""

    started_at: float
    read: int = 0
    write_5m: int = 0
    write_1h: int = 0
    hit: int | None = None
    written: list[tuple[Prefix, int]] = field(default_factory=list)
    renewed: list[bytes] = field(default_factory=list)
    upgraded: list[bytes] = field(default_factory=list)

    @property
    def covered(self) -> int:
        """Tokens up to the last breakpoint: read or written."""
        return self.read + self.write_5m + self.write_1h


def prefixes(
    scope: tuple[str, ...], positions: tuple[Position, ...], salts: dict[str, bytes], *, collapse_runs: bool
) -> list[Prefix]:
    """All prefixes of a prompt, shortest first. A level's setting enters the hash where that level begins, even if it
    has no block of its own."""
    key, tokens, place, before, last_kind = digest_again("scope", *scope), 0, 0, "", ""
    levels = ["tools", "system", "messages"]
    found: list[Prefix] = []
    for position in positions:
        while levels and before != position.level:
            before = levels.pop(0)
            key = digest_again(key, before, salts[before])
        run = collapse_runs and position.kind in {"tool_use", "tool_result"} and position.kind == last_kind
        place += 0 if run else 1
        key = digest(key, position.role, position.identity)
        tokens += position.tokens
        found.append(Prefix(key, tokens, place))
        last_kind = position.kind
    return found


class CacheOracle:
    """All entries of one simulator."""

    def __init__(self, rules: CacheRules) -> None:
        self.rules = rules
        self._entries: dict[bytes, Entry] = {}
        self._roomy = PURGE_ABOVE

    def __len__(self) -> int:
        return len(self._entries)

    def clear(self) -> None:
        """Forgets every entry."""
        self._entries.clear()

    def look(self, chain: list[Prefix], marks: list[Mark], minimum: int, now: float) -> Lookup:
        """What a request that starts `now` reads, renews and will write. Changes nothing: a request that is then refused
        (429) leaves no trace."""
        result = Lookup(now)
        usable = [mark for mark in marks if chain[mark.index].tokens >= minimum]
        if not usable:
            return result  # below the minimum nothing happens and nothing is said
        result.hit = self._find(chain, usable, now)
        if result.hit is not None:
            result.read = chain[result.hit].tokens
            self._plan_renewal(chain, usable, result.hit, result)
        self._plan_writes(chain, usable, result)
        return result

    def commit(self, lookup: Lookup, usable_from: float) -> None:
        """Renews what `lookup` hit and makes what it wrote readable from `usable_from` on. To be called
        when the response begins."""
        self._purge(lookup.started_at)
        for key in lookup.renewed:
            if (known := self._entries.get(key)) is not None:
                known.ttl_s = HOUR_S if key in lookup.upgraded else known.ttl_s
                known.expires_at = max(known.expires_at, lookup.started_at + known.ttl_s)
        for prefix, ttl_s in lookup.written:
            fresh = Entry(prefix.tokens, ttl_s, lookup.started_at + ttl_s, usable_from)
            known = self._entries.get(prefix.key)
            if known is not None and known.expires_at > lookup.started_at:
                # Written twice at once, or out of look-back: the longer life stands (assumed).
                fresh.usable_from = min(fresh.usable_from, known.usable_from)
                fresh.expires_at = max(fresh.expires_at, known.expires_at)
                fresh.ttl_s = max(fresh.ttl_s, known.ttl_s)
            self._entries[prefix.key] = fresh

    def _find(self, chain: list[Prefix], marks: list[Mark], now: float) -> int | None:
        """Index of the longest live prefix within look-back of a breakpoint, trying the deepest breakpoint first."""
        for mark in reversed(marks):
            for index in range(mark.index, -1, -1):
                if chain[mark.index].place - chain[index].place >= self.rules.lookback:
                    break
                if self._live(chain[index].key, now):
                    return index
        return None

    def _live(self, key: bytes, now: float) -> bool:
        entry = self._entries.get(key)
        return entry is not None and entry.usable_from <= now < entry.expires_at

    def _life(self, key: bytes, marks: list[Mark], hit: int) -> int:
        """The life in seconds of the entry that was hit, after this request."""
        upgraded = self.rules.in_place_upgrade and any(mark.index == hit and mark.ttl_s == HOUR_S for mark in marks)
        return HOUR_S if upgraded else self._entries[key].ttl_s

    def _plan_renewal(self, chain: list[Prefix], marks: list[Mark], hit: int, result: Lookup) -> None:
        """A hit renews the entry's own life from the start of this request, for free; for shallower ones see `refresh`."""
        indexes = {hit}
        if self.rules.refresh == "hit_and_marked":
            indexes |= {mark.index for mark in marks if mark.index < hit}
        elif self.rules.refresh == "ancestors":
            indexes |= set(range(hit))
        result.renewed = [chain[index].key for index in indexes if self._live(chain[index].key, result.started_at)]
        if self.rules.in_place_upgrade and any(mark.index == hit and mark.ttl_s == HOUR_S for mark in marks):
            result.upgraded = [chain[hit].key]

    def _plan_writes(self, chain: list[Prefix], marks: list[Mark], result: Lookup) -> None:
        """A = hit, B = deepest 1h breakpoint beyond A, C = last breakpoint: 1h pays B − A, 5m pays C − B."""
        hit = -1 if result.hit is None else result.hit
        beyond = [mark for mark in marks if mark.index > hit]
        fixed = not self.rules.late_upgrade and result.hit is not None and self._life(chain[hit].key, marks, hit) < HOUR_S
        for mark in beyond:
            result.written.append((chain[mark.index], SHORT_S if fixed else mark.ttl_s))
        if self.rules.free_insert:
            for mark in marks:
                if mark.index < hit and not self._live(chain[mark.index].key, result.started_at):
                    result.written.append((chain[mark.index], SHORT_S if fixed else mark.ttl_s))
        hours = [chain[mark.index].tokens for mark in beyond if mark.ttl_s == HOUR_S]
        upto_1h = max(hours, default=result.read)
        upto_5m = max((chain[mark.index].tokens for mark in beyond), default=result.read)
        result.write_1h = upto_1h - result.read
        result.write_5m = upto_5m - upto_1h

    def _purge(self, now: float) -> None:
        if len(self._entries) > self._roomy:
            # Kept for an hour after their end, since requests are not always committed in the order they started.
            self._entries = {key: entry for key, entry in self._entries.items() if entry.expires_at > now - HOUR_S}
            self._roomy = max(PURGE_ABOVE, 2 * len(self._entries))
