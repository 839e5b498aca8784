"""The few pieces of ASGI the gateway needs, bare: a framework costs 30 to 100 µs a request on this path
(benchmarks/README.md)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from typing import Any

import msgspec

from thriftgate.core.errors import InputError, ThriftgateError, TooLarge
from thriftgate.providers.transport import Headers
from thriftgate.wire.dialect import Dialect, error_headers

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class ClientGone(Exception):
    """The client closed the connection before its request was read."""


async def read_body(scope: Scope, receive: Receive, limit: int) -> bytes:
    """The whole request body. Raises TooLarge as soon as it is known to exceed `limit` bytes, InputError for a compressed
    one, ClientGone when it never ends."""
    _check_head(scope, limit)
    message = await receive()
    body: bytes = message.get("body", b"")
    if not message.get("more_body", False) and message["type"] == "http.request":
        return body if len(body) <= limit else _too_large(limit)
    pieces = [body]
    size = len(body)
    while message["type"] == "http.request" and message.get("more_body", False):
        message = await receive()
        pieces.append(message.get("body", b""))
        size += len(pieces[-1])
        if size > limit:
            _too_large(limit)
    if message["type"] != "http.request":
        raise ClientGone
    return b"".join(pieces)


async def body_pieces(scope: Scope, receive: Receive, limit: int) -> AsyncIterator[bytes]:
    """The request body as it comes. Raises like `read_body`."""
    _check_head(scope, limit)
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            raise ClientGone
        piece: bytes = message.get("body", b"")
        size += len(piece)
        if size > limit:
            _too_large(limit)
        if piece:
            yield piece
        more = message.get("more_body", False)


async def client_gone(receive: Receive) -> None:
    """Ends when the client closes its connection."""
    while (await receive())["type"] != "http.disconnect":
        pass


def _check_head(scope: Scope, limit: int) -> None:
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit() and int(value) > limit:
            raise TooLarge(f"the request body is {int(value)} bytes long; at most {limit} are allowed")
        if name == b"content-encoding" and value != b"identity":
            raise InputError(f"content-encoding {value.decode('latin-1')!r} is not supported; send the body uncompressed")


def _too_large(limit: int) -> bytes:
    raise TooLarge(f"the request body is longer than the {limit} bytes allowed")


async def send_whole(send: Send, status: int, headers: Headers, body: bytes) -> None:
    """Answer in one piece. `headers` must not name a content-length."""
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [*headers, length]})
    await send({"type": "http.response.body", "body": body})


async def send_json(send: Send, status: int, document: object, headers: Headers = ()) -> None:
    body = msgspec.json.encode(document)
    await send_whole(send, status, ((b"content-type", b"application/json"), *headers), body)


async def send_error(send: Send, error: ThriftgateError, dialect: Dialect) -> None:
    """One of our own errors."""
    await send_whole(send, error.status_hint, error_headers(error), dialect.error(error))
