"""Alerts as JSON documents, the same for the command line and the admin API."""

from __future__ import annotations

from typing import Any

from thriftgate.core.alerting.alert import Alert, Silence
from thriftgate.core.alerting.metrics import METRICS
from thriftgate.core.alerting.rules import Rule
from thriftgate.core.moments import text_from_micros
from thriftgate.core.money import usd_from_pico
from thriftgate.ledger.alerts import Told


def alert_document(alert: Alert) -> dict[str, Any]:
    """An alert; moments are null where there was none."""
    return {
        "id": alert.id,
        "state": alert.state,
        "severity": alert.severity,
        "kind": alert.kind,
        "rule": alert.rule,
        "sentence": alert.sentence,
        "labels": alert.labels,
        "evidence": alert.evidence,
        "action": alert.action,
        "per_hour_usd": usd_from_pico(alert.pico_per_h),
        "signature": alert.signature,
        "since": _moment(alert.since_us),
        "opened": _moment(alert.opened_us),
        "seen": _moment(alert.seen_us),
        "closed": _moment(alert.closed_us),
        "told": _moment(alert.told_us),
        "count": alert.count,
        "flaps": alert.flaps,
        "acknowledged_by": alert.by,
    }


def silence_document(silence: Silence) -> dict[str, Any]:
    """A silence: what it covers, until when, and by whose word."""
    return {
        "id": silence.id,
        "matchers": silence.matchers,
        "until": _moment(silence.until_us),
        "made": _moment(silence.made_us),
        "by": silence.by,
        "why": silence.why,
    }


def told_document(told: Told) -> dict[str, Any]:
    """What became of a notice."""
    return {
        "alert": told.notice.alert.id,
        "sentence": told.notice.alert.sentence,
        "sink": told.notice.sink,
        "why": told.notice.why,
        "state": told.state,
        "message": told.message,
        "tries": told.tries,
        "made": _moment(told.notice.made_us),
        "next": _moment(told.due_us) if told.state == "due" else None,
        "sent": _moment(told.sent_us),
        "error": told.error,
    }


def rule_document(rule: Rule) -> dict[str, Any]:
    """A rule, its values as the settings have them."""
    return {
        "name": rule.name,
        "kind": rule.kind,
        "of": rule.of,
        "where": rule.where,
        "by": rule.by,
        "over_s": rule.over_us / 1e6,
        "above": value_text(rule, rule.above),
        "below": value_text(rule, rule.below),
        "factor": rule.factor,
        "least": value_text(rule, rule.least),
        "window": rule.window,
        "zone": rule.zone,
        "calls_min": rule.calls_min,
        "severity": rule.severity,
        "action": rule.action,
    }


def value_text(rule: Rule, value: float | None) -> str | None:
    """A value of its metric: USD, a share, milliseconds or a number, as a decimal string."""
    if value is None:
        return None
    return usd_from_pico(int(value)) if METRICS[rule.of].unit == "usd" else f"{value:g}"


def _moment(us: int) -> str | None:
    return text_from_micros(us) if us else None
