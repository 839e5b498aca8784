"""Judge what was answered: one grade for each item, arm and repeat, and the calls that some judges need for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from thriftgate.quality.answers import Stored, key_of
from thriftgate.quality.arms import Arm
from thriftgate.quality.items import Answer, Item, read_answer
from thriftgate.quality.judges import Bench
from thriftgate.quality.judges.judge import Grade, Judge, ungraded
from thriftgate.quality.judges.llm import LlmJudge, Verdict
from thriftgate.quality.rules import KINDS, Llm, Rule


class Place(NamedTuple):
    """Which answer: of what item, by whom, the so-manieth."""

    item: str
    arm: str
    repeat: int


class Graded(NamedTuple):
    """An answer and what was thought of it. `judge` is the kind of its judge, `judge_pico` what its calls cost."""

    answer: Answer | None
    stored: Stored | None
    grade: Grade
    judge: str
    judge_pico: int = 0
    verdict: tuple[str, str] | None = None


class Grader:
    """Judges the answers of one run. `why_not` says why an answer is missing."""

    def __init__(
        self,
        bench: Bench,
        items: Sequence[Item],
        arms: Sequence[Arm],
        answers: Mapping[Place, Answer],
        why_not: Mapping[Place, str],
    ) -> None:
        self._bench = bench
        self._items = {item.id: item for item in items}
        self._judged = {arm.name for arm in arms}
        self._last = arms[-1].name
        self._answers = answers
        self._why_not = why_not
        self._said: dict[str, str] = {}
        self._paid: dict[str, int] = {}

    def questions(self) -> dict[str, bytes]:
        """The calls that judges need, by the key that their answers are kept under."""
        found: dict[str, bytes] = {}
        for place, answer in self._answers.items():
            item = self._items[place.item]
            judge = self._judge(place) if place.arm in self._judged else None
            if isinstance(judge, LlmJudge):
                found.update((key_of(body, 0), body) for body in judge.questions(item, answer))
        return found

    def heard(self, answers: Mapping[str, Stored]) -> None:
        """What was said to these calls."""
        for key, one in answers.items():
            self._paid[key] = one.paid_pico
            try:
                self._said[key] = read_answer(one.message).text
            except ValueError as error:
                self._said[key] = str(error)  # no verdict, and told as such

    def graded(self, place: Place, kept: Stored | None) -> Graded:
        """The grade of one answer."""
        item, answer = self._items[place.item], self._answers.get(place)
        rule = self._rule(item)
        kind = kind_of(rule)
        if answer is None:
            return Graded(None, None, ungraded(f"no answer: {self._why_not.get(place, 'it was not asked')}"), kind)
        judge = self._judge(place)
        if not isinstance(judge, LlmJudge):
            return Graded(answer, kept, judge.grade(item, answer), kind)
        verdict = judge.verdict(item, answer)
        said = (verdict.first, verdict.second) if isinstance(verdict, Verdict) else None
        keys = [key_of(body, 0) for body in judge.questions(item, answer)]
        pico = sum(self._paid.get(key, 0) for key in keys)
        return Graded(answer, kept, judge.grade(item, answer), kind, pico, said if keys else None)

    def _judge(self, place: Place) -> Judge:
        rule = self._rule(self._items[place.item])
        if not isinstance(rule, Llm):
            return self._bench.judge(rule)
        rival = rule.against or self._last

        def against(item: Item) -> str | None:
            other = self._answers.get(Place(item.id, rival, place.repeat)) or self._answers.get(Place(item.id, rival, 0))
            return other.shown if other is not None else None

        return self._bench.llm(rule, against, lambda body: self._said.get(key_of(body, 0)))

    def _rule(self, item: Item) -> Rule:
        rule = self._bench.rule(item)
        assert rule is not None  # the bench was asked before anything was sent
        return rule


def kind_of(rule: Rule) -> str:
    """How a rule is called."""
    kind = str(rule.__struct_config__.tag)
    assert kind in KINDS
    return kind
