"""Alerts, silences and the rules made at run time. A team-admin sees and acknowledges the alerts of its own team."""

from __future__ import annotations

from typing import Literal

import msgspec
from msgspec import Struct
from pydantic import ValidationError

from thriftgate.alerts.desk import Desk as AlertDesk
from thriftgate.alerts.documents import alert_document, rule_document, silence_document, told_document
from thriftgate.core.alerting.alert import Alert
from thriftgate.core.deadline import parse_duration
from thriftgate.core.errors import InputError, NotThere
from thriftgate.gateway.admin.desk import PAGE, Answer, Desk, Route
from thriftgate.settings import AlertRuleRow


class SilenceDraft(Struct, frozen=True, forbid_unknown_fields=True):
    """What is to be silent, for how long (such as 6h), and why."""

    matchers: tuple[str, ...]
    why: str
    length: str = msgspec.field(name="for", default="4h")


class RuleDraft(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A rule as `[[alerts.rules]]` has it; amounts as decimal strings."""

    name: str
    kind: Literal["threshold", "forecast", "change"] = "threshold"
    of: str = "spend"
    where: tuple[str, ...] = ()
    by: str = ""
    over: str = "1h"
    above: str | None = None
    below: str | None = None
    factor: float = 3.0
    least: str = "0"
    window: Literal["day", "week", "month"] = "month"
    zone: str = "UTC"
    calls_min: int = 1
    severity: Literal["info", "warning", "critical"] = "warning"
    action: str = ""


async def _list(desk: Desk) -> Answer:
    """Those that stand, the newest first: `?after=ID&limit=N&all=true`; `next` is the id to go on after."""
    limit = desk.limit()
    after = desk.query.get("after", str(2**62))
    found = await _alerts(desk).alerts(over=desk.query.get("all") == "true", after=_number(after, "after"), limit=limit)
    shown = [alert_document(one) for one in found if _sees(desk, one)]
    return Answer(200, {"alerts": shown, "next": found[-1].id if len(found) == limit else None})


async def _show(desk: Desk) -> Answer:
    shown = await _alerts(desk).show(await _seen(desk))
    document = alert_document(shown.alert)
    document["notices"] = [told_document(one) for one in shown.notices]
    document["silences"] = [silence_document(one) for one in shown.silences]
    return Answer(200, document)


async def _acknowledge(desk: Desk) -> Answer:
    return Answer(200, alert_document(await _alerts(desk).acknowledge(await _seen(desk), _who(desk))))


async def _silences(desk: Desk) -> Answer:
    return Answer(200, {"silences": [silence_document(one) for one in await _alerts(desk).silences()]})


async def _silence(desk: Desk) -> Answer:
    draft: SilenceDraft = desk.body
    made = await _alerts(desk).silence(draft.matchers, parse_duration(draft.length), by=_who(desk), why=draft.why)
    return Answer(201, silence_document(made))


async def _unsilence(desk: Desk) -> Answer:
    await _alerts(desk).unsilence(_number(desk.parts["id"], "silence"))
    return Answer(204, None)


async def _dead_letters(desk: Desk) -> Answer:
    return Answer(200, {"dead_letters": [told_document(one) for one in await _alerts(desk).dead_letters(desk.limit())]})


async def _rules(desk: Desk) -> Answer:
    fixed, stored = await _alerts(desk).rules()
    of_settings = [{**rule_document(one), "source": "settings", "made_by": ""} for one in fixed]
    made = [{**rule_document(one.rule), "source": "run time", "made_by": one.by} for one in stored]
    return Answer(200, {"rules": [*of_settings, *made]})


async def _put_rule(desk: Desk) -> Answer:
    try:
        row = AlertRuleRow.model_validate(msgspec.to_builtins(desk.body))
    except ValidationError as error:
        wrong = error.errors()[0]
        raise InputError(f"{'.'.join(map(str, wrong['loc']))}: {wrong['msg']}") from None
    return Answer(200, rule_document(await _alerts(desk).put_rule(row, by=_who(desk))))


async def _remove_rule(desk: Desk) -> Answer:
    """`?name=NAME`: names may hold blanks."""
    await _alerts(desk).remove_rule(desk.query.get("name", ""))
    return Answer(204, None)


def _alerts(desk: Desk) -> AlertDesk:
    if desk.rooms.alerts is None:
        raise NotThere("alerts are switched off: alerts.on")
    return desk.rooms.alerts


async def _seen(desk: Desk) -> int:
    """The alert of the path. Raises NotThere for one that the actor must not see, as for one that there is not."""
    alert_id = _number(desk.parts["id"], "alert")
    try:
        shown = await _alerts(desk).show(alert_id)
    except InputError:
        shown = None
    if shown is None or not _sees(desk, shown.alert):
        raise NotThere(f"there is no alert {alert_id}")
    return alert_id


def _sees(desk: Desk, alert: Alert) -> bool:
    return desk.actor.role != "team-admin" or (bool(desk.actor.team) and alert.value("team") == desk.actor.team)


def _who(desk: Desk) -> str:
    return desk.actor.name or desk.actor.who


def _number(text: str, name: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 20):
        raise InputError(f"{name}: must be a number")
    return int(text)


ROUTES = (
    Route("GET", "/alerts", "viewer", _list, asks=PAGE),
    Route("GET", "/alerts/{id}", "viewer", _show),
    Route("POST", "/alerts/{id}/acknowledge", "team-admin", _acknowledge),
    Route("GET", "/alert-silences", "viewer", _silences),
    Route("POST", "/alert-silences", "admin", _silence, SilenceDraft, status=201),
    Route("DELETE", "/alert-silences/{id}", "admin", _unsilence, status=204),
    Route("GET", "/alert-dead-letters", "admin", _dead_letters, asks=("limit",)),
    Route("GET", "/alert-rules", "viewer", _rules),
    Route("PUT", "/alert-rules", "admin", _put_rule, RuleDraft),
    Route("DELETE", "/alert-rules", "admin", _remove_rule, asks=("name",), status=204),
)
