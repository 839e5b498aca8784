"""Budgets: how they stand, made, changed and ended."""

from __future__ import annotations

import secrets

from msgspec import Struct

from thriftgate.gateway.admin.desk import Answer, Desk, Route
from thriftgate.ledger.budget_desk import BudgetDesk, Wanted
from thriftgate.ledger.sql import SqlLedger
from thriftgate.ledger.sql_budget_book import SqlBudgetBook


class Cleared(Struct, frozen=True, forbid_unknown_fields=True):
    """What of a budget with one for each member is to be freed."""

    member: str = ""


def budget_desk(desk: Desk) -> BudgetDesk:
    """Where the actor of a request works with budgets."""
    engine = desk.rooms.engine
    assert isinstance(engine.ledger, SqlLedger)
    models = [row.id for row in engine.knowledge.models.rows]
    book = SqlBudgetBook(engine.ledger)
    return BudgetDesk(book, desk.tenants, models, lambda: f"bud_{secrets.token_hex(6)}", desk.actor)


async def _list(desk: Desk) -> Answer:
    return Answer(200, await budget_desk(desk).all(desk.now_us()))


async def _show(desk: Desk) -> Answer:
    return Answer(200, await budget_desk(desk).show(desk.parts["id"], desk.now_us()))


async def _put(desk: Desk) -> Answer:
    """Made where there is none of that name."""
    wanted: Wanted = desk.body
    document = await budget_desk(desk).put(wanted, desk.now_us())
    await desk.rooms.engine.budgeting.refresh()
    return Answer(200, document)


async def _end(desk: Desk) -> Answer:
    document = await budget_desk(desk).end(desk.parts["id"], desk.now_us())
    await desk.rooms.engine.budgeting.refresh()
    return Answer(200, document)


async def _clear(desk: Desk) -> Answer:
    wanted: Cleared = desk.body
    return Answer(200, await budget_desk(desk).clear(desk.parts["id"], wanted.member, desk.now_us()))


ROUTES = (
    Route("GET", "/budgets", "viewer", _list),
    Route("POST", "/budgets", "team-admin", _put, Wanted),
    Route("GET", "/budgets/{id}", "viewer", _show),
    Route("DELETE", "/budgets/{id}", "team-admin", _end),
    Route("POST", "/budgets/{id}/clear", "team-admin", _clear, Cleared),
)
