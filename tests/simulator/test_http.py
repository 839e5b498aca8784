from typing import Any

import pytest

from thriftgate.simulator.errors import ApiError
from thriftgate.simulator.faults import ConnectionDropped
from thriftgate.simulator.http import Request, TooLong, decode, drop

SCOPE = {
    "method": "POST",
    "path": "/x",
    "query_string": b"beta=true&limit=3",
    "headers": [(b"Anthropic-Beta", b"a-1, b-2"), (b"anthropic-beta", b"c-3"), (b"x", b"y")],
}


def request(*messages: dict[str, Any]) -> Request:
    inbox = list(messages)

    async def receive() -> dict[str, Any]:
        return inbox.pop(0)

    return Request.of(SCOPE, receive)


def test_request() -> None:
    found = request()
    assert found.query == {"beta": "true", "limit": "3"}
    assert found.betas == {"a-1", "b-2", "c-3"}
    assert found.headers["x"] == "y"
    assert (found.raw_path, found.raw_query) == ("/x", "beta=true&limit=3")
    raw = Request.of(SCOPE | {"path": "/a:b", "raw_path": b"/a%3Ab"}, found.receive)
    assert (raw.path, raw.raw_path) == ("/a:b", "/a%3Ab")


async def test_body_in_parts_and_its_limit() -> None:
    parts = ({"type": "http.request", "body": b"ab", "more_body": True}, {"type": "http.request", "body": b"cd"})
    assert await request(*parts).body(4) == b"abcd"
    with pytest.raises(TooLong):
        await request(*parts).body(3)
    with pytest.raises(ConnectionResetError):
        await request({"type": "http.disconnect"}).body(3)


def test_decode() -> None:
    assert decode(b'{"a":1}') == {"a": 1}
    for raw in (b"", b"{", b'"\xff"', b"[" * 100_000):
        with pytest.raises(ApiError, match="not valid JSON"):
            decode(raw)


async def test_drop_resets_a_transport_or_raises() -> None:
    class Transport:
        aborted = False

        def abort(self) -> None:
            self.aborted = True

    class Cycle:
        def __init__(self) -> None:
            self.transport = Transport()

        async def send(self, message: Any) -> None:
            raise AssertionError(message)

    cycle = Cycle()
    await drop(cycle.send, "why")
    assert cycle.transport.aborted

    async def bare(message: Any) -> None:
        raise AssertionError(message)

    with pytest.raises(ConnectionDropped, match="why"):
        await drop(bare, "why")
