"""Limits: held against a plain token bucket in exact fractions, and what callers are told."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thriftgate.core.control.limits import (
    METRICS,
    PER_US,
    Bucket,
    Limit,
    Needs,
    Per,
    amount_text,
    check_names,
    checked,
    lacking,
    needs_of,
)
from thriftgate.core.errors import InputError
from thriftgate.core.usage import Tokens

MINUTE_US = 60_000_000


def limit(metric: Any = "requests", amount: int = 6, **members: Any) -> Limit:
    return Limit("lim_1", "agents", metric, amount, **members)


def bucket(one: Limit, used: int = 0, at_us: int = 0, member: str = "") -> Bucket:
    made = Bucket(one, member)
    made.take(used, at_us)
    return made


class Plain:
    """So much is there, it grows evenly up to the brim, a call takes some of it."""

    def __init__(self, one: Limit) -> None:
        self.rate = Fraction(one.amount, PER_US[one.per])
        self.brim = Fraction(one.burst or one.amount)
        self.there = self.brim
        self.at_us = 0

    def at(self, now_us: int) -> Fraction:
        self.there = min(self.brim, self.there + self.rate * (now_us - self.at_us))
        self.at_us = now_us
        return self.there

    def take(self, units: int, now_us: int) -> None:
        self.there = min(self.brim, self.at(now_us) - units)


@given(
    amount=st.integers(1, 10**13),
    burst=st.integers(0, 10**13),
    per=st.sampled_from(sorted(PER_US)),
    steps=st.lists(
        st.tuples(
            st.one_of(st.integers(0, 5 * MINUTE_US), st.integers(0, 10**15)),
            st.one_of(st.integers(0, 12), st.integers(0, 10**13)),
            st.integers(-(10**13), 10**13),
        ),
        max_size=40,
    ),
)
def test_a_bucket_is_a_plain_one(amount: int, burst: int, per: Per, steps: list[tuple[int, int, int]]) -> None:
    one = limit("usd", amount, per=per, burst=burst)
    at, plain, now_us = Bucket(one), Plain(one), 0
    for passed_us, units, correction in steps:
        now_us += passed_us
        fits = units <= plain.at(now_us) or not units
        assert at.left(now_us) == plain.there // 1
        wait_us = at.wait_us(units, now_us)
        assert (wait_us == 0) == fits
        if fits:
            at.take(units, now_us)
            plain.take(units, now_us)
            # Put right, never by more than was taken to the good.
            at.take(max(correction, -units), now_us)
            plain.take(max(correction, -units), now_us)
        elif units <= one.room:
            assert wait_us is not None
            assert units <= Fraction(plain.there) + plain.rate * wait_us
            assert units > Fraction(plain.there) + plain.rate * (wait_us - 1)


@given(
    amount=st.integers(1, 100),
    burst=st.integers(1, 100),
    steps=st.lists(st.tuples(st.integers(0, MINUTE_US), st.integers(1, 20)), max_size=60),
)
def test_in_no_span_more_comes_than_the_burst_and_what_became_free(
    amount: int, burst: int, steps: list[tuple[int, int]]
) -> None:
    one = limit(amount=amount, burst=burst)
    at, now_us, taken = Bucket(one), 0, list[tuple[int, int]]()
    for passed_us, units in steps:
        now_us += passed_us
        if at.wait_us(units, now_us) == 0:
            at.take(units, now_us)
            taken.append((now_us, units))
    for first in range(len(taken)):
        for last in range(first, len(taken)):
            span_us = taken[last][0] - taken[first][0]
            assert sum(units for _, units in taken[first : last + 1]) * MINUTE_US <= burst * MINUTE_US + amount * span_us


def test_long_idle_times_fill_it_and_no_more() -> None:
    one = limit(amount=7, burst=3)
    at = bucket(one, 3)
    year_us = 366 * 24 * 60 * MINUTE_US
    assert at.left(1000 * year_us) == 3
    at.take(3, 1000 * year_us)
    assert at.left(1000 * year_us) == 0
    third_us = -(-MINUTE_US // 7)
    assert at.left(1000 * year_us + third_us - 1) == 0
    assert at.left(1000 * year_us + third_us) == 1


def test_a_third_of_a_call_is_never_lost() -> None:
    """7 a minute divides no microsecond: counted a million times, nothing is rounded."""
    one = limit(amount=7)
    at = Bucket(one)
    for step in range(10_000):
        at.take(0, step * 61)
    at.take(7, 10_000 * 61)
    for step in range(10_000):
        at.used(10_000 * 61 + step * 857)
    at_us = 10_000 * 61 + 9_999 * 857
    assert at.used(at_us) == 7 * MINUTE_US - 9_999 * 857 * 7


def test_a_clock_that_goes_back_neither_frees_nor_blocks() -> None:
    one = limit(amount=6)
    at = bucket(one, 6, at_us=100 * MINUTE_US)
    assert at.left(MINUTE_US) == 0
    assert at.left(MINUTE_US + 10_000_000) == 1  # ten seconds of it later
    assert at.left(MINUTE_US + 5_000_000) == 1
    assert at.wait_us(6, MINUTE_US + 5_000_000) == 50_000_000


def test_calls_at_once_are_freed_by_others_not_by_time() -> None:
    one = limit("concurrency", 2)
    at = bucket(one, 2)
    assert at.wait_us(1, 10**18) is None
    assert at.full_us(0) is None
    at.take(-1, 0)
    assert at.wait_us(1, 0) == 0


def test_what_is_asked_for_is_counted_as_the_api_does() -> None:
    tokens = Tokens(input=10, write_5m=20, write_1h=30, read=1000, output=7)
    needs = needs_of(tokens, 99, requests=1, concurrency=1)
    counted = {one: bucket(limit(one)).needed(needs) for one in METRICS}
    assert counted == {
        "requests": 1,
        "input_tokens": 60,
        "output_tokens": 7,
        "tokens": 67,
        "usd": 99,
        "concurrency": 1,
    }


def test_the_limit_that_takes_longest_is_told() -> None:
    full = (limit(amount=60), limit("usd", 10), limit("concurrency", 1))
    buckets = [*(bucket(one, one.amount) for one in full), bucket(limit())]
    lack = lacking(buckets, Needs(requests=1, pico=5, concurrency=1), 0)
    assert lack is not None
    assert (lack.bucket, lack.units, lack.wait_us, lack.never) == (buckets[1], 5, 30_000_000, False)
    assert lacking(buckets, Needs(), 0) is None  # who wants nothing is in nobody's way
    error = lack.error(0)
    assert str(error) == "limit agents: $0.00000000001 a minute; $0 left, this call needs $0.000000000005"
    assert (error.status_hint, error.retry_after_s) == (429, 30)


def test_what_never_fits_goes_before() -> None:
    lack = lacking([bucket(limit(), 6), bucket(limit("input_tokens", 100, burst=50), member="key=k")], Needs(1, 51), 0)
    assert lack is not None
    assert lack.never
    error = lack.error(0)
    assert str(error) == (
        "limit agents (key=k): this call is expected to need 51 input tokens, and at most 50 input tokens may ever come at "
        "once; send less, or raise its burst"
    )
    assert (error.status_hint, error.retry_after_s, error.label) == (400, 0, "limit_never")


def test_amounts_in_words() -> None:
    told = [amount_text("requests", 1), amount_text("tokens", 2), amount_text("usd", 25 * 10**10)]
    assert told == ["1 request", "2 tokens", "$0.25"]


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({"name": " "}, "a name of one to a hundred"),
        ({"metric": "words"}, "metric 'words' is none of requests"),
        ({"per": "day"}, "per 'day' is none of second, minute, hour"),
        ({"amount": 0}, "must be above zero"),
        ({"burst": -1}, "cannot be negative"),
        ({"metric": "concurrency", "burst": 2}, "have no burst"),
        ({"scope": ("colour=red",)}, "kinds: org, team"),
    ],
)
def test_what_is_no_limit(members: dict[str, Any], words: str) -> None:
    base: dict[str, Any] = {"id": "x", "name": "x", "metric": "requests", "amount": 1}
    with pytest.raises(InputError, match=words):
        checked(Limit(**base | members))


def test_scopes_are_put_in_order_and_names_stand_once() -> None:
    assert checked(limit(scope=("team=b", "key=*", "team=b"))).scope == ("key=*", "team=b")
    with pytest.raises(InputError, match="two limits 'agents'"):
        check_names([limit(), limit()])
