"""Prices of targets that are not the list's."""

from __future__ import annotations

from fractions import Fraction

import pytest

from thriftgate.core.errors import UnknownPrice
from thriftgate.core.prices import Terms, day_from_iso
from thriftgate.pricing.load import load_book
from thriftgate.pricing.places import place_named, with_places

BOOK = load_book()
DAY = day_from_iso("2026-11-20")


def test_without_targets_of_their_own_prices_it_is_the_same_book() -> None:
    assert with_places(BOOK, {}) is BOOK


@pytest.mark.parametrize(
    ("place", "factor", "times"),
    [
        ("", Fraction("0.8"), Fraction("0.8")),
        ("regional", Fraction("1.05"), Fraction("1.155")),
        ("", Fraction(2), Fraction(2)),
    ],
)
def test_a_factor_holds_for_every_rate_beside_that_of_the_geography(place: str, factor: Fraction, times: Fraction) -> None:
    book = with_places(BOOK, {"cheap": (place, factor)})
    listed = BOOK.rates(Terms("claude-sonnet-5-5", DAY), 1_000)
    priced = book.rates(Terms("claude-sonnet-5-5", DAY, geo=place_named("cheap")), 1_000)
    for name in listed.__struct_fields__:
        assert getattr(priced, name) == round(getattr(listed, name) * times)
    assert book.rates(Terms("claude-sonnet-5-5", DAY), 1_000) == listed
    assert book.id.startswith(f"{BOOK.id} + targets ")


def test_a_model_without_a_regional_surcharge_pays_the_factor_alone() -> None:
    book = with_places(BOOK, {"there": ("regional", Fraction("1.5"))})
    old = Terms("claude-3-haiku-20240307", day_from_iso("2025-06-01"))
    with pytest.raises(UnknownPrice):
        BOOK.rates(Terms(old.model, old.day, geo="us"), 10)
    assert BOOK.rates(Terms(old.model, old.day, geo="regional"), 10) == BOOK.rates(old, 10)
    priced = book.rates(Terms(old.model, old.day, geo=place_named("there")), 10)
    assert priced.input == BOOK.rates(old, 10).input * 3 // 2


def test_the_same_targets_give_the_same_book() -> None:
    one = with_places(BOOK, {"a": ("", Fraction(2)), "b": ("regional", Fraction(1, 2))})
    two = with_places(BOOK, {"b": ("regional", Fraction(1, 2)), "a": ("", Fraction(2))})
    assert one.id == two.id
    assert one.geos == two.geos
