"""Is a rule met, by what was added up for it? Frozen values in, a verdict out."""

from __future__ import annotations

from datetime import tzinfo

from msgspec import Struct

from thriftgate.core.alerting.alert import Sighting
from thriftgate.core.alerting.change import usual
from thriftgate.core.alerting.forecast import WEEK_H, forecast
from thriftgate.core.alerting.metrics import Metric
from thriftgate.core.alerting.rules import HOUR_US, WEEK_US, Rule, window_of
from thriftgate.core.alerting.series import Series
from thriftgate.core.alerting.words import figure, money, span

_DAY_US = 86_400_000_000
_DAYS_BACK, _WEEKS_BACK = 7, 5
ACTIONS = {
    "spend": "see what is spent on: thriftgate report; set a budget with a stage below this, or a cheaper model",
    "saved": "see which lever stopped saving: thriftgate savings",
    "calls": "see who calls: thriftgate report; limit requests per minute of this key",
    "errors": "see the errors of these calls: thriftgate report; retries are billed",
    "error_share": "see the errors of these calls: thriftgate report; retries are billed",
    "cache_share": "see why prompts were not read: thriftgate cache report, then thriftgate cache doctor",
    "saved_share": "see which lever stopped saving: thriftgate savings",
    "latency_p95": "look at the provider's status, and at the limits that calls wait for",
    "prompt_tokens": "see whose prompts grew: thriftgate report",
    "output_tokens": "cap answers, or ask for shorter ones: [output] in the settings",
}


class Verdict(Struct, frozen=True):
    """`met`: the rule's condition holds. `value` against `bound`, in the metric's unit. `lacks` says what cannot be judged
    yet, and why."""

    met: bool = False
    value: float = 0.0
    bound: float = 0.0
    sentence: str = ""
    evidence: tuple[str, ...] = ()
    pico_per_h: int = 0
    lacks: str = ""

    @property
    def level(self) -> float:
        """How far beyond the bound, as a factor: above 1 where it is met."""
        if self.value <= 0 or self.bound <= 0:
            return 1.0
        return max(self.value / self.bound, self.bound / self.value)


def judge(rule: Rule, series: Series, now_us: int, zone: tzinfo) -> Verdict:
    """The rule on one of its series, now. `zone` is the rule's."""
    if rule.kind == "forecast":
        return _forecast(rule, series, now_us, zone)
    calls, value = series.over(now_us - rule.over_us, now_us + 1)
    if calls < rule.calls_min or value is None:
        return Verdict(lacks=f"{calls} calls within {span(rule.over_us)}, the rule asks for {max(rule.calls_min, 1)}")
    if rule.kind == "change":
        return _change(rule, series, now_us, value, calls)
    return _threshold(rule, value, calls)


def sighting_of(rule: Rule, member: str, verdict: Verdict, now_us: int) -> Sighting:
    """What is told of a rule that is met."""
    return Sighting(
        signature=f"rule:{rule.name}:{member}",
        kind=rule.kind,
        sentence=verdict.sentence,
        severity=rule.severity,
        rule=rule.name,
        labels=tuple(sorted({*rule.where, *([member] if member else [])})),
        since_us=now_us,
        evidence=verdict.evidence,
        action=rule.action or ACTIONS[rule.of],
        pico_per_h=verdict.pico_per_h,
        level=verdict.level,
    )


def _threshold(rule: Rule, value: float, calls: int) -> Verdict:
    metric = rule.metric
    bound = rule.above if rule.above is not None else rule.below
    assert bound is not None
    met = value > bound if rule.above is not None else value < bound
    side = "above" if rule.above is not None else "below"
    shown = figure(metric, value)
    return Verdict(
        met,
        value,
        bound,
        f"{metric.title}: {shown} within {span(rule.over_us)}, {side} {figure(metric, bound)}",
        (f"{calls:,} calls",),
        _per_hour(metric, value, rule.over_us),
    )


def _change(rule: Rule, series: Series, now_us: int, value: float, calls: int) -> Verdict:
    metric = rule.metric
    earlier, unit = _references(series, now_us, rule.over_us)
    norm = usual(earlier, rule.factor, rule.least)
    if norm is None:
        return Verdict(value=value, lacks=f"{len(earlier)} {unit} before to compare with, or nothing in them")
    rise = rule.factor > 1
    met = value > norm.bound if rise else value < norm.bound
    return Verdict(
        met,
        value,
        norm.bound,
        f"{metric.title}: {figure(metric, value)} within {span(rule.over_us)}, usually {figure(metric, norm.median)}",
        (
            f"{calls:,} calls",
            f"the same hours of {norm.references} {unit} before: {', '.join(figure(metric, one) for one in earlier)}",
            f"out of the ordinary {'above' if rise else 'below'} {figure(metric, norm.bound)}",
        ),
        _per_hour(metric, value - norm.median, rule.over_us),
    )


def _references(series: Series, now_us: int, over_us: int) -> tuple[list[float], str]:
    """What the same hours of the weeks before came to; of the days before where the weeks are too few."""
    for step_us, back, unit in ((WEEK_US, _WEEKS_BACK, "weeks"), (_DAY_US, _DAYS_BACK, "days")):
        if over_us > step_us:
            break
        found = []
        for at in range(1, back + 1):
            until_us = now_us - at * step_us
            if not series.first_us or until_us - over_us < series.first_us - series.first_us % over_us:
                break
            _, value = series.over(until_us - over_us, until_us + 1)
            if value is not None:
                found.append(value)
        if len(found) >= 3:
            return found, unit
    return found, unit


def _forecast(rule: Rule, series: Series, now_us: int, zone: tzinfo) -> Verdict:
    metric = rule.metric
    limit = rule.above
    assert limit is not None
    window = window_of(rule).span(now_us, zone)
    spent = series.over(window.since_us, now_us + 1)[1] or 0.0
    calls, _ = series.over(now_us - rule.keep_us, now_us + 1)
    if calls < rule.calls_min:
        return Verdict(lacks=f"{calls} calls within {span(rule.keep_us)}, the rule asks for {rule.calls_min}")
    if spent > limit:
        already = f"{figure(metric, spent)}, above {figure(metric, limit)} already"
        return Verdict(True, spent, limit, f"{metric.title} this {rule.window}: {already}")
    first_us = -(-series.first_us // HOUR_US) * HOUR_US
    said = forecast(series.values(max(first_us, now_us - rule.keep_us), now_us), (window.until_us - now_us) / HOUR_US)
    if said is None:
        return Verdict(value=spent, bound=limit, lacks="less than three days of history: too little for a forecast")
    expected = spent + said.expected
    left_h = (window.until_us - now_us) / HOUR_US
    season = "weeks" if said.season_h == WEEK_H else "days, as there are not two weeks of history"
    band = f"eight times in ten between {figure(metric, spent + said.low)} and {figure(metric, spent + said.high)}"
    return Verdict(
        expected > limit,
        expected,
        limit,
        f"{metric.title} this {rule.window}: {figure(metric, expected)} expected by its end, above {figure(metric, limit)}",
        (
            f"{figure(metric, spent)} so far, {left_h:.0f} h to go",
            band if said.tries >= 8 else f"{band}: a guess, only {said.tries} earlier forecasts could be tried",
            f"as in the same hours of earlier {season}, with their trend",
            *([f"on average {money(said.expected / left_h)} an hour until then"] if metric.unit == "usd" else []),
        ),
        int((expected - limit) / max(left_h, 1.0)) if metric.unit == "usd" else 0,
    )


def _per_hour(metric: Metric, value: float, over_us: int) -> int:
    return int(value * HOUR_US / over_us) if metric.unit == "usd" and metric.name == "spend" else 0
