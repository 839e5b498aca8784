"""What calls would have cost otherwise."""

from __future__ import annotations

from pathlib import Path

import pytest

from thriftgate.dashboard.whatif.replayed import Answer, Known, answered, as_it_was
from thriftgate.dashboard.whatif.traffic import Traffic, Which, traffic_of
from thriftgate.dashboard.whatif.wish import Wish


@pytest.fixture(scope="module")
def traffic(recorded: Path, known: Known) -> Traffic:
    return traffic_of(Which(str(recorded), 0, 2**62, 1_000, ""), known.book)


def told(wish: Wish, traffic: Traffic, known: Known) -> Answer:
    return answered(wish, traffic, as_it_was(traffic, known), known)


def test_as_it_is_costs_what_it_did(traffic: Traffic, known: Known) -> None:
    """The planner on recorded traffic gives the live books, to the pico-dollar."""
    same = told(Wish(), traffic, known)
    assert same.off == 0
    assert same.paid == same.would == same.low == same.high
    assert same.hit_was == same.hit_would > 0.5


def test_without_caching_it_is_dearer(traffic: Traffic, known: Known) -> None:
    none = told(Wish(caching="none"), traffic, known)
    assert none.would > none.paid
    assert none.hit_would == 0


def test_batches_take_half_of_what_stands_alone(traffic: Traffic, known: Known) -> None:
    some, every = (told(Wish(batch=share), traffic, known) for share in (50, 100))
    assert (every.batched, every.would) == (6, every.paid - _haiku(traffic, known) // 2)
    assert 0 <= some.batched <= 6
    assert every.would <= some.would <= every.paid


def _haiku(traffic: Traffic, known: Known) -> int:
    from msgspec.structs import replace

    alone = replace(traffic, calls=[one for one in traffic.calls if one.model == "claude-haiku-5-5"])
    return as_it_was(alone, known).observed.pico


def test_a_cheaper_model_and_a_discount(traffic: Traffic, known: Known) -> None:
    moved = told(Wish(move=100, model="claude-opus-5-5", to="claude-haiku-5-5"), traffic, known)
    assert moved.moved == 8
    assert moved.would < moved.paid
    off = told(Wish(discount=10), traffic, known)
    assert off.would == off.paid * 9 // 10
    older = told(Wish(move=100, model="claude-opus-5-5", to="claude-opus-4-6"), traffic, known)
    assert older.low < older.would < older.high, "another tokenizer: how long the text is there is an estimate"
