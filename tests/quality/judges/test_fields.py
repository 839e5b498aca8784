"""The judge `fields`."""

from __future__ import annotations

from typing import Any

import pytest

from tests.quality.evaluating import item, said
from thriftgate.quality.judges.fields import FieldsJudge
from thriftgate.quality.rules import Fields

WANTED = {"name": "Ada", "count": 2, "inner": {"deep": True}, "list": ["a"]}


@pytest.mark.parametrize(
    ("rule", "answer", "quality"),
    [
        (Fields(), '{"name": " Ada ", "count": 2.0, "inner": {"deep": true}, "list": ["a "], "more": 1}', 1.0),
        (Fields(), 'Here: {"name": "Ada", "count": 3, "inner": {"deep": 1}, "list": ["a", "b"]}', 0.25),
        (Fields(all_or_nothing=True), '{"name": "Ada", "count": 3}', 0.0),
        (Fields(("name", "inner.deep")), '{"name": "Bob", "inner": {"deep": true}}', 0.5),
        (Fields(("inner.deep",)), '{"inner": 4}', 0.0),
        (Fields(), "no json", 0.0),
        (Fields(), "[1]", 0.0),
    ],
)
def test_grades(rule: Fields, answer: str, quality: float) -> None:
    assert FieldsJudge(rule).grade(item(WANTED), said(answer)).quality == quality


def test_what_was_off_is_told() -> None:
    grade = FieldsJudge(Fields()).grade(item({"a": 1, "b": 2}), said('{"a": 1}'))
    assert grade.reason == "not as expected: b"


@pytest.mark.parametrize(
    ("expected", "words"),
    [
        (None, "missing"),
        ("{", "not JSON"),
        ([1], "must be a JSON object"),
        ({}, "at least one"),
        ({"b": 1}, "no member 'a'"),
    ],
)
def test_what_an_item_lacks(expected: Any, words: str) -> None:
    judge = FieldsJudge(Fields(("a",)))
    assert words in judge.check(item(expected))
    assert judge.check(item('{"a": 1}')) == ""
