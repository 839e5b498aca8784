"""Reading a body within its bounds, and writing answers: the pieces of ASGI the gateway is made of."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from thriftgate.core.errors import InputError, LedgerError, TooLarge
from thriftgate.gateway.asgi import ClientGone, body_pieces, client_gone, read_body, send_error, send_json, send_whole
from thriftgate.wire import DIALECTS

LIMIT = 10


class Client:
    """Gives these pieces, the last one as the end, and counts how many were asked for."""

    def __init__(self, *pieces: bytes | None) -> None:
        self.pieces = list(pieces)
        self.asked = 0

    async def receive(self) -> dict[str, Any]:
        self.asked += 1
        piece = self.pieces.pop(0)
        if piece is None:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": piece, "more_body": bool(self.pieces)}


def scope(**headers: str) -> dict[str, Any]:
    return {"headers": [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]}


@pytest.mark.parametrize("pieces", [(b"",), (b"0123456789",), (b"01234", b"56789"), (b"", b"0123456789", b"")])
async def test_a_body_up_to_the_limit_is_read(pieces: tuple[bytes, ...]) -> None:
    assert await read_body(scope(content_length="10"), Client(*pieces).receive, LIMIT) == b"".join(pieces)


async def test_a_length_over_the_limit_is_refused_unread() -> None:
    client = Client(b"x")
    with pytest.raises(TooLarge, match="11 bytes long; at most 10"):
        await read_body(scope(content_length="11"), client.receive, LIMIT)
    assert client.asked == 0


@pytest.mark.parametrize("pieces", [(b"0123456789X",), (b"01234", b"56789X"), (b"01234", b"56789", b"X", b"never read")])
async def test_a_body_over_the_limit_is_read_no_further(pieces: tuple[bytes, ...]) -> None:
    client = Client(*pieces)
    with pytest.raises(TooLarge):
        await read_body(scope(), client.receive, LIMIT)
    assert b"never read" not in pieces or client.pieces == [b"never read"]


@pytest.mark.parametrize("encoding", ["gzip", "br", "deflate, gzip"])
async def test_a_compressed_body_is_refused_unread(encoding: str) -> None:
    client = Client(b"x")
    with pytest.raises(InputError, match=f"content-encoding '{encoding}' is not supported"):
        await read_body(scope(content_encoding=encoding), client.receive, LIMIT)
    assert client.asked == 0
    assert await read_body(scope(content_encoding="identity"), client.receive, LIMIT) == b"x"


@pytest.mark.parametrize("pieces", [(None,), (b"01", None)])
async def test_a_client_that_goes_while_sending_is_gone(pieces: tuple[bytes | None, ...]) -> None:
    with pytest.raises(ClientGone):
        await read_body(scope(), Client(*pieces).receive, LIMIT)


async def test_a_length_that_is_no_number_does_not_help() -> None:
    with pytest.raises(TooLarge):
        await read_body(scope(content_length="-1"), Client(b"0123456789X").receive, LIMIT)


class Server:
    """Keeps what is sent."""

    def __init__(self) -> None:
        self.sent: list[Any] = []

    async def send(self, message: Any) -> None:
        self.sent.append(message)


async def test_answers_name_their_length_once() -> None:
    server = Server()
    await send_whole(server.send, 201, ((b"a", b"1"), (b"a", b"2")), b"body")
    assert server.sent == [
        {"type": "http.response.start", "status": 201, "headers": [(b"a", b"1"), (b"a", b"2"), (b"content-length", b"4")]},
        {"type": "http.response.body", "body": b"body"},
    ]
    await send_json(server.send, 200, {"a": 1})
    assert server.sent[2]["headers"] == [(b"content-type", b"application/json"), (b"content-length", b"7")]


async def test_our_own_errors_have_the_apis_shape_and_our_mark() -> None:
    server = Server()
    error = TooLarge("too long")
    error.call_id = "tg_1"
    await send_error(server.send, error, DIALECTS[0])
    headers = dict(server.sent[0]["headers"])
    assert server.sent[0]["status"] == 413
    assert (headers[b"thriftgate-error"], headers[b"x-should-retry"]) == (b"too_large", b"false")
    assert headers[b"thriftgate-request-id"] == headers[b"request-id"] == b"tg_1"
    assert msgspec.json.decode(server.sent[1]["body"]) == {
        "type": "error",
        "error": {"type": "request_too_large", "message": "too long"},
        "request_id": "tg_1",
    }


async def test_what_may_work_later_is_not_marked_as_hopeless() -> None:
    server = Server()
    await send_error(server.send, LedgerError("locked"), DIALECTS[0])
    assert server.sent[0]["status"] == 503
    assert b"x-should-retry" not in dict(server.sent[0]["headers"])
    assert msgspec.json.decode(server.sent[1]["body"])["request_id"] is None


async def test_what_would_be_billed_again_is_not_to_be_tried_again() -> None:
    server = Server()
    error = LedgerError("locked")
    error.after_answer = True
    await send_error(server.send, error, DIALECTS[0])
    assert dict(server.sent[0]["headers"])[b"x-should-retry"] == b"false"


async def pieces_of(client: Client, **headers: str) -> list[bytes]:
    return [piece async for piece in body_pieces(scope(**headers), client.receive, LIMIT)]


@pytest.mark.parametrize("pieces", [(b"",), (b"0123456789",), (b"01234", b"56789"), (b"", b"0123456789", b"")])
async def test_a_body_piece_by_piece(pieces: tuple[bytes, ...]) -> None:
    assert await pieces_of(Client(*pieces), content_length="10") == [piece for piece in pieces if piece]


async def test_pieces_within_the_same_bounds() -> None:
    with pytest.raises(TooLarge, match="11 bytes long; at most 10"):
        await pieces_of(Client(b"x"), content_length="11")
    with pytest.raises(TooLarge):
        await pieces_of(Client(b"01234", b"56789X", b"never read"))
    with pytest.raises(InputError, match="content-encoding 'gzip' is not supported"):
        await pieces_of(Client(b"x"), content_encoding="gzip")
    with pytest.raises(ClientGone):
        await pieces_of(Client(b"01234", None))


async def test_a_client_that_goes() -> None:
    client = Client(b"x", b"", None, b"never asked for")
    await client_gone(client.receive)
    assert client.asked == 3
