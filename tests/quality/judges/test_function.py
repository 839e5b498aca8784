"""The judge `function`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.quality.evaluating import item, said
from thriftgate.quality.judges.function import FunctionJudge
from thriftgate.quality.rules import Function

MODULE = """
def grade(item, answer):
    return {"quality": 0.5, "reason": f"{item['id']} {item['question']} {item['expected']} {answer}"}
def passes(item, answer): return answer == item["expected"]
def raises(item, answer): raise ValueError("no idea")
def nonsense(item, answer): return "good"
def beyond(item, answer): return 7
def nothing(item, answer): return None
"""


@pytest.fixture(autouse=True)
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "checks.py").write_text(MODULE, encoding="utf-8")
    monkeypatch.chdir(tmp_path)


@contextmanager
def judge(name: str) -> Iterator[FunctionJudge]:
    with closing(FunctionJudge(Function(f"checks:{name}"))) as one:
        yield one


def test_it_is_told_all_and_says_a_grade() -> None:
    with judge("grade") as one:
        grade = one.grade(item("4"), said("four"))
    assert (grade.quality, grade.reason) == (0.5, "i1 What is it? 4 four")
    with judge("passes") as one:
        assert [one.grade(item("4"), said(text)).quality for text in ("4", "5")] == [1.0, 0.0]


@pytest.mark.parametrize(
    ("name", "words"),
    [("raises", "no idea"), ("nonsense", "'good', which is no grade"), ("beyond", "'7'"), ("nothing", "'None'")],
)
def test_one_that_fails_leaves_the_item_ungraded(name: str, words: str) -> None:
    with judge(name) as one:
        grade = one.grade(item("4"), said("4"))
    assert grade.quality is None
    assert words in grade.reason


def test_one_that_is_not_there_is_told_before_anything_is_paid() -> None:
    with judge("gone") as one:
        assert "has no attribute 'gone'" in one.check(item())
    with judge("grade") as one:
        assert one.check(item()) == ""
