"""One limit as we see it, beside the provider's own."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thriftgate.core.governing.bucket import Bucket
from thriftgate.simulator.limits import Bucket as Real

TAKEN = st.lists(st.tuples(st.floats(0, 90), st.integers(0, 1_500)), max_size=30)


@given(st.integers(1, 2_000), TAKEN)
def test_it_fills_and_empties_as_the_providers(limit: int, taken: list[tuple[float, int]]) -> None:
    ours, real, now = Bucket(float(limit), float(limit), 0.0), Real(limit, float(limit), 0.0), 0.0
    for passed, amount in taken:
        now += passed
        ours.refill(now)
        real.refill(now)
        assert ours.wait_s(amount) == pytest.approx(real.wait_s(amount))
        ours.level -= amount
        real.level -= amount
    assert ours.level == pytest.approx(real.level)


def test_more_than_it_holds_is_let_go_when_it_is_full() -> None:
    bucket = Bucket(60.0, 30.0, 0.0)
    assert bucket.wait_s(1_000.0, 5.0) == 30.0
    bucket.refill(30.0)
    assert bucket.wait_s(1_000.0, 5.0) == 0.0
    assert bucket.wait_s(1.0, 60.0) == 0.0


@pytest.mark.parametrize(
    ("remaining", "level"),
    [
        (50.0, 50.0),  # between what may be said if we are right
        (40.0, 50.0),
        (60.0, 50.0),
        (70.0, 60.0),  # somebody has used less than we thought
        (10.0, 20.0),  # somebody else has used it
    ],
)
def test_it_is_put_right_by_as_little_as_fits(remaining: float, level: float) -> None:
    bucket = Bucket(100.0, 50.0, 0.0)
    assert bucket.hear(100.0, remaining, (40.0, 60.0), 0.0) == level - 50.0
    assert (bucket.level, bucket.moved) == (level, level - 50.0)


def test_what_is_rounded_is_no_news() -> None:
    bucket = Bucket(100.0, 50.0, 0.0)
    assert bucket.hear(100.0, 58.0, (50.0, 50.0), 10.0) == bucket.hear(100.0, 42.0, (50.0, 50.0), 10.0) == 0.0


def test_an_empty_bucket_may_be_below_that() -> None:
    bucket = Bucket(100.0, -30.0, 0.0)
    assert bucket.hear(100.0, 0.0, (-30.0, -30.0), 0.0) == 0.0
    assert bucket.level == -30.0


def test_a_limit_that_changes_is_taken_over() -> None:
    bucket = Bucket(100.0, 90.0, 0.0)
    bucket.hear(50.0, 45.0, (45.0, 90.0), 0.0)
    assert (bucket.limit, bucket.level) == (50.0, 50.0)
