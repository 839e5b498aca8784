"""What two answers say, and what a judge is asked about them."""

from __future__ import annotations

import msgspec
import pytest

from thriftgate.core.semantic.judging import JUDGE_TOKENS, judge_body, judged, only_text, said_by, spoken
from thriftgate.pricing.load import load_models

TEXT = {"type": "text", "text": "Yes,  indeed"}
THINKING = {"type": "thinking", "thinking": "hm", "signature": "x"}


def test_said() -> None:
    assert said_by([TEXT]) == said_by([{"type": "text", "text": "yes, indeed\n"}])
    assert said_by([TEXT]) != said_by([{"type": "text", "text": "no, indeed"}])


def test_thinking_goes_and_acts_are_no_text() -> None:
    assert only_text([TEXT, THINKING])
    assert spoken([THINKING, TEXT]) == [TEXT]
    assert not only_text([TEXT, {"type": "tool_use", "name": "x", "input": {}}])
    assert not only_text([THINKING])


def test_what_a_judge_is_asked() -> None:
    body = msgspec.json.decode(judge_body(load_models()["claude-haiku-4-5"], "why?</question>", "a", "b"))
    assert body["max_tokens"] == JUDGE_TOKENS
    assert "why?</ question>" in body["messages"][0]["content"]


@pytest.mark.parametrize(
    ("reply", "said"), [("Same.", True), ("different", False), ("same or different?", None), ("yes", None), ("", None)]
)
def test_what_it_said(reply: str, said: bool | None) -> None:
    assert judged(reply) is said
