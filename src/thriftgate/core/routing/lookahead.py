"""What the later turns of a conversation are expected to cost, by which of two models served this one.

Each model has a cache of its own. The entry of the model that serves a turn is new then, the other's (the parked one) goes
on ageing; an entry that a gap outlives must be written again. Turns come at random gaps; a share of them is easy and may go
to either model, the others must go to `stay`. What is cheapest from here is found backwards from the last turn looked at
(dynamic programming), over which model served last and how much life the parked entry has left. That is counted in `PHASES`
which pass at random (Erlang's way to make waiting forget its age), so that a few numbers stand for all moments.

What a parked entry misses, turn by turn, is charged when it is missed, times the chance that the entry is used at all: no
state has to remember it. All costs are floats of any one unit.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import exp
from typing import NamedTuple

from thriftgate.core.hazards import EDGES_S, chance_by

PHASES = 8
TURNS_MAX = 8  # looked at one by one; `_beyond` has a formula for the rest, and more of them change no choice
_LASTS_MAX = 0.98

Worths = list[float]
"""By the life that is left to the parked entry: 0 for none, then in phases up to `PHASES`, the whole."""


class Turn(NamedTuple):
    """What a turn costs at one model: with all but the newest tokens read (`warm`), with nothing to be read (`cold`), what
    it adds to the cost of a later one if it is missed (`missed`: its tokens are written then instead of being read), and
    what it takes more if the turn before went to the other model (`moved`)."""

    warm: float
    cold: float
    missed: float = 0.0
    moved: float = 0.0


class Life(NamedTuple):
    """How an entry of one model fares: the chance that it outlives the next gap; the chance that a gap passes one more phase
    of its life; the chances of 1, 2, … phases left after a gap that it has outlived; turns per phase."""

    alive: float
    passes: float
    left: tuple[float, ...]
    turns: float


class Pair(NamedTuple):
    """What does not change from turn to turn: how entries fare at either model, the share of turns that may go to either,
    the chance that another turn follows; and whether only a try with `go` tells which turns are easy: then a hard one costs
    both, if it was tried, and is served by `stay`."""

    stay: Life
    go: Life
    easy: float
    again: float
    tries: bool = False

    @property
    def turns(self) -> float:
        """How many turns are expected until a gap outlives an entry, or none follows."""
        lasts = min(self.again * min(self.stay.alive, self.go.alive), _LASTS_MAX)
        return lasts / (1.0 - lasts)

    @property
    def back_to_stay(self) -> float:
        """Chance that a parked entry of `stay` is used while it lives."""
        return _used(self.stay, 1.0 - self.easy, self.again)

    @property
    def back_to_go(self) -> float:
        """The same of `go`, if every easy turn goes there."""
        return _used(self.go, self.easy, self.again)


def _used(entries: Life, share: float, again: float) -> float:
    lasts = again * entries.alive
    return share * lasts / (1.0 - (1.0 - share) * lasts) if lasts < 1.0 else 1.0


def life(ttl_s: float, gap_s: float, curve: Sequence[float] = ()) -> Life:
    """Of entries that live for `ttl_s`, with gaps of `gap_s` on average: exponential ones, or as `curve` says (the chance of
    a next turn by each of `hazards.EDGES_S`)."""
    if ttl_s <= 0.0:
        return Life(0.0, 0.0, (0.0,) * PHASES, 1.0)
    alive, short_s = _learned(ttl_s, curve) if curve and curve[-1] > 0.0 else _exponential(ttl_s, gap_s)
    phase_s = ttl_s / PHASES
    passes = short_s / (short_s + phase_s)
    chances = [(1.0 - passes) * passes**passed for passed in range(PHASES)]
    total = sum(chances)
    return Life(alive, passes, tuple([chance / total for chance in reversed(chances)]), phase_s / short_s)


def _exponential(ttl_s: float, gap_s: float) -> tuple[float, float]:
    """Chance of a gap within the life, and the mean of such gaps."""
    gap_s = max(gap_s, 1.0)
    lapse = exp(-ttl_s / gap_s)
    alive = 1.0 - lapse
    return alive, max(1.0, gap_s - ttl_s * lapse / alive) if alive > 0.0 else ttl_s / 2


def _learned(ttl_s: float, curve: Sequence[float]) -> tuple[float, float]:
    within = chance_by(curve, ttl_s)
    if within <= 0.0:
        return 0.0, ttl_s / 2
    total, before_s, before = 0.0, 0.0, 0.0
    for edge_s, value in zip(EDGES_S, curve, strict=True):
        upto_s, upto = (edge_s, value) if edge_s <= ttl_s else (ttl_s, within)
        total += (upto - before) * (before_s + upto_s) / 2
        before_s, before = upto_s, upto
    return within / curve[-1], max(1.0, total / within)


def later(turns: Sequence[tuple[Turn, Turn]], pair: Pair) -> tuple[Worths, Worths]:
    """Expected cost of all turns to come, if `stay` has served this one and if `go` has. `turns[0]` is the next one, at
    `stay` and at `go`; the last stands for all that lie beyond."""
    after_stay, after_go = _beyond(*turns[-1], pair)
    for at_stay, at_go in turns[-2::-1]:
        after_stay, after_go = _before(at_stay, at_go, pair, after_stay, after_go)
    return after_stay, after_go


def _beyond(at_stay: Turn, at_go: Turn, pair: Pair) -> tuple[Worths, Worths]:
    """The same from the last turn looked at on, until the first gap that makes all alike: either all turns go to `stay`, or
    easy ones to `go`. In the latter case now and then the entry of `stay` dies before a hard turn comes, unless an easy one
    is spent half-way on keeping it alive."""
    turns, easy, hard = pair.turns, pair.easy, 1.0 - pair.easy
    late_stay, late_go = at_stay.missed * pair.back_to_stay, at_go.missed * pair.back_to_go
    half_way, whole = exp(-hard * PHASES * pair.stay.turns / 2), exp(-easy * PHASES * pair.go.turns)
    kept = half_way * max(0.0, at_stay.warm - at_go.warm + late_go)
    dies_stay = min(half_way * half_way * (at_stay.cold - at_stay.warm), kept)
    dies_go = whole * (at_go.cold - at_go.warm)
    alone = turns * at_stay.warm
    if pair.tries:  # `go` is asked every time: its entry never ages
        late_go, dies_go = at_go.warm, 0.0
    mixed = turns * (easy * (at_go.warm + late_stay + dies_go) + hard * (at_stay.warm + late_go + dies_stay))
    both = min(alone, mixed)
    none_at_go = min(alone, both + at_go.cold - at_go.warm)
    back = turns * hard / (1.0 + turns * hard)
    none_at_stay = both + back * (at_stay.cold - at_stay.warm)
    return [none_at_go] + [both] * PHASES, [none_at_stay] + [both] * PHASES


def _before(at_stay: Turn, at_go: Turn, pair: Pair, after_stay: Worths, after_go: Worths) -> tuple[Worths, Worths]:
    """One turn earlier: the worths before the gap that leads to this one."""
    stay, go, _, again, _ = pair
    met_stay, met_go = _met(at_stay, at_go, pair, after_stay, after_go)
    cold_stay, cold_go = at_stay.cold + after_stay[0], at_go.cold + after_go[0]
    over = 1.0 - max(stay.alive, go.alive)
    refused = at_go.cold + at_stay.cold + after_stay[PHASES]
    lost_stay = [over * _mixed(cold_stay, cold_go + at_go.moved, pair, refused)] * (PHASES + 1)
    lost_go = [over * _mixed(cold_stay + at_stay.moved, cold_go, pair, refused)] * (PHASES + 1)
    longer = stay.alive - go.alive  # chance of a gap that one entry outlives and the other does not
    if longer > 0.0:
        ways, refused = _outlived(at_go, at_stay, after_go, after_stay), at_go.cold + at_stay.warm + after_stay[PHASES]
        lost_go = [
            lost + longer * _mixed(other, kept, pair, refused) for lost, (kept, other) in zip(lost_go, ways, strict=True)
        ]
        lost_stay = [lost + longer * met_stay[0] for lost in lost_stay]
    elif longer < 0.0:
        ways, refused = _outlived(at_stay, at_go, after_stay, after_go), at_go.warm + at_stay.cold + after_stay[PHASES]
        lost_stay = [
            lost - longer * _mixed(kept, other, pair, refused) for lost, (kept, other) in zip(lost_stay, ways, strict=True)
        ]
        lost_go = [lost - longer * met_go[0] for lost in lost_go]
    short = min(stay.alive, go.alive)
    return _gap(met_stay, go.passes, again, short, lost_stay), _gap(met_go, stay.passes, again, short, lost_go)


def _mixed(stays: float, goes: float, pair: Pair, refused: float) -> float:
    """What a turn costs before it is known whether it is easy, and everything after it; `refused` where it was tried in
    vain, which leaves both entries new."""
    easy, hard = pair.easy, 1.0 - pair.easy
    return min(stays, hard * refused + easy * goes) if pair.tries else hard * stays + easy * min(stays, goes)


def _met(at_stay: Turn, at_go: Turn, pair: Pair, after_stay: Worths, after_go: Worths) -> tuple[Worths, Worths]:
    """The worths when the turn comes and finds the entry just used alive, by the life left to the parked one."""
    stay, go, easy, _, tries = pair
    hard = 1.0 - easy
    late_stay, late_go = at_stay.missed * pair.back_to_stay, at_go.missed * pair.back_to_go
    # A change of the model parks the entry just used, with what the gap has left of its life.
    to_go = sum([chance * after_go[at] for at, chance in enumerate(stay.left, 1)]) + at_go.moved + late_stay
    to_stay = sum([chance * after_stay[at] for at, chance in enumerate(go.left, 1)]) + at_stay.moved + late_go
    refused = at_stay.warm + after_stay[PHASES]
    met_stay = [_mixed(at_stay.warm + after_stay[0], at_go.cold + to_go, pair, at_go.cold + refused)]
    refused += at_go.warm
    met_go = [_mixed(at_stay.cold + to_stay, at_go.warm + after_go[0], pair, refused + at_stay.cold - at_stay.warm)]
    keeps_stay, keeps_go = at_stay.warm + late_go, at_go.warm + late_stay
    to_go += at_go.warm
    to_stay += at_stay.warm
    if tries:
        met_stay += [_mixed(keeps_stay + rest, to_go, pair, refused) for rest in after_stay[1:]]
        met_go += [_mixed(to_stay, keeps_go + rest, pair, refused) for rest in after_go[1:]]
        return met_stay, met_go
    for at in range(1, PHASES + 1):
        keep = keeps_stay + after_stay[at]
        met_stay.append(hard * keep + easy * (keep if keep < to_go else to_go))  # noqa: FURB136  half the time
        keep = keeps_go + after_go[at]
        met_go.append(hard * to_stay + easy * (keep if keep < to_stay else to_stay))  # noqa: FURB136  half the time
    return met_stay, met_go


def _outlived(on: Turn, off: Turn, after_on: Worths, after_off: Worths) -> list[tuple[float, float]]:
    """Where the gap was longer than the life of the entry just used, but not than that of the parked one: the costs of
    keeping the model and of changing it, by the life that was left to the parked entry. One phase of it is gone."""
    dead = (on.cold + after_on[0], off.moved + off.cold + after_off[0])
    change = off.moved + off.warm + after_off[0]
    return [dead, dead, *[(on.cold + worth, change) for worth in after_on[1:PHASES]]]


def _gap(met: Worths, passes: float, again: float, alive: float, lost: Worths) -> Worths:
    """Before the gap: what is `met` where the entry just used outlives it (chance `alive`), while each phase of the parked
    one's life passes with the chance `passes`; and what is `lost` else. A parked entry never makes things worse."""
    reached = met[0]
    most = again * (alive * reached + lost[0])
    worths = [most]
    for at in range(1, PHASES + 1):
        reached = met[at] + passes * (reached - met[at])
        worth = again * (alive * reached + lost[at])
        worths.append(worth if worth < most else most)  # noqa: FURB136  half the time
    return worths
