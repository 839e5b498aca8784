"""The table of words: one pole for each, none of it in the way of the others."""

from __future__ import annotations

from thriftgate.core.semantic.slot_words import ASKED, NEGATIONS, POLES, STARTERS, UNITS, words_in


def test_poles_come_in_twos() -> None:
    sides = set(POLES.values())
    rows = {side[:-1] for side in sides}
    assert sides == {f"{row}{sign}" for row in rows for sign in "+-"}
    assert POLES["before"] != POLES["after"]
    assert POLES["cheapest"][:-1] == POLES["expensive"][:-1]
    assert POLES["cheapest"] != POLES["expensive"]


def test_words_are_as_they_are_looked_up() -> None:
    for table in (NEGATIONS, POLES, ASKED, STARTERS, UNITS):
        assert all(word == word.lower() for word in table)
    assert {"not", "nicht", "pas", "не"} <= NEGATIONS
    assert ASKED["when"] == ASKED["wann"] == "time"
    assert not {"not", "never"} & (STARTERS - NEGATIONS)
    assert words_in(" a  b\n") == ["a", "b"]
