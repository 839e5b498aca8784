"""End logins: of a key, of a user, or of somebody that an identity provider has let in."""

from __future__ import annotations

from msgspec import Struct

from thriftgate.gateway.admin.desk import Answer, Desk, Route
from thriftgate.ledger.tenants import Deed


class Ending(Struct, frozen=True, forbid_unknown_fields=True):
    """Whose logins are to end, as `whoami` and the trail of deeds name them."""

    who: str


async def _end(desk: Desk) -> Answer:
    body: Ending = desk.body
    ended = await desk.tenants.end_sessions(who=body.who[:200])
    actor = desk.actor
    await desk.tenants.do(Deed(desk.now_us(), actor.who, actor.via, "end sessions", body.who[:200], f"{ended} ended"))
    return Answer(200, {"ended": ended})


ROUTES = (Route("POST", "/sessions/end", "admin", _end, Ending),)
