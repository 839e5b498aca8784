"""Filler phrases: only where a policy asks, and the sentence still reads."""

from __future__ import annotations

import pytest

from thriftgate.core.reduction.fillers import FILLERS, without_fillers


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Please note that prices rise.", "Prices rise."),
        ("He said, please note that prices rise.", "He said, prices rise."),
        ("Due to the fact that it rained, we left in order to sleep.", "Because it rained, we left to sleep."),
        ("Please note that it is important to note that it works.", "It works."),
        ("The phrase 'in order to' is one.", "The phrase 'in order to' is one."),
        ("plain in order", "plain in order"),
        ("I would like you to sum it up.", "Please sum it up."),
    ],
)
def test_phrases(text: str, expected: str) -> None:
    assert without_fillers(text) == expected
    assert without_fillers(expected) == expected


def test_each_phrase_is_longer_than_what_stands_for_it() -> None:
    assert all(len(said) > len(instead) and said == said.lower() for said, instead in FILLERS)


def test_many_in_a_row_are_survived() -> None:
    assert without_fillers("please note that " * 5_000 + "x").strip() == "x"


def test_phrases_deep_within_each_other_are_left_in_time() -> None:
    text = "so as " * 5_000 + "to do" + " as to do" * 5_000
    assert len(without_fillers(text)) < len(text)
