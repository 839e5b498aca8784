"""Moments in every spelling that logs have."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thriftgate.audit.moments import micros
from thriftgate.core.errors import InputError

AT_US = 1_793_527_200_000_000  # 2026-11-01T10:00:00Z


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-01T10:00:00Z",
        "2026-11-01T12:00:00+02:00",
        "2026-11-01 10:00:00",
        "2026-11-01 10:00:00 UTC",
        "2026-11-01T10:00:00.000000000Z",
        "1793527200",
        1_793_527_200,
        1_793_527_200.0,
        1_793_527_200_000,
        1_793_527_200_000_000,
        1_793_527_200_000_000_000,
    ],
)
def test_one_moment_in_many_spellings(text: object) -> None:
    assert micros(text) == AT_US


def test_a_day_is_its_start() -> None:
    assert micros("2026-11-01") == AT_US - 36_000_000_000


@given(st.integers(1_000_000_000, 4_000_000_000), st.integers(0, 999_999))
def test_microseconds_survive(second: int, micro: int) -> None:
    told = second * 1_000_000 + micro
    assert micros(told) == told
    assert micros(told * 1000) == told
    assert micros(f"{second}.{micro:06d}") == pytest.approx(told, abs=1)


@pytest.mark.parametrize(
    "value",
    [
        "",
        "yesterday",
        None,
        True,
        [],
        "12:00",
        -5,
        float("nan"),
        float("inf"),
        "9" * 40,
        10**400,
        "0001-01-01T00:00:00Z",
        "²",
    ],
)
def test_anything_else_is_refused(value: object) -> None:
    with pytest.raises(InputError):
        micros(value)
