"""Grades of answers, and the calls that some judges need."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager

import msgspec
import pytest

from tests.quality.evaluating import CHEAP, STRONG, arms, item, said
from thriftgate.pricing.load import load_models
from thriftgate.quality.answers import Stored
from thriftgate.quality.grading import Grader, Place, kind_of
from thriftgate.quality.items import Answer, Item
from thriftgate.quality.judges import Bench
from thriftgate.quality.rules import Exact, Llm

JUDGE = "llm:claude-opus-4-8"


@contextmanager
def grader(one: Item, answers: dict[Place, Answer], why_not: dict[Place, str] | None = None) -> Iterator[Grader]:
    with closing(Bench(None, load_models())) as bench:
        yield Grader(bench, [one], arms(), answers, why_not or {})


def reply(key: str, text: str, pico: int = 7) -> Stored:
    message = {"content": [{"type": "text", "text": text}], "usage": {"output_tokens": 1}}
    return Stored(key, msgspec.json.encode(message), paid_pico=pico)


def test_a_judge_that_needs_no_calls() -> None:
    place, kept = Place("i1", CHEAP, 0), Stored("k", b"")
    with grader(item("4", judge="exact"), {place: said("4")}) as one:
        assert one.questions() == {}
        graded = one.graded(place, kept)
    assert (graded.grade.quality, graded.judge, graded.judge_pico, graded.stored) == (1.0, "exact", 0, kept)


def test_an_answer_that_is_not_there_says_why() -> None:
    first, second = Place("i1", CHEAP, 0), Place("i1", CHEAP, 1)
    with grader(item("4", judge="exact"), {}, {first: "overloaded_error: busy"}) as one:
        assert one.graded(first, None).grade.reason == "no answer: overloaded_error: busy"
        assert one.graded(second, None).grade == one.graded(second, None).grade
        assert one.graded(second, None).grade.quality is None


def test_pairs_are_asked_once_for_each_arm_but_the_one_compared_with() -> None:
    answers = {
        Place("i1", arm, repeat): said(f"{arm} {repeat}")
        for arm, repeat in ((CHEAP, 0), (CHEAP, 1), (STRONG, 0), (STRONG, 1))
    }
    with grader(item(judge=JUDGE), answers) as one:
        questions = one.questions()
        assert len(questions) == 4  # two repeats, both orders
        one.heard({key: reply(key, "A" if at % 2 == 0 else "B") for at, key in enumerate(questions)})
        won = one.graded(Place("i1", CHEAP, 0), None)
        rival = one.graded(Place("i1", STRONG, 0), None)
    assert (won.grade.quality, won.verdict, won.judge_pico) == (1.0, ("A", "B"), 14)
    assert (rival.grade.quality, rival.verdict, rival.judge_pico) == (0.5, None, 0)


def test_verdicts_that_are_none() -> None:
    answers = {Place("i1", CHEAP, 0): said("a"), Place("i1", STRONG, 0): said("b")}
    with grader(item(judge=JUDGE), answers) as one:
        questions = one.questions()
        assert one.graded(Place("i1", CHEAP, 0), None).grade.reason == "claude-opus-4-8 gave no verdict"
        one.heard({key: Stored(key, b"garbage", paid_pico=3) for key in questions})
        graded = one.graded(Place("i1", CHEAP, 0), None)
    assert graded.grade.quality is None
    assert graded.judge_pico == 6  # it was paid all the same


def test_against_an_answer_that_came_with_the_set() -> None:
    rule = {"kind": "llm", "model": STRONG, "against": "people"}
    answers = {Place("i1", CHEAP, 0): said("a"), Place("i1", CHEAP, 1): said("a"), Place("i1", "people", 0): said("b")}
    with grader(item(judge=rule), answers) as one:
        assert len(one.questions()) == 2  # of both repeats the same words, and nothing about the people's own


@pytest.mark.parametrize(("rule", "kind"), [(Exact(), "exact"), (Llm("m"), "llm")])
def test_kinds(rule: Exact | Llm, kind: str) -> None:
    assert kind_of(rule) == kind
