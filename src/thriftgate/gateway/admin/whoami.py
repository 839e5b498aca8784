"""Who asks, and what they may."""

from __future__ import annotations

from thriftgate.gateway.admin.desk import Answer, Desk, Route
from thriftgate.gateway.admin.documents import told_actor


async def _whoami(desk: Desk) -> Answer:
    return Answer(200, {"actor": told_actor(desk.actor), "csrf": desk.csrf})


ROUTES = (Route("GET", "/whoami", "viewer", _whoami),)
