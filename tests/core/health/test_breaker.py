"""When a target is left alone, and when it is tried again."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from thriftgate.core.health.breaker import Breaker, Patience, month_end_s
from thriftgate.core.health.faults import Fault

SPEND, OVERLOAD = Fault("spend"), Fault("overload")
NEVER = Patience(probe_s=0.0)
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC).timestamp()


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def spent(patience: Patience, now_s: float = NOW) -> Breaker:
    breaker = Breaker(patience)
    assert breaker.may(now_s)
    assert breaker.failed(SPEND, now_s, now_s)
    return breaker


@pytest.mark.parametrize(
    ("now", "end"),
    [
        ("2026-11-21T12:00:00", "2026-12-01T00:00:00"),
        ("2026-12-31T23:59:59", "2027-01-01T00:00:00"),
        ("2026-12-01T00:00:00", "2027-01-01T00:00:00"),
        ("2028-02-29T00:00:00", "2028-03-01T00:00:00"),
    ],
)
def test_spent_money_lasts_to_the_first_of_the_next_month(now: str, end: str) -> None:
    assert month_end_s(at(now)) == at(end)
    breaker = spent(NEVER, at(now))
    assert breaker.is_open(at(end) - 1)
    assert not breaker.may(at(end) - 1)
    assert breaker.may(at(end))


def test_one_call_in_a_while_may_try_a_spent_key() -> None:
    breaker = spent(Patience())
    assert not breaker.may(NOW + 299)
    assert breaker.may(NOW + 300)
    breaker.goes(NOW + 300)
    assert not breaker.may(NOW + 301)
    assert breaker.may(NOW + 600)


def test_an_operator_may_clear_it() -> None:
    breaker = spent(NEVER)
    breaker.clear()
    assert breaker.may(NOW)
    assert not breaker.is_open(NOW)


def test_only_an_answer_to_a_later_call_shows_that_there_is_money() -> None:
    breaker = spent(NEVER)
    breaker.served(NOW - 5)  # it was under way when the limit was reached
    assert breaker.is_open(NOW + 1)
    breaker.served(NOW + 1)
    assert not breaker.is_open(NOW + 1)


def test_a_few_failures_one_after_the_other_open_it() -> None:
    breaker = Breaker(Patience(failures=3, open_s=10))
    assert not breaker.failed(OVERLOAD, NOW, NOW)
    assert not breaker.failed(OVERLOAD, NOW, NOW)
    breaker.served(NOW + 1)  # not one after the other any more
    assert not breaker.failed(OVERLOAD, NOW + 2, NOW + 2)
    assert not breaker.failed(OVERLOAD, NOW + 2, NOW + 2)
    assert breaker.may(NOW + 2)
    assert breaker.failed(OVERLOAD, NOW + 2, NOW + 3)
    assert not breaker.may(NOW + 12)
    assert breaker.may(NOW + 13)


def test_one_probe_at_a_time_until_one_gets_through() -> None:
    breaker = Breaker(Patience(failures=1, open_s=10))
    breaker.failed(OVERLOAD, NOW, NOW)
    assert breaker.may(NOW + 10)
    breaker.goes(NOW + 10)
    assert not breaker.may(NOW + 11)
    assert breaker.is_open(NOW + 11)
    breaker.served(NOW + 10)
    assert breaker.may(NOW + 11)
    assert not breaker.is_open(NOW + 11)


def test_each_further_failure_leaves_it_alone_for_longer_up_to_a_limit() -> None:
    breaker = Breaker(Patience(failures=1, open_s=10, open_s_max=35))
    now_s, waits = NOW, []
    for _ in range(4):
        breaker.failed(OVERLOAD, now_s, now_s)
        waits.append(breaker.until_s - now_s)
        now_s = breaker.until_s
        breaker.goes(now_s)
    assert waits == [10, 20, 35, 35]


def test_calls_that_were_under_way_do_not_lengthen_it() -> None:
    breaker = Breaker(Patience(failures=1, open_s=10))
    breaker.failed(OVERLOAD, NOW, NOW)
    until_s = breaker.until_s
    for late in range(5):
        assert not breaker.failed(OVERLOAD, NOW - 1, NOW + late)
    assert breaker.until_s == until_s


def test_a_rate_limit_lasts_as_long_as_it_says_and_needs_no_probe() -> None:
    breaker = Breaker(Patience())
    assert breaker.failed(Fault("rate", retry_after_s=7), NOW, NOW)
    assert not breaker.may(NOW + 6)
    assert breaker.may(NOW + 7)
    assert not breaker.is_open(NOW + 7)
    assert not Breaker(Patience()).failed(Fault("rate"), NOW, NOW)  # nobody knows for how long: the governor's business


@pytest.mark.parametrize("kind", ["auth", "balance", "model"])
def test_what_no_further_try_changes_opens_it_at_once(kind: str) -> None:
    breaker = Breaker(Patience(open_s_max=100))
    assert breaker.failed(Fault(kind), NOW, NOW)  # type: ignore[arg-type]
    assert not breaker.may(NOW + 99)
    assert breaker.may(NOW + 100)
