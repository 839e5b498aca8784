"""What a URL asks to look at, and the columns that it makes."""

from __future__ import annotations

import pytest

from thriftgate.answers.moments import FOREVER_US, micros_from_text
from thriftgate.core.errors import InputError
from thriftgate.dashboard.look import look_of, narrowed_to, steps_of
from thriftgate.ledger.rollup_columns import HOUR_US

NOW_S = 1_795_262_400.0 + 1_800  # 2026-11-21T12:30:00Z


def at(text: str) -> int:
    return micros_from_text(text, "at")


@pytest.mark.parametrize(
    ("query", "since"),
    [
        ({}, "2026-11-15"),
        ({"span": "24h"}, "2026-11-20T13:00:00Z"),
        ({"span": "30d"}, "2026-10-23"),
        ({"span": "7d", "zone": "Asia/Tokyo"}, "2026-11-14T15:00:00Z"),
        ({"span": "90d", "zone": "Europe/Zurich"}, "2026-08-23T22:00:00Z"),
        ({"span": "other", "since": "2026-11-01"}, "2026-11-01"),
    ],
)
def test_spans_begin_where_days_do(query: dict[str, str], since: str) -> None:
    assert look_of(query, NOW_S).span_us == (at(since), FOREVER_US)


def test_all_is_from_the_first_call_on() -> None:
    look = look_of({"span": "all"}, NOW_S)
    assert (look.span_us, look.told_us, look.compared()) == ((0, FOREVER_US), (None, None), None)


@pytest.mark.parametrize(
    "query",
    [
        {"span": "a while"}, {"zone": "Mars/Olympus"}, {"zone": "../../etc/passwd"}, {"zone": "/etc/passwd"},
        {"span": "other", "since": "soon"}, {"span": "other", "since": "2026-11-02", "until": "2026-11-01"},
    ],
)  # fmt: skip
def test_what_is_none_is_an_error(query: dict[str, str]) -> None:
    with pytest.raises(InputError):
        look_of(query, NOW_S)


def test_the_url_says_what_is_not_usual() -> None:
    look = look_of({"team": "a&b", "zone": "Europe/Zurich"}, NOW_S)
    assert look_of({}, NOW_S).query() == ""
    assert look.query() == "?zone=Europe%2FZurich&team=a%26b"
    assert look.query(span="24h", team="") == "?span=24h&zone=Europe%2FZurich"
    other = look_of({"span": "other", "since": "2026-11-01"}, NOW_S)
    assert other.query(span="7d") == "", "another span has no ends of its own"
    assert narrowed_to(look, "mine").team == "mine"


def test_the_span_before_is_as_long_in_whole_hours() -> None:
    look = look_of({"span": "7d"}, NOW_S)
    since_us, end_us = look.span_us[0], look.now_us - look.now_us % HOUR_US
    assert look.now_us % HOUR_US
    assert look.compared() == ((2 * since_us - end_us, since_us), (since_us, end_us))
    short = look_of({"span": "other", "since": "2026-11-01T08:10:00Z", "until": "2026-11-01T08:30:00Z"}, NOW_S)
    assert short.compared() == (
        (at("2026-11-01T07:50:00Z"), at("2026-11-01T08:10:00Z")),
        (at("2026-11-01T08:10:00Z"), at("2026-11-01T08:30:00Z")),
    ), "less than an hour is not rounded"


@pytest.mark.parametrize(
    ("query", "unit", "count"),
    [
        ({"span": "24h"}, "hour", 24),
        ({"span": "7d"}, "day", 7),
        ({"span": "90d", "zone": "Europe/Zurich"}, "day", 90),
        ({"span": "1y"}, "week", 53),
        ({"span": "all"}, "month", 35),
    ],
)
def test_columns(query: dict[str, str], unit: str, count: int) -> None:
    steps = steps_of(look_of(query, NOW_S), at("2024-01-15"))
    assert (steps.unit, steps.count) == (unit, count)
    assert len({steps.text(place) for place in range(count)}) == count
    assert len(steps.ticks(8)) <= 8


def test_a_day_of_another_length_is_one_column() -> None:
    """Clocks went back in Zurich on 25 October 2026: that day has 25 hours."""
    steps = steps_of(look_of({"span": "30d", "zone": "Europe/Zurich"}, NOW_S), 1)
    lengths = {(b - a) // 3_600_000_000 for a, b in zip(steps.edges, steps.edges[1:], strict=False)}
    assert lengths == {24, 25}
