"""The judge `numeric`: the answer's number is the expected one, or near enough."""

from __future__ import annotations

from decimal import Decimal

from thriftgate.quality.items import Answer, Item
from thriftgate.quality.judges.extract import number_in, number_of
from thriftgate.quality.judges.judge import RIGHT, Grade, expected_text, wrong
from thriftgate.quality.rules import Numeric


class NumericJudge:
    """Compares exactly, as decimals, within the rule's tolerances."""

    def __init__(self, rule: Numeric) -> None:
        self._absolute = Decimal(str(rule.tolerance))
        self._relative = Decimal(str(rule.relative))

    def check(self, item: Item) -> str:
        if item.expected is None:
            return "expected: missing; the judge numeric compares with it"
        if number_of(expected_text(item)) is None:
            return f"expected: {expected_text(item)!r} is no number, which the judge numeric needs"
        return ""

    def grade(self, item: Item, answer: Answer) -> Grade:
        wanted, said = number_of(expected_text(item)), number_in(answer.shown)
        assert wanted is not None
        if said is None:
            return wrong("no number in the answer")
        near = abs(said - wanted) <= max(self._absolute, self._relative * abs(wanted))
        return RIGHT if near else wrong(f"said {said}")
