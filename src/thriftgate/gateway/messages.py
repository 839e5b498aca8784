"""`POST /v1/messages`, and the free endpoints that are passed on."""

from __future__ import annotations

import asyncio
from urllib.parse import quote

from thriftgate.core.errors import InputError
from thriftgate.core.money import pico_from_usd
from thriftgate.engine.call import Call, Reply
from thriftgate.engine.engine import Engine
from thriftgate.gateway.asgi import Receive, Scope, Send, read_body, send_whole
from thriftgate.settings import Settings
from thriftgate.wire import DIALECTS


async def messages(engine: Engine, settings: Settings, scope: Scope, receive: Receive, send: Send) -> None:
    """One Messages call, JSON or stream."""
    reply = await engine.messages(await _call(scope, receive, settings))
    if reply.body is not None:
        await send_whole(send, reply.status, reply.headers, reply.body)
    else:
        await _stream(engine, reply, receive, send)


async def forward(engine: Engine, settings: Settings, scope: Scope, receive: Receive, send: Send) -> None:
    """A call that costs nothing: token counting, the model list."""
    reply = await engine.forward(await _call(scope, receive, settings))
    await send_whole(send, reply.status, reply.headers, reply.body)


async def _stream(engine: Engine, reply: Reply, receive: Receive, send: Send) -> None:
    """Relay what comes as it comes. When the client goes, or this task is cancelled, the rest is read for the books only."""
    watch: asyncio.Task[None] | None = None
    try:
        await send({"type": "http.response.start", "status": reply.status, "headers": list(reply.headers)})
        while chunk := await reply.read():
            if reply.ended:
                break
            if watch is None:  # not before the first piece: short answers are over by then
                watch = engine.tasks.spawn(_client_gone(receive))
            elif watch.done():
                return
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": chunk})
    finally:
        if watch is not None:
            watch.cancel()
        await reply.leave()


async def _client_gone(receive: Receive) -> None:
    """Ends when the client closes its connection."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def _call(scope: Scope, receive: Receive, settings: Settings) -> Call:
    headers = tuple(scope["headers"])
    credential = limit = ""
    for name, value in headers:
        if name == b"x-api-key":  # with both headers the API uses this one
            credential = value.decode("latin-1")
        elif name == b"authorization" and not credential:
            credential = value.decode("latin-1").removeprefix("Bearer ").removeprefix("bearer ")
        elif name == b"thriftgate-max-cost-usd":
            limit = value.decode("latin-1")
    try:
        limit_pico = pico_from_usd(limit) if limit else None
    except InputError as error:
        raise InputError(f"header thriftgate-max-cost-usd: {error}") from None
    return Call(
        method=scope["method"],
        path=_path(scope),
        query=scope["query_string"].decode("latin-1"),
        headers=headers,
        body=await read_body(scope, receive, settings.server.body_bytes_max),
        dialect=DIALECTS[0],
        credential=credential,
        cost_limit_pico=limit_pico,
    )


def _path(scope: Scope) -> str:
    """The path as the client wrote it: decoded, it could hold a line break or a `?` that was part of a name."""
    raw: bytes = scope.get("raw_path") or quote(scope["path"]).encode()
    return raw.partition(b"?")[0].decode("latin-1")
