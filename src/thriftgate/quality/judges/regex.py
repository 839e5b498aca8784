"""The judge `regex`: a pattern is found in the answer.

A pattern can take exponential time on some texts, and a search cannot be stopped: so it is searched for in a process of its
own, which can.
"""

from __future__ import annotations

import re

from thriftgate.quality.items import Answer, Item
from thriftgate.quality.judges.judge import RIGHT, Grade, expected_text, ungraded, wrong
from thriftgate.quality.judges.worker import Failed, Worker
from thriftgate.quality.rules import Regex

WALL_S = 5.0


class RegexJudge:
    """Looks for the rule's pattern, or the item's."""

    def __init__(self, rule: Regex, wall_s: float = WALL_S) -> None:
        self._rule = rule
        self._worker = Worker(f"{__name__}:found", wall_s)

    def check(self, item: Item) -> str:
        if not self._rule.pattern and item.expected is None:
            return "expected: missing; the judge regex takes its pattern from it where it has none of its own"
        try:
            re.compile(self._pattern(item))
        except (re.error, RecursionError, OverflowError) as error:
            return f"the pattern {self._pattern(item)!r} cannot be used: {error}"
        return ""

    def grade(self, item: Item, answer: Answer) -> Grade:
        rule = self._rule
        try:
            is_found = self._worker.call(self._pattern(item), answer.shown, rule.ignore_case, rule.whole)
        except Failed as error:
            return ungraded(f"regex: {error}")
        return RIGHT if is_found else wrong("the pattern is not in the answer")

    def close(self) -> None:
        self._worker.close()

    def _pattern(self, item: Item) -> str:
        return self._rule.pattern or expected_text(item)


def found(pattern: str, text: str, ignore_case: bool, whole: bool) -> bool:
    """Whether the pattern is in the text, or (`whole`) is all of it but white space around."""
    compiled = re.compile(pattern, re.MULTILINE | (re.IGNORECASE if ignore_case else 0))
    return bool(compiled.fullmatch(text.strip()) if whole else compiled.search(text))
