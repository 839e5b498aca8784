"""The judge `numeric`."""

from __future__ import annotations

import pytest

from tests.quality.evaluating import item, said
from thriftgate.quality.judges.numeric import NumericJudge
from thriftgate.quality.rules import Numeric


@pytest.mark.parametrize(
    ("rule", "answer", "quality"),
    [
        (Numeric(), "It is 0.3.", 1.0),
        (Numeric(), "0.30", 1.0),
        (Numeric(), "0.31", 0.0),
        (Numeric(tolerance=0.01), "0.31", 1.0),
        (Numeric(tolerance=0.01), "0.3101", 0.0),
        (Numeric(relative=0.1), "0.33", 1.0),
        (Numeric(relative=0.1), "0.34", 0.0),
    ],
)
def test_grades(rule: Numeric, answer: str, quality: float) -> None:
    assert NumericJudge(rule).grade(item("0.3"), said(answer)).quality == quality


def test_what_is_told() -> None:
    judge = NumericJudge(Numeric())
    assert judge.grade(item(4), said("who knows")).reason == "no number in the answer"
    assert judge.grade(item(4), said("five: 5")).reason == "said 5"
    assert judge.check(item(4)) == judge.check(item("4.0")) == ""
    assert "missing" in judge.check(item())
    assert "'four' is no number" in judge.check(item("four"))
