"""`/thriftgate/oidc/login` and `/thriftgate/oidc/callback`: to the identity provider and back."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl

from thriftgate.core.errors import NotThere, Unauthenticated
from thriftgate.gateway.access import Slowed, address_of
from thriftgate.gateway.asgi import Receive, Scope, Send, send_whole
from thriftgate.gateway.oidc import PENDING_S, Oidc, claim_of, email_of, no_role
from thriftgate.gateway.rooms import Rooms
from thriftgate.gateway.sessions import HOME, NO_STORE, cookie_of
from thriftgate.ledger.issuing import Actor
from thriftgate.ledger.tenants import Team, Tenants, User
from thriftgate.settings import RoleRow

_COOKIE = "thriftgate-login"
_PATH = "/thriftgate/oidc"
# The browser comes from another site, so it does not send a Strict cookie along with a redirect: the page leads on instead.
_PAGE = f"""<!doctype html><html lang="en"><head><meta charset="utf-8"><title>thriftgate</title>
<meta http-equiv="refresh" content="0; url={HOME}"></head>
<body><p><a href="{HOME}">Go on to the dashboard</a></p></body></html>
"""
_PAGE_HEADERS = (
    *NO_STORE,
    (b"content-type", b"text/html; charset=utf-8"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
)


async def oidc_login(rooms: Rooms, scope: Scope, _receive: Receive, send: Send) -> None:
    """Send the browser to the identity provider."""
    oidc = _oidc(rooms)
    url, browser = await oidc.begin()
    flags = f"; Path={_PATH}; HttpOnly; SameSite=Lax; Max-Age={int(PENDING_S)}"
    secure = "; Secure" if rooms.sessions.is_secure(scope) else ""
    cookie = (b"set-cookie", f"{_COOKIE}={browser}{flags}{secure}".encode())
    await send_whole(send, 303, (*NO_STORE, cookie, (b"location", url.encode())), b"")


async def oidc_callback(rooms: Rooms, scope: Scope, _receive: Receive, send: Send) -> None:
    """The browser is back, with a code."""
    oidc, throttle = _oidc(rooms), rooms.access.throttle
    address, now_s = address_of(scope), rooms.engine.clock.monotonic_s()
    wait_s = throttle.wait_s(address, now_s)
    if wait_s:
        raise Slowed.after(wait_s)
    query = dict(parse_qsl(scope["query_string"].decode("latin-1"), max_num_fields=20))
    try:
        claims = await oidc.end(query.get("code", ""), query.get("state", ""), cookie_of(scope, _COOKIE))
    except Unauthenticated:
        throttle.failed(address, now_s)
        raise
    actor = await actor_of_claims(rooms.access.tenants, rooms.settings.access.oidc.roles, claims)
    if actor is None:
        raise no_role(claims)
    _, cookie = await rooms.sessions.begin(scope, actor)
    gone = (b"set-cookie", f"{_COOKIE}=; Path={_PATH}; HttpOnly; SameSite=Lax; Max-Age=0".encode())
    await send_whole(send, 200, (*_PAGE_HEADERS, *cookie, gone), _PAGE.encode())


async def actor_of_claims(tenants: Tenants, roles: tuple[RoleRow, ...], claims: dict[str, Any]) -> Actor | None:
    """Who somebody is here: the user with their verified address, or the first row that one of their claims fits. None
    where neither gives a role."""
    email = email_of(claims)
    users = await tenants.page(User, where={"email": email}) if email else ()
    for user in users:
        if user.role:
            return Actor(user.id, "oidc", user.role, user.role != "viewer", user.team, user.org, user.name)
    for row in roles:
        if row.value in claim_of(claims, row.claim):
            teams = await tenants.named(Team, row.team) if row.team else ()
            if row.team and not teams:
                continue
            team, org = (teams[0].id, teams[0].org) if teams else ("", "")
            who = users[0].id if users else f"oidc:{claims['sub'][:100]}"
            return Actor(who, "oidc", row.role, row.role != "viewer", team, org, email or who)
    return None


def _oidc(rooms: Rooms) -> Oidc:
    if rooms.oidc is None:
        raise NotThere("no identity provider is set (access.oidc.issuer); log in with a key")
    return rooms.oidc
