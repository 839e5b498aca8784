"""Answers on their way to clients that speak another dialect."""

from __future__ import annotations

from collections.abc import Sequence

from tests.scripted import MESSAGE, sse_events
from tests.wire.openai.completions import heard
from thriftgate.engine.call import WholeReply
from thriftgate.gateway.telling import as_told, told_whole
from thriftgate.ledger.jobs import Answer
from thriftgate.wire import DIALECTS
from thriftgate.wire.openai.chat import OpenaiChat
from thriftgate.wire.whole_stream import stream_of

HEADERS = ((b"request-id", b"req_1"),)
ERROR = b'{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}'


class Pieces:
    """A stream that comes in these pieces; `settled` once the books have it, which is when the last of them is read."""

    body: bytes | None = None
    status = 200
    headers = HEADERS

    def __init__(self, pieces: Sequence[bytes]) -> None:
        self._pieces = list(pieces)
        self.settled = False
        self.left = False

    async def read(self) -> bytes:
        piece = self._pieces.pop(0) if self._pieces else b""
        self.settled = not self._pieces
        return piece

    @property
    def ended(self) -> bool:
        return self.settled

    async def leave(self) -> None:
        self.left = True


async def test_who_speaks_as_the_provider_gets_the_very_reply() -> None:
    reply = WholeReply(200, HEADERS, MESSAGE)
    assert as_told(reply, DIALECTS[0], 7.0) is reply


async def test_whole_answers() -> None:
    told = as_told(WholeReply(200, HEADERS, MESSAGE), OpenaiChat(), 7.9)
    assert told.body is not None
    assert b'"created":7' in told.body
    assert told.headers == (*HEADERS, (b"x-request-id", b"req_1"))
    broken = as_told(WholeReply(200, HEADERS, b"<html>"), OpenaiChat(), 7.0)
    assert broken.status == 502


async def test_a_stream_in_one_piece() -> None:
    headers = (*HEADERS, (b"content-type", b"text/event-stream; charset=utf-8"))
    told = as_told(WholeReply(200, headers, stream_of(MESSAGE)), OpenaiChat(), 7.0)
    assert told.body is not None
    assert heard(told.body)["choices"][0]["message"]["content"] == "scripted"


async def test_the_end_is_not_told_before_the_books_have_it() -> None:
    """However the provider's pieces are cut: as long as a piece is awaited, nothing says that the answer is over."""
    stream = b"".join(sse_events("some words"))
    for cut in range(0, len(stream), 7):
        reply = Pieces([piece for piece in (stream[:cut], stream[cut:]) if piece])
        told = as_told(reply, OpenaiChat(), 7.0)
        assert told.body is None
        shown = b""
        while piece := await told.read():
            shown += piece
            if b"[DONE]" in shown or b'"finish_reason":"' in shown:
                assert reply.settled
            if told.ended:
                break
        assert heard(shown)["choices"][0]["message"]["content"] == "some words"
        await told.leave()
        assert reply.left


async def test_pieces_that_tell_nothing_are_no_end() -> None:
    first, *rest = sse_events("hello")
    told = as_told(Pieces([first[:5], first[5:9], first[9:], *rest]), OpenaiChat(), 7.0)
    assert b'"role":"assistant"' in await told.read()


async def test_a_stream_that_breaks_off_says_so_once() -> None:
    told = as_told(Pieces([*sse_events("hello")[:3]]), OpenaiChat(), 7.0)
    shown = b""
    for _ in range(6):
        shown += await told.read()
    assert shown.count(b'"error"') == 1
    assert b"[DONE]" not in shown


def test_answers_that_were_kept() -> None:
    fine, failed = Answer(1, 7_000_000, 200, MESSAGE), Answer(1, 7_000_000, 529, ERROR)
    plain, chat = DIALECTS[0], OpenaiChat()
    assert told_whole(plain, fine, streams=False) == (200, MESSAGE)
    assert told_whole(plain, fine, streams=True) == (200, stream_of(MESSAGE))
    assert told_whole(plain, failed, streams=True)[1].startswith(b"event: error\n")
    status, body = told_whole(chat, fine, streams=False)
    assert status == 200
    assert b'"created":7,' in body
    assert told_whole(chat, failed, streams=False)[0] == 529
    assert heard(told_whole(chat, fine, streams=True)[1])["created"] == 7
    assert heard(told_whole(chat, failed, streams=True)[1])["error"]["message"] == "Overloaded"
