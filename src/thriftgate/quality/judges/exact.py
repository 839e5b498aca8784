"""The judge `exact`: the answer is the expected text."""

from __future__ import annotations

from thriftgate.quality.items import Answer, Item
from thriftgate.quality.judges.judge import RIGHT, Grade, expected_text, wrong
from thriftgate.quality.rules import Exact

_SHOWN = 60


class ExactJudge:
    """Compares texts, white space and case as the rule says."""

    def __init__(self, rule: Exact) -> None:
        self._rule = rule

    def check(self, item: Item) -> str:
        return "expected: missing; the judge exact compares with it" if item.expected is None else ""

    def grade(self, item: Item, answer: Answer) -> Grade:
        said, wanted = self._plain(answer.shown), self._plain(expected_text(item))
        return RIGHT if said == wanted else wrong(f"said {said[:_SHOWN]!r}")

    def _plain(self, text: str) -> str:
        text = text if self._rule.space else " ".join(text.split())
        return text.casefold() if self._rule.ignore_case else text
