"""How figures and moments are written in alerts, and what must not reach a message as it is."""

from __future__ import annotations

from datetime import timedelta

from thriftgate.core.alerting.metrics import Metric
from thriftgate.core.moments import EPOCH
from thriftgate.core.money import PICO_PER_USD

_DAY_US, _HOUR_US, _MINUTE_US = 86_400_000_000, 3_600_000_000, 60_000_000


def figure(metric: Metric, value: float) -> str:
    """A value of a metric, for people."""
    if metric.unit == "usd":
        return money(value)
    if metric.unit == "share":
        return f"{100 * value:.1f} %"
    if metric.unit == "ms":
        return f"{value / 1000:.1f} s" if value >= 1000 else f"{value:.0f} ms"
    return f"{value:,.0f}"


def money(pico: float) -> str:
    """Pico-USD in dollars: whole cents, or four digits where it is less than a dollar."""
    usd = pico / PICO_PER_USD
    return f"{'-' * (usd < 0)}${abs(usd):,.{2 if abs(usd) >= 1 else 4}f}"


def span(us: int) -> str:
    """Such as "24 h"."""
    if us >= 2 * _DAY_US and us % _DAY_US == 0:
        return f"{us // _DAY_US} days"
    if us >= _HOUR_US:
        return f"{us / _HOUR_US:g} h"
    return f"{us / _MINUTE_US:g} min" if us >= _MINUTE_US else f"{us / 1e6:g} s"


def moment(us: int) -> str:
    """To the minute, UTC."""
    return (EPOCH + timedelta(microseconds=us)).strftime("%Y-%m-%d %H:%M UTC")


def plain(text: str, length: int = 500) -> str:
    """One line that shows what it says: names come from callers, and can hold line breaks, terminal codes and marks that
    turn the direction of writing."""
    shown = "".join(one if one.isprintable() else " " for one in text)
    return shown if len(shown) <= length else f"{shown[: length - 1]}…"
