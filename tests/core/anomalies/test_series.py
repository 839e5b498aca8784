"""A series: which of its charts says why a call costs more."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import pytest
from msgspec.structs import replace

from thriftgate.core.anomalies.call import Call, Sums
from thriftgate.core.anomalies.finding import Kind
from thriftgate.core.anomalies.series import ADOPT_MINUTES, Series
from thriftgate.core.money import PICO_PER_USD

RATE = 15_000_000


def priced(call: Call) -> Call:
    """At 3 USD a million tokens of input, a tenth for a read."""
    rate = call.rate_pico // 5
    pico = int(rate * (call.plain + 1.25 * call.write + 0.1 * call.read)) + call.rate_pico * call.output
    return replace(call, cost_pico=0 if call.ended == "error" else pico)


def usual(random: Random, run: int) -> Call:
    output = int(random.lognormvariate(5.5, 0.6))
    plain = int(random.lognormvariate(6, 0.5))
    return Call(0.0, "k", "t", "m", 0, RATE, read=3_000, plain=plain, output=output, run=str(run))


def fed(
    series: Series, minutes: range, change: Callable[[Call, Random], Call] = lambda call, _: call
) -> list[tuple[float, float]]:
    random, overs = Random(minutes.start), []
    for minute in minutes:
        sums = Sums()
        for number in range(3):
            sums.take(priced(change(usual(random, minute * 3 + number), random)))
        overs.append(series.see(minute, sums))
    return overs


@pytest.fixture
def series() -> Series:
    made = Series(0, 0)
    assert max(max(over) for over in fed(made, range(1, 2_000))) < 1
    return made


CHANGES: dict[Kind, Callable[[Call, Random], Call]] = {
    "tier_switch": lambda call, _: replace(call, rate_pico=2 * RATE),
    "long_prompt": lambda call, _: replace(call, plain=call.plain + 6_000),
    "cache_collapse": lambda call, _: replace(call, read=0, write=3_000),
    "output_drift": lambda call, _: replace(call, output=4 * call.output),
}


@pytest.mark.parametrize("kind", CHANGES)
def test_each_cause_is_found_and_named(series: Series, kind: Kind) -> None:
    overs = fed(series, range(2_000, 2_015), CHANGES[kind])
    assert max(over[0] for over in overs) > 1
    assert series.made_dearer() == kind
    before, after = series.numbers(kind)
    assert after > 1.5 * before
    assert series.calm < 2_010
    assert series.calls <= 45


def test_what_a_call_costs_without_a_reason_that_can_be_seen(series: Series) -> None:
    random = Random(1)
    for minute in range(2_000, 2_015):
        sums = Sums()
        for number in range(3):
            call = priced(usual(random, number + minute))
            sums.take(replace(call, cost_pico=6 * call.cost_pico))
        over = series.see(minute, sums)
    assert over[0] > 1
    assert series.made_dearer() == "unit_cost"
    before, after = series.numbers("unit_cost")
    assert 0 < before < after < 1


def test_excess_is_what_calls_cost_more(series: Series) -> None:
    usual_pico = series.mean_pico
    fed(series, range(2_000, 2_060), CHANGES["output_drift"])
    dearer = sum(priced(CHANGES["output_drift"](usual(Random(at), at), Random(0))).cost_pico for at in range(500)) / 500
    told = series.excess_pico_per_h()
    assert told == pytest.approx(180 * (dearer - usual_pico), rel=0.6)
    assert told > 0.1 * PICO_PER_USD


def test_errors(series: Series) -> None:
    overs = fed(
        series, range(2_000, 2_015), lambda call, random: replace(call, ended="error" if random.random() < 0.5 else "ok")
    )
    found = next(at for at, over in enumerate(overs) if over[1] > 1)
    assert found < 8
    assert series.errors_pico_per_h() == pytest.approx(90 * series.mean_pico, rel=0.5)


def test_one_long_conversation_is_not_what_happens_to_all(series: Series) -> None:
    one = fed(series, range(2_000, 2_040), lambda call, _: replace(call, plain=40_000, run="one"))
    assert max(over[0] for over in one) == 0 or all(over[0] < 1 for over in one)


def test_an_alarm_stands_until_it_is_over_or_has_become_normal(series: Series) -> None:
    fed(series, range(2_000, 2_015), CHANGES["tier_switch"])
    series.unit_since = 2_015
    level = series.rate.level
    assert {over[0] for over in fed(series, range(2_015, 2_100), CHANGES["tier_switch"])} == {0.0}
    assert series.rate.level == level
    fed(series, range(2_100, 2_140))
    assert not series.unit_since
    fed(series, range(2_140, 2_155), CHANGES["tier_switch"])
    series.unit_since = 2_155
    fed(series, range(2_155, 2_156 + ADOPT_MINUTES + 1), CHANGES["tier_switch"])
    assert not series.unit_since
    assert series.rate.level > level + 0.5


def test_a_model_whose_price_nobody_knows_is_no_switch(series: Series) -> None:
    for share in (0.5, 1.0):
        random = Random(1)
        for minute in range(2_000, 2_030):
            sums = Sums()
            for number in range(3):
                call = priced(usual(random, minute * 3 + number))
                sums.take(replace(call, rate_pico=0 if random.random() < share else call.rate_pico))
            assert series.see(minute, sums)[0] < 1
