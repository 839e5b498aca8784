"""When a verb that repeats itself is due."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thriftgate.cli.rounds import DAY_S, every_s, next_at_s
from thriftgate.core.errors import InputError

NOON_S = 1_795_262_400.0  # 2026-11-21T12:00:00Z


@pytest.mark.parametrize(("text", "seconds"), [("55m", 3300), ("90s", 90), ("2h", 7200), ("1s", 1)])
def test_lengths_of_time(text: str, seconds: int) -> None:
    assert every_s(text) == seconds


@pytest.mark.parametrize("text", ["", "55", "m", "-5m", "0m", "1.5h", "5 m", "1d"])
def test_what_is_no_length_of_time(text: str) -> None:
    with pytest.raises(InputError, match="write it like 55m"):
        every_s(text)


def test_the_next_time_of_day() -> None:
    assert next_at_s("12:30", NOON_S) == NOON_S + 1800
    assert next_at_s("11:59", NOON_S) == NOON_S + DAY_S - 60
    assert next_at_s("12:00", NOON_S) == NOON_S + DAY_S  # later than now
    assert next_at_s("12:00", NOON_S - 0.5) == NOON_S


@given(st.integers(0, 23), st.integers(0, 59), st.floats(0, 4e9))
def test_it_is_within_a_day_and_at_that_time(hour: int, minute: int, now_s: float) -> None:
    at_s = next_at_s(f"{hour:02}:{minute:02}", now_s)
    assert 0 < at_s - now_s <= DAY_S
    assert at_s % DAY_S == hour * 3600 + minute * 60


@pytest.mark.parametrize("text", ["8:30", "24:00", "12:60", "noon", "12:00Z"])
def test_what_is_no_time_of_day(text: str) -> None:
    with pytest.raises(InputError, match="write it like 08:30"):
        next_at_s(text, NOON_S)
