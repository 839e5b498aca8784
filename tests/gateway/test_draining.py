"""How a gateway's end is told; what clients see of it is in tests/cli/test_serve.py."""

from __future__ import annotations

from typing import Any

from thriftgate.gateway.draining import Draining, closing, cut_off
from thriftgate.wire import DIALECTS


async def test_answers_close_their_connections() -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    told = closing(send)
    await told({"type": "http.response.start", "status": 200, "headers": [(b"a", b"b"), (b"connection", b"keep-alive")]})
    await told({"type": "http.response.body", "body": b"x"})
    assert sent == [
        {"type": "http.response.start", "status": 200, "headers": [(b"a", b"b"), (b"connection", b"close")]},
        {"type": "http.response.body", "body": b"x"},
    ]


def test_what_is_cut_is_told_so_and_may_be_asked_again() -> None:
    draining = Draining()
    draining.cut()
    assert draining.on
    assert cut_off().status_hint == 503
    assert b"overloaded_error" in DIALECTS[0].error(cut_off())
