"""Words and rounded figures."""

from __future__ import annotations

from typing import get_args

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
    hit_rate,
    interval,
    nothing_read,
    period,
    reason,
    why_nothing,
)
from thriftgate.core.misses import Cause


def test_everything_has_a_word() -> None:
    assert CAUSES.keys() == set(get_args(Cause))
    assert DEPTHS.keys() == set(ALL_DEPTHS)
    assert {f"{kind}_pico" for kind in KINDS} == {name for name in Kinds.__struct_fields__ if name.endswith("_pico")}


def test_shares() -> None:
    assert hit_rate(Kinds(input=1, write_5m=1, write_1h=1, read=1, output=9)) == "25.0 %"


def test_intervals() -> None:
    assert interval(Money(5, 5, 5)) == ""
    assert interval(Money(0, -(10**12), 10**12)) == "-$1.00 to $1.00"


def test_moments() -> None:
    assert (period(RICH), period(ONE_DAY), period(EMPTY)) == ("2 Aug 2026 to 30 Sep 2026", "2 Aug 2026", "")


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


def test_reasons() -> None:
    assert (reason("malformed"), reason("odd_\x1bthing")) == ("cut off, or no JSON", "odd \ufffdthing")
