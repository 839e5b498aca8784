"""A stream that costs nothing, so that a client can see what lies between it and the gateway.

    GET /thriftgate/stream-check    a few server-sent events, a fifth of a second apart, with a header of ours

The first event names which of the headers that matter to the gateway arrived; never what they held. Nobody is asked for a
key: it tells nothing of the gateway, and it ends after a second.
"""

from __future__ import annotations

import msgspec

from thriftgate.gateway.asgi import Receive, Scope, Send
from thriftgate.gateway.rooms import Rooms

EVENTS = 5
PAUSE_S = 0.2
LOOKED_FOR = (
    b"x-api-key",
    b"authorization",
    b"anthropic-version",
    b"anthropic-beta",
    b"thriftgate-task",
    b"thriftgate-tags",
    b"thriftgate-deadline",
)
HEADERS = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"thriftgate-check", b"1"),
)


async def stream_check(rooms: Rooms, scope: Scope, _receive: Receive, send: Send) -> None:
    """The events, one by one."""
    came = {name for name, _ in scope["headers"]}
    arrived = [name.decode() for name in LOOKED_FOR if name in came]
    await send({"type": "http.response.start", "status": 200, "headers": [*HEADERS]})
    for number in range(EVENTS):
        if number:
            await rooms.engine.clock.sleep(PAUSE_S)
        document = {"number": number, "of": EVENTS} | ({"arrived": arrived} if not number else {})
        data = b"event: check\ndata: " + msgspec.json.encode(document) + b"\n\n"
        await send({"type": "http.response.body", "body": data, "more_body": True})
    await send({"type": "http.response.body", "body": b""})
