"""`/thriftgate/admin/v1/…`: the table of all routes, and how a request gets to one.

To add a resource, write a file with a tuple `ROUTES` beside this one, and name it in `RESOURCES`. Each row says which role
it takes; `tests/security/test_admin_routes.py` walks the table with every role.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import parse_qsl

import msgspec

from thriftgate.core.errors import InputError, NotAllowed, NotThere, Unauthenticated
from thriftgate.gateway.admin import alerts, audit, budgets, keys, limits, orgs, provider_keys, sessions, whoami
from thriftgate.gateway.admin.desk import RANK, Answer, Desk, Route
from thriftgate.gateway.admin.openapi import PART, openapi
from thriftgate.gateway.asgi import Receive, Scope, Send, read_body, send_json, send_whole
from thriftgate.gateway.credentials import credential_of
from thriftgate.gateway.rooms import Rooms
from thriftgate.gateway.sessions import NO_STORE, LoggedIn, actor_of
from thriftgate.ledger.issuing import Actor
from thriftgate.providers.transport import header

ROOT = "/thriftgate/admin/v1"
BODY_BYTES_MAX = 64 * 1024
RESOURCES = (whoami, orgs, keys, provider_keys, budgets, limits, alerts, sessions, audit)


async def _describe(_desk: Desk) -> Answer:
    """This document."""
    return Answer(200, openapi(ROOT, ROUTES))


ROUTES: tuple[Route, ...] = (
    Route("GET", "/openapi.json", "viewer", _describe),
    *(route for resource in RESOURCES for route in resource.ROUTES),
)
_PATTERNS = [
    (route, re.compile(re.sub(r"\{(\w+)\}", rf"(?P<\1>{PART})", route.path.replace(".", r"\.")))) for route in ROUTES
]


def is_admin_call(scope: Scope) -> bool:
    """Whether it is for the administrators' API."""
    path: str = scope["path"]
    return path.startswith(f"{ROOT}/")


async def admin(rooms: Rooms, scope: Scope, receive: Receive, send: Send) -> None:
    """One call: first who it is, then whether there is such a thing, then whether they may."""
    actor, session = await _who(rooms, scope)
    route, parts = _found(scope)
    writes = route.method != "GET"
    if RANK[actor.role or "viewer"] < RANK[route.least]:
        raise NotAllowed(f"{route.method} {route.path} takes the role {route.least}; {actor.who} has {actor.role}")
    if writes and not actor.writes:
        raise NotAllowed(f"{route.method} {route.path} takes the scope admin; {actor.who} may only look")
    if session is not None and writes:
        await rooms.sessions.check(scope, session)
    body = await read_body(scope, receive, BODY_BYTES_MAX)
    desk = Desk(
        rooms, actor, session.csrf if session is not None else None, parts, _query(scope), _taken(route, scope, body)
    )
    try:
        answer = await route.work(desk)
    finally:
        if writes:
            rooms.access.roster.stale()
    if answer.status == 204:
        await send_whole(send, 204, NO_STORE, b"")
    else:
        await send_json(send, answer.status, answer.document, NO_STORE)


async def _who(rooms: Rooms, scope: Scope) -> tuple[Actor, LoggedIn | None]:
    """Who asks: by a key with a role, or by a session. Raises Unauthenticated, NotAllowed."""
    if credential_of(scope["headers"]):
        caller = await rooms.access.caller(scope, "admin:read", must=True)
        assert caller.key is not None
        actor = actor_of(caller.key)
        if actor is None:
            raise NotAllowed(f"{caller.key.id} has no role")
        return actor, None
    session = await rooms.sessions.of(scope)
    if session is None:
        raise Unauthenticated("log in, or send a key that has a role in x-api-key")
    return session.actor, session


def _found(scope: Scope) -> tuple[Route, Mapping[str, str]]:
    path = scope["path"].removeprefix(ROOT)
    others = []
    for route, pattern in _PATTERNS:
        match = pattern.fullmatch(path)
        if match is not None:
            if route.method == scope["method"]:
                return route, match.groupdict()
            others.append(route.method)
    hint = f"; there is {', '.join(others)}" if others else ""
    raise NotThere(f"the administrators' API has no {scope['method']} {scope['path'][:200]}{hint}")


def _query(scope: Scope) -> Mapping[str, str]:
    try:
        return dict(parse_qsl(scope["query_string"].decode("ascii"), max_num_fields=20))
    except ValueError:
        raise InputError("the query cannot be read") from None


def _taken(route: Route, scope: Scope, body: bytes) -> msgspec.Struct | None:
    """The body as the type that the route takes. Raises InputError, without its values."""
    if route.takes is None:
        return None
    kind = header(scope["headers"], b"content-type").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise InputError("the body must be application/json")
    try:
        return msgspec.json.decode(body, type=route.takes)
    except msgspec.ValidationError as error:
        raise InputError(f"the body does not fit: {error}") from None
    except msgspec.DecodeError as error:
        raise InputError(f"the body is not valid JSON: {error}") from None
    except (UnicodeDecodeError, RecursionError):
        raise InputError("the body is not valid JSON: no UTF-8, or nested too deeply") from None
