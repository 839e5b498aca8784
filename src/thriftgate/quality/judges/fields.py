"""The judge `fields`: how many members of a JSON object the answer has right."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from thriftgate.quality.items import Answer, Item
from thriftgate.quality.judges.extract import json_in
from thriftgate.quality.judges.judge import Grade, expected_json, wrong
from thriftgate.quality.rules import Fields

_ABSENT = object()


class FieldsJudge:
    """Compares member by member: texts without regard to white space at their ends, numbers by value."""

    def __init__(self, rule: Fields) -> None:
        self._rule = rule

    def check(self, item: Item) -> str:
        if item.expected is None:
            return "expected: missing; the judge fields compares with it"
        try:
            wanted = expected_json(item)
        except ValueError as error:
            return f"expected: not JSON, which the judge fields needs: {error}"
        if not isinstance(wanted, dict) or not wanted:
            return "expected: must be a JSON object with at least one member for the judge fields"
        lacking = [name for name in self._rule.fields if _at(wanted, name) is _ABSENT]
        return f"expected: has no member {lacking[0]!r}, which the judge fields is to compare" if lacking else ""

    def grade(self, item: Item, answer: Answer) -> Grade:
        wanted = expected_json(item)
        found = json_in(answer.shown)
        if found is None or not isinstance(found.value, dict):
            return wrong("no JSON object in the answer")
        names: Sequence[str] = self._rule.fields or tuple(wanted)
        by_path = bool(self._rule.fields)
        off = [name for name in names if not _same(_got(wanted, name, by_path), _got(found.value, name, by_path))]
        share = 1 - len(off) / len(names)
        quality = float(not off) if self._rule.all_or_nothing else share
        return Grade(quality, f"not as expected: {', '.join(off)}" if off else "")


def _got(document: Any, name: str, by_path: bool) -> Any:
    return _at(document, name) if by_path else document.get(name, _ABSENT)


def _at(document: Any, path: str) -> Any:
    for part in path.split("."):
        if not isinstance(document, dict) or part not in document:
            return _ABSENT
        document = document[part]
    return document


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, str) and isinstance(other, str):
        return one.strip() == other.strip()
    if isinstance(one, bool) != isinstance(other, bool):
        return False  # 1 is not true
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    return bool(one == other)
