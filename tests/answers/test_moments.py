"""Moments, read and written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thriftgate.answers.moments import FOREVER_US, micros_from_text, span_from_text
from thriftgate.core.errors import InputError
from thriftgate.core.moments import text_from_micros

NOON_US = 1_795_262_400_000_000


@pytest.mark.parametrize(
    ("text", "micros"),
    [
        ("1970-01-01", 0),
        ("2026-11-21", NOON_US - 12 * 3600 * 10**6),
        ("2026-11-21T12:00:00Z", NOON_US),
        ("2026-11-21T12:00:00.000001Z", NOON_US + 1),
        ("2026-11-21T13:30:00+01:30", NOON_US),
        ("2026-11-21 12:00:00Z", NOON_US),
    ],
)
def test_reading(text: str, micros: int) -> None:
    assert micros_from_text(text, "--since") == micros


@pytest.mark.parametrize("text", ["", "now", "2026-11-31", "21.11.2026", "2026-11-21T25:00:00Z", "2026-11-21T12:00:00"])
def test_what_is_no_moment(text: str) -> None:
    with pytest.raises(InputError, match="--since: "):
        micros_from_text(text, "--since")


@given(st.integers(0, 4 * 10**12))
def test_what_is_written_is_read_again(millis: int) -> None:
    assert micros_from_text(text_from_micros(millis * 1000), "--since") == millis * 1000


def test_a_span_has_open_ends_and_must_not_end_before_it_begins() -> None:
    assert span_from_text(None, None) == (0, FOREVER_US)
    assert span_from_text("1970-01-01T00:00:01Z", "1970-01-02") == (10**6, 86_400 * 10**6)
    with pytest.raises(InputError, match="must lie before"):
        span_from_text("2026-11-02", "2026-11-01")
