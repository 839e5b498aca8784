"""Rows as text and as values, and what replaces what."""

from __future__ import annotations

import pytest

from thriftgate.core.errors import ConfigError
from thriftgate.core.prices import FOREVER_DAY, PriceRow, Rates, day_from_iso
from thriftgate.pricing.rows import factor_from_text, in_order, interval_from_text, outside, put, rate_from_usd

RATES = Rates(1, 2, 3, 4, 5)
ROW = PriceRow("m", RATES, "s", from_day=10, until_day=20)


@pytest.mark.parametrize(
    ("cut", "left"),
    [
        ((0, 10), [(10, 20)]),
        ((20, 30), [(10, 20)]),
        ((0, 15), [(15, 20)]),
        ((15, 30), [(10, 15)]),
        ((12, 15), [(10, 12), (15, 20)]),
        ((10, 20), []),
    ],
)
def test_what_is_left_outside_an_interval(cut: tuple[int, int], left: list[tuple[int, int]]) -> None:
    assert [(row.from_day, row.until_day) for row in outside(ROW, *cut)] == left


def test_a_new_row_replaces_its_own_days_of_the_same_model_mode_and_step() -> None:
    others = [PriceRow("n", RATES, "s"), PriceRow("m", RATES, "s", "fast"), PriceRow("m", RATES, "s", above_tokens=9)]
    new = PriceRow("m", RATES.scaled(2, 1), "new", from_day=12, until_day=15)
    rows = in_order(put([ROW, *others], new))
    assert [
        (row.from_day, row.source) for row in rows if (row.mode, row.above_tokens, row.model) == ("standard", 0, "m")
    ] == [
        (10, "s"),
        (12, "new"),
        (15, "s"),
    ]
    assert all(other in rows for other in others)


def test_an_open_interval_is_all_days() -> None:
    assert interval_from_text("", "", "x") == (0, FOREVER_DAY)
    assert interval_from_text("2026-09-01", "", "x") == (day_from_iso("2026-09-01"), FOREVER_DAY)


@pytest.mark.parametrize(("text", "message"), [("-1", "must not be negative"), ("dear", "x: .*not an amount")])
def test_a_wrong_rate_names_its_place(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        rate_from_usd(text, "x")


@pytest.mark.parametrize(("text", "ratio"), [("0.5", (1, 2)), ("1.1", (11, 10)), ("1", (1, 1))])
def test_factors_are_exact_fractions(text: str, ratio: tuple[int, int]) -> None:
    assert factor_from_text(text, "x") == ratio
