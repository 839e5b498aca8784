"""The forecast, against months whose end is known."""

from __future__ import annotations

import random
from math import cos, exp, pi

import pytest

from thriftgate.core.alerting.forecast import DAY_H, WEEK_H, Forecast, forecast


def month(seed: int, hours: int, *, noise: float = 0.3, growth: float = 1.0) -> list[float]:
    """Spend by the hour: days and nights, quiet weekends, noise that lasts for a day, growth a week."""
    draw = random.Random(seed)
    level, found = 0.0, []
    for hour in range(hours):
        if hour % 24 == 0:
            level = draw.gauss(0, noise)
        weekday = 0.3 if hour // 24 % 7 >= 5 else 1.0
        daily = 1.2 - cos(2 * pi * (hour % 24) / 24)
        found.append(100 * weekday * daily * growth ** (hour / WEEK_H) * exp(level + draw.gauss(0, 0.2)))
    return found


def test_what_repeats_itself_is_foretold() -> None:
    week = [float(hour % 24 + (0 if hour // 24 < 5 else 100)) for hour in range(WEEK_H)]
    for hours in (1, 10, 24, 100, WEEK_H, 400):
        said = forecast(week * 4, hours)
        assert said is not None
        assert said.expected == pytest.approx(sum((week * 3)[:hours]))
        assert said.low == pytest.approx(said.expected)
        assert said.high == pytest.approx(said.expected)
        assert said.season_h == WEEK_H


def test_parts_of_an_hour() -> None:
    said = forecast([2.0] * 400, 1.5)
    assert said is not None
    assert said.expected == pytest.approx(3.0)
    assert forecast([2.0] * 400, 0.0) == Forecast(0.0, 0.0, 0.0, 0, DAY_H)


def test_eight_times_in_ten_it_is_within_the_band() -> None:
    inside = off = 0.0
    cases = [(seed, hours) for seed in range(60) for hours in (24, 120, 240, 600)]
    for seed, hours in cases:
        whole = month(seed, 5 * WEEK_H + hours)
        said = forecast(whole[:-hours], hours)
        assert said is not None
        came = sum(whole[-hours:])
        inside += said.low <= came <= said.high
        off += abs(said.expected / came - 1)
    assert 0.7 <= inside / len(cases) <= 0.95
    assert off / len(cases) < 0.25


@pytest.mark.parametrize("growth", [0.8, 1.25])
def test_a_trend_is_followed_part_of_the_way(growth: float) -> None:
    whole = month(1, 6 * WEEK_H, noise=0.0, growth=growth)
    said = forecast(whole[: 5 * WEEK_H], WEEK_H)
    flat = sum(whole[4 * WEEK_H : 5 * WEEK_H])
    came = sum(whole[5 * WEEK_H :])
    assert said is not None
    assert abs(said.expected - came) < 0.9 * abs(flat / growth - came)


def test_with_less_than_two_weeks_days_stand_in_for_weeks() -> None:
    said = forecast([float(hour % 24) for hour in range(10 * 24)], 48)
    assert said is not None
    assert said.season_h == DAY_H
    assert said.expected == pytest.approx(2 * sum(range(24)))


def test_with_little_history_the_band_is_wide_and_with_less_nothing_is_said() -> None:
    said = forecast([1.0] * 80, 100)
    assert said is not None
    assert said.tries < 8
    assert said.low <= said.expected / 1.4
    assert said.high >= said.expected * 1.4
    assert forecast([1.0] * 71, 100) is None
    assert forecast([], 1) is None


def test_nothing_was_ever_spent() -> None:
    said = forecast([0.0] * 400, 100)
    assert said is not None
    assert (said.expected, said.low, said.high, said.tries) == (0, 0, 0, 0)
