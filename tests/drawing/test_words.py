"""Words and rounded figures."""

from __future__ import annotations

import math

import pytest

from thriftgate.drawing.words import (
    counted,
    day,
    day_text,
    fitting,
    money,
    money_short,
    percent,
    plain,
    rounded,
    span,
    tokens,
)


@pytest.mark.parametrize(
    ("pico", "full", "short"),
    [
        (0, "$0.00", "$0"),
        (1, "$0.0000000000010", "$1e-12"),
        (4_440_000_000, "$0.0044", "$0.00444"),
        (123_456_000_000, "$0.1235", "$0.123"),
        (999_999_999_999, "$1.0000", "$1"),
        (1_005_000_000_000, "$1.00", "$1"),
        (-5 * 10**12, "-$5.00", "-$5"),
        (1_234_567 * 10**12, "$1,234,567.00", "$1.235M"),
        (2_500 * 10**12, "$2,500.00", "$2.5k"),
        (10**30, "$1,000,000,000,000,000,000.00", "$1e+06tn"),
    ],
)
def test_money(pico: int, full: str, short: str) -> None:
    assert (money(pico), money_short(pico)) == (full, short)


def test_money_in_tight_places() -> None:
    assert (fitting(999_999 * 10**12), fitting(-(10**18))) == ("$999,999.00", "-$1M")
    assert (rounded(99 * 10**12), rounded(-1234 * 10**12), rounded(3 * 10**18)) == ("$99.00", "-$1,234", "$3M")


@pytest.mark.parametrize(
    ("count", "words"),
    [(0, "0"), (99_999, "99,999"), (100_000, "100 k"), (1_234_567, "1.23 M"), (5 * 10**9, "5 G"), (10**16, "10,000 T")],
)
def test_tokens(count: int, words: str) -> None:
    assert tokens(count) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.25, "0.25 s"), (59, "59 s"), (300, "5 min"), (3_600, "1 h"), (172_800, "2 d"), (math.inf, "longer")],
)
def test_spans(seconds: float, words: str) -> None:
    assert span(seconds) == words


def test_names_are_made_harmless() -> None:
    assert plain("a\x1b[31m\nb\u202ec\ud800") == "a\ufffd[31m\ufffdb\ufffdc\ufffd"
    assert plain("Zürich 🏳️\u200d🌈") == "Zürich 🏳️\u200d🌈"
    assert plain("") == "–"


def test_counts_and_shares() -> None:
    assert (percent(1, 3), percent(1, 0)) == ("33.3 %", "–")
    assert (counted(1, "call"), counted(1200, "call"), counted(2, "batch", "batches")) == (
        "1 call",
        "1,200 calls",
        "2 batches",
    )
    assert day_text(day(20_667)) == "2 Aug 2026"
