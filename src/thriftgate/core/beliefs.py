"""What is believed of one provider's cache for one model where its documentation is silent, who told it, and what follows.

A belief is unknown until somebody tells: real usage, or an experiment (`thriftgate doctor --live`). While it is unknown the
documented bill decides: those are the defaults of `CacheRules`. The open questions are listed in
docs/concepts/beliefs.md. Everything here is pure, and beliefs of several processes merge.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from thriftgate.core.cache import CacheRules

Verdict = Literal["unknown", "holds", "fails"]
Source = Literal["default", "usage", "experiment"]
Topic = Literal[
    "late_upgrade", "refresh_marked", "refresh_ancestors", "free_insert", "in_place_upgrade", "hour_granted", "batch_shares"
]

DEFAULTS: dict[Topic, bool] = {
    "late_upgrade": True,
    "refresh_marked": True,
    "refresh_ancestors": False,
    "free_insert": True,
    "in_place_upgrade": False,
    "hour_granted": True,
    "batch_shares": True,
}
"""What is assumed while nobody has told."""

FALLBACKS_MAX = 2
DOUBTS_MAX = 3
"""So many contradictions in a row flip a belief where each could also be an early eviction: the smaller number where it
would be an odd one, and nobody has told of the belief yet."""

MINIMUM_STEPS = (512, 1_024, 2_048, 4_096, 8_192)
"""The minimum lengths of a cached prefix that are in use (platform.claude.com/docs/en/build-with-claude/prompt-caching,
2026-10), and the next one up."""

_RANK: dict[Source, int] = {"default": 0, "usage": 1, "experiment": 2}


class Belief(Struct, frozen=True, omit_defaults=True):
    """One open question. `at_s` is when it was last told (unix seconds), `count` how often the same was told, `against` how
    many contradictions in a row there were since."""

    verdict: Verdict = "unknown"
    told: Source = "default"
    at_s: float = 0.0
    count: int = 0
    against: int = 0


class Bounds(Struct, frozen=True, omit_defaults=True):
    """A figure between two observations: above `above`, and at most `within` (0: nothing was seen there yet)."""

    above: float = 0.0
    within: float = 0.0
    told: Source = "default"
    at_s: float = 0.0
    against: int = 0


class Beliefs(Struct, frozen=True, omit_defaults=True):
    """All that is believed for one provider and model; see `CacheRules` for the first six.

    `batch_shares`: calls and batches of one workspace share their entries. `readable`: seconds from the start of an answer
    until what it wrote can be read. `minimum_tokens`: bounds on the real minimum length of a cached prefix.
    """

    late_upgrade: Belief = Belief()
    refresh_marked: Belief = Belief()
    refresh_ancestors: Belief = Belief()
    free_insert: Belief = Belief()
    in_place_upgrade: Belief = Belief()
    hour_granted: Belief = Belief()
    batch_shares: Belief = Belief()
    readable: Bounds = Bounds()
    minimum_tokens: Bounds = Bounds()

    def of(self, topic: Topic) -> Belief:
        belief: Belief = getattr(self, topic)
        return belief

    def assumes(self, topic: Topic) -> bool:
        """Whether to go by it: as told, else by default."""
        verdict = self.of(topic).verdict
        return DEFAULTS[topic] if verdict == "unknown" else verdict == "holds"


Strength = Literal["proof", "fallback", "doubt"]
"""proof: more was read than an opposite belief allows. fallback: less was read, but exactly what an opposite belief leaves,
so that an early eviction is unlikely. doubt: it could as well be an eviction."""


class Sign(Struct, frozen=True):
    """What one usage says on one topic."""

    topic: Topic
    holds: bool
    strength: Strength


def rules(beliefs: Beliefs) -> CacheRules:
    """The cache model that these beliefs amount to."""
    refresh: Literal["marked", "hit_only", "ancestors"] = "marked" if beliefs.assumes("refresh_marked") else "hit_only"
    return CacheRules(
        late_upgrade=beliefs.assumes("late_upgrade"),
        refresh="ancestors" if beliefs.assumes("refresh_ancestors") else refresh,
        free_insert=beliefs.assumes("free_insert"),
        in_place_upgrade=beliefs.assumes("in_place_upgrade"),
        hour_granted=beliefs.assumes("hour_granted"),
    )


def minimum(beliefs: Beliefs, documented: int) -> int:
    """The shortest prefix that is cached (tokens): the documented one unless usage told of another."""
    bounds = beliefs.minimum_tokens
    if bounds.within and bounds.within < documented:
        return max((step for step in MINIMUM_STEPS if step <= bounds.within), default=int(bounds.within))
    if bounds.above >= documented:
        larger = next((step for step in MINIMUM_STEPS if step > bounds.above), int(bounds.above) + 1)
        return min(larger, int(bounds.within)) if bounds.within else larger
    return documented


def readable_s(beliefs: Beliefs) -> float:
    """How long after the start of an answer what it wrote can be read (seconds): 0 unless somebody found otherwise."""
    bounds = beliefs.readable
    return max(bounds.above, bounds.within) if bounds.above else 0.0


def told(belief: Belief, *, holds: bool, source: Source, now_s: float) -> Belief:
    """The belief once somebody has told."""
    verdict: Verdict = "holds" if holds else "fails"
    count = belief.count + 1 if belief.verdict == verdict else 1
    return Belief(verdict, belief.told if _RANK[belief.told] > _RANK[source] else source, now_s, count)


def learn(beliefs: Beliefs, signs: tuple[Sign, ...], now_s: float, model: str) -> tuple[Beliefs, tuple[str, ...]]:
    """Take in what one usage says; a warning for each change of what is assumed.

    A proof counts at once. Anything else takes as many contradictions in a row as `FALLBACKS_MAX` and `DOUBTS_MAX` say. What
    an experiment found stays until the next one: usage only warns. One usage flips one belief: of several explanations the
    first is enough.
    """
    warnings: list[str] = []
    for sign in signs:
        topic, belief = sign.topic, beliefs.of(sign.topic)
        if warnings and sign.holds != beliefs.assumes(topic):
            continue
        if sign.holds == beliefs.assumes(topic):
            fresh = _confirmed(belief, sign, now_s)
        else:
            fresh = replace(belief, against=belief.against + 1, at_s=now_s)
            unheard = sign.strength == "fallback" and belief.verdict == "unknown" and fresh.against >= FALLBACKS_MAX
            if belief.told == "experiment":
                if fresh.against == DOUBTS_MAX:
                    warnings.append(f"usage on {model} contradicts the experiment on {topic}: run doctor --live again")
            elif sign.strength == "proof" or unheard or fresh.against >= DOUBTS_MAX:
                fresh = told(belief, holds=sign.holds, source="usage", now_s=now_s)
                warnings.append(SAYINGS[topic][sign.holds].format(model=model))
        beliefs = replace(beliefs, **{topic: fresh})
    return beliefs, tuple(warnings)


def _confirmed(belief: Belief, sign: Sign, now_s: float) -> Belief:
    if belief.verdict == "unknown" and sign.strength == "doubt":
        return replace(belief, against=0) if belief.against else belief
    return told(belief, holds=sign.holds, source="usage", now_s=now_s)


def learn_minimum(
    beliefs: Beliefs, documented: int, *, cached: bool, tokens: int, now_s: float, model: str
) -> tuple[Beliefs, tuple[str, ...]]:
    """A prefix of so many tokens was, or was not, cached though a breakpoint stood on it.

    Not being cached counts from the second time in a row: once may be a hiccup of the provider.
    """
    bounds = beliefs.minimum_tokens
    before = minimum(beliefs, documented)
    if cached:
        narrower = bounds.within == 0 or tokens < bounds.within
        above = 0.0 if tokens <= bounds.above else bounds.above
        fresh = Bounds(above, tokens if narrower else bounds.within, "usage", now_s)
    elif bounds.against + 1 < 2:
        fresh = replace(bounds, against=bounds.against + 1, at_s=now_s)
    else:
        within = 0.0 if bounds.within <= tokens else bounds.within
        fresh = Bounds(max(bounds.above, tokens), within, "usage", now_s)
    beliefs = replace(beliefs, minimum_tokens=fresh)
    after = minimum(beliefs, documented)
    if after == before:
        return beliefs, ()
    return beliefs, (
        f"the provider caches from {after:,} tokens on {model}, not from {before:,}: breakpoints are placed by that",
    )


def learn_readable(
    beliefs: Beliefs, *, read: bool, age_s: float, now_s: float, model: str
) -> tuple[Beliefs, tuple[str, ...]]:
    """An entry that should live was, or was not, read so long after it should have become readable.

    One that was not may have been evicted, so it takes several in a row; one that was is proof.
    """
    bounds = beliefs.readable
    if read:
        if not bounds.above:
            fresh = replace(bounds, against=0) if bounds.against else bounds
        elif age_s > bounds.above:
            fresh = replace(bounds, within=min(age_s, bounds.within or age_s), against=0)
        else:
            fresh = Bounds(0.0, age_s, "usage", now_s)
    elif bounds.told == "experiment" or bounds.against + 1 < DOUBTS_MAX:
        fresh = replace(bounds, against=bounds.against + 1, at_s=now_s)
    else:
        fresh = Bounds(max(bounds.above, age_s), bounds.within if bounds.within > age_s else 0.0, "usage", now_s)
    before, beliefs = readable_s(beliefs), replace(beliefs, readable=fresh)
    after = readable_s(beliefs)
    if bool(after) == bool(before):
        return beliefs, ()
    if after:
        return beliefs, (f"what is written can be read only after about {after:.1f} s on {model}: forecasts wait for it",)
    return beliefs, (f"what is written can be read at once on {model}: forecasts do not wait",)


def merge(one: Beliefs, two: Beliefs) -> Beliefs:
    """What two processes know together: an experiment before usage, usage before a default, then the newer. Commutative,
    associative and idempotent, so replicas may exchange beliefs in any order and as often as they like."""
    return Beliefs(**{name: max(getattr(one, name), getattr(two, name), key=_weight) for name in Beliefs.__struct_fields__})


def _weight(value: Belief | Bounds) -> tuple[object, ...]:
    if isinstance(value, Belief):
        return _RANK[value.told], value.at_s, value.count, value.against, value.verdict
    return _RANK[value.told], value.at_s, value.above, value.within, value.against


SAYINGS: dict[Topic, dict[bool, str]] = {
    "late_upgrade": {
        False: "the provider does not keep an hour entry written behind a live five-minute prefix on {model}: marking by "
        "session instead",
        True: "the provider keeps an hour entry written behind a live five-minute prefix on {model}: tails are marked 1h",
    },
    "refresh_marked": {
        False: "a deep cache hit does not renew the marked shallower entries on {model}: they are taken to expire",
        True: "a deep cache hit renews the marked shallower entries on {model}: they are taken to live on",
    },
    "refresh_ancestors": {
        False: "a deep cache hit does not renew every shallower entry on {model}: unmarked ones are taken to expire",
        True: "a deep cache hit renews every shallower entry on {model}, marked or not: all are taken to live on",
    },
    "free_insert": {
        False: "a breakpoint inside the part already read makes no entry on {model}: shared prefixes are marked at once",
        True: "a breakpoint inside the part already read makes a free entry on {model}: shared prefixes are marked late too",
    },
    "in_place_upgrade": {
        False: "an hour marker on a live five-minute entry does not lengthen its life on {model}: it is taken to expire",
        True: "an hour marker on a live five-minute entry makes it an hour entry on {model}: it is taken to live on",
    },
    "hour_granted": {
        False: "the provider keeps and bills one-hour breakpoints as five-minute ones on {model}: none are set any more",
        True: "the provider grants one-hour breakpoints on {model}: they are set again",
    },
    "batch_shares": {
        False: "batches and calls do not share cache entries on {model}: a batch is primed by a batch",
        True: "batches and calls share cache entries on {model}: a batch is primed by a call",
    },
}
"""What to say when a belief fails or comes to hold, and what follows."""
