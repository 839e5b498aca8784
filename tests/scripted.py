"""Providers that say exactly what a test tells them to: on a socket (`upstream`), and in this process (`Provider`)."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import msgspec

from tests.fixtures import MODEL
from thriftgate.providers.asgi_transport import AsgiTransport
from thriftgate.providers.transport import Incoming, Outgoing, Timeouts

# --- a scripted upstream on a socket -----------------------------------------------------------------------------------


@dataclass
class Received:
    """A request as it came over the socket."""

    line: str
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str:
        return dict(self.headers)[name]


Script = Callable[[Received, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Upstream:
    """A server that says exactly what a script tells it to; `requests` is what it was sent, `connections` how many came."""

    url: str = ""
    requests: list[Received] = field(default_factory=list)
    connections: int = 0
    open: int = 0


@contextlib.asynccontextmanager
async def upstream(script: Script) -> AsyncIterator[Upstream]:
    """Serve `script` on a free port: it is called for each request and writes the raw answer. Closing is its business;
    where it returns with the connection open, the next request on it is read."""
    seen = Upstream()
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.connections += 1
        seen.open += 1
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            while not writer.is_closing() and (request := await _receive(reader)) is not None:
                seen.requests.append(request)
                await script(request, writer)
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            seen.open -= 1
            writer.close()
            tasks.discard(task)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    seen.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield seen
    finally:
        server.close()
        for task in set(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _receive(reader: asyncio.StreamReader) -> Received | None:
    line = (await reader.readline()).decode("latin-1").strip()
    if not line:
        return None
    headers = []
    while text := (await reader.readline()).decode("latin-1").strip():
        name, _, value = text.partition(":")
        headers.append((name.lower(), value.strip()))
    length = int(dict(headers).get("content-length", 0))
    return Received(line, headers, await reader.readexactly(length))


def raw_answer(body: bytes, *, status: int = 200, kind: str = "application/json", headers: Sequence[str] = ()) -> bytes:
    """A whole HTTP/1.1 answer with its length."""
    lines = [f"HTTP/1.1 {status} X", f"content-type: {kind}", f"content-length: {len(body)}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


def answering(body: bytes, **members: Any) -> Script:
    """A script that always says the same."""

    async def script(_request: Received, writer: asyncio.StreamWriter) -> None:
        writer.write(raw_answer(body, **members))

    return script


MESSAGE = msgspec.json.encode(
    {
        "id": "msg_scripted",
        "type": "message",
        "role": "assistant",
        "model": MODEL,
        "content": [{"type": "text", "text": "scripted"}],
        "stop_reason": "end_turn",
        "usage": {"input_tokens": 10, "output_tokens": 5},
    }
)


def sse(kind: str, **members: Any) -> bytes:
    """One server-sent event as the API writes it."""
    return f"event: {kind}\ndata: ".encode() + msgspec.json.encode({"type": kind, **members}) + b"\n\n"


def sse_events(text: str = "scripted", output_tokens: int = 5) -> list[bytes]:
    """A whole streamed message, event by event."""
    start = {"id": "msg_scripted", "model": MODEL, "usage": {"input_tokens": 10, "output_tokens": 1}}
    return [
        sse("message_start", message=start),
        sse("content_block_start", index=0, content_block={"type": "text", "text": ""}),
        sse("content_block_delta", index=0, delta={"type": "text_delta", "text": text}),
        sse("content_block_stop", index=0),
        sse("message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": output_tokens}),
        sse("message_stop"),
    ]


# --- a scripted provider in this process -------------------------------------------------------------------------------


@dataclass
class Say:
    """One answer: its pieces in order; an exception among them is raised, an Event is waited for."""

    pieces: Sequence[bytes | Exception | asyncio.Event] = (MESSAGE,)
    status: int = 200
    headers: Sequence[tuple[str, str]] = ()
    kind: str = "application/json"


def say_stream(*pieces: bytes | Exception | asyncio.Event) -> Say:
    """A streamed answer."""
    return Say(pieces or sse_events(), kind="text/event-stream; charset=utf-8")


def say_error(status: int, kind: str, *headers: tuple[str, str], **error: Any) -> Say:
    """An error in the API's shape."""
    body = {"type": "error", "error": {"type": kind, "message": "scripted", **error}, "request_id": "req_1"}
    return Say([msgspec.json.encode(body)], status, headers)


class Provider:
    """An ASGI app that gives the next of its answers to each request, the last one again and again. `gone` counts requests
    that were left before their end."""

    def __init__(self, *answers: Say) -> None:
        self.answers = list(answers) or [Say()]
        self.bodies: list[bytes] = []
        self.paths: list[str] = []
        self.headers: list[list[tuple[bytes, bytes]]] = []
        self.gone = 0
        self.asked = asyncio.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.bodies.append((await receive())["body"])
        self.paths.append(scope["path"])
        self.headers.append(list(scope["headers"]))
        self.asked.set()
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        try:
            await self._say(answer, send)
        except asyncio.CancelledError:
            self.gone += 1
            raise

    async def _say(self, answer: Say, send: Any) -> None:
        headers = [(name.encode(), value.encode()) for name, value in (("content-type", answer.kind), *answer.headers)]
        began = False
        for piece in answer.pieces:
            if isinstance(piece, Exception):
                raise piece
            if isinstance(piece, asyncio.Event):
                await piece.wait()
                continue
            if not began:
                began = True
                await send({"type": "http.response.start", "status": answer.status, "headers": headers})
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


class Hosts:
    """A transport to several providers by the host of the URL: an ASGI app, or an error to be raised."""

    def __init__(self, **apps: Any) -> None:
        self.apps = apps
        self.sent: list[str] = []

    async def send(self, outgoing: Outgoing, timeouts: Timeouts) -> Incoming:
        name = (urlsplit(outgoing.url).hostname or "").removesuffix(".invalid")
        self.sent.append(name)
        app = self.apps[name]
        if isinstance(app, Exception):
            raise app
        return await AsgiTransport(app).send(outgoing, timeouts)

    async def close(self) -> None:
        return


def targets(*names: str, **rows: dict[str, Any]) -> dict[str, Any]:
    """Settings with targets by these names, each at a host of its own (see `Hosts`)."""
    found = [
        {"name": name, "provider": "anthropic", "url": f"http://{name}.invalid", "key": f"sk-ant-sim-{name}.main-1"}
        | rows.get(name, {})
        for name in names
    ]
    return {"targets": tuple(found)}
