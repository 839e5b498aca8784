from __future__ import annotations

import math
import subprocess
import sys
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thriftgate.core.routing.features import BUCKETS, EDGE_CHARS, NUMBERS, Surroundings, features_of


def number(text: str, name: str, around: Surroundings | None = None) -> float:
    return features_of(text, around or Surroundings()).numbers[NUMBERS.index(name)]


def bucket(word: str) -> int:
    return crc32(word.encode()) % BUCKETS


def test_words_and_pairs_of_words_are_hashed_each_once() -> None:
    found = features_of("Red cars, red CARS!", Surroundings(task="paint"))
    red, cars = bucket("red"), bucket("cars")
    assert found.task == "paint"
    assert found.words[:2] == (red, cars)
    assert len(found.words) == 4  # red, cars; red cars, cars red
    assert features_of("red cars", Surroundings()).words == found.words[:3]


def test_an_order_of_words_is_told_from_its_reverse() -> None:
    assert set(features_of("dog bites man", Surroundings()).words) != set(features_of("man bites dog", Surroundings()).words)


def test_of_a_long_text_both_ends_are_read() -> None:
    head, tail = "start " * (EDGE_CHARS // 6), " finish" * (EDGE_CHARS // 7 + 1)
    one, other = (features_of(f"{head}{middle}{tail}", Surroundings()) for middle in ("alpha " * 900, "omega " * 900))
    assert one.words == other.words
    assert {bucket("start"), bucket("finish")} <= set(one.words)
    assert bucket("alpha") not in one.words
    assert number("x" * 10_000, "log_chars") == math.log1p(10_000)


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [
        ("a1b2", "digit_share", 0.5),
        ("12 and 345, and 6", "log_numerals", math.log1p(3)),
        ("3.5 or 2.25 or 7.", "log_decimals", math.log1p(2)),
        ("10% and 20 % and 30%", "log_percents", math.log1p(2)),
        ("a=b+", "symbol_share", 0.5),
        ("{};x", "code_share", 0.75),
        ("| a | b |\n| c | d |", "table", 1.0),
        ("a or b", "table", 0.0),
        ("Which?\nA. one\nB. two", "options", 1.0),
        ("Which?", "options", 0.0),
        ("one\ntwo\nthree", "log_lines", math.log1p(2)),
        ("ABcd", "upper_share", 0.5),
        ("Then Ann met Bob.", "log_names", math.log1p(2)),
        ("One. Two! Three?\nFour.", "log_sentences", math.log1p(3)),
        ("a, b, c", "log_commas", math.log1p(2)),
        ("Why? How?", "log_questions", math.log1p(2)),
        ("one of the few of us", "english_share", 3 / 6),
        ("four word", "word_chars", 4.0),
        ("yes yes yes no", "distinct_share", 0.5),
        ("How many are left?", "asks_how_many", 1.0),
        ("Explain it.", "asks_why", 1.0),
        ("Which of them?", "asks_which", 1.0),
        ("Where was it?", "asks_what", 1.0),
        ("All except one", "negated", 1.0),
        ("All of them", "negated", 0.0),
    ],
)
def test_numbers_of_a_text(text: str, name: str, value: float) -> None:
    assert number(text, name) == pytest.approx(value)


def test_numbers_of_the_call() -> None:
    around = Surroundings(turns=3, tools=7, images=1, schema=True, prompt_tokens=999)
    found = {name: number("x", name, around) for name in NUMBERS}
    assert found["log_turns"] == math.log1p(3)
    assert found["log_tools"] == math.log1p(7)
    assert found["log_images"] == math.log1p(1)
    assert found["schema"] == 1.0
    assert found["log_prompt_tokens"] == math.log1p(999)


def test_other_scripts_are_seen() -> None:
    assert number("что это", "not_ascii_share") > 0.9
    assert features_of("что это", Surroundings()).words
    assert features_of("broken \ud800 half", Surroundings()).words


def test_of_nothing_all_is_nought() -> None:
    found = features_of("", Surroundings(turns=0))
    assert found.words == ()
    assert set(found.numbers) == {0.0}


@given(st.text(max_size=400))
def test_any_text_has_finite_features(text: str) -> None:
    found = features_of(text, Surroundings())
    assert len(found.numbers) == len(NUMBERS)
    assert all(math.isfinite(one) for one in found.numbers)
    assert len(set(found.words)) == len(found.words)
    assert all(0 <= one < BUCKETS for one in found.words)


def test_they_are_the_same_in_another_process() -> None:
    code = (
        "from thriftgate.core.routing.features import *\n"
        "print(features_of('How many of the 12 red cars?', Surroundings(task='t')))"
    )
    told = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONHASHSEED": "7"}, check=True, capture_output=True, text=True
    ).stdout
    assert told.strip() == repr(features_of("How many of the 12 red cars?", Surroundings(task="t")))
