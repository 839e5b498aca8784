"""What a match tells: the nearest with equal slots, its rival, its neighbourhood; at every size the shelf had."""

from __future__ import annotations

import pytest

from tests.core.semantic.world import PlainIndex
from thriftgate.core.semantic.shelf import WEIGHTS, Fresh, Match, Shelf
from thriftgate.core.semantic.slots import Slots

PLAIN = Slots("", ("a", "b", "c"))
OTHER = Slots("n:5", ("a", "b", "d", "e"))


def shelf_of(*rows: tuple[tuple[float, float], Slots, str]) -> Shelf:
    shelf = Shelf(PlainIndex())
    for at, (vector, slots, label) in enumerate(rows):
        shelf.add(vector, slots, Fresh(f"tg_{at}", label.encode(), label.encode()), like=None, born_s=0.0)
    return shelf


def test_only_equal_slots_answer_and_all_are_rivals() -> None:
    shelf = shelf_of(((1.0, 0.0), OTHER, "x"), ((0.8, 0.6), PLAIN, "y"))
    (match,) = shelf.matches((1.0, 0.0), PLAIN, [2])
    assert match is not None
    assert match[:3] == (1, 0.8, 1.0)
    assert match.backed == pytest.approx(0.8 / 1.8)
    assert shelf.matches((1.0, 0.0), Slots("n:6", ("q",)), [2]) == [None]


def test_equal_answers_are_one_group_and_no_rivals() -> None:
    shelf = shelf_of(((1.0, 0.0), PLAIN, "x"), ((0.8, 0.6), PLAIN, "x"), ((0.6, 0.8), PLAIN, "y"))
    (match,) = shelf.matches((1.0, 0.0), PLAIN, [3])
    assert match is not None
    assert (match.item, match.rival) == (0, 0.6)
    assert match.backed == pytest.approx(1.8 / 2.4)
    shelf.add((0.0, 1.0), PLAIN, Fresh("tg_9", b"z", b"z"), like=0, born_s=0.0)  # compared, and found to say the same
    assert shelf.items[3].group == shelf.items[0].group


def test_earlier_sizes_are_as_they_were() -> None:
    shelf = shelf_of(((0.0, 1.0), PLAIN, "x"), ((1.0, 0.0), PLAIN, "y"))
    one, two, none = shelf.matches((0.8, 0.6), PLAIN, [1, 2, 0])
    assert one == Match(0, 0.6, 0.0, 1.0)
    assert two is not None
    assert two.item == 1
    assert none is None
    assert shelf_of().matches((1.0, 0.0), PLAIN, [0]) == [None]


def test_a_swap_forces_a_miss() -> None:
    shelf = shelf_of(((1.0, 0.0), Slots("", ("symptoms", "in", "cats")), "x"))
    assert shelf.matches((1.0, 0.0), Slots("", ("symptoms", "in", "dogs")), [1]) == [None]


def test_scores() -> None:
    match = Match(0, 0.9, 0.5, 0.7)
    assert [weights.score(match) for weights in WEIGHTS] == pytest.approx([0.64, 1.2, 1.6, 0.9])
