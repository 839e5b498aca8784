"""ASGI in small: reading a request, sending a reply, noticing that the client has gone."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, quote

import msgspec

from thriftgate.simulator.errors import invalid
from thriftgate.simulator.faults import ConnectionDropped

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class TooLong(Exception):
    """The body exceeds the limit it was read with."""


@dataclass(slots=True)
class Request:
    """One HTTP request; header names in lower case, the body read on demand."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    receive: Receive
    raw_path: str = ""
    raw_query: str = ""
    """as they came, percent signs and all"""

    @classmethod
    def of(cls, scope: Scope, receive: Receive) -> Request:
        """The request in an ASGI scope. Of repeated headers the values are joined by commas."""
        headers: dict[str, str] = {}
        for name, value in scope["headers"]:
            key, text = name.decode("latin-1").lower(), value.decode("latin-1")
            headers[key] = f"{headers[key]},{text}" if key in headers else text
        raw_query = scope.get("query_string", b"").decode("latin-1")
        raw_path = scope.get("raw_path") or quote(scope["path"]).encode()
        query = dict(parse_qsl(raw_query))
        return cls(scope["method"], scope["path"], query, headers, receive, raw_path.decode("latin-1"), raw_query)

    async def body(self, limit: int) -> bytes:
        """The whole body; TooLong beyond `limit` bytes, ConnectionResetError if the client left."""
        parts: list[bytes] = []
        size = 0
        while True:
            message = await self.receive()
            if message["type"] == "http.disconnect":
                raise ConnectionResetError("the client left while sending")
            part = message.get("body", b"")
            size += len(part)
            if size > limit:
                raise TooLong
            parts.append(part)
            if not message.get("more_body", False):
                return b"".join(parts)

    @property
    def betas(self) -> frozenset[str]:
        """The values of `anthropic-beta`."""
        return frozenset(part.strip() for part in self.headers.get("anthropic-beta", "").split(",") if part.strip())


class Gone:
    """Watches for the client's disconnect while a reply is being sent."""

    def __init__(self, receive: Receive) -> None:
        self._future: asyncio.Future[Message] = asyncio.ensure_future(_receive(receive))

    @property
    def happened(self) -> bool:
        """Whether the client has left."""
        return (
            self._future.done()
            and not self._future.cancelled()
            and self._future.exception() is None
            and self._future.result().get("type") == "http.disconnect"
        )

    async def close(self) -> None:
        """Stops watching."""
        self._future.cancel()
        await asyncio.gather(self._future, return_exceptions=True)


async def _receive(receive: Receive) -> Message:
    return await receive()


async def drop(send: Send, why: str) -> None:
    """Breaks the connection off. uvicorn resets it; any other server or test client gets ConnectionDropped."""
    transport = getattr(getattr(send, "__self__", None), "transport", None)
    if transport is None:
        raise ConnectionDropped(why)
    transport.abort()
    await asyncio.sleep(0.01)  # real time, so that the server notices before the application returns


async def start(send: Send, status: int, headers: dict[str, str]) -> None:
    """Sends status and headers."""
    encoded = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": encoded})


async def chunk(send: Send, body: bytes, *, more: bool) -> None:
    """Sends a part of the body."""
    await send({"type": "http.response.body", "body": body, "more_body": more})


async def whole(send: Send, status: int, headers: dict[str, str], body: bytes, *, length: int | None = None) -> None:
    """Sends a complete reply. `length` overrides content-length."""
    await start(send, status, headers | {"content-length": str(len(body) if length is None else length)})
    await chunk(send, body, more=False)


def decode(raw: bytes) -> object:
    """The JSON of a body, or the 400 for a body that is none (wording assumed)."""
    try:
        return msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as problem:
        raise invalid(f"The request body is not valid JSON: {problem}") from None
