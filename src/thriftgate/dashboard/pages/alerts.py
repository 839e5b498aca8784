"""Alerts and anomalies: what stands, why, and what to do; acknowledged and silenced by administrators."""

from __future__ import annotations

from typing import Any

from thriftgate.alerts.build import desk_of
from thriftgate.alerts.desk import Desk
from thriftgate.alerts.documents import alert_document, silence_document, told_document
from thriftgate.core.deadline import parse_duration
from thriftgate.core.errors import InputError, NotAllowed
from thriftgate.dashboard.asked import Asked
from thriftgate.dashboard.pages.page import Document, Page
from thriftgate.ledger.sql import SqlLedger
from thriftgate.ledger.sql_alerts import SqlAlerts

LISTED_MAX = 100
SILENCES = {"1h": "an hour", "4h": "4 hours", "1d": "a day", "7d": "a week"}


async def document(asked: Asked) -> Document:
    """What `thriftgate alerts list --json` prints (`--all` where `all=on`); of the team alone for one who sees a team."""
    desk = _desk(asked, asked.sources.books)
    found = [alert_document(one) for one in await desk.alerts(over=asked.query.get("all") == "on", limit=LISTED_MAX)]
    if asked.viewer.team:
        return {"alerts": [one for one in found if f"team={asked.viewer.team}" in one["labels"]], "silences": [],
                "dead_letters": []}  # fmt: skip
    return {
        "alerts": found,
        "silences": [silence_document(one) for one in await desk.silences()],
        "dead_letters": [told_document(one) for one in await desk.dead_letters(LISTED_MAX)],
    }


def _desk(asked: Asked, ledger: SqlLedger) -> Desk:
    return desk_of(SqlAlerts(ledger), asked.sources.settings, asked.sources.clock)


def view(doc: Document, asked: Asked) -> dict[str, Any]:
    """Those that stand apart from those that are over."""
    alerts = [
        one
        | {
            "told_labels": [_called(label, asked) for label in one["labels"]],
            "facts": [_fact(text) for text in one["evidence"]],
            "matchers": list(one["labels"]),
        }
        for one in doc["alerts"]
    ]
    return {
        "standing": [one for one in alerts if not one["closed"]],
        "over": [one for one in alerts if one["closed"]],
        "all": asked.query.get("all") == "on",
        "lasting": SILENCES,
        "dead": [
            (one["sentence"], one["sink"], str(one["tries"]), one["error"]) for one in doc["dead_letters"][:LISTED_MAX]
        ],
        "failed": "",
    }


def _called(label: str, asked: Asked) -> str:
    name, _, value = label.partition("=")
    return f"{name} {asked.called(value)}"


def _fact(text: str) -> tuple[str, str]:
    """A piece of evidence, with its name where it has one."""
    name, equals, value = text.partition("=")
    return (name.replace("_", " "), value) if equals else ("", text)


async def act(asked: Asked) -> dict[str, Any] | None:
    """What a form asks for; a mistake is told beside it."""
    if not asked.viewer.is_admin:
        raise NotAllowed("this takes an administrator")
    try:
        await _done(asked)
    except InputError as error:
        return {"failed": str(error)}
    return None


async def _done(asked: Asked) -> None:
    desk, form, who = _desk(asked, asked.sources.ledger), asked.form, asked.viewer.name
    wanted = form.get("act", "")
    if wanted == "acknowledge":
        await desk.acknowledge(_number(form.get("id", "")), who)
    elif wanted == "silence":
        matchers = [one.strip() for one in form.get("matchers", "").split("\n") if one.strip()]
        why = form.get("why", "").strip() or "silenced on the dashboard"
        await desk.silence(matchers, parse_duration(form.get("for", "4h")), by=who, why=why)
    elif wanted == "unsilence":
        await desk.unsilence(_number(form.get("id", "")))
    else:
        raise InputError("the form does not say what to do")


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 16):
        raise InputError(f"{text[:40]!r} is no number of an alert")
    return int(text)


PAGE = Page("alerts", "Alerts", "alerts.html.jinja", document, view, act, filtered=False)
