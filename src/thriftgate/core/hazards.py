"""How long until a prefix is sent again: learned distributions of gaps between uses.

A gap is measured from the start of one request to the start of the next that repeats the same prefix, as the provider
counts the life of a cache entry. Time is cut into bins; each bin has a hazard: the chance that the next use falls into it,
given that it has not come before. Hazards are learned per class of prefixes in levels from the general to the special, each
level shrunk towards the one before.

What was learned can be kept and merged with what another process learned: all of it is sums.
"""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Iterable, Sequence
from operator import add

from msgspec import Struct, field

# The two lives of a cache entry are edges, so that P(next use within a TTL) needs no interpolation. Below and between them
# the bins about double; a few above an hour tell when pings are worth their price.
EDGES_S = (30.0, 60.0, 120.0, 300.0, 600.0, 1200.0, 2100.0, 3600.0, 7200.0, 14400.0, 28800.0, 43200.0)
BINS = len(EDGES_S)
FIVE_MINUTES = EDGES_S.index(300.0)
ONE_HOUR = EDGES_S.index(3600.0)
_NONE = (0.0,) * BINS


class Learning(Struct, frozen=True):
    """What is believed before anything was seen, and how fast that gives way.

    `within_5m`: chance that a prefix is used again within five minutes: above the 22 % at which a write pays, so that a new
    application is cached from its first call. `alone_within_5m`: the same for the end of a first question without tools, a
    little above: worth trying, and given up after the first few that do not come back. `tries`: so many of them at once, as
    long as nothing is known; whether the others come back is seen without paying for it. `rest_of_hour`: chance of a return
    after that within the hour. `later`: hazard of each bin beyond. `weight`: how many observations the level above counts
    for; about what it takes to tell a coin that pays from one that does not. `own_weight`: the same for the history of one
    prefix, whose gaps resemble each other more than those of others. `half_life_s`: traffic of a week ago counts half.
    """

    within_5m: float = 0.4
    alone_within_5m: float = 0.3
    tries: int = 16
    rest_of_hour: float = 0.15
    later: float = 0.03
    weight: float = 6.0
    own_weight: float = 1.0
    half_life_s: float = 7 * 86_400.0

    def prior(self, within_5m: float) -> list[float]:
        """The hazard of each bin."""
        short, middle = FIVE_MINUTES + 1, ONE_HOUR - FIVE_MINUTES
        early = 1 - (1 - within_5m) ** (1 / short)
        late = 1 - (1 - self.rest_of_hour / (1 - within_5m)) ** (1 / middle)
        return [early] * short + [late] * middle + [self.later] * (BINS - short - middle)


class KeptGaps(Struct, array_like=True, frozen=True):
    """`Gaps` as they are written down."""

    at_s: float
    exposures: tuple[float, ...]
    hits: tuple[float, ...]


def _nothing() -> array[float]:
    return array("d", bytes(8 * BINS))


class Gaps(Struct, gc=False, eq=False):
    """Exposures and hits per bin of one class, decayed to `at_s`; `uses` counts those that await their outcome as well.
    There are tens of thousands: as arrays they take half the memory of lists, and nothing for the collector to walk."""

    at_s: float
    uses: int = 0
    exposures: array[float] = field(default_factory=_nothing)
    hits: array[float] = field(default_factory=_nothing)

    def kept(self) -> KeptGaps:
        return KeptGaps(self.at_s, tuple(self.exposures), tuple(self.hits))

    @classmethod
    def restored(cls, kept: KeptGaps) -> Gaps:
        """Raises ValueError where the bins are others."""
        if len(kept.exposures) != BINS or len(kept.hits) != BINS:
            raise ValueError(f"kept gaps have {len(kept.exposures)} and {len(kept.hits)} bins, not {BINS}")
        return cls(kept.at_s, exposures=array("d", kept.exposures), hits=array("d", kept.hits))


class Event(Struct, gc=False, eq=False):
    """A use of a prefix whose next use is awaited. `levels` are the classes it counts for."""

    opened_s: float
    levels: tuple[Gaps, ...]
    next_s: float = 0.0


class Hazards:
    """Books what became of each use, and tells what to expect of the next.

    An outcome is booked when its bin closes, hit or not. Booking hits at once and misses late would overstate reuse for as
    long as the longest bin lasts (in a replay it took the chance of a return within five minutes from 0.29 to 0.43).
    """

    def __init__(self, learning: Learning | None = None, *, waiting_max: int = 50_000) -> None:
        self.learning = learning = learning or Learning()
        self._prior = learning.prior(learning.within_5m)
        self._prior_alone = learning.prior(learning.alone_within_5m)
        self._prior_doubt = learning.prior(learning.alone_within_5m / 2)
        self._waiting: list[deque[Event]] = [deque() for _ in EDGES_S]
        self._waiting_max = waiting_max
        self._count = 0

    def use(self, now_s: float, levels: tuple[Gaps, ...]) -> Event:
        """A prefix of these classes was used now."""
        event = Event(now_s, levels)
        self._waiting[0].append(event)
        for gaps in levels:
            gaps.uses += 1
        self._count += 1
        if self._count > self._waiting_max:  # the longest waiting ones go unbooked: no bin of theirs learns anything
            fullest = next(queue for queue in reversed(self._waiting) if queue)
            fullest.popleft()
            self._count -= 1
        return event

    def advance(self, now_s: float, *, at_most: int = 2**31) -> None:
        """Book the bins that have closed, not more than so many: what is left is booked the next time."""
        for at, queue in enumerate(self._waiting):
            edge_s = EDGES_S[at]
            while queue and at_most and queue[0].opened_s + edge_s <= now_s:
                at_most -= 1
                event = queue.popleft()
                hit = 0.0 < event.next_s <= event.opened_s + edge_s
                for gaps in event.levels:
                    if now_s - gaps.at_s > 3600.0:
                        self._decay(gaps, now_s)
                    gaps.exposures[at] += 1.0
                    if hit:
                        gaps.hits[at] += 1.0
                if hit or at == BINS - 1:
                    self._count -= 1
                else:
                    self._waiting[at + 1].append(event)

    def curve(self, levels: Sequence[Gaps | None], *, alone: bool = False) -> tuple[float, ...]:
        """Chance that the next use comes by the end of each bin. `levels` from the general to the special; None for a class
        that nothing is known of. `alone`: the end of a first question without tools."""
        return cumulated(self.of(levels, alone=alone))

    def of(self, levels: Sequence[Gaps | None], *, alone: bool = False) -> Sequence[float]:
        """The hazard of each bin, for the same."""
        hazards: Sequence[float] = self._prior
        if alone:
            here = [gaps for gaps in levels if gaps is not None][-1:]
            tried = any(gaps.uses >= self.learning.tries and gaps.exposures[0] < 1.0 for gaps in here)
            hazards = self._prior_doubt if tried else self._prior_alone
        weight = self.learning.weight
        for gaps in levels:
            if gaps is not None:
                hazards = [
                    (hit + weight * above) / (exposure + weight)
                    for exposure, hit, above in zip(gaps.exposures, gaps.hits, hazards)  # noqa: B905  all have BINS
                ]
        return hazards

    def curve_of_one(self, shared: Sequence[float], own: Gaps | None, gap_s: float) -> tuple[float, ...]:
        """The chances for one prefix with a history of its own, which has just come back after `gap_s`. `shared` are the
        hazards of its kind.

        The gap counts at once: after a lapse within the hour, an hour is the better guess, and the worst that rule can do is
        1.62 times the optimum.
        """
        weight = self.learning.own_weight
        exposures: Sequence[float] = own.exposures if own is not None else _NONE
        hits: Sequence[float] = own.hits if own is not None else _NONE
        silent, before_s = 1.0, 0.0
        curve: list[float] = []
        for above, exposure, hit, edge_s in zip(shared, exposures, hits, EDGES_S):  # noqa: B905  all have BINS
            if gap_s >= before_s:
                silent *= 1.0 - (hit + (gap_s < edge_s) + weight * above) / (exposure + 1.0 + weight)
            else:
                silent *= 1.0 - (hit + weight * above) / (exposure + weight)
            curve.append(1.0 - silent)
            before_s = edge_s
        return tuple(curve)

    def merge(self, gaps: Gaps, other: Gaps) -> None:
        """Take in what another process, or an earlier one, learned of the same class. Both count as they do by the later of
        their times."""
        later_s = max(gaps.at_s, other.at_s)
        self._decay(gaps, later_s)
        self._decay(other, later_s)
        gaps.exposures = array("d", map(add, gaps.exposures, other.exposures))
        gaps.hits = array("d", map(add, gaps.hits, other.hits))

    def _decay(self, gaps: Gaps, now_s: float) -> None:
        factor = 0.5 ** ((now_s - gaps.at_s) / self.learning.half_life_s)
        gaps.exposures = array("d", [value * factor for value in gaps.exposures])
        gaps.hits = array("d", [value * factor for value in gaps.hits])
        gaps.at_s = now_s


def cumulated(hazards: Iterable[float]) -> tuple[float, ...]:
    """From the hazard of each bin to the chance of a use by its end."""
    silent = 1.0
    return tuple([1.0 - (silent := silent * (1.0 - hazard)) for hazard in hazards])


def chance_by(curve: Sequence[float], age_s: float) -> float:
    """Chance of a next use by `age_s` after the last one, linear within a bin."""
    before_s, before = 0.0, 0.0
    for edge_s, value in zip(EDGES_S, curve, strict=True):
        if age_s <= edge_s:
            return before + (value - before) * (age_s - before_s) / (edge_s - before_s)
        before_s, before = edge_s, value
    return before
