"""A fast mock of the Messages API: raw asyncio protocol, httptools and uvloop, one process of its own.

`POST /v1/messages` answers 1.1 kB of JSON or, for `"stream": true`, 55 SSE events (8 kB, one HTTP chunk per event): all in
one burst, or paced (first byte after 50 ms, then one event per 20 ms) when the body holds the pacing mark. Each answer has
an id of its own. `HEAD /` and `GET /healthz` answer 200; `GET /stats` tells how many calls arrived.
"""

import argparse
import asyncio
import gc
import os
import socket
from dataclasses import dataclass
from typing import NamedTuple, cast

import httptools
import msgspec
import uvloop

from benchmarks.gateway.bodies import MODEL, PACED_MARK

EVENTS = 55
ANSWER_BYTES = 1_100
STREAM_BYTES = 8_000
FIRST_BYTE_S = 0.050
EVENT_GAP_S = 0.020
_ID = "0" * 20


_QUESTION = b'{"role":"user"'


class Size(NamedTuple):
    """Of a body: all of it, and up to its last question, which is what it shares with other calls."""

    body: int
    shared: int


def size_of(body: bytes) -> Size:
    return Size(len(body), max(0, body.rfind(_QUESTION)))


def usage(size: Size, output_tokens: int) -> dict[str, object]:
    """What Claude would report for a body of this size whose prefix is cached up to the last question."""
    tokens = max(size.body // 4, 40)
    read = min(tokens, size.shared // 4)
    written = (tokens - read) * 8 // 10
    return {
        "input_tokens": tokens - read - written,
        "cache_creation_input_tokens": written,
        "cache_read_input_tokens": read,
        "cache_creation": {"ephemeral_5m_input_tokens": written, "ephemeral_1h_input_tokens": 0},
        "output_tokens": output_tokens,
        "service_tier": "standard",
    }


def _message(size: Size, text: str | None) -> dict[str, object]:
    return {
        "id": f"msg_{_ID}",
        "type": "message",
        "role": "assistant",
        "model": MODEL,
        "content": [] if text is None else [{"type": "text", "text": text}],
        "stop_reason": None if text is None else "end_turn",
        "stop_sequence": None,
        "usage": usage(size, 1 if text is None else 160),
    }


def _text(size: int) -> str:
    return ("The function never reaches its base case, since the argument only grows. " * (size // 73 + 1))[:size]


def json_answer(size: Size) -> bytes:
    """The JSON answer, `ANSWER_BYTES` long whatever the digits of its usage."""
    bare = len(msgspec.json.encode(_message(size, "")))
    return msgspec.json.encode(_message(size, _text(ANSWER_BYTES - bare)))


def sse_events(size: Size) -> tuple[bytes, ...]:
    """The 55 events: start, block start, 50 deltas, block stop, message delta with usage, stop."""
    frame = [
        _event({"type": "message_start", "message": _message(size, None)}),
        _event({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
        _event({"type": "content_block_stop", "index": 0}),
        _event(
            {
                "type": "message_delta",
                "delta": {"stop_reason": "end_turn", "stop_sequence": None},
                "usage": {k: v for k, v in usage(size, 160).items() if k.endswith("_tokens")},
            }
        ),
        _event({"type": "message_stop"}),
    ]
    deltas = EVENTS - len(frame)
    room = STREAM_BYTES - sum(map(len, frame)) - deltas * len(_event(_delta("")))
    texts = [_text(room // deltas + (1 if i < room % deltas else 0)) for i in range(deltas)]
    return (*frame[:2], *(_event(_delta(text)) for text in texts), *frame[2:])


def _delta(text: str) -> dict[str, object]:
    return {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}}


def _event(document: dict[str, object]) -> bytes:
    return b"event: %s\ndata: %s\n\n" % (str(document["type"]).encode(), msgspec.json.encode(document))


def _chunk(event: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(event), event)


class _Template:
    """Prepared answers for one body size, cut where the ids go."""

    def __init__(self, size: Size) -> None:
        head = b"HTTP/1.1 200 OK\r\ncontent-type: %s\r\nrequest-id: req_" + _ID.encode() + b"\r\n%s\r\n\r\n"
        answer = json_answer(size)
        plain = head % (b"application/json", b"content-length: %d" % len(answer)) + answer
        self.plain = plain.split(_ID.encode())
        events = [_chunk(event) for event in sse_events(size)]
        events[0] = head % (b"text/event-stream; charset=utf-8", b"transfer-encoding: chunked") + events[0]
        events[-1] += b"0\r\n\r\n"
        self.first = events[0].split(_ID.encode())
        self.rest = events[1:]
        self.burst = b"".join(self.rest)


@dataclass
class Stats:
    """What has arrived so far."""

    messages: int = 0
    streams: int = 0
    other: int = 0

    def as_json(self) -> bytes:
        return msgspec.json.encode({"messages": self.messages, "streams": self.streams, "other": self.other})


class MockProtocol(asyncio.Protocol):
    """One client connection with keep-alive (no pipelining)."""

    def __init__(self, stats: Stats, templates: dict[bool, _Template]) -> None:
        self._stats = stats
        self._templates = templates
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport | None = None
        self._url = b""
        self._parts: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop has its own class

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._close()

    # httptools callbacks

    def on_message_begin(self) -> None:
        self._url = b""
        self._parts.clear()

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_body(self, body: bytes) -> None:
        self._parts.append(body)

    def on_message_complete(self) -> None:
        method = self._parser.get_method()
        if method == b"POST" and self._url.partition(b"?")[0] == b"/v1/messages":
            self._message(b"".join(self._parts))
        elif self._url == b"/stats":
            self._small(self._stats.as_json())
        else:
            self._stats.other += 1
            self._small(b"" if method == b"HEAD" else b'{"ok":true}')
        self._parts.clear()

    # answers

    def _small(self, body: bytes) -> None:
        head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body)
        self._write(head + body)

    def _message(self, body: bytes) -> None:
        self._stats.messages += 1
        large = len(body) > 20_000
        template = self._templates.get(large)
        if template is None:  # all bodies of a case are of one size and shape
            template = self._templates[large] = _Template(size_of(body))
        ident = b"%020x" % (self._stats.messages + (os.getpid() << 48))
        if b'"stream":true' not in body and b'"stream": true' not in body:
            self._write(ident.join(template.plain))
            return
        self._stats.streams += 1
        first = ident.join(template.first)
        if PACED_MARK in body:
            loop = asyncio.get_running_loop()
            due = loop.time() + FIRST_BYTE_S
            loop.call_at(due, self._pace, loop, (first, *template.rest), 0, due)
        else:
            self._write(first + template.burst)

    def _pace(self, loop: asyncio.AbstractEventLoop, events: tuple[bytes, ...], index: int, due: float) -> None:
        if self._transport is None:
            return
        self._write(events[index])
        if index + 1 < len(events):
            due += EVENT_GAP_S
            loop.call_at(due, self._pace, loop, events, index + 1, due)

    def _write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)

    def _close(self) -> None:
        if self._transport is not None:
            self._transport.close()


async def start(port: int = 0) -> tuple[asyncio.Server, int, Stats]:
    """Listen on loopback; the port is picked by the system unless given."""
    stats = Stats()
    templates: dict[bool, _Template] = {}
    loop = asyncio.get_running_loop()
    sock = socket.create_server(("127.0.0.1", port), backlog=1024)
    server = await loop.create_server(lambda: MockProtocol(stats, templates), sock=sock)
    return server, int(sock.getsockname()[1]), stats


async def _serve(port: int) -> None:
    server, bound, _ = await start(port)
    print(bound, flush=True)
    gc.collect()
    gc.freeze()
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description="Mock Messages API on loopback; prints its port.")
    arguments.add_argument("--port", type=int, default=0)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(arguments.parse_args().port))
