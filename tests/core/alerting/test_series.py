"""Slots of time: against a plain sum over all calls."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.core.alerting.test_metrics import seen
from thriftgate.core.alerting.metrics import METRICS
from thriftgate.core.alerting.series import Series

SPEND = METRICS["spend"]


@given(st.lists(st.tuples(st.integers(0, 5_000), st.integers(1, 100)), max_size=50), st.integers(0, 5_000))
def test_a_span_holds_every_slot_that_it_touches(calls: list[tuple[int, int]], since: int) -> None:
    series = Series(SPEND, 100, 100_000)
    for at, pico in calls:
        series.take(seen(at_us=at, paid_pico=pico))
    until = since + 1_000
    inside = [pico for at, pico in calls if since // 100 <= at // 100 <= (until - 1) // 100]
    assert series.over(since, until) == (len(inside), sum(inside))


def test_what_is_old_is_forgotten() -> None:
    series = Series(SPEND, 10, 100)
    for at in range(10, 10_000, 10):
        series.take(seen(at_us=at, paid_pico=1))
    assert len(series._cells) <= 13
    assert series.over(9_900, 10_000)[1] == 10
    series.take(seen(at_us=50, paid_pico=1))
    assert series.over(0, 9_000)[1] == 0, "a call from long ago takes no room"
    assert (series.first_us, series.last_us) == (10, 9_990)


def test_earlier_calls_may_come_later() -> None:
    series = Series(SPEND, 10, 1_000)
    for at in (500, 400, 300, 505):
        series.take(seen(at_us=at, paid_pico=at))
    assert series.values(300, 520) == [300, *[0] * 9, 400, *[0] * 9, 1005, 0]
    assert series.first_us == 300
