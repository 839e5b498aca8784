"""Answers of chat servers on their way in, told as answers of the Messages API."""

from __future__ import annotations

from collections.abc import AsyncIterator

import msgspec
from msgspec import Raw, Struct

from thriftgate.core.errors import BrokenReply
from thriftgate.providers.transport import Headers, Incoming, WholeAnswer, header
from thriftgate.wire.openai_out.answer import message_of
from thriftgate.wire.openai_out.errors import failure_in, failure_of
from thriftgate.wire.openai_out.request import Asked
from thriftgate.wire.openai_out.stream import ChatStream
from thriftgate.wire.whole_stream import stream_of

JSON, EVENTS = b"application/json", b"text/event-stream; charset=utf-8"
_KEPT = frozenset({b"date", b"retry-after", b"retry-after-ms", b"x-should-retry"})
_IDS = (b"x-request-id", b"request-id", b"x-generation-id", b"x-litellm-call-id", b"x-portkey-trace-id")
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError, LookupError)


class ChatEvents:
    """A stream that is told anew as it comes (`transport.Incoming`)."""

    def __init__(self, incoming: Incoming, asked: Asked) -> None:
        self.status = incoming.status
        self.headers = _headers(incoming.headers, EVENTS)
        self._behind = incoming
        self._stream = ChatStream(asked)

    async def chunks(self) -> AsyncIterator[bytes]:
        try:
            async for chunk in self._behind.chunks():
                if piece := self._stream.feed(chunk):
                    yield piece
        except ValueError as error:
            raise BrokenReply(f"the stream cannot be read: {error}") from None
        if rest := self._stream.end():
            yield rest

    async def read(self) -> bytes:
        return b"".join([chunk async for chunk in self.chunks()])

    def at_end(self) -> bool:
        return self._stream.over and self._behind.at_end()

    def close(self) -> None:
        self._behind.close()


class _Failed(Struct):
    error: Raw = Raw(b"null")


async def answered(incoming: Incoming, asked: Asked) -> Incoming:
    """The answer as one of the Messages API. Raises like `Incoming.read`."""
    served = 200 <= incoming.status < 300
    if served and header(incoming.headers, b"content-type").startswith("text/event-stream"):
        return ChatEvents(incoming, asked)
    try:
        body = await incoming.read()
    finally:
        incoming.close()
    status, kind = incoming.status, JSON
    if status >= 400:
        status, body = failure_of(status, body, asked.server.name)
    elif served:
        try:
            failed = msgspec.json.decode(body, type=_Failed).error
            if failed != Raw(b"null"):
                status, body = failure_in(msgspec.json.decode(failed), asked.server.name)
            else:
                body = message_of(body, asked)
                body, kind = (stream_of(body), EVENTS) if asked.stream else (body, JSON)
        except _UNREADABLE:  # handed on it could pass for an answer that has used nothing
            raise BrokenReply(
                f"{asked.server.name} answered {status} with {len(body)} bytes that are no chat answer; "
                "the call may have been billed"
            ) from None
    return WholeAnswer(status, _headers(incoming.headers, kind), body)


def _headers(headers: Headers, kind: bytes) -> Headers:
    """What of the server's headers means the same here."""
    named = next((value for name in _IDS for key, value in headers if key == name), b"")
    told = ((b"request-id", named),) if named else ()
    return (*[one for one in headers if one[0] in _KEPT], *told, (b"content-type", kind))
