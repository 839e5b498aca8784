"""Answers of chat servers, told as Messages answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import msgspec
import pytest
from msgspec.structs import replace

from tests.wire.openai_out.samples import asked
from tests.wire.openai_out.test_stream import DONE, PLAIN, USAGE, chunk
from thriftgate.core.errors import BrokenReply
from thriftgate.providers.chat_incoming import EVENTS, JSON, ChatEvents, answered
from thriftgate.providers.transport import Headers, Incoming, WholeAnswer
from thriftgate.wire.openai_out.request import Asked

COMPLETION = msgspec.json.encode(
    {"id": "c", "choices": [{"message": {"content": "hello"}, "finish_reason": "stop"}], "usage": USAGE}
)


class Theirs:
    """What a server sent, in pieces."""

    def __init__(self, status: int, kind: bytes, *pieces: bytes) -> None:
        self.status = status
        more = ((b"x-request-id", b"r1"), (b"retry-after", b"7"), (b"set-cookie", b"c"), (b"content-length", b"9"))
        self.headers: Headers = ((b"content-type", kind), *more)
        self.pieces = pieces
        self.closed = False

    async def chunks(self) -> AsyncIterator[bytes]:
        for piece in self.pieces:
            yield piece

    async def read(self) -> bytes:
        return b"".join(self.pieces)

    def at_end(self) -> bool:
        return True

    def close(self) -> None:
        self.closed = True


def taken(theirs: Theirs, wanted: Asked | None = None) -> Incoming:
    return asyncio.run(answered(theirs, wanted or asked()))


def test_a_whole_answer() -> None:
    theirs = Theirs(200, b"application/json", COMPLETION)
    found = taken(theirs)
    assert theirs.closed
    assert isinstance(found, WholeAnswer)
    assert found.headers == ((b"retry-after", b"7"), (b"request-id", b"r1"), (b"content-type", JSON))
    assert msgspec.json.decode(asyncio.run(found.read()))["content"] == [{"type": "text", "text": "hello"}]
    assert found.at_end()


def test_a_stream() -> None:
    pieces = (PLAIN, chunk({}, "stop", usage=USAGE), DONE)
    found = taken(Theirs(200, b"text/event-stream", *pieces))
    assert isinstance(found, ChatEvents)
    assert not found.at_end()
    events = asyncio.run(found.read())
    assert events.endswith(b'data: {"type":"message_stop"}\n\n')
    assert found.at_end()
    late = taken(Theirs(200, b"text/event-stream", *pieces[:2]))
    assert asyncio.run(late.read()) == events


def test_a_whole_answer_where_a_stream_was_asked_for_is_one() -> None:
    found = taken(Theirs(200, b"application/json", COMPLETION), asked(stream=True))
    assert (b"content-type", EVENTS) in found.headers
    assert b"event: message_stop" in asyncio.run(found.read())


def test_errors() -> None:
    found = taken(Theirs(402, b"application/json", b'{"error":{"message":"Insufficient Balance"}}'))
    assert (found.status, msgspec.json.decode(asyncio.run(found.read()))["error"]["type"]) == (402, "billing_error")
    within = taken(Theirs(200, b"application/json", b'{"error":{"code":429,"message":"slow"}}'))
    assert within.status == 429


@pytest.mark.parametrize("body", [b"", b"<html>", b"{}", b'{"usage":{"prompt_tokens":1}}'])
def test_what_is_no_answer_breaks_off_rather_than_pass_for_a_free_one(body: bytes) -> None:
    with pytest.raises(BrokenReply, match="no chat answer"):
        taken(Theirs(200, b"application/json", body), replace(asked()))
