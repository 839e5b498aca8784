"""What a key looks like, and what is wrong with one that was mistyped."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thriftgate.core.control.key_text import check_key_text, key_text
from thriftgate.core.errors import InputError

ONE = key_text(bytes(range(32)))


@given(st.binary(min_size=32, max_size=32))
def test_a_key_is_found_by_scanners_and_passes_its_own_check(drawn: bytes) -> None:
    text = key_text(drawn)
    assert re.fullmatch(r"tg-[A-Za-z0-9_-]{49}", text)
    check_key_text(text)


@given(st.integers(3, 51), st.sampled_from("abcXYZ019_-"))
def test_one_wrong_character_is_noticed(at: int, letter: str) -> None:
    wrong = ONE[:at] + letter + ONE[at + 1 :]
    if wrong != ONE:
        with pytest.raises(InputError, match="mistyped"):
            check_key_text(wrong)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("sk-ant-api03-x", "begin with tg-"),
        (ONE[:-1], "it was cut"),
        (ONE + "x", "it was cut"),
        ("tg-" + "é" * 49, "mistyped"),
    ],
)
def test_what_is_no_key_is_told_without_repeating_it(text: str, words: str) -> None:
    with pytest.raises(InputError, match=words) as told:
        check_key_text(text)
    assert text[5:] not in str(told.value)
