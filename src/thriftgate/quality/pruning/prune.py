"""Prune a prompt: search on one part of the cases, confirm what was found on the other, which the search has never seen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

from msgspec import Struct

from thriftgate.batch.work import Stopped
from thriftgate.core.errors import InputError
from thriftgate.quality.datasets import sampled
from thriftgate.quality.items import Item
from thriftgate.quality.pruning.evidence import Confirmation, Pair, confirm, least_cases
from thriftgate.quality.pruning.search import GRADED_MIN, Found, Search
from thriftgate.quality.pruning.sections import Section, sections_of, without
from thriftgate.quality.pruning.trials import Means, Trial, Trials, check_cases

if TYPE_CHECKING:
    from random import Random  # noqa: TID251  the type of what is handed in

HELD_OUT = 0.6  # share of the cases that confirm
SEARCH_MIN = 20  # cases that are left to the search where confirming could use them all


class Wish(Struct, frozen=True):
    """What is to be pruned, and what must hold: quality not lower by `margin` (0 to 1), with this confidence."""

    prompt: str
    cases: Sequence[Item]
    margin: float = 0.02
    confidence: float = 0.95
    seed: int = 0


class Forecast(NamedTuple):
    """What is known before anything is asked: cases on either side, how many would confirm at least; pico-USD that the
    original takes on the cases of the search, and that are set aside for confirming."""

    search: int
    heldout: int
    least: int
    base_pico: int
    reserve_pico: int


class Pruned(NamedTuple):
    """What came of it. `after` is the prompt that is proposed; `why` says why it may not be adopted, "" if it may, or where
    nothing was found that could go. Of the held-out cases `clusters` are independent."""

    wish: Wish
    forecast: Forecast
    sections: tuple[Section, ...]
    found: Found
    after: str
    confirmation: Confirmation | None
    clusters: int
    why: str
    calls: int
    cached: int
    spent_pico: int
    ungraded: dict[str, int]
    lacking: frozenset[str]

    @property
    def state(self) -> Literal["confirmed", "unconfirmed", "nothing to prune"]:
        if self.why:
            return "unconfirmed"
        return "confirmed" if self.after != self.wish.prompt else "nothing to prune"


class Pruner:
    """One run. Raises InputError for a prompt or cases that cannot be worked with, before anything is asked."""

    def __init__(self, wish: Wish, means: Means, rng: Random) -> None:
        check_wish(wish)
        self._wish = wish
        self._means = means
        self._rng = rng
        self._sections = sections_of(wish.prompt)
        self._search, self._heldout = split(wish)
        self._trials = Trials(wish.prompt, wish.cases, means)

    async def run(self, may_start: Callable[[Forecast], bool]) -> Pruned | Forecast:
        """To the end; only the forecast where it may not start. Raises ThriftgateError; the same command goes on."""
        wish, trials = self._wish, self._trials
        forecast = Forecast(
            len(self._search),
            len(self._heldout),
            least_cases(wish.margin, wish.confidence),
            self._base_pico(),
            trials.reserve_pico(self._heldout),
        )
        if not may_start(forecast):
            return forecast
        reserve = forecast.reserve_pico
        search = Search(wish.prompt, self._sections, trials, self._search, margin=wish.margin, reserve_pico=reserve)
        found = await search.run()
        after = without(wish.prompt, self._sections, found.removed)
        confirmation, clusters, why = None, 0, found.stopped
        if after != wish.prompt:
            confirmation, clusters, why = await self._confirmed(after)
        return Pruned(
            wish,
            forecast,
            self._sections,
            found,
            after,
            confirmation,
            clusters,
            why,
            calls=trials.calls,
            cached=trials.cached,
            spent_pico=self._means.sender.paid_pico,
            ungraded=trials.ungraded,
            lacking=frozenset(trials.lacking),
        )

    def _base_pico(self) -> int:
        estimate = self._trials.first_estimate(self._search)
        return estimate.pico if self._means.now else estimate.worst_pico

    async def _confirmed(self, after: str) -> tuple[Confirmation | None, int, str]:
        """What the held-out cases say, of how many clusters, and why the prompt is not confirmed."""
        try:
            before = await self._trials.grades([Trial(self._wish.prompt, case) for case in self._heldout])
            others = await self._trials.grades([Trial(after, case) for case in self._heldout])
        except Stopped as stopped:
            return None, 0, f"the held-out cases could not be asked: {stopped}"
        graded = [
            (case, Pair(one, other))
            for case, one, other in zip(self._heldout, before, others, strict=True)
            if one is not None and other is not None
        ]
        pairs = _clustered(graded)
        wish = self._wish
        found = confirm(pairs, wish.margin, wish.confidence, [self._rng.random() for _ in pairs])
        if len(graded) < GRADED_MIN * len(self._heldout):
            missing = len(self._heldout) - len(graded)
            return found, len(pairs), f"{missing:,} of {len(self._heldout):,} held-out cases could not be judged"
        return found, len(pairs), "" if found.passed else _why_not(found, len(pairs), wish)


def check_wish(wish: Wish) -> None:
    """Raises InputError."""
    if not wish.prompt.strip():
        raise InputError("the prompt is empty: there is nothing to prune")
    if not 0 < wish.margin < 1:
        raise InputError(f"--margin {wish.margin}: must be between 0 and 1, as 0.02 for 2 points")
    if not 0.5 <= wish.confidence < 1:
        raise InputError(f"--confidence {wish.confidence}: must be at least 0.5 and below 1, as 0.95")
    if len({_cluster(one) for one in wish.cases}) < 2:
        raise InputError("pruning takes at least 2 cases: one to search on and one to confirm with")
    check_cases(wish.prompt, wish.cases)


def split(wish: Wish) -> tuple[list[Item], list[Item]]:
    """The cases to search on, and those held out: of each task its share, clusters whole; the same for the same seed."""
    clusters = {_cluster(one): one for one in wish.cases}
    count, least = len(clusters), least_cases(wish.margin, wish.confidence)
    wanted = max(round(HELD_OUT * count), min(least, count - SEARCH_MIN))
    chosen = {_cluster(one) for one in sampled(list(clusters.values()), min(max(1, wanted), count - 1), wish.seed)}
    heldout = [one for one in wish.cases if _cluster(one) in chosen]
    others = [one for one in wish.cases if _cluster(one) not in chosen]
    return _mixed(others, wish.seed), heldout


def _mixed(cases: Sequence[Item], seed: int) -> list[Item]:
    """In an order in which the first few show every task."""
    ordered: list[Item] = []
    for count in range(1, len(cases) + 1):
        if count & (count - 1) == 0 or count == len(cases):
            known = {one.id for one in ordered}
            ordered += [one for one in sampled(cases, count, seed) if one.id not in known]
    return ordered


def _cluster(case: Item) -> str:
    return f"c {case.cluster}" if case.cluster else f"i {case.id}"


def _clustered(graded: Sequence[tuple[Item, Pair]]) -> list[Pair]:
    """One pair for each cluster: its mean grades."""
    clusters: dict[str, list[Pair]] = {}
    for case, pair in graded:
        clusters.setdefault(_cluster(case), []).append(pair)
    return [
        Pair(sum(one.before for one in found) / len(found), sum(one.after for one in found) / len(found))
        for found in clusters.values()
    ]


def _why_not(found: Confirmation, cases: int, wish: Wish) -> str:
    if not found.needed:
        return (
            f"on held-out cases the score falls by {found.before - found.after:.1%}: more of them would not confirm that it "
            f"falls by less than {wish.margin:.1%}"
        )
    return (
        f"{cases:,} held-out cases do not show with {wish.confidence:.0%} confidence that the score falls by less than "
        f"{wish.margin:.1%}; about {found.needed:,} like these would (of all cases {HELD_OUT:.0%} are held out)"
    )
