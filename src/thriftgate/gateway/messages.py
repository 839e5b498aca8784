"""`POST /v1/messages`, and the free endpoints that are passed on."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from functools import partial
from typing import NamedTuple
from urllib.parse import quote

from msgspec.structs import replace

from thriftgate.core.errors import InputError
from thriftgate.core.money import pico_from_usd
from thriftgate.engine.call import Call, Reply
from thriftgate.engine.turns import wishes
from thriftgate.gateway.asgi import Receive, Scope, Send, client_gone, read_body, send_whole
from thriftgate.gateway.credentials import credential_of
from thriftgate.gateway.deferral import deferred, may_defer
from thriftgate.gateway.draining import cut_off
from thriftgate.gateway.rooms import Rooms
from thriftgate.gateway.telling import ToldStream, as_told
from thriftgate.ledger.tenants import Scope as KeyScope
from thriftgate.logs import log
from thriftgate.providers.transport import Headers, header
from thriftgate.wire import DIALECTS
from thriftgate.wire.dialect import Dialect
from thriftgate.wire.whole_stream import error_event

_EVENT_END = b"\n\n"
_CUT_S = 1.0  # for a client that does not read: then it is cut off without a word
PURSES = "thriftgate.purses"  # what a scope may hold besides, of a program that makes its calls within its own process


async def messages(rooms: Rooms, scope: Scope, receive: Receive, send: Send) -> None:
    """One Messages call, JSON or stream."""
    await answer(rooms, await _call(rooms, scope, receive, "call"), receive, send)


async def answer(rooms: Rooms, call: Call, receive: Receive, send: Send, added: Headers = ()) -> None:
    """Make a call and answer it in its client's words, with these headers besides; one that may wait goes into the queue
    instead."""
    engine = rooms.engine
    call = replace(call, left=partial(client_gone, receive))
    if may_defer(call, rooms.settings):
        now = await deferred(rooms, call, receive, send, added)
        if now is None:
            return
        added = (*added, *now)
    reply = as_told(await engine.messages(call), call.dialect, engine.clock.now_s())
    if reply.body is not None:
        await send_whole(send, reply.status, (*reply.headers, *added), reply.body)
    else:
        await _stream(rooms, _Streamed(reply, call.dialect), receive, send, added)


async def count(rooms: Rooms, scope: Scope, receive: Receive, send: Send) -> None:
    """Token counting, of the prompt as it would be sent."""
    reply = await rooms.engine.count(await _call(rooms, scope, receive, "count"))
    await send_whole(send, reply.status, reply.headers, reply.body)


async def forward(rooms: Rooms, scope: Scope, receive: Receive, send: Send) -> None:
    """A call that costs nothing: the model list."""
    reply = await rooms.engine.forward(await _call(rooms, scope, receive, "models"))
    await send_whole(send, reply.status, reply.headers, reply.body)


class _Streamed(NamedTuple):
    """An answer on its way, and the dialect that its client reads."""

    reply: Reply
    dialect: Dialect


async def _stream(rooms: Rooms, streamed: _Streamed, receive: Receive, send: Send, added: Headers) -> None:
    """Relay what comes as it comes. When the client goes, or this task is cancelled, the rest is read for the books only."""
    reply = streamed.reply
    watch: asyncio.Task[None] | None = None
    sent = b""
    try:
        await send({"type": "http.response.start", "status": reply.status, "headers": [*reply.headers, *added]})
        while chunk := await reply.read():
            if reply.ended:
                break
            if watch is None:  # not before the first piece: short answers are over by then
                watch = rooms.engine.tasks.spawn(client_gone(receive))
            elif watch.done():
                return
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
            sent = chunk
        await send({"type": "http.response.body", "body": chunk})
    except asyncio.CancelledError:
        if not rooms.draining.cutting or (sent and not sent.endswith(_EVENT_END)):
            raise  # within an event nothing can be said; the server closes the connection of an answer that is not ended
        log.warning("stream cut off: stopping", call=header(reply.headers, b"thriftgate-request-id"))
        with suppress(TimeoutError):
            await asyncio.wait_for(send({"type": "http.response.body", "body": _broken(streamed)}), _CUT_S)
    finally:
        if watch is not None:
            watch.cancel()
        await reply.leave()


def _broken(streamed: _Streamed) -> bytes:
    """What a client reads at the end of a stream that was cut: an error, in its dialect."""
    if isinstance(streamed.reply, ToldStream):
        return streamed.reply.broken(cut_off())
    return error_event(streamed.dialect.error(cut_off()))


async def _call(rooms: Rooms, scope: Scope, receive: Receive, may: KeyScope) -> Call:
    call = await call_of(rooms, scope, may)
    call = replace(call, body=await read_body(scope, receive, rooms.settings.server.body_bytes_max))
    check_model(rooms, call)
    return call


def check_model(rooms: Rooms, call: Call) -> None:
    """Raises NotAllowed where the call's key may not ask for its model."""
    rooms.access.check_models(call.key, lambda: _asked(call))


def _asked(call: Call) -> tuple[str, ...]:
    """The model that a call asks for; none where it cannot be read, which the engine tells better."""
    with suppress(InputError):
        return (call.dialect.parse(call.body).model,)
    return ()


async def call_of(rooms: Rooms, scope: Scope, may: KeyScope) -> Call:
    """The call without its body, in its caller's name. Raises InputError for a header that cannot be read, Unauthenticated
    and NotAllowed where the caller may not make it."""
    caller = await rooms.access.caller(scope, may)
    headers = tuple(scope["headers"])
    limit = header(headers, b"thriftgate-max-cost-usd")
    try:
        limit_pico = pico_from_usd(limit) if limit else None
    except InputError as error:
        raise InputError(f"header thriftgate-max-cost-usd: {error}") from None
    wishes(headers, 0.0)
    call = Call(
        method=scope["method"],
        path=_path(scope),
        query=scope["query_string"].decode("latin-1"),
        headers=headers,
        body=b"",
        dialect=DIALECTS[0],
        credential=credential_of(headers),
        cost_limit_pico=limit_pico,
        purses=scope.get(PURSES, ()),
    )
    return rooms.access.admitted(call, caller)


def _path(scope: Scope) -> str:
    """The path as the client wrote it: decoded, it could hold a line break or a `?` that was part of a name."""
    raw: bytes = scope.get("raw_path") or quote(scope["path"]).encode()
    return raw.partition(b"?")[0].decode("latin-1")
