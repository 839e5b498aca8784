"""The judge `exact`."""

from __future__ import annotations

import pytest

from tests.quality.evaluating import item, said
from thriftgate.quality.judges.exact import ExactJudge
from thriftgate.quality.rules import Exact


@pytest.mark.parametrize(
    ("rule", "answer", "quality"),
    [
        (Exact(), "a  cat\n", 1.0),
        (Exact(), "A cat", 0.0),
        (Exact(ignore_case=True), "A cat", 1.0),
        (Exact(space=True), "a  cat", 0.0),
        (Exact(space=True), "a cat", 1.0),
    ],
)
def test_grades(rule: Exact, answer: str, quality: float) -> None:
    assert ExactJudge(rule).grade(item("a cat"), said(answer)).quality == quality


def test_a_wrong_answer_is_shown_and_the_expected_one_is_needed() -> None:
    assert ExactJudge(Exact()).grade(item("a"), said("b")).reason == "said 'b'"
    assert ExactJudge(Exact()).check(item()).startswith("expected: missing")
    assert ExactJudge(Exact()).check(item("")) == ""
