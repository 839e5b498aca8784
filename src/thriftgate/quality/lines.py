"""From the grades of an item to its line of results. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from msgspec import UNSET

from thriftgate.core.money import usd_from_pico
from thriftgate.core.request import Request
from thriftgate.core.routing.features import Surroundings
from thriftgate.quality.grading import Graded
from thriftgate.quality.items import Item
from thriftgate.quality.results import Judged, Line
from thriftgate.quality.signals import all_signals
from thriftgate.quality.verifying import Try, Verified

ByArm = Mapping[str, Sequence[Graded]]


class Asked(NamedTuple):
    """What an item asks, as routing sees a live call: the user's text, what stands around it, the request."""

    text: str
    around: Surroundings
    request: Request


class Liner:
    """Makes the lines of one run. `reference` is the arm that the others are held against, whose answers are therefore no
    signal: nobody has them beforehand. `verified` is what a verifier said."""

    def __init__(self, grades: Mapping[str, ByArm], reference: str, verified: Mapping[Try, Verified] | None = None) -> None:
        self._grades = grades
        self._reference = reference
        self._verified = verified or {}

    def line(self, item: Item, asked: Asked) -> Line:
        """The line of one item."""
        return Line(
            item.id,
            asked.text,
            {arm: self._judged(item, arm, asked.request) for arm in self._grades[item.id]},
            task=item.task,
            around=asked.around,
            cluster=item.cluster,
            weight=item.weight,
            human=item.human,
        )

    def _judged(self, item: Item, arm: str, request: Request) -> Judged:
        """The mean over the repeats of one arm. An amount is that of the repeats that were answered, a quality that of those
        that were judged. Signals are of the first answer: a cascade has one try, and what it says of it goes with its grade,
        not with a mean."""
        several = self._grades[item.id][arm]
        answered = [one for one in several if one.answer is not None]
        qualities = [one.grade.quality for one in several if one.grade.quality is not None]
        stored = [one.stored for one in answered if one.stored is not None]
        timed = [one.latency_ms for one in stored if one.latency_ms]
        signals, signals_pico = self._signals(item, arm, answered, request)
        return Judged(
            quality=sum(qualities) / len(qualities) if qualities else None,
            first=answered[0].grade.quality if answered and len(several) > 1 else UNSET,
            cost_usd=_mean_usd([one.baseline_pico for one in stored]),
            paid_usd=_mean_usd([one.paid_pico for one in stored]),
            judge_usd=_mean_usd([one.judge_pico for one in several]),
            signals_cost_usd=usd_from_pico(signals_pico),
            latency_ms=sum(timed) // len(timed) if timed else 0,
            output_tokens=sum(one.answer.output_tokens for one in answered if one.answer) // max(1, len(answered)),
            signals=signals,
            mode=stored[0].mode if stored else "",
            judge=several[0].judge,
            reason=next((one.grade.reason for one in several if one.grade.reason), ""),
            repeats=len(several),
            verdicts=tuple(one.verdict for one in several if one.verdict is not None),
        )

    def _signals(
        self, item: Item, arm: str, answered: Sequence[Graded], request: Request
    ) -> tuple[Mapping[str, float], int]:
        """Signals of the first answer, and what those cost that take further calls (pico-USD)."""
        answers = [one.answer for one in answered if one.answer is not None]
        if not answers:
            return {}, 0
        others = {
            other: answer
            for other, several in self._grades[item.id].items()
            if other not in (arm, self._reference)
            and (answer := next((one.answer for one in several if one.answer is not None), None)) is not None
        }
        verified = self._verified.get(Try(item.id, arm), Verified())
        pico = sum(one.stored.baseline_pico for one in answered[1:] if one.stored is not None) + verified.pico
        return all_signals(answers[0], request, answers[1:], others, verified.score), pico


def _mean_usd(pico: Sequence[int]) -> str:
    return usd_from_pico(sum(pico) // len(pico)) if pico else "0"
