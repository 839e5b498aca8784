"""The strict lookup: the one row that applies, or UnknownPrice. On a small book made here."""

from __future__ import annotations

import pytest

from thriftgate.core.errors import ConfigError, UnknownPrice
from thriftgate.core.prices import GeoRow, Mode, PriceBook, PriceRow, Rates, Terms, day_from_iso, iso_from_day

LOW, HIGH, LATER, FAST = (Rates(n, n + 1, n + 2, n + 3, n + 4) for n in (1_000, 2_000, 3_000, 4_000))
BOOK = PriceBook(
    "test",
    (
        PriceRow("m", LOW, "s", until_day=100),
        PriceRow("m", LATER, "s", from_day=100),
        PriceRow("m", HIGH, "s", above_tokens=1_000),
        PriceRow("m", FAST, "s", "fast", from_day=50, until_day=60),
        PriceRow("plain", LOW, "s"),
    ),
    geos=(GeoRow("us", 11, 10, ("m",), "s"),),
    aliases={"m-latest": "m"},
)


@pytest.mark.parametrize(
    ("day", "prompt", "rates"),
    [
        (0, 0, LOW),
        (0, 1_000, LOW),
        (0, 1_001, HIGH),
        (99, 10, LOW),
        (100, 10, LATER),
        (10**6, 10, LATER),
        (100, 1_001, HIGH),
    ],
)
def test_the_row_of_the_day_and_the_step(day: int, prompt: int, rates: Rates) -> None:
    for _ in range(2):  # the second answer comes from the memo
        assert BOOK.rates(Terms("m", day), prompt) == rates
        assert BOOK.rates(Terms("m-latest", day), prompt) == rates


@pytest.mark.parametrize("geo", ["global", "not_available", ""])
def test_no_geography_is_the_list_price(geo: str) -> None:
    assert BOOK.rates(Terms("m", 0, geo=geo), 0) == LOW


def test_a_geography_is_a_factor_on_every_rate() -> None:
    assert BOOK.rates(Terms("m", 0, geo="us"), 0) == Rates(1_100, 1_101, 1_102, 1_103, 1_104)


@pytest.mark.parametrize(
    ("terms", "message"),
    [
        (Terms("nobody", 0), "no price for model 'nobody'"),
        (Terms("", 0), "no price for model ''"),
        (Terms("M", 0), "no price for model 'M'"),
        (Terms("m", 0, "batch"), "m has no batch price in price book test"),
        (Terms("m", 49, "fast"), "m has no fast price on 1970-02-19"),
        (Terms("m-latest", 60, "fast"), "m has no fast price on 1970-03-02"),
        (Terms("m", -1), "m has no standard price on 1969-12-31"),
        (Terms("m", 2**31), "m has no standard price on day 2147483648"),
        (Terms("m", 0, geo="eu"), "m has no price for inference_geo 'eu'"),
        (Terms("plain", 0, geo="us"), "plain has no price for inference_geo 'us'"),
    ],
)
def test_what_is_not_listed_is_unknown_and_says_what_is_missing(terms: Terms, message: str) -> None:
    for _ in range(2):
        with pytest.raises(UnknownPrice, match=message):
            BOOK.rates(terms, 10)


def test_an_unknown_mode_is_not_the_standard_price() -> None:
    mode: Mode = "turbo"  # type: ignore[assignment]
    with pytest.raises(UnknownPrice, match="no turbo price"):
        BOOK.rates(Terms("m", 0, mode), 0)


def test_knows_and_canonical() -> None:
    assert BOOK.knows("m-latest")
    assert BOOK.canonical("m-latest") == "m"
    assert not BOOK.knows("nobody")
    assert BOOK.canonical("nobody") == "nobody"


def test_two_rows_on_one_day_contradict() -> None:
    with pytest.raises(ConfigError, match=r"two rows price m \(standard\)"):
        PriceBook("bad", (PriceRow("m", LOW, "s", until_day=101), PriceRow("m", HIGH, "s", from_day=100)))


def test_scaling_rounds_to_the_nearest() -> None:
    assert Rates(10, 11, 12, 13, 14).scaled(1, 4) == Rates(3, 3, 3, 3, 4)
    assert Rates(10, 11, 12, 13, 14).scaled(1, 1) == Rates(10, 11, 12, 13, 14)


def test_days_round_trip() -> None:
    assert day_from_iso("1970-01-01") == 0
    assert day_from_iso("2026-10-07") == 20_733
    assert iso_from_day(20_733) == "2026-10-07"
    with pytest.raises(ValueError, match="Invalid isoformat"):
        day_from_iso("7.10.2026")
