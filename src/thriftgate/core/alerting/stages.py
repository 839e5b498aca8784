"""A budget that has reached one of its stages, as it is told."""

from __future__ import annotations

from thriftgate.core.alerting.alert import DIMENSIONS, Severity, Sighting
from thriftgate.core.alerting.words import moment, money
from thriftgate.core.control.budgets import Act, Stage, Standing
from thriftgate.core.control.windows import NEVER_US

_HOUR_US = 3_600_000_000
_WARNING_PERCENT, _CRITICAL_PERCENT = 80, 100
_WORSE = 1_000.0  # from one stage to the next: each is told, whatever factor is asked for
_DOES: dict[Act, str] = {
    "warn": "calls go on",
    "no_fast": "fast mode is taken out of calls",
    "cheaper": "calls go to a cheaper model",
    "batch": "only calls that may wait are taken",
    "refuse": "calls are refused",
}


def stage_sighting(standing: Standing, stage: Stage, now_us: int) -> Sighting:
    """One alert for each window of a budget, told at each stage."""
    budget = standing.budget
    calendar = not budget.window.startswith("rolling") and standing.until_us < NEVER_US
    hours = (now_us - standing.since_us) / _HOUR_US
    evidence = [f"{money(standing.spent_pico)} spent"]
    if standing.held_pico:
        evidence.append(f"{money(standing.held_pico)} held by calls under way")
    if standing.doubt_pico:
        evidence.append(f"{money(standing.doubt_pico)} in doubt")
    if calendar:
        evidence.append(f"until {moment(standing.until_us)}")
    conditions = {*budget.scope, *standing.member.split(",")}
    return Sighting(
        signature=f"budget:{budget.id}:{standing.member}:{standing.since_us if calendar else ''}",
        kind="budget",
        sentence=f"budget {standing.whose}: {stage.percent} % of {money(budget.limit_pico)} ({budget.window}) is reached",
        severity=_severity(stage),
        labels=tuple(sorted(one for one in conditions if one.partition("=")[0] in DIMENSIONS and not one.endswith("=*"))),
        since_us=now_us,
        evidence=tuple(evidence),
        action=f"{_DOES[stage.act]}; see who spends with thriftgate report, or change it with thriftgate budget",
        pico_per_h=int(standing.spent_pico / max(hours, 1.0)) if calendar else 0,
        level=_WORSE ** sorted({one.percent for one in budget.stages}).index(stage.percent),
    )


def _severity(stage: Stage) -> Severity:
    if stage.percent >= _CRITICAL_PERCENT or stage.act == "refuse":
        return "critical"
    return "warning" if stage.percent >= _WARNING_PERCENT else "info"
