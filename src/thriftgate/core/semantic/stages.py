"""What may be answered from one shelf, and why that is right: stages, each with a certificate of its own.

A threshold that was right for a store of a thousand questions is wrong for one of ten thousand: neighbours come nearer, and
other questions find one. So a certificate here never speaks of a store that grows. It speaks of a *stage*: the shelf as it
was when the stage was frozen, one way to score, one cut. Stages are asked in the order in which they were made, so what
comes to one does not depend on any that is made later. A stage goes through three states:

    pilot       the model answers all calls that no earlier stage does; what the growing shelf would have answered is
                compared. This picks the way to score, and says where the proof is to begin.
    watched     frozen. The model answers the calls still; what the stage would have answered is compared, and counted.
    certified   the proof (`proof.py`) has found a cut: wrong in at most half of what the user allows, at the stated
                confidence. From now on it answers. One that cannot be proven is given up, and never answers.

Meanwhile new answers go onto the shelf, and once it has grown by a quarter and nothing else is watched, the next stage is
frozen: what the first cannot answer may find a neighbour there. No certificate is ever stretched, and none must be made
again because the shelf has grown. All tests of one shelf share the confidence.

Traffic changes, so a share of hits is audited: the model answers them, and the kept answer is compared. The audits bet
against the certificates (`core/sequential/detector.py`); once they win, nothing is answered any more and all begins anew.
An audited call is never a wrong answer: its client gets the model's.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

from msgspec import Struct

from thriftgate.core.semantic.proof import Proven, Sample, level_of, prove, samples_needed
from thriftgate.core.semantic.shelf import WEIGHTS, Fresh, Index, Match, Shelf, Vector, Weights
from thriftgate.core.semantic.slots import Slots
from thriftgate.core.sequential.detector import Detector

OF_BOUND = 0.5  # what is certified is this share of what the user allows
GROWTH = 1.25
PILOT_MAX = 3_000
LOOK_AGAIN = 1.05
HOPELESS = 2.0  # a stage of a full shelf is tested after so many samples an item at the latest
TESTS_MAX = 2  # of one stage
DEAD_MAX = 0.25  # of a stage's items
AUDITS_HORIZON = 5_000


class Terms(Struct, frozen=True):
    """What the user allows. `max_error` is the most of the answers given that may be wrong; `fill` how many questions the
    first stage has at least; `audit` the share of hits that the model answers all the same."""

    max_error: float
    confidence: float = 0.95
    audit: float = 0.05
    fill: int = 500
    items_max: int = 5_000
    ttl_s: float = 7 * 86_400.0


class Certificate(Struct, frozen=True):
    """Of a stage: at most `limit` of what it answers above `cut` is wrong, at a level of `level`. Shown by `wrong` of `hits`
    among `samples` calls, with items of so many questions, at `at_s`."""

    limit: float
    level: float
    cut: float
    hits: int
    wrong: int
    samples: int
    p: float
    at_s: float


class Stage(Struct):
    """The first `size` items of the shelf, scored by `weights`."""

    size: int
    weights: Weights
    pilot: list[Sample]
    samples: list[Sample]
    tests: int = 0
    next_test: int = 0
    certificate: Certificate | None = None


class Hit(NamedTuple):
    """What a stage answers a call with."""

    item: int
    alike: float
    score: float
    certificate: Certificate
    call: str
    answer: bytes


class Looked(NamedTuple):
    """What came of a look. With a `hit` and no `audit` that is the answer. Otherwise the model answers, and every item in
    `compare` is to be compared with what it says; then `learn` is told. `why` is for `explain`."""

    hit: Hit | None
    audit: bool
    compare: tuple[int, ...]
    why: str
    watched: Match | None = None
    full: Match | None = None
    era: int = 0
    stage: int = 0


Event = Literal["frozen", "certified", "given up", "alarm", "worn out"]


class Tally(Struct):
    """What happened on a shelf, all times together."""

    calls: int = 0
    hits: int = 0
    audits: int = 0
    audits_wrong: int = 0
    alarms: int = 0


class Stages:
    """One shelf at work. Pure: times and chances are handed in."""

    def __init__(self, terms: Terms, index: Index) -> None:
        """Takes an empty index. Raises ValueError for terms that cannot be."""
        if not 0 < terms.max_error < 1 or not 0.5 <= terms.confidence < 1:
            raise ValueError(f"max_error {terms.max_error}, confidence {terms.confidence}: out of range")
        if not 0 < terms.audit <= 1:
            raise ValueError(f"audit {terms.audit}: without audits nothing would notice that answers have become wrong")
        self.terms = terms
        self.limit = terms.max_error * OF_BOUND
        self.tally = Tally()
        self.detector = Detector.for_losses(self.limit, horizon=AUDITS_HORIZON, alpha=1 - terms.confidence)
        self.era = 0
        self._begin(index)

    def _begin(self, index: Index) -> None:
        self.shelf = Shelf(index)
        self.certified: list[Stage] = []
        self.watched: Stage | None = None
        self.pilot: deque[tuple[Match, bool]] = deque(maxlen=PILOT_MAX)
        self.tests = 0
        self.frozen = 0  # size of the last stage
        self.settled = 0  # size of the first one
        self.next_look = 0  # size of the shelf at which it is looked whether the next can be frozen
        self.detector.reset()
        self.era += 1

    def clear(self, index: Index) -> None:
        """Forget all questions and certificates: all begins anew on an empty index."""
        self._begin(index)

    @property
    def answers(self) -> bool:
        return bool(self.certified)

    def look(self, vector: Vector, slots: Slots, now_s: float, chance: float) -> Looked:
        """What to do about a call. `chance` is drawn anew for each call, uniform in 0...1: it tells whether a hit is
        audited."""
        self.tally.calls += 1
        sizes = [stage.size for stage in self.certified]
        sizes += [self.watched.size] if self.watched is not None else []
        matches = self.shelf.matches(vector, slots, [*sizes, len(self.shelf)])
        why = "nothing alike was answered before"
        for stage, match in zip(self.certified, matches, strict=False):
            if match is None:
                continue
            item, certificate = self.shelf.items[match.item], stage.certificate
            assert certificate is not None
            score = stage.weights.score(match)
            if score <= certificate.cut:
                why = f"the nearest has {score:.3f}, certified is what is above {certificate.cut:.3f}"
                continue
            if item.dead:
                return Looked(None, False, (), "the nearest was found to be wrong", era=self.era)
            hit = Hit(match.item, match.alike, score, certificate, item.call, item.answer)
            if now_s - item.born_s > self.terms.ttl_s:
                return Looked(hit, True, (match.item,), "the nearest is too old", era=self.era, stage=-1)
            self.tally.hits += 1
            audit = chance < self.terms.audit
            return Looked(hit, audit, (match.item,) if audit else (), "audited" if audit else "", era=self.era)
        watched = matches[len(self.certified)] if self.watched is not None else None
        full = matches[-1]
        compare = tuple({match.item: None for match in (watched, full) if match is not None})
        if not self.certified:
            why = "no certificate yet"
        return Looked(None, False, compare, why, watched, full, self.era, self.frozen)

    def learn(
        self,
        looked: Looked,
        vector: Vector,
        slots: Slots,
        same: Mapping[int, bool],
        *,
        now_s: float,
        fresh: Fresh | None = None,
    ) -> Event | None:
        """The model has answered. `same` tells of items in `looked.compare` whether their answer says the same; what could
        not be compared is left out. `fresh` goes onto the shelf; None is not to be kept."""
        if looked.era != self.era:  # all has begun anew meanwhile
            return None
        if looked.hit is not None:
            return self._audited(looked, looked.hit, same, now_s)
        if looked.watched is not None and self.watched is not None and looked.stage == self.frozen:
            told = same.get(looked.watched.item)
            if told is not None:
                self.watched.samples.append(Sample(self.watched.weights.score(looked.watched), not told))
        if looked.full is not None and looked.full.item in same:
            self.pilot.append((looked.full, not same[looked.full.item]))
        if fresh is not None and len(self.shelf) < self.terms.items_max:
            like = next((item for item in looked.compare if same.get(item)), None)
            self.shelf.add(vector, slots, fresh, like=like, born_s=now_s)
        return self._tested(now_s) if self.watched is not None else self._frozen()

    def _audited(self, looked: Looked, hit: Hit, same: Mapping[int, bool], now_s: float) -> Event | None:
        told = same.get(hit.item)
        item = self.shelf.items[hit.item]
        if looked.stage == -1:  # too old: confirmed, or never again
            if told:
                item.born_s = now_s
            elif told is not None:
                item.dead = True
            return self._worn_out()
        if told is None:
            return None
        self.tally.audits += 1
        self.tally.audits_wrong += not told
        item.dead = item.dead or not told
        if self.detector.see(float(not told)):
            self.tally.alarms += 1
            return "alarm"
        return self._worn_out()

    def _worn_out(self) -> Event | None:
        """Whether so much of a stage has died that it is another one than was certified."""
        size = max((stage.size for stage in self.certified), default=0)
        dead = sum(item.dead for item in self.shelf.items[:size])
        return "worn out" if dead > DEAD_MAX * size else None

    def _frozen(self) -> Event | None:
        """Freeze a stage if there is one to be: once it would take no more calls to prove it than it took to fill the shelf.
        A larger one can do more, and needs fewer calls for its proof."""
        size = len(self.shelf)
        full = size >= self.terms.items_max
        if size < max(self.terms.fill, self.next_look) and not (full and size > self.frozen):
            return None
        self.next_look = int(size * LOOK_AGAIN) + 1
        pilots = {weights: [Sample(weights.score(match), wrong) for match, wrong in self.pilot] for weights in WEIGHTS}
        weights = min(WEIGHTS, key=lambda one: self._samples_needed(pilots[one]))
        needed = self._samples_needed(pilots[weights])
        if needed > size and not full:
            return None
        if not self.frozen:
            self.shelf.settle()
            self.settled = size
        self.frozen = size
        self.next_look = int(size * GROWTH) + 1
        self.watched = Stage(size, weights, pilots[weights], [], next_test=min(needed, int(HOPELESS * size)))
        self.pilot.clear()
        return "frozen"

    def _samples_needed(self, pilot: Sequence[Sample]) -> int:
        """After how many samples a proof is likely to be found."""
        return samples_needed(pilot, self.limit, level_of(self.tests + 1, self.terms.confidence))

    def _tested(self, now_s: float) -> Event | None:
        stage = self.watched
        assert stage is not None
        if len(stage.samples) < stage.next_test:
            return None
        self.tests += 1
        stage.tests += 1
        level = level_of(self.tests, self.terms.confidence)
        proven = prove(stage.samples, stage.pilot, self.limit, level)
        if proven is None and stage.tests < TESTS_MAX:
            stage.next_test = int(stage.next_test * 1.6)
            return None
        self.watched = None
        if proven is None:
            return "given up"
        stage.certificate = _certificate(proven, len(stage.samples), self.limit, level, now_s)
        stage.samples, stage.pilot = [], []
        self.certified.append(stage)
        return "certified"


def _certificate(proven: Proven, samples: int, limit: float, level: float, now_s: float) -> Certificate:
    return Certificate(limit, level, proven.cut, proven.hits, proven.wrong, samples, proven.p, now_s)
