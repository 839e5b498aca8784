"""The judge `regex`."""

from __future__ import annotations

from contextlib import closing

import pytest

from tests.quality.evaluating import item, said
from thriftgate.quality.judges.regex import RegexJudge, found
from thriftgate.quality.rules import Regex


def test_the_rules_pattern_or_the_items() -> None:
    with closing(RegexJudge(Regex())) as judge:
        assert judge.grade(item(r"\b4\b"), said("It is 4.")).quality == 1.0
        assert judge.grade(item(r"\b4\b"), said("It is 44.")).reason == "the pattern is not in the answer"
    with closing(RegexJudge(Regex("FOUR", ignore_case=True, whole=True))) as judge:
        assert judge.grade(item(), said(" four\n")).quality == 1.0
        assert judge.grade(item(), said("four or five")).quality == 0.0


def test_a_pattern_that_never_ends_leaves_the_item_ungraded() -> None:
    with closing(RegexJudge(Regex(r"(a+)+$"), wall_s=0.3)) as judge:
        grade = judge.grade(item(), said("a" * 40 + "b"))
        assert grade.quality is None
        assert "took longer than 0.3 s" in grade.reason
        assert judge.grade(item(), said("aaa")).quality == 1.0


@pytest.mark.parametrize(("expected", "words"), [(None, "missing"), ("(", "cannot be used")])
def test_what_an_item_lacks(expected: str | None, words: str) -> None:
    assert words in RegexJudge(Regex()).check(item(expected))


def test_the_search_itself() -> None:
    assert found("^b$", "a\nb", False, False)
    assert not found("^b$", "a\nb", False, True)
