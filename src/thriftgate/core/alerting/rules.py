"""Rules: what an operator wants to be told of.

threshold   a metric over a trailing span is above or below a value
forecast    what a window of the calendar will come to by its end is above a value
change      a metric over the last hours is a factor away from the same hours of the weeks before
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal

from msgspec import Struct

from thriftgate.core.alerting.alert import DIMENSIONS, SEVERITIES, Severity, checked_conditions
from thriftgate.core.alerting.metrics import METRICS, Metric
from thriftgate.core.control.windows import CALENDAR, Window
from thriftgate.core.errors import InputError

RuleKind = Literal["threshold", "forecast", "change"]
WEEK_US = 7 * 86_400_000_000
HOUR_US = 3_600_000_000
_SPAN_US = (60_000_000, 31 * 86_400_000_000)
_WEEKS = 5  # that changes and forecasts look back


class Rule(Struct, frozen=True):
    """`of` is a metric; `above` and `below` are in its own unit (pico-USD, shares from 0 to 1, milliseconds). `where` are
    conditions of the calls, all of which must hold; with `by`, such as "key", each one is looked at by itself. Below
    `calls_min` calls nothing is said. Spans in microseconds."""

    name: str
    kind: RuleKind = "threshold"
    of: str = "spend"
    where: tuple[str, ...] = ()
    by: str = ""
    over_us: int = HOUR_US
    above: float | None = None
    below: float | None = None
    factor: float = 3.0
    least: float = 0.0
    window: str = "month"
    zone: str = "UTC"
    severity: Severity = "warning"
    calls_min: int = 1
    action: str = ""

    @property
    def metric(self) -> Metric:
        return METRICS[self.of]

    @property
    def width_us(self) -> int:
        """Of the slots that are added up."""
        if self.kind == "forecast":
            return HOUR_US
        if self.kind == "change":
            return max(self.over_us // 4, HOUR_US // 4)
        return max(self.over_us // 60, 1_000_000)

    @property
    def keep_us(self) -> int:
        """How far back it looks."""
        return self.over_us if self.kind == "threshold" else _WEEKS * WEEK_US + self.over_us

    def member(self, labels: Collection[str]) -> tuple[str, ...]:
        """Which of its series calls with these labels belong to: "" where there is one for all, several where a call bears
        several tags; none where it does not look at them."""
        if any(one not in labels for one in self.where):
            return ()
        if not self.by:
            return ("",)
        return tuple(one for one in sorted(labels) if one.startswith(f"{self.by}="))


def checked(rule: Rule, zones: Collection[str]) -> Rule:
    """The rule, its conditions in order. Raises InputError naming what is wrong."""
    where = f"alert rule {rule.name!r}"
    if not rule.name.strip() or not rule.name.isprintable() or len(rule.name) > 100 or "=" in rule.name:
        raise InputError(f"{where}: a name of one to a hundred printable characters without = is needed")
    if rule.of not in METRICS:
        raise InputError(f"{where}: there is no metric {rule.of!r}; choose one of {', '.join(METRICS)}")
    if rule.by and rule.by not in DIMENSIONS:
        raise InputError(f"{where}: by {rule.by!r}: choose one of {', '.join(DIMENSIONS)}")
    if rule.severity not in SEVERITIES:
        raise InputError(f"{where}: severity {rule.severity!r}: choose one of {', '.join(SEVERITIES)}")
    if not _SPAN_US[0] <= rule.over_us <= _SPAN_US[1]:
        raise InputError(f"{where}: over: a span is a minute to 31 days long")
    if rule.kind == "threshold" and (rule.above is None) == (rule.below is None):
        raise InputError(f"{where}: a threshold has one of above and below")
    if rule.kind == "forecast":
        _check_forecast(rule, where, zones)
    if rule.kind == "change":
        if not (rule.factor > 1 or 0 < rule.factor < 1):
            raise InputError(f"{where}: factor: above 1 for a rise, between 0 and 1 for a fall")
        if rule.over_us > 7 * 86_400_000_000:
            raise InputError(f"{where}: over: a change is looked for over a week at most")
    if rule.calls_min < 0 or rule.least < 0:
        raise InputError(f"{where}: calls_min and least are not below zero")
    return Rule(
        **{name: getattr(rule, name) for name in Rule.__struct_fields__ if name != "where"},
        where=checked_conditions(rule.where, DIMENSIONS, where),
    )


def window_of(rule: Rule) -> Window:
    """The window of the calendar that a forecast is for."""
    return Window(rule.window)


def _check_forecast(rule: Rule, where: str, zones: Collection[str]) -> None:
    if rule.above is None or rule.above <= 0 or rule.below is not None:
        raise InputError(f"{where}: a forecast has above, and it is above zero")
    if not rule.metric.adds_up:
        raise InputError(f"{where}: {rule.of} is no sum, and cannot be forecast")
    if rule.window not in CALENDAR or rule.window == "hour":
        raise InputError(f"{where}: window {rule.window!r}: choose one of day, week, month")
    if rule.zone not in zones:
        raise InputError(f"{where}: there is no time zone {rule.zone!r}; use a name such as Europe/Zurich")
