"""Money is exact: round trips, refusals instead of silent rounding, half to even where a rate forces a choice."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thriftgate.core.errors import InputError
from thriftgate.core.money import PICO_PER_USD, TOKENS_PER_MTOK, pico_from_usd, price_tokens, usd_from_pico

PICO = st.integers(-(10**30), 10**30)


@given(PICO)
def test_text_and_pico_round_trip(pico: int) -> None:
    assert pico_from_usd(usd_from_pico(pico)) == pico


@given(PICO)
def test_text_is_the_shortest_plain_decimal(pico: int) -> None:
    text = usd_from_pico(pico)
    assert "e" not in text.lower()
    assert Decimal(text).as_integer_ratio() == Fraction(pico, PICO_PER_USD).as_integer_ratio()
    if "." in text:
        assert not text.endswith(("0", "."))


@pytest.mark.parametrize(
    ("pico", "text"),
    [
        (0, "0"),
        (44_000_000_000, "0.044"),
        (-44_000_000_000, "-0.044"),
        (1, "0.000000000001"),
        (10**12, "1"),
        (12 * 10**13, "120"),
        (5_500, "0.0000000055"),
    ],
)
def test_text_of_known_amounts(pico: int, text: str) -> None:
    assert usd_from_pico(pico) == text


@pytest.mark.parametrize(
    ("usd", "pico"), [("1e-12", 1), (Decimal("0.25"), 25 * 10**10), (3, 3 * 10**12), (" 2.50 ", 25 * 10**11)]
)
def test_amounts_in_every_spelling(usd: str | int | Decimal, pico: int) -> None:
    assert pico_from_usd(usd) == pico


def test_thirty_digits_keep_every_one() -> None:
    assert pico_from_usd("123456789012345678.123456789012") == 123_456_789_012_345_678_123_456_789_012


@pytest.mark.parametrize("usd", ["", "abc", "NaN", "sNaN", "Infinity", "1,5", "$1", "1e41", "1e999999999", "-1e999999999"])
def test_what_is_no_amount_is_refused(usd: str) -> None:
    with pytest.raises(InputError):
        pico_from_usd(usd)


def test_finer_than_a_pico_dollar_is_refused() -> None:
    with pytest.raises(InputError, match="finer than a pico-dollar"):
        pico_from_usd("0.0000000000001")


@given(st.integers(0, 10**9), st.integers(0, 10**15))
def test_a_price_is_the_nearest_pico_dollar_half_to_even(tokens: int, rate: int) -> None:
    assert price_tokens(tokens, rate) == round(Fraction(tokens * rate, TOKENS_PER_MTOK))


@pytest.mark.parametrize(("rate", "pico"), [(500_000, 0), (1_500_000, 2), (2_500_000, 2), (2_500_001, 3), (3_499_999, 3)])
def test_a_half_goes_to_the_even_neighbour(rate: int, pico: int) -> None:
    assert price_tokens(1, rate) == pico
