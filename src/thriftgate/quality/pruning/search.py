"""Find what a prompt can do without: delta debugging over its sections, coarse to fine.

On each level every section is left out by itself on a few cases, all in one go; most of what matters shows there. What did
no harm is then left out together, and if that harms, halved (ddmin: Zeller and Hildebrandt 2002, doi:10.1109/32.988498; over
a hierarchy: Misherghi and Su 2006, doi:10.1145/1134285.1134307). Sections that stay are taken apart on the next level. Every
prompt is held against the original, never against the last one: small losses cannot add up unseen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from thriftgate.batch.work import Stopped
from thriftgate.quality.items import Item
from thriftgate.quality.pruning.evidence import Pair, Verdict, mean_change, verdict, weight
from thriftgate.quality.pruning.sections import Section, leaves_of, parts_of, without
from thriftgate.quality.pruning.trials import Trial, Trials

FIRST = 16  # cases of the first look
REPEATED_MAX = 64  # cases that the original is asked twice
GRADED_MIN = 0.9  # share of answers that must have grades, else nothing is left out on their word


class Effect(NamedTuple):
    """What leaving a section out did to grades, on so many cases; `why` it stays or went."""

    change: float
    cases: int
    why: str


@dataclass
class Found:
    """What the search came to. `effects` by section; `stopped` says why it ended early."""

    removed: set[Section] = field(default_factory=set)
    effects: dict[Section, Effect] = field(default_factory=dict)
    tried: int = 0
    chance: float = 0.0
    stopped: str = ""


class _Tested(NamedTuple):
    verdict: Verdict
    pairs: list[Pair]
    weight: float


class Search:
    """One search, on `cases` in their order. `reserve_pico` is left for confirming."""

    def __init__(
        self,
        prompt: str,
        sections: Sequence[Section],
        trials: Trials,
        cases: Sequence[Item],
        *,
        margin: float,
        reserve_pico: int,
    ) -> None:
        self._prompt = prompt
        self._sections = sections
        self._trials = trials
        self._cases = cases
        self._margin = margin
        self._reserve_pico = reserve_pico
        self._tried: set[str] = set()
        self._before: list[float | None] = []
        self.found = Found()

    async def run(self) -> Found:
        """To the end, or as far as the budget reaches."""
        found = self.found
        try:
            self._before = await self._grades([self._prompt], len(self._cases))
            found.chance = await self._trials.chance(self._cases[:REPEATED_MAX], self._reserve_pico)
            found.stopped = self._unfit()
            level = () if found.stopped else tuple(self._sections)
            while level:
                await self._reduce(await self._screened(level))
                level = tuple(part for one in level if one not in found.removed for part in parts_of(one))
        except Stopped as stopped:
            found.stopped = str(stopped)
        for leaf in leaves_of(self._sections, found.removed):
            found.effects.setdefault(leaf, Effect(0.0, 0, "not tried"))
        found.tried = len(self._tried)
        return found

    def _unfit(self) -> str:
        """Why the original's own answers show nothing; "" if they do."""
        graded = [one for one in self._before if one is not None]
        if len(graded) < GRADED_MIN * len(self._before):
            return f"{len(self._before) - len(graded):,} of {len(self._before):,} of its answers could not be judged"
        if not any(graded):
            return "the prompt as it is gets no case right: what it needs cannot be seen; are the expected answers right?"
        return ""

    async def _screened(self, level: Sequence[Section]) -> list[Section]:
        """Those that do no harm by themselves at the first look."""
        prompts = [self._with(one) for one in level]
        count = min(FIRST, len(self._cases))
        await self._grades(prompts, count)
        kept = []
        for one, prompt in zip(level, prompts, strict=True):
            tested = await self._looked(prompt, count)
            if tested.weight > 0:
                self._note(one, tested, "its removal lowers the score")
            if tested.verdict != "harms":
                kept.append(one)
        return sorted(kept, key=lambda one: one in self.found.effects)  # the doubtful ones last, so that halves part them

    async def _reduce(self, group: Sequence[Section]) -> None:
        """Leave these out together, else each half by itself."""
        if not group:
            return
        tested = await self._tested(self._with(*group))
        if tested.verdict == "harmless":
            self.found.removed.update(group)
            for one in group:
                self._note(one, tested, "the score is kept without it")
        elif len(group) == 1:
            self._note(group[0], tested, "its removal lowers the score")
        else:
            middle = len(group) // 2
            await self._reduce(group[:middle])
            await self._reduce(group[middle:])

    async def _tested(self, prompt: str) -> _Tested:
        """Ask as many cases as the verdict takes; where none comes, whatever is likelier."""
        count = min(FIRST, len(self._cases))
        while True:
            await self._grades([prompt], count)
            tested = await self._looked(prompt, count)
            if tested.verdict != "open":
                return tested
            if count == len(self._cases):
                return tested._replace(verdict="harmless" if tested.weight <= 0 else "harms")
            count = min(2 * count, len(self._cases))

    async def _looked(self, prompt: str, count: int) -> _Tested:
        after = await self._grades([prompt], count)
        both = zip(self._before[:count], after, strict=True)
        pairs = [Pair(one, other) for one, other in both if one is not None and other is not None]
        found = weight(pairs, self.found.chance, self._margin)
        if len(pairs) < GRADED_MIN * count:
            return _Tested("harms", pairs, max(found, 1.0))
        return _Tested(verdict(pairs, self.found.chance, self._margin), pairs, found)

    async def _grades(self, prompts: Sequence[str], count: int) -> list[float | None]:
        self._tried.update(prompts)
        trials = [Trial(prompt, case) for prompt in prompts for case in self._cases[:count]]
        return await self._trials.grades(trials, self._reserve_pico)

    def _with(self, *also: Section) -> str:
        """The prompt without what was left out so far, and without these."""
        return without(self._prompt, self._sections, self.found.removed.union(also))

    def _note(self, section: Section, tested: _Tested, why: str) -> None:
        if len(tested.pairs) < GRADED_MIN * min(FIRST, len(self._cases)):
            why = "too few of its answers could be judged"
        self.found.effects[section] = Effect(mean_change(tested.pairs), len(tested.pairs), why)
