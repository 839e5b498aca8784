"""One request to the gateway in this process, and its answer, from one thread to another.

The gateway's side lives in the engine's event loop. The caller, in whatever thread and loop it is, asks for the head and for
the next piece through `asyncio.run_coroutine_threadsafe`; a whole answer comes with the head.
"""

from __future__ import annotations

import asyncio
from typing import Any, NamedTuple

from thriftgate.gateway.app import Gateway
from thriftgate.gateway.asgi import Message, Scope
from thriftgate.providers.transport import Headers

AHEAD_BYTES = 256 * 1024  # what is read for a caller that is slow to take it


class Head(NamedTuple):
    """How an answer begins. `body` is all of it, None where more will come."""

    status: int
    headers: Headers
    body: bytes | None


class BrokenOff(Exception):
    """The answer has no end."""


class Exchange:
    """Made, run, and changed in the engine's loop only."""

    def __init__(self, scope: Scope, body: bytes) -> None:
        self._scope = scope
        self._body: bytes | None = body
        self._start: Message | None = None
        self._pieces: list[bytes] = []
        self._ahead = 0
        self._ended = self._over = False
        self._changed = asyncio.Event()  # something came, or it is over
        self._taken = asyncio.Event()
        self._left = asyncio.Event()

    async def run(self, gateway: Gateway) -> None:
        """Serve it. Whatever happens, the caller is told that nothing more will come."""
        try:
            await gateway(self._scope, self._receive, self._send)
        finally:
            self._over = True
            self._changed.set()

    async def head(self) -> Head:
        """How the answer begins. Raises BrokenOff where there is none."""
        while self._start is None or not (self._pieces or self._ended or self._over):
            if self._over and self._start is None:
                raise BrokenOff("the call ended without an answer")
            await self._change()
        body = self._all() if self._ended else None
        return Head(self._start["status"], tuple(self._start["headers"]), body)

    async def next(self) -> bytes:
        """What has come meanwhile, b"" at the end. Raises BrokenOff where the answer ends before it is whole."""
        while not self._pieces:
            if self._ended:
                return b""
            if self._over:
                raise BrokenOff("the answer broke off before its end")
            await self._change()
        return self._all()

    def leave(self) -> None:
        """The caller wants no more: what is left is read for the books only."""
        self._left.set()
        self._taken.set()

    def _all(self) -> bytes:
        pieces, self._pieces, self._ahead = b"".join(self._pieces), [], 0
        self._taken.set()
        return pieces

    async def _change(self) -> None:
        self._changed.clear()
        await self._changed.wait()

    async def _receive(self) -> Message:
        if self._body is not None:
            body, self._body = self._body, None
            return {"type": "http.request", "body": body, "more_body": False}
        await self._left.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._start = message
            return
        piece: bytes = message.get("body", b"")
        self._ended = not message.get("more_body", False)
        if self._left.is_set():
            return
        if piece:
            self._pieces.append(piece)
            self._ahead += len(piece)
        self._changed.set()
        while self._ahead > AHEAD_BYTES and not self._left.is_set():
            self._taken.clear()
            await self._taken.wait()


def scope_of(method: str, path: bytes, query: bytes, headers: Headers, **besides: Any) -> Scope:
    """A request as the gateway reads it. It names no host: in what it answers nothing is to lead here."""
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "https",
        "path": path.decode("latin-1"),
        "raw_path": path,
        "query_string": query,
        "root_path": "",
        "headers": [(name, value) for name, value in headers if name != b"host"],
        "client": ("127.0.0.1", 0),
        **besides,
    }
