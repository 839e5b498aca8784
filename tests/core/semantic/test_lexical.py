"""The lexical index: the cosine of weighed counts, learned until it settles, the same after a restart."""

from __future__ import annotations

from math import log1p

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thriftgate.core.semantic.lexical import LexicalIndex, features

TEXTS = ("how do i reset my password", "where is my order", "reset the password please", "cancel my order")


def index_of(*texts: str) -> LexicalIndex:
    index = LexicalIndex()
    for text in texts:
        index.add(features(text))
    index.settle()
    return index


def test_features_are_of_words_and_of_threes_of_letters() -> None:
    assert features("Card") == features("card")
    assert len(features("card")) == 6  # the word, the word behind nothing, and " ca", "car", "ard", "rd "
    assert features("") == {}
    assert max(features("card card card").values()) == 1 + log1p(2)


def test_the_nearest_comes_first_and_a_text_is_wholly_like_itself() -> None:
    index = index_of(*TEXTS)
    alike, top = index.alike(features("reset the password please"), 3)
    assert alike[2] == pytest.approx(1.0)
    assert top[:2] == [2, 0]
    assert len(top) == 3
    assert all(0 <= one <= 1 + 1e-9 for one in alike)
    assert index.alike(features("zzz"), 3)[0] == [0.0] * 4


def test_settled_nothing_changes_by_what_comes_later() -> None:
    index = index_of(*TEXTS)
    before = list(index.alike(features("reset my order"), 4)[0])
    for _ in range(20):
        index.add(features("reset reset order"))
    assert list(index.alike(features("reset my order"), 4)[0])[:4] == before


def test_what_was_kept_is_the_same_index() -> None:
    index = index_of(*TEXTS)
    again = LexicalIndex()
    for one in index.kept():
        again.add(again.restored(one))
    again.settle()
    assert again.alike(features("where is it"), 4) == index.alike(features("where is it"), 4)


@given(st.lists(st.text(max_size=40), min_size=1, max_size=30), st.text(max_size=40))
def test_any_texts(texts: list[str], asked: str) -> None:
    alike, top = index_of(*texts).alike(features(asked), 5)
    assert len(alike) == len(texts)
    assert list(top) == sorted(top, key=lambda at: -alike[at])
    assert all(-1e-9 <= one <= 1 + 1e-9 for one in alike)
