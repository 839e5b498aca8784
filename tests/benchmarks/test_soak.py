"""What `benchmarks.soak` judges by: slopes, books, the traffic it makes. `.ci/run` runs the soak itself, its short form."""

from __future__ import annotations

import random
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from benchmarks.soak.agreeing import Agreement, Bill, Billed, agreement
from benchmarks.soak.hastened import Hastened
from benchmarks.soak.traffic import Traffic, expected
from benchmarks.soak.trend import trend


def _noisy(slope: float, seed: int = 7) -> list[tuple[float, float]]:
    """Four hundred looks with noise, and now and then a peak."""
    draw = random.Random(seed)
    return [(at, 100 + slope * at + draw.gauss(0, 1) + (50 if at % 97 == 5 else 0)) for at in range(400)]


@pytest.mark.parametrize("seed", range(5))
def test_noise_has_no_slope(seed: int) -> None:
    found = trend(_noisy(0.0, seed))
    assert abs(found.slope) < 0.003
    assert found.flat(0.005)


def test_growth_is_seen_through_noise() -> None:
    found = trend(_noisy(0.05))
    assert found.low < 0.05 < found.high
    assert found.low > 0.04
    assert not found.flat(0.01)
    assert found.flat(0.1)  # slower than a bound that somebody is content with


def test_four_points_are_needed() -> None:
    with pytest.raises(ValueError, match="four points"):
        trend([(0, 1), (1, 2), (2, 3)])


def test_the_clock_runs_as_fast_as_told() -> None:
    began = Hastened(0.0, 1.0).now_s()
    fast = Hastened(began, 3600.0)
    assert 0 <= fast.now_s() - began < 3600.0  # at once
    assert fast.monotonic_s() > Hastened(began, 1.0).monotonic_s()


def test_the_same_seed_makes_the_same_calls() -> None:
    def made(seed: int) -> list[tuple[str, int, bytes]]:
        traffic = Traffic(seed, 5)
        return [(asked.kind, asked.key, asked.body) for asked in (traffic.next() for _ in range(300))]

    assert made(1) == made(1)
    assert made(1) != made(2)
    kinds = {kind for kind, _, _ in made(1)}
    assert {"plain", "stream", "leaves", "same", "poor", "waits", "invalid"} <= kinds
    assert all(expected(kind) for kind in kinds)


def _books(path: Path, rows: list[tuple[str, str, str, int]], *, open_hold: bool = False) -> Path:
    with closing(sqlite3.connect(path)) as books:
        books.execute("create table entries (id text, message_id text, usage_source text)")
        books.execute("create table postings (entry text, account text, pico integer)")
        books.execute("create table holds (id text)")
        for name, message, source, pico in rows:
            books.execute("insert into entries values (?, ?, ?)", (name, message, source))
            books.execute("insert into postings values (?, 'upstream', ?)", (name, -pico))
            books.execute("insert into holds values (?)", (name,))
        if open_hold:
            books.execute("insert into holds values ('left open')")
        books.commit()
    return path


_GOOD = [("1", "msg_a", "exact", 2_000_000), ("2", "msg_a", "none", 0), ("3", "msg_b", "estimated", 5)]
_BILL = Bill([Billed("msg_a", "complete", "0.000002"), Billed("msg_b", "cut", "0.000003")])


def _agreed(path: Path, rows: list[tuple[str, str, str, int]], bill: Bill = _BILL, *, open_hold: bool = False) -> Agreement:
    return agreement(_books(path / "books.db", rows, open_hold=open_hold), bill)


def test_books_that_are_the_bill(tmp_path: Path) -> None:
    found = _agreed(tmp_path, _GOOD)
    assert found.holds
    assert (found.entries, found.exact, found.estimated) == (3, 1, 1)
    assert found.booked_usd == found.billed_usd == "0.000002"


def test_another_price_is_wrong(tmp_path: Path) -> None:
    found = _agreed(tmp_path, [("1", "msg_a", "exact", 2_000_001), _GOOD[2]])
    assert (found.wrong, found.holds) == (1, False)


def test_a_billed_answer_in_no_entry_is_missing(tmp_path: Path) -> None:
    assert _agreed(tmp_path, [_GOOD[2]]).missing == 1


def test_an_answer_billed_twice(tmp_path: Path) -> None:
    assert _agreed(tmp_path, [*_GOOD, ("4", "msg_a", "exact", 2_000_000)]).doubled == 1


def test_an_open_hold_shows(tmp_path: Path) -> None:
    assert _agreed(tmp_path, _GOOD, open_hold=True).open_holds == 1
