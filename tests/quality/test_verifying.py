"""Asking a model how likely answers are right."""

from __future__ import annotations

import msgspec

from tests.quality.evaluating import said
from thriftgate.pricing.load import load_models
from thriftgate.quality.answers import Stored
from thriftgate.quality.grading import Place
from thriftgate.quality.verifying import Try, Verified, Verifier, tries_of, unverified

MODEL = load_models()["claude-haiku-5-5"]
ANSWERS = {
    Place("i1", "a", 1): said("4"),
    Place("i1", "a", 2): said("5"),
    Place("i1", "b", 0): said("4"),
    Place("i2", "a", 0): said("7"),
    Place("i2", "b", 0): said(""),
    Place("i1", "z", 0): said("4"),
}


def verifier() -> Verifier:
    return Verifier(MODEL, tries_of(ANSWERS, ("a", "b")), {"i1": "2+2?", "i2": "3+4?"})


def reply(text: str) -> bytes:
    return msgspec.json.encode({"content": [{"type": "text", "text": text}], "stop_reason": "end_turn"})


def test_the_first_answer_of_each_arm_is_shown() -> None:
    tries = tries_of(ANSWERS, ("a", "b"))
    assert {place: answer.text for place, answer in tries.items()} == {
        Try("i1", "a"): "4",
        Try("i1", "b"): "4",
        Try("i2", "a"): "7",
        Try("i2", "b"): "",
    }


def test_answers_that_are_the_same_take_one_call() -> None:
    asked = [msgspec.json.decode(body)["messages"][0]["content"] for body in verifier().questions().values()]
    assert len(asked) == 2  # and none about an empty answer
    assert "2+2?" in asked[0]
    assert "<answer>\n7\n</answer>" in asked[1]


def test_what_came_of_it() -> None:
    one = verifier()
    first, second = one.questions()
    kept = {first: Stored(first, reply("8"), baseline_pico=50, paid_pico=25)}
    found = one.verified(kept, {second: "overloaded"})
    assert found == {
        Try("i1", "a"): Verified(0.8, "", 50),
        Try("i1", "b"): Verified(0.8, "", 50),  # each would cost it
        Try("i2", "a"): Verified(None, "no answer: overloaded"),
    }
    assert unverified(found) == {"no answer: overloaded": 1}
    assert one.verified({}, {})[Try("i1", "a")] == Verified(None, "no answer: none came")


def test_what_is_no_number() -> None:
    one = verifier()
    first, second = one.questions()
    kept = {first: Stored(first, reply("No idea."), baseline_pico=9), second: Stored(second, b"{", baseline_pico=9)}
    found = one.verified(kept, {})
    assert found[Try("i1", "a")] == Verified(None, f"{MODEL.id} replied 'No idea.', which is no number", 9)
    assert found[Try("i2", "a")].trouble.startswith("the provider's answer cannot be read")
    assert list(unverified(found).values()) == [2, 1]
