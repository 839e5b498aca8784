"""`thriftgate alerts rules`: what is watched for, and what it says now."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import ValidationError

from thriftgate.alerts.build import desk_of
from thriftgate.alerts.desk import Desk
from thriftgate.alerts.documents import rule_document, value_text
from thriftgate.alerts.recall import recall
from thriftgate.cli.alerts_show import ask_desk
from thriftgate.cli.books import ask_books
from thriftgate.cli.output import print_table, say
from thriftgate.clock import SystemClock
from thriftgate.core.alerting.board import Board
from thriftgate.core.alerting.words import plain
from thriftgate.core.errors import InputError
from thriftgate.core.moments import text_from_micros
from thriftgate.ledger.sql import SqlLedger
from thriftgate.ledger.sql_alerts import SqlAlerts
from thriftgate.settings import AlertRuleRow, Settings

SHOWN_MAX = 20  # members of one rule


def changed(settings: Settings, put: Path | None, remove: str | None, *, by: str) -> None:
    """Make, change and remove rules. Raises InputError."""
    if put is None and remove is None:
        return
    rows = _read(put) if put is not None else []

    async def ask(desk: Desk) -> None:
        for row in rows:
            await desk.put_rule(row, by=by)
        if remove is not None:
            await desk.remove_rule(remove)

    ask_desk(settings, ask)


def ruled(settings: Settings) -> dict[str, Any]:
    """All rules, and what they say of the calls in the ledger."""

    async def ask(ledger: SqlLedger) -> dict[str, Any]:
        clock = SystemClock()
        fixed, stored = await desk_of(SqlAlerts(ledger), settings, clock).rules()
        made = {one.rule.name: one for one in stored}
        rules = (*fixed, *(one.rule for one in stored))
        board = Board(rules, {rule.zone: ZoneInfo(rule.zone) for rule in rules})
        now_us = int(clock.now_s() * 1e6)
        await recall(ledger, board, now_us)
        now: dict[str, list[dict[str, Any]]] = {rule.name: [] for rule in rules}
        for rule, member, verdict in board.verdicts(now_us):
            now[rule.name].append(
                {
                    "member": member,
                    "met": verdict.met,
                    "value": value_text(rule, verdict.value),
                    "bound": value_text(rule, verdict.bound),
                    "sentence": verdict.sentence,
                    "evidence": verdict.evidence,
                    "lacks": verdict.lacks,
                }
            )
        return {
            "rules": [
                {
                    **rule_document(rule),
                    "source": "run time" if rule.name in made else "settings",
                    "made_by": made[rule.name].by if rule.name in made else "",
                    "made": text_from_micros(made[rule.name].made_us) if rule.name in made else None,
                    "now": now[rule.name],
                }
                for rule in rules
            ]
        }

    return ask_books(settings.ledger.path, ask)


def print_rules(document: dict[str, Any]) -> None:
    if not document["rules"]:
        say("no rules: [[alerts.rules]] in the settings, or thriftgate alerts rules --put FILE")
        return
    rows = []
    for rule in document["rules"]:
        says = rule["now"][:SHOWN_MAX] or [{"member": "", "met": False, "sentence": "", "lacks": "no calls yet"}]
        for at, one in enumerate(says):
            state = "met" if one["met"] else "unknown" if one["lacks"] else "fine"
            names = (rule["name"], rule["kind"], rule["of"]) if at == 0 else ("", "", "")
            rows.append((*names, one["member"], state, one["lacks"] or one["sentence"]))
    print_table(("rule", "kind", "of", "member", "now", ""), [tuple(plain(cell) for cell in row) for row in rows], left=6)


def _read(path: Path) -> list[AlertRuleRow]:
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
        return [AlertRuleRow.model_validate(row) for row in document["rules"]]
    except OSError as error:
        raise InputError(f"--put: cannot read {path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, KeyError, TypeError) as error:
        raise InputError(f"--put: {path} is no TOML with [[rules]] in it: {error}") from None
    except ValidationError as error:
        wrong = [f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()]
        raise InputError(f"--put: {'; '.join(wrong)}") from None
