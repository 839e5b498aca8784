"""What people want to be told of, and how."""

from __future__ import annotations

from collections.abc import Collection
from decimal import Decimal
from typing import Literal
from zoneinfo import available_timezones

from pydantic import Field, SecretStr

from thriftgate.core.alerting.metrics import METRICS
from thriftgate.core.alerting.rules import Rule, checked
from thriftgate.core.deadline import parse_duration
from thriftgate.core.errors import ConfigError, InputError
from thriftgate.core.money import pico_from_usd
from thriftgate.settings.table import Table

SeverityWord = Literal["info", "warning", "critical"]


class AlertRuleRow(Table):
    """`[[alerts.rules]]`: a condition of which people are told. Amounts are in USD, shares from 0 to 1, latency in
    milliseconds."""

    name: str = Field(min_length=1, description="what alerts and silences call it")
    kind: Literal["threshold", "forecast", "change"] = Field(
        default="threshold",
        description="threshold: above or below a value; forecast: a window will end above one; change: unlike the same "
        "hours of the weeks before",
    )
    of: str = Field(
        default="spend",
        description="spend, saved, calls, errors, prompt_tokens, output_tokens, error_share, cache_share, saved_share, "
        "latency_p95",
    )
    where: tuple[str, ...] = Field(
        default=(),
        description="only calls that meet all of these, such as team=search; key, user, team, org, model, task, tag",
    )
    by: str = Field(default="", description="look at each key, user, team, org, model, task or tag by itself")
    over: str = Field(default="1h", description="the trailing span, such as 15m, 24h or 7d")
    above: Decimal | None = Field(default=None, description="of a threshold or forecast")
    below: Decimal | None = Field(default=None, description="of a threshold")
    factor: float = Field(default=3.0, gt=0, description="of a change: above 1 a rise, below 1 a fall")
    least: Decimal = Field(default=Decimal(0), ge=0, description="of a change: smaller values are not worth a word")
    window: Literal["day", "week", "month"] = Field(default="month", description="of a forecast: of the calendar")
    zone: str = Field(default="UTC", description="of a forecast: the calendar's time zone, such as Europe/Zurich")
    calls_min: int = Field(default=1, ge=0, description="with fewer calls nothing is said")
    severity: SeverityWord = Field(default="warning", description="how bad it is")
    action: str = Field(default="", description="what to do about it; empty is a usual advice")


class SinkRow(Table):
    """`[[alerts.sinks]]`: whom to tell, and of what."""

    name: str = Field(min_length=1, description="what `thriftgate alerts test` calls it")
    kind: Literal["log", "webhook", "slack", "mail", "apprise"] = Field(
        description="slack is any receiver of Slack's incoming webhooks; apprise knows a hundred other services"
    )
    url: SecretStr = Field(
        default=SecretStr(""),
        description="where to: https://… of a webhook; smtp://, smtps:// or starttls://user:password@host:port of mail; an "
        "Apprise URL",
    )
    secret: SecretStr = Field(default=SecretStr(""), description="signs webhooks; needed there")
    to: tuple[str, ...] = Field(default=(), description="mail: receivers")
    sender: str = Field(default="", description="mail: from whom")
    severity: SeverityWord = Field(default="info", description="nothing less bad is told")
    kinds: tuple[str, ...] = Field(
        default=(), description="only alerts of these kinds: threshold, forecast, change, budget, loop …; may hold *"
    )
    teams: tuple[str, ...] = Field(default=(), description="only alerts of these teams; may hold *; empty is all")
    resolved: bool = Field(default=True, description="whether it is told that an alert is over")
    per_hour: int = Field(default=30, ge=1, description="messages at most; what comes above waits and is told as a digest")


class AlertSettings(Table):
    """`[alerts]`: what people are told of, when, and through what."""

    on: bool = Field(default=True, description="whether anything is watched and told")
    anomalies: bool = Field(default=True, description="look for anomalies, too, beside the rules")
    every_s: float = Field(default=30.0, ge=1, le=3600, description="how often rules are looked at")
    again_h: float = Field(default=24.0, gt=0, description="what still stands is told again after so long")
    worse_factor: float = Field(default=2.0, gt=1, le=100, description="what is worse by this factor is told at once")
    resolve_min: float = Field(default=15.0, gt=0, description="what was gone for so long is over")
    gather_s: float = Field(default=10.0, ge=0, le=600, description="how long a message waits for others")
    digest_over: int = Field(default=5, ge=1, description="more messages than this at once become one")
    public_url: str = Field(default="", description="where people reach the gateway, for links to its dashboard")
    allow_hosts: tuple[str, ...] = Field(
        default=(), description="hosts of your own network that may be sent to, by plain http too"
    )
    rules: tuple[AlertRuleRow, ...] = Field(default=(), description="conditions that are told")
    sinks: tuple[SinkRow, ...] = Field(default=(), description="whom to tell; empty tells the log")

    @property
    def told(self) -> tuple[SinkRow, ...]:
        """Who is told: the sinks, or the log."""
        return self.sinks or (SinkRow(name="log", kind="log"),)


def rules_of(table: AlertSettings) -> tuple[Rule, ...]:
    """The rules of the settings. Raises ConfigError naming the row."""
    zones = available_timezones() if table.rules else frozenset()
    found: dict[str, Rule] = {}
    for at, row in enumerate(table.rules):
        try:
            rule = rule_of(row, zones)
        except InputError as error:
            raise ConfigError(f"alerts.rules[{at}]: {error}") from None
        if rule.name in found:
            raise ConfigError(f"alerts.rules[{at}]: there are two rules named {rule.name!r}")
        found[rule.name] = rule
    return tuple(found.values())


def rule_of(row: AlertRuleRow, zones: Collection[str]) -> Rule:
    """A row as rules are judged. Raises InputError."""
    in_usd = row.of in METRICS and METRICS[row.of].unit == "usd"

    def amount(value: Decimal | None) -> float | None:
        if value is None:
            return None
        return float(pico_from_usd(value) if in_usd else value)

    return checked(
        Rule(
            name=row.name,
            kind=row.kind,
            of=row.of,
            where=row.where,
            by=row.by,
            over_us=int(parse_duration(row.over) * 1e6),
            above=amount(row.above),
            below=amount(row.below),
            factor=row.factor,
            least=amount(row.least) or 0.0,
            window=row.window,
            zone=row.zone,
            severity=row.severity,
            calls_min=row.calls_min,
            action=row.action,
        ),
        zones,
    )


def check_alerts(table: AlertSettings) -> None:
    """What the types of the fields do not say. Raises ConfigError."""
    rules_of(table)
    names: set[str] = set()
    for at, sink in enumerate(table.sinks):
        where = f"alerts.sinks[{at}]"
        if sink.name in names:
            raise ConfigError(f"{where}: there are two sinks named {sink.name!r}")
        names.add(sink.name)
        if sink.kind != "log" and not sink.url.get_secret_value():
            raise ConfigError(f"{where}.url: {sink.kind} needs one")
        if sink.kind == "webhook" and not sink.secret.get_secret_value():
            raise ConfigError(f"{where}.secret: must be set; receivers check the signature")
        if sink.kind == "mail" and not (sink.to and sink.sender):
            raise ConfigError(f"{where}: mail needs to and sender")
        for address in (*sink.to, sink.sender):
            if not address.isprintable():
                raise ConfigError(f"{where}: {address!r} is no mail address")
    if table.public_url and not table.public_url.startswith(("http://", "https://")):
        raise ConfigError("alerts.public_url: must begin with https:// or http://")
