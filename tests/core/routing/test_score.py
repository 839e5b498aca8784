from __future__ import annotations

import math

import msgspec
import pytest

from thriftgate.core.routing.features import NUMBERS, VERSION, Features, Surroundings, features_of
from thriftgate.core.routing.score import FAR, TEXT_LOGITS, Head, Scorer

ZEROS, ONES = (0.0,) * len(NUMBERS), (1.0,) * len(NUMBERS)


def sigmoid(logit: float) -> float:
    return 1 / (1 + math.exp(-logit))


def head(times: float = 1.0, base: float = 0.0, words: dict[int, float] | None = None, first: float = 0.0) -> Head:
    return Head(times, base, {"easy": -1.0, "hard": 1.5}, words or {}, (first, *ZEROS[1:]))


def scorer(*heads: Head) -> Scorer:
    return Scorer(VERSION, heads, ZEROS, ONES)


def features(task: str = "", words: tuple[int, ...] = (), first: float = 0.0) -> Features:
    return Features(task, words, (first, *ZEROS[1:]))


def test_base_and_task_make_a_chance() -> None:
    one = scorer(head(base=0.5))
    assert one.score(features("easy")) == pytest.approx(sigmoid(-0.5))
    assert one.score(features("hard")) == pytest.approx(sigmoid(2.0))
    assert one.score(features("other")) == pytest.approx(sigmoid(0.5))


def test_heads_are_added_up() -> None:
    one = scorer(head(times=1.0, base=1.0), head(times=-1.0, base=-0.5))
    assert one.score(features()) == pytest.approx(sigmoid(1.0) - sigmoid(-0.5))


def test_words_count_by_the_root_of_how_many_there_are() -> None:
    one = scorer(head(words={7: 1.0, 8: 0.5}))
    assert one.score(features(words=(7, 8, 9, 10))) == pytest.approx(sigmoid(1.5 / 2))


def test_numbers_are_taken_in_deviations_and_no_further_than_far() -> None:
    one = Scorer(VERSION, (head(first=0.2),), (10.0, *ZEROS[1:]), (4.0, *ONES[1:]))
    assert one.score(features(first=14.0)) == pytest.approx(sigmoid(0.2))
    assert one.score(features(first=1e9)) == pytest.approx(sigmoid(0.2 * FAR))
    assert one.score(features(first=-1e9)) == pytest.approx(sigmoid(-0.2 * FAR))


def test_appended_words_cannot_outweigh_the_task() -> None:
    lure = tuple(range(50))
    one = scorer(head(words=dict.fromkeys(lure, -9.0)))
    assert one.score(features("hard", words=lure)) == pytest.approx(sigmoid(1.5 - TEXT_LOGITS))
    assert scorer(head(words=dict.fromkeys(lure, 9.0))).score(features("easy", words=lure)) == pytest.approx(
        sigmoid(-1.0 + TEXT_LOGITS)
    )


def test_an_unseen_task_is_not_known() -> None:
    one = scorer(head())
    assert one.knows(features("easy"))
    assert not one.knows(features("new"))
    assert not one.knows(features(""))
    assert scorer(Head(1.0, 0.0, {"": 0.0}, {}, ZEROS)).knows(features(""))


def test_it_survives_json_to_the_bit() -> None:
    one = Scorer(VERSION, (head(0.1, 1 / 3, {65_535: 1e-6, 0: -2.5}, 0.7),), ONES, (0.1,) * len(NUMBERS))
    again = msgspec.json.decode(msgspec.json.encode(one), type=Scorer)
    assert again == one
    asked = features_of("How many red cars are there?", Surroundings(task="easy"))
    assert again.score(asked) == one.score(asked)
