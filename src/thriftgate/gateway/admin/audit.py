"""Who did what, and when."""

from __future__ import annotations

from thriftgate.core.errors import InputError
from thriftgate.gateway.admin.desk import Answer, Desk, Route
from thriftgate.gateway.admin.documents import told_deed


async def _list(desk: Desk) -> Answer:
    """The latest first: `?before=ID&limit=N&subject=ID`; `next` is the id to go on before."""
    limit, before = desk.limit(), desk.query.get("before", str(2**62))
    if not (before.isascii() and before.isdigit() and len(before) < 20):
        raise InputError("before: must be a number, the `next` of the page before")
    deeds = await desk.tenants.deeds(before=int(before), limit=limit, subject=desk.query.get("subject", "")[:100])
    return Answer(200, {"audit": [told_deed(one) for one in deeds], "next": deeds[-1].id if len(deeds) == limit else None})


ROUTES = (Route("GET", "/audit", "admin", _list, asks=("before", "limit", "subject")),)
