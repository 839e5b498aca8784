"""Words and rounded figures."""

from __future__ import annotations

import math
from typing import get_args

import pytest
from msgspec.structs import replace

from tests.audit.report.samples import DAY_DEPTH, DEARER, EMPTY, ONE_DAY, RICH, UNREAD
from thriftgate.audit import shards
from thriftgate.audit.findings import Kinds, Money
from thriftgate.audit.records import DEPTHS as ALL_DEPTHS
from thriftgate.audit.report.wording import (
    CAUSES,
    DEPTHS,
    FILES,
    KINDS,
    LOUD,
    best,
    by_cost,
    counted,
    day,
    day_text,
    fitting,
    hit_rate,
    interval,
    money,
    money_short,
    nothing_read,
    percent,
    period,
    plain,
    reason,
    rounded,
    span,
    tokens,
    why_nothing,
)
from thriftgate.core.misses import Cause


def test_everything_has_a_word() -> None:
    assert CAUSES.keys() == set(get_args(Cause))
    assert DEPTHS.keys() == set(ALL_DEPTHS)
    assert {f"{kind}_pico" for kind in KINDS} == {name for name in Kinds.__struct_fields__ if name.endswith("_pico")}


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


def test_shares() -> None:
    assert (percent(1, 3), percent(1, 0)) == ("33.3 %", "–")
    assert hit_rate(Kinds(input=1, write_5m=1, write_1h=1, read=1, output=9)) == "25.0 %"
    assert (counted(1, "call"), counted(1200, "call")) == ("1 call", "1,200 calls")


def test_intervals() -> None:
    assert interval(Money(5, 5, 5)) == ""
    assert interval(Money(0, -(10**12), 10**12)) == "-$1.00 to $1.00"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.25, "0.25 s"), (59, "59 s"), (300, "5 min"), (3_600, "1 h"), (172_800, "2 d"), (math.inf, "longer")],
)
def test_spans(seconds: float, words: str) -> None:
    assert span(seconds) == words


def test_moments() -> None:
    assert day_text(day(20_667)) == "2 Aug 2026"
    assert (period(RICH), period(ONE_DAY), period(EMPTY)) == ("2 Aug 2026 to 30 Sep 2026", "2 Aug 2026", "")


def test_names_are_made_harmless() -> None:
    assert plain("a\x1b[31m\nb\u202ec\ud800") == "a\ufffd[31m\ufffdb\ufffdc\ufffd"
    assert plain("Zürich 🏳️\u200d🌈") == "Zürich 🏳️\u200d🌈"
    assert plain("") == "–"
    assert (reason("malformed"), reason("odd_\x1bthing")) == ("cut off, or no JSON", "odd \ufffdthing")


def test_the_best_policies() -> None:
    safe, every = best(RICH, safe=True), best(RICH, safe=False)
    assert safe is not None
    assert every is not None
    assert (safe.name, every.name) == ("safe", "all")
    assert best(DEARER, safe=False) is None
    assert best(replace(RICH, policies=RICH.policies[-1:]), safe=False) is None, "a bound is nothing to be had"


def test_the_dearest_policy_first() -> None:
    costs = [one.cost.pico for one in by_cost(RICH.policies)]
    assert costs == sorted(costs, reverse=True)


def test_whether_anything_was_read() -> None:
    assert nothing_read(EMPTY)
    assert nothing_read(replace(UNREAD, sources=(replace(RICH.sources[0], records=0),)))
    assert not nothing_read(RICH)
    assert not nothing_read(replace(DAY_DEPTH, calls=0)), "sums of days"
    assert not nothing_read(replace(EMPTY, calls=1)), "not priced, maybe"


def test_why_nothing_was_read() -> None:
    first = "Nothing was read: no call, and no sum of days."
    assert why_nothing(EMPTY) == [first, "There was no file to read."]
    assert why_nothing(replace(EMPTY, skipped={"empty_file": 1})) == [first, "1 file was skipped: 1 × empty file."]
    assert why_nothing(replace(EMPTY, skipped={"malformed": 1})) == [first], "that is said louder"
    assert why_nothing(replace(EMPTY, sources=RICH.sources)) == [first]
    assert why_nothing(UNREAD) == [
        first,
        "3 files were skipped: 2 × unknown format (as logs/notes.bin), 1 × empty file.",
        "What was found is no call: 7 × lines of another kind.",
    ]
    hostile = replace(EMPTY, skipped={"unreadable": 1}, skipped_examples={"unreadable": ("a\x1b[2J",)})
    assert why_nothing(hostile)[1] == "1 file was skipped: 1 × unreadable (as a\ufffd[2J)."


def test_reasons_that_count_files() -> None:
    assert {shards.UNKNOWN_FORMAT, shards.UNREADABLE, shards.ENCODING, shards.COMPANION, shards.EMPTY} == FILES
    assert not FILES & LOUD
