"""Alerts as documents: money exact, moments or null."""

from __future__ import annotations

from tests.core.alerting.test_message import NOW, alert, notice
from thriftgate.alerts.documents import alert_document, rule_document, silence_document, told_document, value_text
from thriftgate.core.alerting.alert import Notice, Silence
from thriftgate.core.alerting.rules import Rule
from thriftgate.ledger.alerts import Told


def test_an_alert() -> None:
    document = alert_document(alert())
    assert document["per_hour_usd"] == "12.5"
    assert (document["since"], document["closed"]) == ("2026-11-21T12:00:00.000Z", None)
    assert (document["state"], document["acknowledged_by"]) == ("open", "")


def test_a_silence_and_a_notice() -> None:
    assert silence_document(Silence(1, ("team=t",), NOW, NOW, "ada", "why"))["until"] == "2026-11-21T12:00:00.000Z"
    due = Told(notice(), "due", "", 1, NOW, 0, "no answer")
    document = told_document(due)
    assert (document["next"], document["sent"], document["tries"]) == ("2026-11-21T12:00:00.000Z", None, 1)
    assert told_document(Told(Notice(1, "ops", "opened", NOW, alert()), "sent", "m", 1, NOW, NOW, ""))["next"] is None


def test_values_are_in_the_unit_of_the_metric() -> None:
    assert value_text(Rule("a", above=2.5e12), 2.5e12) == "2.5"
    assert value_text(Rule("a", of="cache_share"), 0.25) == "0.25"
    document = rule_document(Rule("a", above=2.5e12))
    assert (document["above"], document["below"], document["over_s"]) == ("2.5", None, 3600.0)
