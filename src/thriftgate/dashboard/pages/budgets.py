"""Budgets: what is spent, held and left of each, and where it will end at this pace; made, changed and ended by
administrators."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

from thriftgate.core.control.budgets import ANY, Act
from thriftgate.core.control.whose import KINDS
from thriftgate.core.errors import InputError, NotAllowed
from thriftgate.core.money import pico_from_usd
from thriftgate.dashboard.asked import Asked
from thriftgate.dashboard.pages.page import Document, Page
from thriftgate.ledger.budget_desk import BudgetDesk, Wanted
from thriftgate.ledger.sql import SqlLedger
from thriftgate.ledger.sql_budget_book import SqlBudgetBook
from thriftgate.ledger.sql_tenants import SqlTenants

WINDOWS = ("hour", "day", "week", "month", "total", "rolling 24h", "rolling 7d")
USUAL = "50, 80, 95, 100"
ACTS: dict[Act, str] = {
    "warn": "tells of it",
    "no_fast": "takes fast mode out",
    "cheaper": "sends calls to a cheaper model",
    "batch": "takes only calls that may wait",
    "refuse": "refuses calls",
}


async def document(asked: Asked) -> Document:
    """What `thriftgate budget list --json` prints; of the team alone for one who sees a team."""
    return await _desk(asked, asked.sources.books).all(asked.look.now_us)


def _desk(asked: Asked, ledger: SqlLedger) -> BudgetDesk:
    models = [row.id for row in asked.sources.models.rows]
    book, tenants = SqlBudgetBook(ledger), SqlTenants(ledger)
    return BudgetDesk(book, tenants, models, lambda: f"bud_{secrets.token_hex(6)}", asked.viewer.actor)


def view(doc: Document, asked: Asked) -> dict[str, Any]:
    """Each standing with what its bar needs, the fullest first."""
    ranked = sorted(doc["budgets"], key=lambda one: (-one["percent"], one["name"], one["member"]))
    return {
        "rows": [_row(one, asked) for one in ranked],
        "kinds": KINDS,
        "windows": WINDOWS,
        "usual": USUAL,
        "acts": ACTS,
        "failed": "",
        "form": asked.form,
    }


def _row(one: dict[str, Any], asked: Asked) -> dict[str, Any]:
    limit, used = pico_from_usd(one["limit_usd"]), pico_from_usd(one["spent_usd"]) + pico_from_usd(one["in_doubt_usd"])
    held, pace = pico_from_usd(one["held_usd"]), None if one["pace_usd"] is None else pico_from_usd(one["pace_usd"])
    over = "over" if one["percent"] >= 100 else "near" if one["percent"] >= 80 or (pace or 0) > limit else ""
    return one | {
        "used_share": min(100.0, 100 * used / limit),
        "held_share": min(100.0, 100 * held / limit),
        "pace_share": None if pace is None else 100 * pace / limit,
        "css": over,
        "whom": [_condition(condition) for condition in one["scope_names"]] or ["all calls"],
        "which": _condition(one["member_name"]) if one["member"] else "",
    }


def _condition(text: str) -> str:
    kind, _, value = text.partition("=")
    return f"each {kind}" if value == ANY else f"{kind} {value}"


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
    desk, form, now_us = _desk(asked, asked.sources.ledger), asked.form, asked.look.now_us
    wanted = form.get("act", "")
    if wanted == "end":
        await desk.end(form.get("id", ""), now_us)
    elif wanted == "clear":
        await desk.clear(form.get("id", ""), form.get("member", ""), now_us)
    elif wanted == "change":
        await desk.put(Wanted(form.get("name", ""), form.get("limit") or None, stages=_stages(form)), now_us)
    elif wanted == "make":
        await desk.put(_wanted(asked), now_us)
    else:
        raise InputError("the form does not say what to do")


def _wanted(asked: Asked) -> Wanted:
    form = asked.form
    kind, value = form.get("kind", ""), form.get("value", "").strip()
    if kind and not value:
        raise InputError(f"whose: which {kind}? Write its name, or * for each of its own")
    return Wanted(
        name=form.get("name", ""),
        limit_usd=form.get("limit") or None,
        scope=(f"{kind}={value}",) if kind else (),
        window=form.get("window") or None,
        zone=form.get("zone") or None,
        hard=form.get("hard") != "soft",
        stages=_stages(form),
    )


def _stages(form: Mapping[str, str]) -> tuple[str, ...] | None:
    text = form.get("stages", "").strip()
    return tuple(one.strip() for one in text.split(",") if one.strip()) if text else None


PAGE = Page("budgets", "Budgets", "budgets.html.jinja", document, view, act, filtered=False)
