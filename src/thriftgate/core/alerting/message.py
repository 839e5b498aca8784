"""What is told, in words: of one alert, or of many at once. Never prompt text; names are shown as they are, on one line."""

from __future__ import annotations

from msgspec import Struct

from thriftgate.core.alerting.alert import SEVERITIES, Alert, Message, Notice, rank
from thriftgate.core.alerting.words import moment, money, plain
from thriftgate.core.money import PICO_PER_USD

SHOWN_MAX = 10  # in a digest
PAGE = "/thriftgate/dashboard/alerts"
_WHY = {"opened": "", "worse": "worse: ", "again": "still: ", "resolved": "resolved: "}
_SUBJECT_MAX = 200
_WORTH_PICO = PICO_PER_USD // 100  # an hour; less is not worth a line


class Text(Struct, frozen=True):
    """Plain text: a subject of one line, lines below it, and where more is shown ("": nowhere)."""

    subject: str
    lines: tuple[str, ...]
    link: str = ""


def text_of(message: Message, public_url: str = "") -> Text:
    """The message in words. `public_url` is where the gateway can be reached."""
    if len(message.notices) == 1:
        return _one(message.notices[0], public_url)
    return _digest(message.notices, public_url)


def link_to(alert: Alert | None, public_url: str) -> str:
    """The page of alerts, at the place of one; it may be over by the time that somebody looks."""
    if not public_url:
        return ""
    return f"{public_url.rstrip('/')}{PAGE}{f'?all=on#alert-{alert.id}' if alert is not None and alert.id else ''}"


def _one(notice: Notice, public_url: str) -> Text:
    alert = notice.alert
    lines = [f"whose: {_whose(alert)}", f"since: {moment(alert.since_us)}"]
    if notice.why == "resolved":
        lines.append(f"over: {moment(alert.closed_us)}, sighted {alert.count:,} times")
    else:
        lines += [f"evidence: {plain(one)}" for one in alert.evidence]
        if alert.pico_per_h >= _WORTH_PICO:
            lines.append(f"money: {money(alert.pico_per_h)} an hour")
        if alert.action:
            lines.append(f"do: {plain(alert.action)}")
        if alert.count > 1:
            lines.append(f"sighted {alert.count:,} times")
    if alert.flaps:
        lines.append(f"it came back {alert.flaps} times soon after it was over")
    if alert.rule:
        lines.append(f"rule: {plain(alert.rule)}")
    return Text(_headline(notice), tuple(lines), link_to(alert, public_url))


def _digest(notices: tuple[Notice, ...], public_url: str) -> Text:
    standing = [one for one in notices if one.why != "resolved"]
    over = len(notices) - len(standing)
    counts = [
        f"{sum(one.alert.severity == severity for one in standing):,} {severity}"
        for severity in reversed(SEVERITIES)
        if any(one.alert.severity == severity for one in standing)
    ]
    if over:
        counts.append(f"{over:,} resolved")
    worst = sorted(notices, key=_worst_first)[:SHOWN_MAX]
    lines = [_headline(one) for one in worst]
    if len(notices) > len(worst):
        lines.append(f"and {len(notices) - len(worst):,} more")
    at_stake = sum(one.alert.pico_per_h for one in standing)
    if at_stake >= _WORTH_PICO:
        lines.append(f"money: {money(at_stake)} an hour, together")
    return Text(f"{len(notices):,} alerts: {', '.join(counts)}", tuple(lines), link_to(None, public_url))


def _headline(notice: Notice) -> str:
    alert = notice.alert
    whose = f" ({_whose(alert)})" if alert.labels else ""
    return plain(f"[{alert.severity}] {_WHY[notice.why]}{alert.sentence}{whose}", _SUBJECT_MAX)


def _whose(alert: Alert) -> str:
    return plain(", ".join(alert.labels)) if alert.labels else "all calls"


def _worst_first(notice: Notice) -> tuple[bool, int, int, int]:
    alert = notice.alert
    return notice.why == "resolved", -rank(alert.severity), -alert.pico_per_h, notice.id
