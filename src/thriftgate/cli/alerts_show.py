"""Alerts of a ledger, as documents and for people."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from thriftgate.alerts.build import desk_of
from thriftgate.alerts.desk import Desk
from thriftgate.alerts.documents import alert_document, silence_document, told_document
from thriftgate.cli.books import ask_books
from thriftgate.cli.output import print_table, say
from thriftgate.clock import SystemClock
from thriftgate.core.alerting.words import plain
from thriftgate.core.deadline import parse_duration
from thriftgate.ledger.sql import SqlLedger
from thriftgate.ledger.sql_alerts import SqlAlerts
from thriftgate.settings import Settings

_T = TypeVar("_T")


def ask_desk(settings: Settings, question: Callable[[Desk], Awaitable[_T]]) -> _T:
    """Put a question to the alerts of the settings' ledger. Raises ConfigError, InputError and LedgerError."""

    async def ask(ledger: SqlLedger) -> _T:
        return await question(desk_of(SqlAlerts(ledger), settings, SystemClock()))

    return ask_books(settings.ledger.path, ask)


def listed(settings: Settings, *, over: bool, limit: int) -> dict[str, Any]:
    """What `alerts list` says."""

    async def ask(desk: Desk) -> dict[str, Any]:
        return {
            "alerts": [alert_document(one) for one in await desk.alerts(over=over, limit=limit)],
            "silences": [silence_document(one) for one in await desk.silences()],
            "dead_letters": [told_document(one) for one in await desk.dead_letters(limit)],
        }

    return ask_desk(settings, ask)


def shown(settings: Settings, alert_id: int) -> dict[str, Any]:
    """What `alerts show` says."""

    async def ask(desk: Desk) -> dict[str, Any]:
        found = await desk.show(alert_id)
        return {
            **alert_document(found.alert),
            "notices": [told_document(one) for one in found.notices],
            "silences": [silence_document(one) for one in found.silences],
        }

    return ask_desk(settings, ask)


def acknowledged(settings: Settings, alert_id: int, by: str) -> dict[str, Any]:
    """Acknowledge an alert; the alert as it is then."""

    async def ask(desk: Desk) -> dict[str, Any]:
        return alert_document(await desk.acknowledge(alert_id, by))

    return ask_desk(settings, ask)


def silenced(settings: Settings, matchers: Sequence[str], for_: str, *, by: str, why: str) -> dict[str, Any]:
    """Make a silence."""
    for_s = parse_duration(for_)

    async def ask(desk: Desk) -> dict[str, Any]:
        return silence_document(await desk.silence(matchers, for_s, by=by, why=why))

    return ask_desk(settings, ask)


def unsilenced(settings: Settings, silence_id: int) -> dict[str, Any]:
    """End a silence."""

    async def ask(desk: Desk) -> dict[str, Any]:
        return silence_document(await desk.unsilence(silence_id))

    return ask_desk(settings, ask)


def print_list(document: dict[str, Any]) -> None:
    rows = [(str(one["id"]), one["state"], one["severity"], one["since"][:16], _line(one)) for one in document["alerts"]]
    if rows:
        print_table(("id", "state", "severity", "since (UTC)", "what"), rows, left=5)
    else:
        say("no alerts")
    for one in document["silences"]:
        say(f"silence {one['id']} until {one['until']}: {plain(', '.join(one['matchers']))} ({one['by']}: {one['why']})")
    for one in document["dead_letters"]:
        say(f"not delivered through {plain(one['sink'])}: alert {one['alert']}, {plain(one['error'])}")


def print_shown(document: dict[str, Any]) -> None:
    say(f"{document['severity']}, {document['state']}: {_line(document)}")
    rows = [("kind", document["kind"]), ("whose", ", ".join(document["labels"]) or "all calls")]
    rows += [(name, document[name]) for name in ("rule", "since", "opened", "seen", "closed", "acknowledged_by")]
    rows += [("evidence", one) for one in document["evidence"]]
    rows += [("an hour", f"${document['per_hour_usd']}"), ("do", document["action"])]
    rows += [
        ("sighted", f"{document['count']:,} times"),
        ("came back", f"{document['flaps']:,} times" if document["flaps"] else ""),
    ]
    rows += [
        (f"told {one['sink']}", f"{one['why']}: {one['state']} {one['sent'] or ''} {one['error']}".rstrip())
        for one in document["notices"]
    ]
    rows += [("silenced", f"until {one['until']} by {one['by']}: {one['why']}") for one in document["silences"]]
    print_table(("", ""), [(plain(name), plain(value)) for name, value in rows if value], left=2)


def _line(one: dict[str, Any]) -> str:
    whose = f" ({', '.join(one['labels'])})" if one["labels"] else ""
    return plain(f"{one['sentence']}{whose}")
