"""Limits of callers: listed, made, changed and ended."""

from __future__ import annotations

import secrets

from thriftgate.gateway.admin.desk import Answer, Desk, Route
from thriftgate.ledger.limit_desk import LimitDesk, WantedLimit
from thriftgate.ledger.sql import SqlLedger
from thriftgate.ledger.sql_limits import SqlLimitBook


def limit_desk(desk: Desk) -> LimitDesk:
    """Where the actor of a request works with limits."""
    engine = desk.rooms.engine
    assert isinstance(engine.ledger, SqlLedger)
    book = SqlLimitBook(engine.ledger)
    return LimitDesk(book, desk.tenants, lambda: f"lim_{secrets.token_hex(6)}", desk.actor)


async def _list(desk: Desk) -> Answer:
    return Answer(200, await limit_desk(desk).all())


async def _show(desk: Desk) -> Answer:
    return Answer(200, await limit_desk(desk).show(desk.parts["id"]))


async def _put(desk: Desk) -> Answer:
    """Made where there is none of that name."""
    wanted: WantedLimit = desk.body
    document = await limit_desk(desk).put(wanted, desk.now_us())
    await desk.rooms.engine.limiting.refresh()
    return Answer(200, document)


async def _end(desk: Desk) -> Answer:
    document = await limit_desk(desk).end(desk.parts["id"], desk.now_us())
    await desk.rooms.engine.limiting.refresh()
    return Answer(200, document)


ROUTES = (
    Route("GET", "/limits", "viewer", _list),
    Route("POST", "/limits", "team-admin", _put, WantedLimit),
    Route("GET", "/limits/{id}", "viewer", _show),
    Route("DELETE", "/limits/{id}", "team-admin", _end),
)
