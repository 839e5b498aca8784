"""Clients that call a gateway over real sockets, and what they saw: mixed, seeded, concurrent."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any, Literal

import aiohttp
import msgspec

from tests.fixtures import HEADERS, message

Manner = Literal["json", "stream", "leave", "invalid", "unknown_model", "count"]
SYSTEM = ["You answer questions about the river. " * 400, "You sort letters by sender. " * 600]
STOP = b"event: message_stop\ndata: "


@dataclass(frozen=True)
class Seen:
    """One call as its client saw it. `whole`: the answer came to its very end. `status` 0: the connection broke before."""

    manner: Manner
    call_id: str = ""
    status: int = 0
    whole: bool = False
    body: bytes = b""

    @property
    def message_id(self) -> str:
        """The id the answer gave itself."""
        _, _, rest = self.body.partition(b'"id":"msg_')
        return "msg_" + rest.partition(b'"')[0].decode()


def draw_body(draw: random.Random, number: int, *, stream: bool) -> dict[str, Any]:
    """A Messages body: some share a long prefix, all differ."""
    members: dict[str, Any] = {"stream": stream} if stream else {}
    system = draw.choice([*SYSTEM, ""])
    if system:
        members["system"] = system
    model = draw.choice(["claude-opus-4-8", "claude-haiku-4-5", "claude-sonnet-4-6"])
    return message(f"question {number} [[sim: out={draw.randint(5, 120)}]]", model=model, max_tokens=300, **members)


def draw_request(draw: random.Random, manner: Manner, number: int) -> bytes:
    """The bytes to send."""
    if manner == "invalid":
        return draw.choice([b"{", b"[]", b'{"model":"claude-opus-4-8","max_tokens":1}', b""])
    body = draw_body(draw, number, stream=manner in ("stream", "leave"))
    if manner == "unknown_model":
        body["model"] = "claude-nobody"
    if manner == "count":
        del body["max_tokens"]
    return msgspec.json.encode(body)


async def ask(session: aiohttp.ClientSession, url: str, manner: Manner, raw: bytes, *, leave_after: int = 1) -> Seen:
    """One call. `leave` closes the connection after so many pieces of the answer."""
    path = "/v1/messages/count_tokens" if manner == "count" else "/v1/messages"
    call_id, status, body = "", 0, b""
    try:
        async with session.post(url + path, data=raw, headers=HEADERS) as response:
            status = response.status
            call_id = response.headers.get("thriftgate-request-id", "")
            pieces = 0
            async for piece in response.content.iter_any():
                body += piece
                pieces += 1
                if manner == "leave" and pieces == leave_after:
                    response.close()
                    return Seen(manner, call_id, status, whole=False, body=body)
    except (aiohttp.ClientError, ConnectionError):
        return Seen(manner, call_id, status, whole=False, body=body)
    stream = manner in ("stream", "leave") and status == 200
    whole = STOP in body and body.endswith(b"\n\n") if stream else True
    return Seen(manner, call_id, status, whole=whole, body=body)
