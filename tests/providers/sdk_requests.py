"""What the official SDK's own clients of the clouds send: the reference that our requests are held against."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx2
import msgspec

ANSWER: dict[str, Any] = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "m",
    "content": [],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {"input_tokens": 1, "output_tokens": 1},
    "input_tokens": 1,
}


def request_of(client: Callable[..., Any], call: Callable[[Any], object]) -> tuple[str, dict[str, str], dict[str, Any]]:
    """The address, the headers and the document that a call of such a client sends."""
    seen: list[httpx2.Request] = []

    def handler(request: httpx2.Request) -> httpx2.Response:
        seen.append(request)
        return httpx2.Response(200, json=ANSWER)

    call(client(http_client=httpx2.Client(transport=httpx2.MockTransport(handler))))
    (sent,) = seen
    return str(sent.url), dict(sent.headers), msgspec.json.decode(sent.content)
