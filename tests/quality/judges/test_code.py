"""The judge `code`."""

from __future__ import annotations

import os

import pytest

from tests.quality.evaluating import item, said
from thriftgate.quality.judges.code import CodeJudge
from thriftgate.quality.rules import Code

pytestmark = pytest.mark.skipif(os.name != "posix", reason="limits of a process are POSIX")

ANSWER = "Here:\n```python\ndef twice(x):\n    return 2 * x\n```\nThat is all."


def test_grades() -> None:
    judge = CodeJudge(Code())
    assert judge.grade(item("assert twice(2) == 4"), said(ANSWER)).quality == 1.0
    wrong = judge.grade(item("assert twice(2) == 5"), said(ANSWER))
    assert (wrong.quality, wrong.reason) == (0.0, "AssertionError")
    assert judge.grade(item("pass"), said("  ")).reason == "no code in the answer"


def test_tests_of_the_rule_are_for_all_items() -> None:
    assert CodeJudge(Code(tests="assert twice(1) == 2")).grade(item(), said(ANSWER)).quality == 1.0


def test_what_cannot_be_judged_stays_ungraded() -> None:
    grade = CodeJudge(Code(wall_s=0.5)).grade(item("pass"), said("import time\ntime.sleep(60)"))
    assert (grade.quality, grade.reason) == (None, "code: not through after 0.5 s")


@pytest.mark.parametrize(("tests", "words"), [(None, "missing"), ("assert (", "the tests are no Python")])
def test_what_an_item_lacks(tests: str | None, words: str) -> None:
    assert words in CodeJudge(Code()).check(item(tests))
    assert CodeJudge(Code()).check(item("assert True")) == ""
