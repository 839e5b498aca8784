"""A span is made of pieces that hold each of its moments once."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.ledger.scans import START_US, ZONES
from thriftgate.core.errors import InputError
from thriftgate.ledger.rollup_columns import HOUR_US
from thriftgate.ledger.rollup_spans import DAY_US, ENTRIES, Piece, pieces, rounded, zone_of

MOMENTS = st.integers(START_US - DAY_US, START_US + 5 * DAY_US) | st.integers(0, 120).map(lambda n: START_US + n * HOUR_US)


def holds(piece: Piece, moment: int) -> bool:
    return piece.low <= (moment if piece.hours == ENTRIES else moment // (piece.hours * HOUR_US)) < piece.high


@given(
    ends=st.tuples(MOMENTS, MOMENTS),
    moment=MOMENTS,
    step=st.sampled_from(["total", "day", "hour"]),
    zone=st.sampled_from(ZONES),
    kept=st.sampled_from([0, START_US, START_US + 2 * DAY_US]),
)
def test_each_moment_is_in_once(ends: tuple[int, int], moment: int, step: Any, zone: str, kept: int) -> None:
    since, until = sorted(ends)
    some = pieces((since, until), step, zone_of(zone), kept)
    inside = rounded(since, kept) <= moment < rounded(until, kept)
    assert sum(piece.sign for piece in some if holds(piece, moment)) == inside
    by_start = {piece.start_us for piece in some if holds(piece, moment)}
    starts = [start for start in by_start if sum(one.sign for one in some if one.start_us == start and holds(one, moment))]
    assert len(starts) == inside
    if kept > until:
        assert not any(piece.hours == ENTRIES for piece in some)


def test_a_month_of_local_days_reads_few_hours() -> None:
    month = (START_US, START_US + 30 * DAY_US)
    hours = {
        zone: sum(piece.high - piece.low for piece in pieces(month, "day", zone_of(zone)) if piece.hours == 1)
        for zone in ("UTC", "Europe/Berlin", "America/New_York")
    }
    assert hours["UTC"] == 0
    assert hours["Europe/Berlin"] <= 2 * 2 * 31
    assert hours["America/New_York"] <= 2 * 5 * 31


def test_days_are_as_long_as_they_are() -> None:
    """The night of 2026-10-25 has an hour twice in Berlin."""
    starts = sorted({one.start_us for one in pieces((START_US, START_US + 3 * DAY_US), "day", zone_of("Europe/Berlin"))})
    assert [(b - a) // HOUR_US for a, b in pairwise(starts)] == [24, 25, 24]


@pytest.mark.parametrize("name", ["Europe/Atlantis", "../etc/passwd", "", "/etc/localtime"])
def test_no_zone(name: str) -> None:
    with pytest.raises(InputError, match="no time zone"):
        zone_of(name)
