"""What a window will come to by its end: as the weeks before went on from here, with their trend, and a band from how far
the same way of forecasting was off on this very history.

    next hours    the same hours of up to four weeks before, newer weeks counting twice as much as the one before them
    trend         the last week over the week before, its square root for each week ahead, at most a doubling or halving
    band          of the forecasts that could have been made on earlier days, eight in ten were within it; wider where the
                  hours ahead are more than could be tried

With less than two weeks of history, days stand in for weeks; with less than three days nothing is said.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from math import exp, log

from msgspec import Struct

DAY_H, WEEK_H = 24, 168
_PERIODS_MAX = 4
_DAYS_MIN = 3
_TRIES_MAX, _TRIES_MIN = 28, 8
_TREND = 2.0
_LEAST_BAND = log(1.5)  # where the band rests on few tries


class Forecast(Struct, frozen=True):
    """What the hours ahead will come to, in the unit of the history; `low` and `high` hold it eight times in ten. `tries` is
    how many earlier forecasts the band rests on, `season_h` what repeats itself."""

    expected: float
    low: float
    high: float
    tries: int
    season_h: int


def forecast(history: Sequence[float], hours: float) -> Forecast | None:
    """The sum over the next hours. `history` are sums of whole hours, the oldest first, up to now. None: there is too
    little of it."""
    if len(history) < _DAYS_MIN * DAY_H:
        return None
    if hours <= 0:
        return Forecast(0.0, 0.0, 0.0, 0, DAY_H)
    season = WEEK_H if len(history) >= 2 * WEEK_H else DAY_H
    sums = [0.0, *accumulate(history)]
    expected = _ahead(sums, len(history), season, hours)
    stretch = int(min(max(hours, 1.0), max(DAY_H, (len(history) - 2 * season) / 2)))
    misses = _misses(sums, season, stretch)
    farther = max(1.0, hours / stretch) ** 0.5
    low, high = (edge * farther for edge in _band(misses))
    return Forecast(expected, expected * exp(low), expected * exp(high), len(misses), season)


def _ahead(sums: Sequence[float], now: int, season: int, hours: float) -> float:
    """The forecast that can be made when `now` hours are known. `sums[n]` is the sum of the first n hours."""
    periods = min(now // season, _PERIODS_MAX)
    trend = 1.0
    if periods >= 2:
        last = sums[now] - sums[now - season]
        before = sums[now - season] - sums[now - 2 * season]
        if last > 0 and before > 0:
            trend = min(max(last / before, 1 / _TREND), _TREND) ** 0.5
    weights = [2.0**-back for back in range(periods)]
    total, gone, step = 0.0, 0.0, trend
    while gone < hours:
        part = min(season, hours - gone)
        past = sum(
            weight * (_until(sums, now - back * season + part) - sums[now - back * season])
            for back, weight in enumerate(weights, 1)
        )
        total += step * past / sum(weights)
        gone += part
        step *= trend
    return total


def _until(sums: Sequence[float], hours: float) -> float:
    """The sum up to a part of an hour."""
    whole = int(hours)
    rest = hours - whole
    return sums[whole] + (rest * (sums[whole + 1] - sums[whole]) if rest else 0.0)


def _misses(sums: Sequence[float], season: int, stretch: int) -> list[float]:
    """Logarithms of what came over what would have been forecast, on earlier days, over so many hours."""
    found: list[float] = []
    start = len(sums) - 1 - stretch
    while start >= 2 * season and len(found) < _TRIES_MAX:
        came, said = sums[start + stretch] - sums[start], _ahead(sums, start, season, stretch)
        if came > 0 and said > 0:
            found.append(log(came / said))
        start -= DAY_H
    return found


def _band(misses: Sequence[float]) -> tuple[float, float]:
    """Of the logarithm: within which the next miss lies eight times in ten, were it like those before; so a band from few
    tries reaches farther out than their own percentiles. Wider still where there are hardly any."""
    if len(misses) < _TRIES_MIN:
        wide = max([_LEAST_BAND, *(2 * abs(one) for one in misses)])
        return -wide, wide
    ordered = sorted(misses)
    edge = max(0, (len(ordered) + 1) // 10 - 1)
    return min(ordered[edge], 0.0), max(ordered[-1 - edge], 0.0)
