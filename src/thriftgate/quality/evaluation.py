"""Run an evaluation: price it, ask every arm what was not asked before, judge, and say it all item by item.

Answers are kept as they come, so that a run which was stopped goes on with the same command, and one that is through costs
nothing again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from msgspec import Struct

from thriftgate.core.errors import InputError, UnknownPrice
from thriftgate.core.models import Capabilities
from thriftgate.quality.answers import Answers, Stored
from thriftgate.quality.arms import Arm
from thriftgate.quality.asks import Ask, Estimate, Pricer, added, asks_of
from thriftgate.quality.grading import Graded, Grader, Place
from thriftgate.quality.items import Answer, Item, read_answer
from thriftgate.quality.judges import Bench
from thriftgate.quality.lines import Asked, Liner
from thriftgate.quality.results import Line
from thriftgate.quality.rules import Llm
from thriftgate.quality.sending import Sender
from thriftgate.quality.verifying import Try, Verified, Verifier, tries_of, unverified

UNGRADED_MAX = 0.1
"""Above this share of answers without a grade a run has fallen short: what is left may be a biased choice."""


class Wanted(Struct, frozen=True):
    """What to run. `limit_pico` is the most it may cost (pico-USD); `verifier` is asked how likely answers are right."""

    items: Sequence[Item]
    arms: Sequence[Arm]
    repeats: int = 1
    limit_pico: int | None = None
    verifier: Capabilities | None = None


class Evaluated(NamedTuple):
    """What came of it. `asked` calls were made now, `cached` were answered before, `recorded` came with the set; `failed`
    are reasons why there is no answer, `ungraded` why there is no grade, `unverified` why there is no score of a verifier,
    each with how often. `paid_pico` was paid now, of that `judging_pico` to judges, `verifying_pico` to the verifier."""

    lines: Sequence[Line]
    estimate: Estimate
    asked: int
    cached: int
    recorded: int
    failed: Mapping[str, int]
    ungraded: Mapping[str, int]
    grades: int
    paid_pico: int
    judging_pico: int
    lacking: Sequence[str]
    unverified: Mapping[str, int] = {}
    verifying_pico: int = 0

    @property
    def fell_short(self) -> str:
        """Why the results are not to be relied on; "" if they are."""
        missing = sum(self.ungraded.values())
        if missing <= UNGRADED_MAX * self.grades:
            return ""
        worst = max(self.ungraded, key=lambda reason: self.ungraded[reason])
        return (
            f"{missing:,} of {self.grades:,} answers could not be judged, more than {UNGRADED_MAX:.0%}: what is left may "
            f"be a biased choice. The most frequent reason ({self.ungraded[worst]:,} times): {worst}"
        )


class _Replies(NamedTuple):
    """What was answered, item by item and in the order of repeats, and why there is no answer."""

    answers: Mapping[Place, Answer]
    why_not: Mapping[Place, str]


class _Sent(NamedTuple):
    """What was asked now, and what that was expected to cost; why calls failed, by key."""

    estimate: Estimate
    asked: int
    failed: Mapping[str, str]


class _Told(NamedTuple):
    """What came of asking about answers: a verifier's words, and what was paid now (pico-USD)."""

    verified: Mapping[Try, Verified]
    judging_pico: int
    verifying_pico: int


Agree = Callable[[Estimate], bool]
"""Whether a run of that price may start."""


class Evaluation:
    """One run. `may_start` is asked once the price is known, before anything is sent."""

    def __init__(self, wanted: Wanted, bench: Bench, pricer: Pricer, sender: Sender, answers: Answers) -> None:
        self._wanted = wanted
        self._bench = bench
        self._pricer = pricer
        self._sender = sender
        self._answers = answers
        self._asks = asks_of(wanted.items, wanted.arms, wanted.repeats)
        self._paid: list[Stored] = []
        self._seen: dict[str, Asked] = {}

    async def run(self, may_start: Agree) -> Evaluated | Estimate:
        """To the end; only the estimate where it may not start. Raises ThriftgateError; the same command goes on."""
        wanted = self._wanted
        _check_rivals(wanted, self._bench)
        await self._sender.left_over(self._keep, wanted.limit_pico)
        kept = self._answers.find(ask.key for ask in self._asks)
        missing = {ask.key: ask for ask in self._asks if ask.key not in kept}
        estimate = self._estimate(missing, self._replies(kept, {}))
        if estimate.calls and not may_start(estimate):
            return estimate
        failed = await self._send({key: ask.body for key, ask in missing.items()})
        kept = self._answers.find(ask.key for ask in self._asks)
        replies = self._replies(kept, failed)
        grader = self._grader(replies)
        told = await self._ask_about(grader, self._verifier(replies.answers))
        return self._evaluated(grader, kept, _Sent(estimate, len(missing), failed), told)

    def _keep(self, answers: Sequence[Stored]) -> None:
        self._answers.put(answers)
        self._paid += answers

    async def _send(self, bodies: Mapping[str, bytes]) -> Mapping[str, str]:
        if not bodies:
            return {}
        limit = self._wanted.limit_pico
        left = None if limit is None else max(0, limit - sum(one.paid_pico for one in self._paid))
        return await self._sender.send(bodies, self._keep, left)

    def _open(self, questions: Mapping[str, bytes]) -> dict[str, bytes]:
        """Those of them that were not answered yet."""
        known = self._answers.find(questions)
        return {key: body for key, body in questions.items() if key not in known}

    async def _ask_about(self, grader: Grader, verifier: Verifier | None) -> _Told:
        """Ask judges and the verifier, in one go."""
        judging, verifying = grader.questions(), verifier.questions() if verifier is not None else {}
        failed = await self._send(self._open({**judging, **verifying}))
        grader.heard(self._answers.find(judging))
        verified = verifier.verified(self._answers.find(verifying), failed) if verifier is not None else {}
        paid = [sum(one.paid_pico for one in self._paid if one.key in keys) for keys in (judging, verifying)]
        return _Told(verified, *paid)

    def _estimate(self, missing: Mapping[str, Ask], replies: _Replies) -> Estimate:
        to_come = {Place(ask.item.id, ask.arm.name, ask.repeat): ask for ask in missing.values()}
        found = [self._pricer.estimate(list(missing.values())), self._judging(to_come, self._grader(replies))]
        if self._wanted.verifier is not None:
            found.append(self._verifying(self._wanted.verifier, to_come, replies))
        return added(found)

    def _judging(self, to_come: Mapping[Place, Ask], grader: Grader) -> Estimate:
        """What judges that ask models will take: for answers that are there, and for those to come."""
        known = self._pricer.questions(self._open(grader.questions()).values())
        found = [known._replace(judging_pico=known.pico)]
        for item in self._wanted.items:
            rule = self._bench.rule(item)
            if not isinstance(rule, Llm):
                continue
            rival = rule.against or self._wanted.arms[-1].name
            for arm in (one.name for one in self._wanted.arms if one.name != rival):
                for repeat in range(1 if arm in item.recorded else self._wanted.repeats):
                    ask = to_come.get(Place(item.id, arm, repeat)) or to_come.get(Place(item.id, rival, repeat))
                    if ask is not None:
                        found.append(self._pricer.judging(rule, item, self._pricer.worth(ask).output_tokens))
        return added(found)

    def _verifying(self, model: Capabilities, to_come: Mapping[Place, Ask], replies: _Replies) -> Estimate:
        """What the verifier will take, likewise."""
        firsts = {place: ask for place, ask in to_come.items() if place.repeat == 0 and place.arm in self._tried}
        there = {place: answer for place, answer in replies.answers.items() if place._replace(repeat=0) not in firsts}
        verifier = self._verifier(there)
        assert verifier is not None
        known = self._pricer.questions(self._open(verifier.questions()).values())
        return added(
            [known._replace(verifying_pico=known.pico), *(self._pricer.verifying(model, ask) for ask in firsts.values())]
        )

    @property
    def _tried(self) -> frozenset[str]:
        """The arms that a cascade could try: all but the last."""
        return frozenset(arm.name for arm in self._wanted.arms[:-1])

    def _verifier(self, answers: Mapping[Place, Answer]) -> Verifier | None:
        model = self._wanted.verifier
        if model is None:
            return None
        tries = tries_of(answers, self._tried)
        items = {item.id: item for item in self._wanted.items}
        return Verifier(model, tries, {one.item: self._asked(items[one.item]).text for one in tries})

    def _asked(self, item: Item) -> Asked:
        """What an item asks; the same of every arm."""
        if item.id not in self._seen:
            self._seen[item.id] = self._pricer.seen(item, self._wanted.arms[0].body(item))
        return self._seen[item.id]

    def _replies(self, kept: Mapping[str, Stored], failed: Mapping[str, str]) -> _Replies:
        answers: dict[Place, Answer] = {}
        why_not: dict[Place, str] = {}
        for ask in self._asks:
            place = Place(ask.item.id, ask.arm.name, ask.repeat)
            one = kept.get(ask.key)
            if one is None:
                why_not[place] = failed.get(ask.key, "none came")
                continue
            try:
                answers[place] = read_answer(one.message)
            except ValueError as error:
                why_not[place] = str(error)
        for item in self._wanted.items:
            for name, text in item.recorded.items():
                answers[Place(item.id, name, 0)] = Answer(text, stop_reason="")  # how it ended was not recorded
        return _Replies(answers, why_not)

    def _grader(self, replies: _Replies) -> Grader:
        return Grader(self._bench, self._wanted.items, self._wanted.arms, *replies)

    def _evaluated(self, grader: Grader, kept: Mapping[str, Stored], sent: _Sent, told: _Told) -> Evaluated:
        grades: dict[str, dict[str, list[Graded]]] = {item.id: {} for item in self._wanted.items}
        for ask in self._asks:
            place = Place(ask.item.id, ask.arm.name, ask.repeat)
            one = grader.graded(place, kept.get(ask.key))
            grades[ask.item.id].setdefault(ask.arm.name, []).append(one)
        recorded = self._recorded(grader, grades)
        every = [one for arms in grades.values() for several in arms.values() for one in several]
        return Evaluated(
            lines=self._lines(grades, told.verified),
            estimate=sent.estimate,
            asked=sent.asked,
            cached=len(self._asks) - sent.asked,
            recorded=recorded,
            failed=_counted(sent.failed.values()),
            ungraded=_counted(one.grade.reason for one in every if one.grade.quality is None),
            grades=len(every),
            paid_pico=sum(one.paid_pico for one in self._paid),
            judging_pico=told.judging_pico,
            lacking=sorted(self._bench.lacking()),
            unverified=unverified(told.verified),
            verifying_pico=told.verifying_pico,
        )

    def _recorded(self, grader: Grader, grades: dict[str, dict[str, list[Graded]]]) -> int:
        """Judge what came with the set, of the arms that were asked for. Returns how many answers that is."""
        count = 0
        for item in self._wanted.items:
            for arm in self._wanted.arms:
                if arm.name in item.recorded:
                    one = grader.graded(Place(item.id, arm.name, 0), None)
                    grades[item.id][arm.name] = [one._replace(stored=self._as_stored(item, arm))]
                    count += 1
        return count

    def _as_stored(self, item: Item, arm: Arm) -> Stored:
        try:
            pico = self._pricer.recorded_pico(arm.body(item), item.recorded[arm.name])
        except (InputError, UnknownPrice):
            pico = 0  # a call that could not be made today; what it cost is not known
        return Stored("", b"", "recorded", baseline_pico=pico)

    def _lines(self, grades: Mapping[str, Mapping[str, Sequence[Graded]]], verified: Mapping[Try, Verified]) -> list[Line]:
        liner = Liner(grades, self._wanted.arms[-1].name, verified)
        return [liner.line(item, self._asked(item)) for item in self._wanted.items]


def _check_rivals(wanted: Wanted, bench: Bench) -> None:
    """Raises InputError where a judge is to compare with an arm that is not there."""
    names = [arm.name for arm in wanted.arms]
    for item in wanted.items:
        rule = bench.rule(item)
        if isinstance(rule, Llm) and rule.against not in ("", "expected", *names, *item.recorded):
            raise InputError(f"{item.place}: judge llm: against {rule.against!r}, which is none of {', '.join(names)}")


def _counted(reasons: Iterable[str]) -> dict[str, int]:
    return dict(Counter(reasons).most_common())
