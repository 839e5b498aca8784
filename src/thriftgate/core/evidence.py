"""What the usage of one call tells about the provider's cache: which of several possible worlds billed it.

Beside the believed world stands one alternative for each open question, with that one answered the other way. A world is a
residency and its rules; each forecasts every request. Where their forecasts part, the billed read tells which is real. An
alternative is kept as its differences from the believed world, which are few.

    believed: the tail lives an hour.  Alternative: it lives as long as the five-minute prefix it was built on.
    Ten minutes later 30,000 tokens are read, where the alternative forecast none: proof for the believed world.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence, Set
from typing import NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from thriftgate.core.beliefs import (
    Beliefs,
    Sign,
    Strength,
    Topic,
    learn,
    learn_minimum,
    learn_readable,
    minimum,
    readable_s,
    rules,
)
from thriftgate.core.cache import TTL_S, Breakpoint, CacheRules, Residency, Resident, bill, entries_left, within_reach
from thriftgate.core.generations import Generations
from thriftgate.core.prefix import Prefix
from thriftgate.core.usage import Tokens

_NEAR = 0.06  # an estimated depth is taken to be this far off at most, as a share of it
_NEAR_LEAST = 40
_EXACT = 4  # tokens by which a depth that the provider told may differ the next time
_NEAR_MINIMUM = 0.1  # an estimate this near to the minimum does not tell on which side of it it is
_YOUNG_S = 60.0  # an entry that is not read so soon after it was written may not be readable yet
NOTHING = -1  # where nothing was read


class Evidence(Struct, frozen=True):
    """One answered call. `residency` is what was believed of its boundaries when it started, `billed` what the provider
    says; `split` whether it told for how long each part was written (old proxies do not)."""

    prefix: Prefix
    cumulative: Sequence[int]
    breakpoints: Sequence[Breakpoint]
    residency: Residency
    billed: Tokens
    now_s: float
    usable_s: float
    cache_min_tokens: int
    split: bool = True


class Lesson(NamedTuple):
    """What one call taught: beliefs, a warning for each change, and how to correct the residency (first `gone`, then
    `entries`)."""

    beliefs: Beliefs
    warnings: tuple[str, ...]
    entries: Mapping[bytes, Resident]
    gone: tuple[bytes, ...]


class _Read(NamedTuple):
    """The boundary that was read, and whether that is certain."""

    at: int
    known: bool


class _World(Struct, frozen=True):
    """What a world held before the call, the boundary it forecasts to be read, the breakpoints that count in it, and the
    entries that the call leaves behind. `parted` is what it held otherwise than the believed world; None: nothing."""

    residency: Residency
    at: int
    marks: Sequence[Breakpoint]
    entries: Mapping[bytes, Resident]
    parted: Mapping[bytes, Resident | None] = {}


_Others = dict[Topic, Resident | None]  # what alternative worlds hold at one boundary otherwise than the believed one


class _Rules(NamedTuple):
    """The believed rules, and those of each alternative world."""

    believed: CacheRules
    flipped: Mapping[Topic, CacheRules]


class Worlds:
    """The alternative worlds of one provider and model. Bounded: the depths of `entries_max` boundaries as the provider
    counted them, and as many differences."""

    __slots__ = ("_assumed", "_depths", "_entries_max", "_other", "_strangers")

    def __init__(self, entries_max: int = 4_096) -> None:
        self._entries_max = entries_max
        self._strangers = False  # whether somebody else writes here too, so that a deep read is no proof
        self._assumed: tuple[Beliefs, _Rules] | None = None
        self._depths: Generations[bytes, int] = Generations(entries_max)
        self._other: Generations[bytes, _Others] = Generations(entries_max)

    def learn(self, evidence: Evidence, beliefs: Beliefs, model: str) -> Lesson:
        """Hold the bill of a call against what each world forecast."""
        marks, chain, billed = evidence.breakpoints, evidence.prefix.chain, evidence.billed
        if not marks or not chain or not billed.prompt:
            return Lesson(beliefs, (), {}, ())
        in_force = self._in_force(beliefs)
        base = _world(evidence, evidence.residency, beliefs, in_force.believed)
        before = self._other.among(chain)
        others = _alternatives(evidence, beliefs, base, before, in_force)
        known = self._depths.among(chain)
        expected = {base.at, *[world.at for world in others.values()]}
        read = _read(evidence, known, base.at, expected)
        after = beliefs
        warnings: tuple[str, ...] = ()
        if read.known and not _unsure(evidence, beliefs, known, expected):
            signs = _signs(beliefs, base, others, read, billed)
            if self._strangers:
                signs = tuple(replace(sign, strength="doubt") for sign in signs)
            after, warnings = learn(beliefs, signs, evidence.now_s, model)
            if not signs:
                after, warnings = _readable(evidence, after, base, read, model)
        if read.known and read.at > max(expected):
            self._strangers |= _live(evidence.residency.get(chain[read.at]), evidence.now_s) is None
        after, more = _grant_and_minimum(evidence, after, read, model)
        self._remember_depths(evidence, read)
        held, gone = _corrected(evidence, base, read)
        for topic, world in others.items() if warnings else ():
            if after.assumes(topic) != beliefs.assumes(topic):  # its world is the real one
                held = world.residency
                gone = tuple(digest for digest in evidence.residency if digest not in held)
        warnings += more
        if gone or read.at > base.at or warnings:
            return self._start_again(evidence, after, warnings, held, gone)
        self._assumed = after, in_force  # without a warning, what is assumed has not changed
        refuted = [topic for topic, world in others.items() if read.known and world.at != read.at]
        others |= {topic: _world(evidence, held, after, in_force.flipped[topic]) for topic in refuted}
        self._keep(evidence, base, others, before)
        return Lesson(after, warnings, base.entries, ())

    def _start_again(
        self, evidence: Evidence, beliefs: Beliefs, warnings: tuple[str, ...], held: Residency, gone: tuple[bytes, ...]
    ) -> Lesson:
        """The believed world was wrong about this prompt: the others part from it anew, from what is really held."""
        for digest in evidence.prefix.chain:
            self._other.discard(digest)
        if warnings:
            self._other = Generations(self._entries_max)  # every difference was one from a world that is no more
        in_force = self._in_force(beliefs)
        base = _world(evidence, held, beliefs, in_force.believed)
        self._keep(evidence, base, _alternatives(evidence, beliefs, base, {}, in_force), {})
        fresh = {digest: entry for digest, entry in held.items() if evidence.residency.get(digest) != entry}
        return Lesson(beliefs, warnings, {**fresh, **base.entries}, gone)

    def _in_force(self, beliefs: Beliefs) -> _Rules:
        if self._assumed is None or self._assumed[0] is not beliefs:
            self._assumed = beliefs, _Rules(rules(beliefs), {topic: _flipped(beliefs, topic) for topic in _open(beliefs)})
        return self._assumed[1]

    def _keep(
        self, evidence: Evidence, base: _World, others: Mapping[Topic, _World], before: Mapping[bytes, _Others]
    ) -> None:
        """Note where the worlds differ on this chain once the call is over; `before` is where they did."""
        now_s, real = evidence.now_s, {**base.residency, **base.entries}
        differences: dict[bytes, _Others] = {}
        for topic, world in others.items():
            held = {**world.residency, **world.entries}
            for digest in {*world.parted, *base.entries, *world.entries}:
                then, believed = held.get(digest), real.get(digest)
                if then != believed and (_live(then, now_s) or _live(believed, now_s)):
                    differences.setdefault(digest, {})[topic] = then
        for digest in before:
            if digest not in differences:
                self._other.discard(digest)
        for digest, entries in differences.items():
            self._other[digest] = entries

    def _remember_depths(self, evidence: Evidence, read: _Read) -> None:
        """The provider's counts tell how deep some boundaries are: the one read, the last marked, the last 1h one."""
        billed, chain, marks = evidence.billed, evidence.prefix.chain, evidence.breakpoints
        if read.known and billed.read:
            self._depths[chain[read.at]] = billed.read
        if billed.read + billed.write_5m + billed.write_1h:
            self._depths[chain[marks[-1].at]] = billed.read + billed.write_5m + billed.write_1h
            hour = max((mark.at for mark in marks if mark.ttl == "1h"), default=NOTHING)
            if read.known and billed.write_1h and hour > read.at:
                self._depths[chain[hour]] = billed.read + billed.write_1h


def _unsure(evidence: Evidence, beliefs: Beliefs, known: Mapping[bytes, int], expected: Set[int]) -> bool:
    """Whether a forecast hangs on an entry that may never have been made: it seems about as long as the minimum."""
    least, scale = minimum(beliefs, evidence.cache_min_tokens), _scale(evidence)
    return any(
        abs(evidence.cumulative[at] * scale - least) <= _NEAR_MINIMUM * least and evidence.prefix.chain[at] not in known
        for at in expected
        if at != NOTHING
    )


def _live(entry: Resident | None, now_s: float) -> Resident | None:
    return entry if entry is not None and entry.expires_s > now_s else None


def _world(evidence: Evidence, residency: Residency, beliefs: Beliefs, in_world: CacheRules) -> _World:
    """How the call fares where this is held and these rules are in force."""
    _, hit, marks = bill(
        evidence.prefix,
        evidence.cumulative,
        evidence.breakpoints,
        residency,
        now_s=evidence.now_s,
        cache_min_tokens=minimum(beliefs, evidence.cache_min_tokens),
        rules=in_world,
    )
    entries = _left(evidence, marks, hit, residency, in_world)
    return _World(residency, NOTHING if hit is None else hit, marks, entries)


def _beside(
    evidence: Evidence,
    base: _World,
    residency: Residency,
    parted: Mapping[bytes, Resident | None],
    in_world: CacheRules,
) -> _World:
    """A world in which the same is read as in the believed one, but other entries may be left behind."""
    hit = None if base.at == NOTHING else base.at
    return _World(residency, base.at, base.marks, _left(evidence, base.marks, hit, residency, in_world), parted)


def _left(
    evidence: Evidence, marks: Sequence[Breakpoint], hit: int | None, residency: Residency, in_world: CacheRules
) -> Mapping[bytes, Resident]:
    return entries_left(
        evidence.prefix,
        marks,
        hit,
        residency,
        now_s=evidence.now_s,
        usable_s=evidence.usable_s,
        rules=in_world,
    )


def _alternatives(
    evidence: Evidence, beliefs: Beliefs, base: _World, differences: Mapping[bytes, _Others], in_force: _Rules
) -> dict[Topic, _World]:
    """The worlds in which this request may fare otherwise."""
    parted: dict[Topic, dict[bytes, Resident | None]] = {}
    for digest, others in differences.items():
        for topic, entry in others.items():
            parted.setdefault(topic, {})[digest] = entry
    found: dict[Topic, _World] = {}
    for topic, in_world in in_force.flipped.items():
        if topic in parted:
            found[topic] = _parted(evidence, beliefs, base, parted[topic], in_world)
        elif _matters(topic, evidence, base):
            found[topic] = _beside(evidence, base, base.residency, {}, in_world)
    return found


def _parted(
    evidence: Evidence, beliefs: Beliefs, base: _World, parted: Mapping[bytes, Resident | None], in_world: CacheRules
) -> _World:
    """A world that differs already. Where it agrees from the block on that is believed to be read, the same is read."""
    residency = dict(evidence.residency)
    for digest, entry in parted.items():
        if entry is not None:
            residency[digest] = entry
        else:
            residency.pop(digest, None)
    if parted.keys().isdisjoint(evidence.prefix.chain[max(base.at, 0) :]):
        return _beside(evidence, base, residency, parted, in_world)
    return replace(_world(evidence, residency, beliefs, in_world), parted=parted)


def _open(beliefs: Beliefs) -> tuple[Topic, ...]:
    """The questions whose other answer is a world of its own, the likelier first. Where every hit renews all shallower
    entries it cannot be seen whether a mark does."""
    marked: tuple[Topic, ...] = () if beliefs.assumes("refresh_ancestors") else ("refresh_marked",)
    return ("late_upgrade", *marked, "refresh_ancestors", "free_insert", "in_place_upgrade")


def _flipped(beliefs: Beliefs, topic: Topic) -> CacheRules:
    believed = rules(beliefs)
    if topic == "refresh_marked":
        return replace(believed, refresh="hit_only" if believed.refresh == "marked" else "marked")
    if topic == "refresh_ancestors":
        shallower: CacheRules = replace(believed, refresh="marked" if beliefs.assumes("refresh_marked") else "hit_only")
        return shallower if believed.refresh == "ancestors" else replace(believed, refresh="ancestors")
    if topic == "late_upgrade":
        return replace(believed, late_upgrade=not believed.late_upgrade)
    if topic == "free_insert":
        return replace(believed, free_insert=not believed.free_insert)
    return replace(believed, in_place_upgrade=not believed.in_place_upgrade)


def _matters(topic: Topic, evidence: Evidence, base: _World) -> bool:
    """Whether the answer to a question can change what this request leaves behind."""
    hit, marks, held, chain, now_s = base.at, base.marks, base.residency, evidence.prefix.chain, evidence.now_s
    if hit == NOTHING:
        return False
    if topic == "late_upgrade":
        return base.entries[chain[hit]].ttl == "5m" and any(mark.ttl == "1h" and mark.at != hit for mark in marks)
    if topic == "in_place_upgrade":
        return held[chain[hit]].ttl == "5m" and Breakpoint(hit, "1h") in marks
    if topic == "refresh_ancestors":
        return len(held) > 1 and any(_live(held[digest], now_s) is not None for digest in chain[:hit] if digest in held)
    vacant = [_live(held.get(chain[mark.at]), now_s) is None for mark in marks if mark.at < hit]
    return any(vacant) if topic == "free_insert" else not all(vacant)


def _scale(evidence: Evidence) -> float:
    """How far off the estimates of this prompt were as a whole."""
    return evidence.billed.prompt / max(1, evidence.cumulative[-1])


def _read(evidence: Evidence, known: Mapping[bytes, int], believed: int, expected: Set[int]) -> _Read:
    """Which boundary the billed read ends at: one whose depth the provider told before, else the only expected one near;
    where that is open the believed one, else a guess."""
    tokens, chain = evidence.billed.read, evidence.prefix.chain
    if not tokens:
        return _Read(NOTHING, known=True)
    near_ones = {digest for digest, depth in known.items() if abs(depth - tokens) <= _EXACT}
    exact = [at for at, digest in enumerate(chain) if digest in near_ones] if near_ones else []
    among = [at for at in exact if at in expected] or exact
    if among:
        return _Read(believed if believed in among else among[-1], known=len(among) == 1)
    scale, near = _scale(evidence), _NEAR * tokens + _NEAR_LEAST
    guesses = [
        at for at in expected if at >= 0 and chain[at] not in known and abs(evidence.cumulative[at] * scale - tokens) <= near
    ]
    if guesses:
        return _Read(believed if believed in guesses else guesses[0], known=len(guesses) == 1)
    after = bisect_left(evidence.cumulative, tokens / scale)
    close = [at for at in (after - 1, after) if 0 <= at < len(chain)]
    return _Read(min(close, key=lambda at: abs(evidence.cumulative[at] * scale - tokens)), known=False)


def _signs(beliefs: Beliefs, base: _World, others: Mapping[Topic, _World], read: _Read, billed: Tokens) -> tuple[Sign, ...]:
    """What the read says on each question on which the worlds part."""
    believed = base.at
    parted = {topic: world.at for topic, world in others.items() if world.at != believed}
    if read.at == believed:
        return tuple(
            Sign(topic, beliefs.assumes(topic), _strength(read.at > other, billed)) for topic, other in parted.items()
        )
    explaining = [topic for topic, other in parted.items() if other == read.at]
    alone: Strength = _strength(read.at > believed, billed) if len(explaining) == 1 else "doubt"
    return tuple(Sign(topic, not beliefs.assumes(topic), alone) for topic in explaining)


def _strength(deeper: bool, billed: Tokens) -> Strength:
    if deeper:
        return "proof"
    return "fallback" if billed.read else "doubt"


def _readable(
    evidence: Evidence, beliefs: Beliefs, base: _World, read: _Read, model: str
) -> tuple[Beliefs, tuple[str, ...]]:
    """What the read of a young entry, or its not being read, tells of the time until entries can be read."""
    at = max(base.at, read.at)
    entry = evidence.residency.get(evidence.prefix.chain[at]) if at > NOTHING else None
    if entry is None:
        return beliefs, ()
    age_s = evidence.now_s - (entry.usable_s - readable_s(beliefs))
    if not 0 <= age_s <= _YOUNG_S:
        return beliefs, ()
    return learn_readable(beliefs, read=read.at == at, age_s=age_s, now_s=evidence.now_s, model=model)


def _grant_and_minimum(evidence: Evidence, beliefs: Beliefs, read: _Read, model: str) -> tuple[Beliefs, tuple[str, ...]]:
    """The two questions that a bill answers by itself: was an hour granted, and was anything cached at all."""
    billed, marks, scale = evidence.billed, evidence.breakpoints, _scale(evidence)
    cached, least = billed.read + billed.write_5m + billed.write_1h, minimum(beliefs, evidence.cache_min_tokens)
    deepest = round(evidence.cumulative[marks[-1].at] * scale)
    hours = [mark.at for mark in marks if mark.ttl == "1h" and mark.at > read.at]
    asked = read.known and bool(hours) and evidence.cumulative[hours[-1]] * scale * (1 - _NEAR_MINIMUM) >= least
    warnings: tuple[str, ...] = ()
    if evidence.split and billed.write_1h:
        beliefs, warnings = learn(beliefs, (Sign("hour_granted", holds=True, strength="proof"),), evidence.now_s, model)
    elif evidence.split and asked and billed.write_5m:
        beliefs, warnings = learn(beliefs, (Sign("hour_granted", holds=False, strength="proof"),), evidence.now_s, model)
    if not cached and deepest * (1 - _NEAR_MINIMUM) >= least:
        told = learn_minimum(
            beliefs, evidence.cache_min_tokens, cached=False, tokens=deepest, now_s=evidence.now_s, model=model
        )
    elif 0 < cached < least:
        told = learn_minimum(
            beliefs, evidence.cache_min_tokens, cached=True, tokens=cached, now_s=evidence.now_s, model=model
        )
    else:
        return beliefs, warnings
    return told[0], warnings + told[1]


def _corrected(evidence: Evidence, base: _World, read: _Read) -> tuple[Residency, tuple[bytes, ...]]:
    """What was really held when the call started, and which believed entries were not."""
    believed = base.at
    if read.at == believed:
        return evidence.residency, ()
    chain, now_s, in_world = evidence.prefix.chain, evidence.now_s, CacheRules()
    held = dict(evidence.residency)
    gone = []
    for mark in evidence.breakpoints:
        for at in within_reach(evidence.prefix, mark.at, in_world):
            entry = held.get(chain[at])
            if at > read.at and entry is not None and entry.live(now_s):
                del held[chain[at]]
                gone.append(chain[at])
    if read.at > believed:  # it lives, and nobody here knows for how long
        held[chain[read.at]] = Resident("5m", now_s, now_s + TTL_S["5m"])
    return held, tuple(gone)
