"""`/thriftgate/login` and `/thriftgate/logout`."""

from __future__ import annotations

import msgspec

from thriftgate.core.errors import InputError, Unauthenticated
from thriftgate.gateway.admin.documents import told_actor
from thriftgate.gateway.asgi import Receive, Scope, Send, read_body, send_json, send_whole
from thriftgate.gateway.rooms import Rooms
from thriftgate.gateway.sessions import HOME, NO_STORE, form_of
from thriftgate.providers.transport import Headers

_BODY_BYTES_MAX = 4096


class _Login(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    key: str


async def login(rooms: Rooms, scope: Scope, receive: Receive, send: Send) -> None:
    """A session for whoever shows a key with a role. By a form it leads to the dashboard."""
    rooms.sessions.check_origin(scope)  # another site must not log a browser in as somebody of its own
    body = await read_body(scope, receive, _BODY_BYTES_MAX)
    form = form_of(scope, body)
    session, cookie = await rooms.sessions.login(scope, (form.get("key", "") if form is not None else _key(body)).strip())
    if form is not None:
        await _home(send, cookie)
    else:
        await send_json(send, 200, {"actor": told_actor(session.actor), "csrf": session.csrf}, (*NO_STORE, *cookie))


async def logout(rooms: Rooms, scope: Scope, receive: Receive, send: Send) -> None:
    """End the session."""
    form = form_of(scope, await read_body(scope, receive, _BODY_BYTES_MAX))
    session = await rooms.sessions.of(scope)
    if session is None:
        raise Unauthenticated("there is no session to end")
    await rooms.sessions.check(scope, session, form.get("csrf", "") if form is not None else "")
    cookie = await rooms.sessions.logout(scope, session)
    if form is not None:
        await _home(send, cookie)
    else:
        await send_whole(send, 204, (*NO_STORE, *cookie), b"")


async def _home(send: Send, cookie: Headers) -> None:
    await send_whole(send, 303, (*NO_STORE, *cookie, (b"location", HOME.encode())), b"")


def _key(body: bytes) -> str:
    try:
        return msgspec.json.decode(body, type=_Login).key
    except msgspec.DecodeError:
        raise InputError('the body must be {"key": "tg-…"}, or a form with the field `key`') from None
