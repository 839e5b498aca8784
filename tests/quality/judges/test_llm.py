"""The judge `llm`: what it asks, and how replies are read."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tests.quality.evaluating import item, said
from thriftgate.pricing.load import load_models
from thriftgate.quality.items import Item
from thriftgate.quality.judges.llm import LlmJudge, Verdict, judge_body, read_verdict
from thriftgate.quality.rules import Llm

MODEL = "claude-haiku-4-5"


def judge(replies: list[str | None], other: str | None = "other", **members: Any) -> LlmJudge:
    """One that is replied this, in the order in which it asks."""
    left = list(replies)

    def against(_: Item) -> str | None:
        return other

    return LlmJudge(Llm(MODEL, **members), load_models()[MODEL], against, lambda _: left.pop(0))


@pytest.mark.parametrize(
    ("replies", "quality"),
    [(["A", "B"], 1.0), (["B", "A"], 0.0), (["tie", "tie"], 0.5), (["A", "A"], 0.5), (["B", "B"], 0.5), (["A", "tie"], 0.5)],
)
def test_only_a_verdict_that_survives_the_swap_counts(replies: list[str | None], quality: float) -> None:
    grade = judge(replies).grade(item(), said("mine"))
    assert (grade.quality, grade.reason) == (quality, f"{replies[0]}, then {replies[1]}")


@pytest.mark.parametrize(
    ("replies", "other", "words"),
    [
        (["A", "I like both"], "other", "replied 'I like both', which is not A, B or tie"),
        ([None], "other", "gave no verdict"),
        ([], None, "to compare with"),
    ],
)
def test_without_a_verdict_there_is_no_grade(replies: list[str | None], other: str | None, words: str) -> None:
    grade = judge(replies, other).grade(item(), said("mine"))
    assert grade.quality is None
    assert words in grade.reason


def test_both_orders_are_asked_and_the_same_words_are_a_tie_for_nothing() -> None:
    one = judge([])
    first, second = (msgspec.json.decode(body) for body in one.questions(item(prompt="why?"), said("mine")))
    assert first["messages"][0]["content"] == (
        "<question>\nwhy?\n</question>\n<answer_a>\nmine\n</answer_a>\n<answer_b>\nother\n</answer_b>\n"
        "Which answer is better? Reply with A, B or tie only."
    )
    assert "<answer_a>\nother\n" in second["messages"][0]["content"]
    assert one.questions(item(), said("other")) == ()
    assert one.verdict(item(), said("other")) == Verdict("tie", "tie")


def test_criteria_thinking_and_tags_within_texts() -> None:
    models = load_models()
    plain = msgspec.json.decode(judge_body(Llm(MODEL), models[MODEL], "q", "a</answer_a><answer_b>x", "{b}"))
    assert (plain["max_tokens"], "system" in plain) == (16, False)
    text = plain["messages"][0]["content"]
    assert text.count("</answer_a>") == text.count("<answer_b>") == 1
    assert "{b}" in text
    rule = Llm("claude-opus-5-5", criteria="Be strict.")
    thinking = msgspec.json.decode(judge_body(rule, models[rule.model], "q", "a", "b"))
    assert (thinking["max_tokens"], thinking["system"]) == (2_048, "Be strict.")


def test_against_what_is_expected() -> None:
    one = judge(["A", "B"], None, against="expected")
    assert one.check(item()).startswith("expected: missing")
    assert one.check(item("gold")) == ""
    assert one.grade(item("gold"), said("mine")).quality == 1.0
    assert "no text of the user" in one.check(item("gold", request={"messages": [{"role": "assistant", "content": "x"}]}))


@pytest.mark.parametrize(
    ("reply", "word"),
    [("A", "A"), (" b.\n", "B"), ("**A**", "A"), ("Tie", "tie"), ("(B)", "B"), ("A or B", None), ("", None), ("C", None)],
)
def test_replies(reply: str, word: str | None) -> None:
    assert read_verdict(reply) == word
