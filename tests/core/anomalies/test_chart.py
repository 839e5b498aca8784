"""The control chart: silent over what it knows, awake where the level rises, whatever the unit."""

from __future__ import annotations

from math import exp
from random import Random

import msgspec
import pytest

from thriftgate.core.anomalies.chart import LEARN_MINUTES, Chart, chart, chart_from

MINUTES = 4_000


def feed(one: Chart, values: list[float], weight: float = 0.6) -> list[float]:
    return [one.see(x, weight, False) for x in values]


def heavy(seed: int, minutes: int = MINUTES, spread: float = 0.8) -> list[float]:
    """Logarithms of what has a Pareto tail, in the manner of agents: what comes now is like what came before."""
    random, kept, values = Random(seed), 0.0, []
    for _ in range(minutes):
        kept = 0.7 * kept + random.gauss(0, spread * 0.7)
        values.append(kept + random.expovariate(1.5))
    return values


@pytest.mark.parametrize("seed", range(12))
def test_no_alarm_on_stationary_heavy_tails(seed: int) -> None:
    assert max(feed(chart(0.15, 6.5), heavy(seed))) < 1


@pytest.mark.parametrize("seed", range(6))
def test_a_rise_is_found_within_fifteen_minutes_with_traffic(seed: int) -> None:
    one = chart(0.15, 5.0)
    feed(one, heavy(seed, spread=0.3))
    over = feed(one, [x + 2.0 for x in heavy(seed + 100, 15, 0.3)])
    assert max(over) > 1
    assert one.now - one.level > 1.0


def test_the_unit_does_not_matter() -> None:
    values = [*heavy(3), *(x + 3 for x in heavy(4, 20))]
    heights = feed(chart(0.15, 6.0), values)
    shifted = feed(chart(0.15, 6.0), [x + 1_000 for x in values])  # a logarithm: times e ** 1,000
    assert shifted == pytest.approx(heights, abs=1e-6)


def test_a_fall_is_no_alarm() -> None:
    one = chart(0.15, 5.0)
    feed(one, heavy(1))
    assert max(feed(one, [-20.0] * 60)) < 1


def test_one_wild_minute_is_cut() -> None:
    one = chart(0.15, 5.0)
    feed(one, heavy(1))
    level = one.level
    assert one.see(1e6, 0.6, False) < 1
    assert one.level == pytest.approx(level, abs=0.05)


def test_what_never_varied_is_found_soon_when_it_does() -> None:
    one = chart(0.06, 6.0, 1.0)
    assert feed(one, [5.0] * 300) == [0.0] * 300
    over = feed(one, [5.7] * 15)
    assert over[0] < 1 < over[12]


def test_no_judgement_of_the_young() -> None:
    assert max(feed(chart(0.15, 5.0), [0.0, 9.0] * (LEARN_MINUTES // 2))) == 0
    assert chart_from(0.05, 4.5, 0.0).see(1.0, 0.6, False) == 0
    assert chart_from(0.05, 4.5, 0.0).level == 0


def test_a_height_it_came_back_from_is_known_for_a_week_or_two() -> None:
    def burst(one: Chart) -> float:
        top = max(feed(one, [0.0, 0.9] * 4 + [0.9] * 8))
        feed(one, [0.0] * 60)
        return top

    one = chart(0.15, 5.0)
    random = Random(1)
    feed(one, [random.gauss(0, 0.2) for _ in range(2_000)])
    first = burst(one)
    assert burst(one) < first / 1.1
    one.turn()
    assert one.peak_before > one.peak == 0
    one.turn()
    assert one.peak_before == 0


def test_while_an_alarm_stands_nothing_is_learned_and_then_it_may_stay() -> None:
    one = chart(0.15, 5.0)
    feed(one, heavy(1))
    before = one.level, one.strays2, one.spread2
    for _ in range(100):
        one.see(9.0, 0.6, True)
    assert (one.level, one.strays2, one.spread2) == before
    one.adopt()
    assert one.level == pytest.approx(9.0, abs=1e-3)
    assert max(feed(one, [9.0] * 30)) < 1


def test_it_goes_on_where_it_was_put_down() -> None:
    values = heavy(5)
    one, half = chart(0.15, 5.0), chart(0.15, 5.0)
    whole = feed(one, values)
    first = feed(half, values[:2_000])
    again = msgspec.msgpack.decode(msgspec.msgpack.encode(half), type=Chart)
    assert first + feed(again, values[2_000:]) == whole
    assert exp(again.level) == exp(one.level)
