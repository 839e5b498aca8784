"""What rules say of calls."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.core.alerting.test_metrics import seen
from thriftgate.core.alerting.rules import HOUR_US, WEEK_US, Rule
from thriftgate.core.alerting.series import Series
from thriftgate.core.alerting.verdict import Verdict, judge, sighting_of
from thriftgate.core.money import PICO_PER_USD

NOW = 1_795_262_400_000_000  # Saturday 2026-11-21T12:00:00Z
USD = PICO_PER_USD


def judged(rule: Rule, *calls: tuple[int, dict[str, Any]], now_us: int = NOW, zone: Any = UTC) -> Verdict:
    series = Series(rule.metric, rule.width_us, rule.keep_us)
    for at_us, members in calls:
        series.take(seen(at_us=at_us, **members))
    return judge(rule, series, now_us, zone)


def test_a_threshold_is_met_above_it_within_its_span() -> None:
    rule = Rule("dear", above=2.0 * USD, over_us=HOUR_US)
    old, new = (NOW - 2 * HOUR_US, {"paid_pico": 5 * USD}), (NOW - HOUR_US // 2, {"paid_pico": 2 * USD})
    assert not judged(rule, old, new).met
    met = judged(rule, old, new, (NOW, {"paid_pico": 1}))
    assert met.met
    assert met.sentence == "spent: $2.00 within 1 h, above $2.00"
    assert met.evidence == ("2 calls",)
    assert met.pico_per_h == 2 * USD + 1
    assert met.level == pytest.approx(1.0)


def test_below_a_share_with_enough_calls() -> None:
    rule = Rule("cold", of="cache_share", below=0.5, calls_min=3)
    call = (NOW - 1, {"read": 40, "prompt": 100})
    assert judged(rule, call, call).lacks == "2 calls within 1 h, the rule asks for 3"
    met = judged(rule, call, call, call)
    assert met.met
    assert met.value == pytest.approx(0.4)
    assert met.level == pytest.approx(1.25)
    assert met.sentence == "share of prompts read from the cache: 40.0 % within 1 h, below 50.0 %"
    assert met.pico_per_h == 0


def test_silence_of_those_who_should_call() -> None:
    assert judged(Rule("still alive", of="calls", below=1.0, calls_min=0)).met
    assert not judged(Rule("still alive", of="calls", below=1.0, calls_min=0), (NOW, {})).met
    assert judged(Rule("slow", of="latency_p95", above=1.0), (NOW, {})).lacks


def weekly(pico: int, weeks: int = 5) -> list[tuple[int, dict[str, Any]]]:
    return [(NOW - week * WEEK_US - HOUR_US // 2, {"paid_pico": pico}) for week in range(1, weeks + 1)]


def test_an_hour_unlike_the_same_hours_of_the_weeks_before() -> None:
    rule = Rule("odd", "change", factor=3.0, over_us=HOUR_US)
    assert not judged(rule, *weekly(USD), (NOW, {"paid_pico": 3 * USD})).met
    met = judged(rule, *weekly(USD), (NOW, {"paid_pico": 4 * USD}))
    assert met.met
    assert met.sentence == "spent: $4.00 within 1 h, usually $1.00"
    assert "5 weeks before: $1.00, $1.00, $1.00, $1.00, $1.00" in met.evidence[1]
    assert met.pico_per_h == 3 * USD


def test_a_young_key_is_held_against_its_days() -> None:
    rule = Rule("odd", "change", factor=3.0, over_us=HOUR_US)
    days = [(NOW - day * 24 * HOUR_US - 1, {"paid_pico": USD}) for day in range(1, 6)]
    met = judged(rule, *days, (NOW, {"paid_pico": 4 * USD}))
    assert met.met
    assert "days before" in met.evidence[1]
    young = judged(rule, *days[:2], (NOW, {"paid_pico": 4 * USD}))
    assert (young.met, young.lacks) == (False, "2 days before to compare with, or nothing in them")


def test_a_fall_of_the_cache_share() -> None:
    rule = Rule("cold", "change", "cache_share", factor=0.5)
    before = [(at, {"read": 90, "prompt": 100}) for at, _ in weekly(0)]
    assert judged(rule, *before, (NOW, {"read": 10, "prompt": 100})).met
    assert not judged(rule, *before, (NOW, {"read": 80, "prompt": 100})).met


def month_of(pico_per_h: int, hours: int, now_us: int) -> list[tuple[int, dict[str, Any]]]:
    return [(now_us - hour * HOUR_US, {"paid_pico": pico_per_h}) for hour in range(1, hours + 1)]


def test_a_forecast_to_the_end_of_the_month() -> None:
    """21 days and a half at a dollar an hour, 228 hours to go."""
    rule = Rule("month", "forecast", above=700.0 * USD, window="month")
    met = judged(rule, *month_of(USD, 35 * 24, NOW))
    assert met.met
    assert met.value == pytest.approx(720 * USD, rel=0.01)
    assert met.sentence == "spent this month: $720.00 expected by its end, above $700.00"
    assert met.evidence[0] == "$492.00 so far, 228 h to go"
    assert met.evidence[1] == "eight times in ten between $720.00 and $720.00"
    assert met.pico_per_h == pytest.approx(20 * USD / 228, rel=0.01)
    assert not judged(Rule("month", "forecast", above=730.0 * USD), *month_of(USD, 35 * 24, NOW)).met


def test_a_forecast_says_when_it_knows_too_little() -> None:
    rule = Rule("month", "forecast", above=100.0 * USD)
    young = judged(rule, *month_of(USD, 50, NOW))
    assert (young.met, young.lacks) == (False, "less than three days of history: too little for a forecast")
    few = judged(rule, *month_of(USD, 80, NOW))
    assert few.met
    assert "a guess, only" in few.evidence[1]
    spent = judged(rule, (NOW, {"paid_pico": 101 * USD}))
    assert spent.met
    assert spent.sentence == "spent this month: $101.00, above $100.00 already"


def test_windows_are_those_of_the_zone() -> None:
    """At 23:30 UTC on the last of the month it is December in Zurich."""
    now = int(datetime(2026, 11, 30, 23, 30, tzinfo=UTC).timestamp()) * 1_000_000
    calls = month_of(USD, 35 * 24, now)
    rule = Rule("month", "forecast", above=735.0 * USD)
    assert not judged(rule, *calls, now_us=now).met
    zurich = judged(rule, *calls, now_us=now, zone=ZoneInfo("Europe/Zurich"))
    assert zurich.met
    assert zurich.evidence[0].startswith("$0.0000 so far, 744 h to go") or "743" in zurich.evidence[0]


def test_what_is_told_of_it() -> None:
    rule = Rule("dear", above=1.0, where=("team=t",), severity="critical")
    told = sighting_of(rule, "key=k", Verdict(True, 3.0, 1.0, "words", ("one",), 5), NOW)
    assert (told.signature, told.labels, told.level) == ("rule:dear:key=k", ("key=k", "team=t"), 3.0)
    assert (told.kind, told.rule, told.severity, told.pico_per_h) == ("threshold", "dear", "critical", 5)
    assert told.action.startswith("see what is spent on")
    assert sighting_of(Rule("x", above=1.0, action="call Ada"), "", Verdict(), NOW).action == "call Ada"
