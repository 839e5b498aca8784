"""The short form of the benchmark of anomalies: traffic and incidents are what they say, and counting is right."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from benchmarks.anomalies.incidents import LEAST_USD_PER_H, PLANTED, Incident, plant
from benchmarks.anomalies.play import Alarm, calls_of, daily_spend, hourly_sigmas, judged, ours
from benchmarks.anomalies.traffic import BEGIN_S, COLUMNS, DAY_S, DAYS, HOUR_S, Traffic, month, traffic

from benchmarks.anomalies import __main__ as main

FEW = {"chat": 12, "growing": 1, "nightly": 2, "agent": 4, "cron": 3, "dev": 3}


@pytest.fixture(scope="module")
def keys() -> list[Traffic]:
    return month(1, FEW)


def test_a_month_is_that_of_its_seed(keys: list[Traffic]) -> None:
    again, other = month(1, FEW), month(2, FEW)
    assert [one.key for one in keys] == [one.key for one in again]
    assert all(
        (getattr(one, name) == getattr(two, name)).all() for one, two in zip(keys, again, strict=True) for name in COLUMNS
    )
    assert sum(len(one.at_s) for one in keys) != sum(len(one.at_s) for one in other)
    for one in keys:
        assert (np.diff(one.at_s) >= 0).all()
        assert BEGIN_S <= one.at_s[0] <= one.at_s[-1] < BEGIN_S + (DAYS + 1) * DAY_S
        assert one.cost_pico[~one.failed].min() > 0
        assert not one.extra_pico.any()


def test_chats_sleep_and_agents_read_from_the_cache(keys: list[Traffic]) -> None:
    chat = next(one for one in keys if one.kind == "chat")
    by_hour = np.bincount((chat.at_s % DAY_S // HOUR_S).astype(int), minlength=24)
    assert by_hour.max() > 4 * by_hour.min()
    agent = next(one for one in keys if one.kind == "agent")
    assert agent.read.sum() > 0.5 * (agent.read + agent.write + agent.plain).sum()


def test_incidents_cost_what_they_say(keys: list[Traffic]) -> None:
    changed, incidents = plant(keys, 1, 1)
    assert {one.kind for one in incidents} <= set(PLANTED)
    assert len({one.key for one in incidents}) == len(incidents) >= 4
    by_key = {one.key: (before, one) for before, one in zip(keys, changed, strict=True)}
    for incident in incidents:
        assert incident.usd_per_h >= LEAST_USD_PER_H
        before, after = by_key[incident.key]
        extra = (after.extra_pico != 0) & ((after.at_s < incident.start_s) | (after.at_s > incident.end_s))
        assert not extra.any()
        paid = float((after.cost_pico.sum() - before.cost_pico.sum()) / 1e12)
        expected = float(after.extra_pico.sum()) / 1e12
        assert paid < 0 if incident.kind == "errors" else paid == pytest.approx(expected), incident


def test_calls_come_in_order_with_their_members(keys: list[Traffic]) -> None:
    calls = list(calls_of(keys[:3]))
    assert len(calls) == sum(len(one.at_s) for one in keys[:3])
    assert all(one.settled_s <= two.settled_s for one, two in pairwise(calls))
    assert sum(call.cost_pico for call in calls) == sum(int(one.cost_pico.sum()) for one in keys[:3])


def day_by_day(dear: int) -> Traffic:
    """A call each ten minutes at a dollar, and on one day for twelve hours ten times as many."""
    at = np.arange(0, DAYS * DAY_S, 600.0)
    more = dear * DAY_S + np.arange(0, DAY_S / 2, 60.0)
    made = traffic("k", "chat", np.concatenate([at, more]), np.random.default_rng(1), plain=1_000_000)
    return replace(made, failed=np.zeros(len(made.at_s), np.bool_))


def test_rivals_see_what_is_plain() -> None:
    (daily,) = daily_spend([day_by_day(12)])
    assert 12 < (daily.at_s - BEGIN_S) / DAY_S < 12.5
    (hourly,) = hourly_sigmas([day_by_day(12)])
    assert hourly.at_s - BEGIN_S < 12 * DAY_S + HOUR_S
    assert daily_spend([day_by_day(0)]) == []


def test_counting() -> None:
    one = replace(day_by_day(12), load_test=(BEGIN_S + 20 * DAY_S, BEGIN_S + 20 * DAY_S + 600))
    start = BEGIN_S + 12 * DAY_S
    one = replace(one, extra_pico=np.where((one.at_s >= start) & (one.at_s < start + 3_600), 10**12, 0))
    incident = Incident("errors", "k", "chat", start, start + 3_600, start + 900, 2.0)
    at = [3 * DAY_S, 12 * DAY_S + 301, 12 * DAY_S + 600, 20 * DAY_S + 60, 20 * DAY_S + 120]
    outcome = judged([one], [incident], [Alarm("errors", "k", BEGIN_S + each) for each in at])
    assert outcome.found == [Alarm("errors", "k", start + 301)]
    assert outcome.delays == [6]
    assert outcome.lost_usd == [pytest.approx(float(one.extra_pico[one.at_s < start + 301].sum()) / 1e12)]
    assert (outcome.false.total(), outcome.further, outcome.load_tests_told) == (2, 1, 1)
    missed = judged([one], [incident], [])
    assert missed.found == [None]
    assert missed.lost_usd == [pytest.approx(float(one.extra_pico.sum()) / 1e12)]


def test_a_short_form_finds_most_and_cries_wolf_seldom(keys: list[Traffic]) -> None:
    changed, incidents = plant(sorted(keys, key=lambda one: len(one.at_s))[-9:], 3, 1)
    alarms, cpu_s, calls = ours(changed)
    outcome = judged(changed, incidents, alarms)
    assert calls == sum(len(one.at_s) for one in changed)
    assert cpu_s / calls < 500e-6
    assert sum(found is not None for found in outcome.found) >= len(incidents) - 1 > 1
    assert outcome.false.total() <= 2


def test_tables_and_goals(keys: list[Traffic]) -> None:
    small = main.run(5, {"nightly": 1, "dev": 2}, of_each=1)
    assert main.OURS in main.found_table([small], main.OURS)
    assert main.DAILY in main.false_table([small])
    assert [goal.must for goal in main.goals([small])] == [True, True, True, False]
    assert main.document([small])["incidents"] == len(small.with_incidents[main.OURS].incidents)
    assert "load tests" in main.summary([small])
