"""Ask a prompt the cases and grade what it answers: an evaluation of one arm, of which no answer is paid for twice."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from typing import Any, NamedTuple

from msgspec.structs import replace

from thriftgate.batch.work import Stopped
from thriftgate.core.errors import InputError
from thriftgate.core.money import usd_from_pico
from thriftgate.quality.answers import Answers, Stored, key_of
from thriftgate.quality.arms import Arm
from thriftgate.quality.asks import Ask, Estimate, Pricer, added
from thriftgate.quality.evaluation import Evaluation, Wanted
from thriftgate.quality.items import Item, read_answer, text_of
from thriftgate.quality.judges import Bench
from thriftgate.quality.results import Judged
from thriftgate.quality.rules import Llm, Regex, Rule
from thriftgate.quality.sending import Keep, Sender

ORIGINAL = "original"
_ALIKE = 0.5  # what a judge of pairs gives an answer that is held against itself
_ANYTHING = Regex(pattern="(?s).*")


class Trial(NamedTuple):
    """A prompt, and a case that it is to be asked."""

    prompt: str
    case: Item


class Metered:
    """A sender that knows what was paid for the answers it brought home (pico-USD)."""

    def __init__(self, sender: Sender) -> None:
        self._sender = sender
        self.paid_pico = 0

    async def left_over(self, keep: Keep, limit_pico: int | None) -> Mapping[str, str]:
        return await self._sender.left_over(self._counting(keep), limit_pico)

    async def send(self, bodies: Mapping[str, bytes], keep: Keep, limit_pico: int | None) -> Mapping[str, str]:
        return await self._sender.send(bodies, self._counting(keep), limit_pico)

    def _counting(self, keep: Keep) -> Keep:
        def counted(answers: Sequence[Stored]) -> None:
            self.paid_pico += sum(one.paid_pico for one in answers)
            keep(answers)

        return counted


class Means(NamedTuple):
    """What trials are made with. `now` where calls are made at once, and not in batches."""

    arm: Arm
    bench: Bench
    pricer: Pricer
    sender: Metered
    answers: Answers
    budget_pico: int
    now: bool


class Trials:
    """The trials of one run. Raises Stopped where the next could cost more than there is; what was answered is kept."""

    def __init__(self, prompt: str, cases: Sequence[Item], means: Means) -> None:
        self._original = prompt
        self._means = means
        self._systems = {case.id: _template(case, prompt) for case in cases}
        self._known: dict[str, float | None] = {}
        self.calls = 0
        self.cached = 0
        self.lacking: set[str] = set()
        self.ungraded: dict[str, int] = {}

    async def grades(self, trials: Sequence[Trial], reserve_pico: int = 0) -> list[float | None]:
        """The grades of these, 0 to 1, None where there is none. `reserve_pico` is not touched."""
        fresh = {_name(one): one for one in trials if _name(one) not in self._known}
        if fresh:
            lines = await self._evaluated([self._posed(name, one) for name, one in fresh.items()], 1, reserve_pico)
            for name, judged in lines.items():
                self._known[name] = self._quality(fresh[name], judged)
        return [self._known[_name(one)] for one in trials]

    async def chance(self, cases: Sequence[Item], reserve_pico: int = 0) -> float:
        """How often the original prompt, asked again, does worse by chance alone."""
        if any(self._compares(case) for case in cases):
            return 0.0  # such a judge sees a difference in every other wording: it says which is better, and means it
        posed = [self._posed(_name(one), one) for one in (Trial(self._original, case) for case in cases)]
        lines = await self._evaluated(posed, 2, reserve_pico)
        means = [(one.quality, one.first_quality) for one in lines.values()]
        moved = [2 * abs(mean - first) for mean, first in means if mean is not None and first is not None]
        return sum(moved) / 2 / len(moved) if moved else 0.0

    def reserve_pico(self, cases: Sequence[Item]) -> int:
        """What is set aside for asking these cases twice more: of the original prompt, and of one that is no longer."""
        means, trials = self._means, [Trial(self._original, case) for case in cases]
        asks = [self._ask(self._posed(_name(one), one)) for one in trials]
        known = means.answers.find(ask.key for ask in asks)
        parts = [means.pricer.estimate(asks), means.pricer.estimate([ask for ask in asks if ask.key not in known])]
        parts += [self._judging(ask) for ask in asks]
        whole = added(parts)
        if not means.now:
            return whole.worst_pico
        widest = max((means.pricer.worst_pico(ask.body) for ask in asks), default=0)
        return whole.pico + whole.pico // 4 + widest  # answers may be longer than expected, and the last one the longest

    def first_estimate(self, cases: Sequence[Item]) -> Estimate:
        """What asking the original these cases takes."""
        asks = [self._ask(self._posed(_name(one), one)) for one in (Trial(self._original, case) for case in cases)]
        known = self._means.answers.find(ask.key for ask in asks)
        return self._means.pricer.estimate([ask for ask in asks if ask.key not in known])

    @property
    def left_pico(self) -> int:
        """What the budget still holds."""
        return self._means.budget_pico - self._means.sender.paid_pico

    async def _evaluated(self, items: Sequence[Item], repeats: int, reserve_pico: int) -> Mapping[str, Judged]:
        means = self._means
        limit = max(0, self.left_pico - reserve_pico)
        wanted = Wanted(items, [means.arm], repeats, limit)
        evaluation = Evaluation(wanted, means.bench, means.pricer, means.sender, means.answers)
        found = await evaluation.run(lambda estimate: (estimate.pico if means.now else estimate.worst_pico) <= limit)
        if isinstance(found, Estimate):
            cost = found.pico if means.now else found.worst_pico
            raise Stopped(
                f"the next {found.calls:,} calls could cost ${usd_from_pico(cost)}, more than the ${usd_from_pico(limit)} "
                "that are left for them"
            )
        self.calls += found.asked
        self.cached += found.cached
        self.lacking.update(found.lacking)
        for reason, count in found.ungraded.items():
            self.ungraded[reason] = self.ungraded.get(reason, 0) + count
        return {line.id: line.outcomes[means.arm.name] for line in found.lines}

    def _posed(self, name: str, trial: Trial) -> Item:
        """The case as it is asked with a prompt. A judge that compares two answers compares with the original prompt's."""
        case = trial.case
        posed = replace(case, id=name, request=_request(case, self._systems[case.id], trial.prompt), recorded={})
        if not self._compares(case):
            return posed
        if trial.prompt == self._original:
            return replace(posed, judge=_ANYTHING)
        rule = self._means.bench.rule(case)
        assert isinstance(rule, Llm)
        return replace(posed, judge=replace(rule, against=ORIGINAL), recorded={ORIGINAL: self._said(case)})

    def _said(self, case: Item) -> str:
        """What the original prompt has answered; "" where nothing came."""
        body = self._means.arm.body(self._posed("", Trial(self._original, case)))
        key = key_of(body, 0)
        found = self._means.answers.find([key]).get(key)
        try:
            return read_answer(found.message).shown if found is not None else ""
        except ValueError:
            return ""

    def _quality(self, trial: Trial, judged: Judged) -> float | None:
        if judged.quality is not None and trial.prompt == self._original and self._compares(trial.case):
            return _ALIKE
        return judged.quality

    def _compares(self, case: Item) -> bool:
        rule: Rule | None = self._means.bench.rule(case)
        return isinstance(rule, Llm) and rule.against != "expected"

    def _ask(self, item: Item) -> Ask:
        body = self._means.arm.body(item)
        return Ask(item, self._means.arm, 0, body, key_of(body, 0))

    def _judging(self, ask: Ask) -> Estimate:
        rule = self._means.bench.rule(ask.item)
        if not isinstance(rule, Llm):
            return Estimate()
        return self._means.pricer.judging(rule, ask.item, self._means.pricer.worth(ask).output_tokens)


def check_cases(prompt: str, cases: Iterable[Item]) -> None:
    """Raises InputError for a case whose own system prompt is another one."""
    for case in cases:
        _template(case, prompt)


def _template(case: Item, prompt: str) -> tuple[str, str]:
    """What stands before and behind the prompt in the case's own system prompt."""
    system = text_of(case.request.get("system"))
    if not system.strip() or system.strip() == prompt.strip():
        return "", ""
    before, found, after = system.partition(prompt.strip())
    if not found:
        raise InputError(
            f"{case.place}: has a system prompt of its own, which does not hold the prompt that is to be pruned: take it "
            "out, or write the prompt there as it stands in its file"
        )
    return before, after


def _request(case: Item, around: tuple[str, str], prompt: str) -> dict[str, Any]:
    system = around[0] + (prompt.strip() if any(around) else prompt) + around[1]
    head = {"system": system} if system.strip() else {}
    return {**{name: value for name, value in case.request.items() if name != "system"}, **head}


def _name(trial: Trial) -> str:
    return f"{sha256(trial.prompt.encode()).hexdigest()[:16]}/{trial.case.id}"
