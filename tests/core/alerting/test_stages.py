"""Stages of budgets as they are told: each once, as one alert a window."""

from __future__ import annotations

import pytest

from thriftgate.core.alerting.alert import Alert, Why
from thriftgate.core.alerting.life import Habits, sighted
from thriftgate.core.alerting.stages import stage_sighting
from thriftgate.core.control.budgets import Budget, Stage, Standing
from thriftgate.core.control.windows import NEVER_US

USD = 10**12
HOUR = 3_600_000_000
SINCE = 1_795_219_200_000_000  # 2026-11-21T00:00:00Z
NOW = SINCE + 10 * HOUR
BUDGET = Budget("b1", "agents", 100 * USD, ("key=*", "team=ops", "tier=fast"), "day")


def standing(spent: int, budget: Budget = BUDGET, until_us: int = SINCE + 24 * HOUR) -> Standing:
    return Standing(budget, "key=key_1", spent * USD, 2 * USD, 1 * USD, SINCE, until_us)


def test_what_is_told() -> None:
    told = stage_sighting(standing(80), Stage(80), NOW)
    assert told.sentence == "budget agents (key=key_1): 80 % of $100.00 (day) is reached"
    assert told.labels == ("key=key_1", "team=ops")
    assert told.evidence == (
        "$80.00 spent", "$2.00 held by calls under way", "$1.00 in doubt", "until 2026-11-22 00:00 UTC",
    )  # fmt: skip
    assert told.pico_per_h == 8 * USD
    assert told.action.startswith("calls go on")
    assert (told.kind, told.signature) == ("budget", f"budget:b1:key=key_1:{SINCE}")


@pytest.mark.parametrize(
    ("stage", "severity"),
    [(Stage(50), "info"), (Stage(80), "warning"), (Stage(95), "warning"), (Stage(100), "critical"),
     (Stage(90, "refuse"), "critical")],
)  # fmt: skip
def test_how_bad_it_is(stage: Stage, severity: str) -> None:
    budget = Budget("b1", "agents", 100 * USD, stages=(stage,))
    assert stage_sighting(standing(1, budget), stage, NOW).severity == severity


def test_each_stage_is_told_once_whatever_factor_is_asked_for() -> None:
    alert: Alert | None = None
    told: list[tuple[int, Why]] = []
    for spent in range(40, 130):
        one = standing(spent)
        stage = one.stage
        if stage is None:
            continue
        for _ in range(3):
            alert, why = sighted(alert, stage_sighting(one, stage, NOW), Habits(worse_factor=100.0), NOW, silenced=False)
            if why:
                told.append((spent, why))
    assert told == [(49, "opened"), (79, "worse"), (94, "worse"), (99, "worse")]


def test_windows_that_never_end_or_roll_on() -> None:
    total = Budget("b1", "all", 100 * USD, window="total")
    assert stage_sighting(standing(60, total, NEVER_US), Stage(50), NOW).signature == "budget:b1:key=key_1:"
    rolling = Budget("b1", "all", 100 * USD, window="rolling 24h")
    told = stage_sighting(standing(60, rolling), Stage(50), NOW)
    assert (told.signature, told.pico_per_h) == ("budget:b1:key=key_1:", 0)
