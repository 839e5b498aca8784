"""Rules that can be, and rules that cannot."""

from __future__ import annotations

from typing import Any

import pytest

from thriftgate.core.alerting.rules import HOUR_US, WEEK_US, Rule, checked, window_of
from thriftgate.core.errors import InputError

ZONES = {"UTC", "Europe/Zurich"}


def rule(**members: Any) -> Rule:
    values: dict[str, Any] = {"name": "dear", "above": 1e12}
    return Rule(**values | members)


def test_conditions_come_in_order() -> None:
    assert checked(rule(where=("team=b", "key=a")), ZONES) == rule(where=("key=a", "team=b"))


@pytest.mark.parametrize(
    ("members", "complaint"),
    [
        ({"name": " "}, "a name of one to a hundred"),
        ({"name": "a=b"}, "a name of one to a hundred"),
        ({"name": "a\x1b[2J"}, "a name of one to a hundred"),
        ({"of": "money"}, "there is no metric 'money'; choose one of spend"),
        ({"by": "colour"}, "by 'colour': choose one of key, user"),
        ({"severity": "awful"}, "choose one of info, warning, critical"),
        ({"over_us": 1}, "a minute to 31 days"),
        ({"above": None}, "one of above and below"),
        ({"below": 1.0}, "one of above and below"),
        ({"kind": "forecast", "above": None}, "a forecast has above"),
        ({"kind": "forecast", "of": "cache_share"}, "cache_share is no sum"),
        ({"kind": "forecast", "window": "hour"}, "choose one of day, week, month"),
        ({"kind": "forecast", "zone": "Moon/Base"}, "there is no time zone 'Moon/Base'"),
        ({"kind": "change", "factor": 1.0}, "above 1 for a rise"),
        ({"kind": "change", "over_us": 8 * 24 * HOUR_US}, "a week at most"),
        ({"calls_min": -1}, "not below zero"),
        ({"where": ("kind=loop",)}, "is not of the form name=value"),
    ],
)
def test_rules_that_cannot_be(members: dict[str, Any], complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        checked(rule(**members), ZONES)


def test_whose_calls_a_rule_looks_at() -> None:
    labels = {"key=k", "tag=a", "tag=b", "team=t"}
    assert rule().member(labels) == ("",)
    assert rule(by="key").member(labels) == ("key=k",)
    assert rule(by="tag").member(labels) == ("tag=a", "tag=b")
    assert rule(by="user").member(labels) == ()
    assert rule(where=("team=t", "key=k")).member(labels) == ("",)
    assert rule(where=("team=x",)).member(labels) == ()


def test_how_finely_and_how_far_back_it_looks() -> None:
    assert rule(over_us=HOUR_US).width_us == 60_000_000
    assert rule(over_us=HOUR_US).keep_us == HOUR_US
    assert rule(kind="change", over_us=24 * HOUR_US).width_us == 6 * HOUR_US
    assert rule(kind="change").keep_us == 5 * WEEK_US + HOUR_US
    assert rule(kind="forecast").width_us == HOUR_US
    assert window_of(rule(window="week")).name == "week"
