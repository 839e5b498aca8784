"""Keys whose money is spent."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from thriftgate.core.governing.breaker import Breaker, month_end_s


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("now", "end"),
    [
        ("2026-11-21T12:00:00", "2026-12-01T00:00:00"),
        ("2026-12-31T23:59:59", "2027-01-01T00:00:00"),
        ("2026-12-01T00:00:00", "2027-01-01T00:00:00"),
        ("2028-02-29T00:00:00", "2028-03-01T00:00:00"),
    ],
)
def test_it_lasts_to_the_first_of_the_next_month(now: str, end: str) -> None:
    assert month_end_s(at(now)) == at(end)
    breaker = Breaker(0.0)
    assert breaker.may(at(now))
    breaker.trip(at(now))
    assert breaker.is_open(at(end) - 1)
    assert not breaker.may(at(end) - 1)
    assert breaker.may(at(end))


def test_one_call_in_a_while_may_try() -> None:
    now, breaker = at("2026-11-21T12:00:00"), Breaker(300.0)
    breaker.trip(now)
    assert not breaker.may(now + 299)
    assert breaker.may(now + 300)
    breaker.goes(now + 300)
    assert not breaker.may(now + 301)
    assert breaker.may(now + 600)


def test_an_operator_may_clear_it() -> None:
    now, breaker = at("2026-11-21T12:00:00"), Breaker(0.0)
    breaker.trip(now)
    breaker.clear()
    assert breaker.may(now)
    assert not breaker.is_open(now)


def test_only_an_answer_to_a_later_call_shows_that_there_is_money() -> None:
    now, breaker = at("2026-11-21T12:00:00"), Breaker(0.0)
    breaker.trip(now)
    breaker.served(now - 5)  # it was under way when the limit was reached
    assert breaker.is_open(now + 1)
    breaker.served(now + 1)
    assert not breaker.is_open(now + 1)
