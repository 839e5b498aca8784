"""Answers on their way to clients that speak another dialect than the provider."""

from __future__ import annotations

from thriftgate.core.errors import ThriftgateError, UpstreamError
from thriftgate.engine.call import Reply, WholeReply
from thriftgate.ledger.jobs import Answer
from thriftgate.logs import log
from thriftgate.providers.transport import Headers, header
from thriftgate.wire import DIALECTS
from thriftgate.wire.dialect import Dialect, Teller
from thriftgate.wire.whole_stream import error_event, stream_of

_OWN_ID, _THEIR_ID = b"request-id", b"x-request-id"


def as_told(reply: Reply, dialect: Dialect, now_s: float) -> Reply:
    """The reply in the client's words; the very same one where those are the provider's."""
    teller = dialect.teller(int(now_s))
    if teller is None:
        return reply
    headers = told_headers(reply.headers)
    if reply.body is None:
        return ToldStream(reply, headers, teller)
    if header(reply.headers, b"content-type").startswith("text/event-stream"):  # a stream that was made of a whole answer
        return WholeReply(reply.status, headers, teller.feed(reply.body) + teller.end())
    status, body = teller.whole(reply.status, reply.body)
    return WholeReply(status, headers, body)


def told_whole(dialect: Dialect, answer: Answer, *, streams: bool) -> tuple[int, bytes]:
    """An answer or error of the provider that was kept, as the client reads it: as JSON, or as the stream it asked for."""
    teller = dialect.teller(answer.at_us // 1_000_000)
    if streams:
        stream = stream_of(answer.body) if answer.status == 200 else error_event(answer.body)
        return answer.status, stream if teller is None else teller.feed(stream) + teller.end()
    return (answer.status, answer.body) if teller is None else teller.whole(answer.status, answer.body)


def told_headers(headers: Headers) -> Headers:
    """With the name under which OpenAI's SDKs look for a request's id."""
    return (*headers, *((_THEIR_ID, value) for name, value in headers if name == _OWN_ID))


class ToldStream:
    """A stream that is translated as it comes. What ends it goes out with the piece that ended the provider's, which has
    waited for the books: nothing is told ahead of them (docs/adr/0008)."""

    body: bytes | None = None

    def __init__(self, reply: Reply, headers: Headers, teller: Teller) -> None:
        self.status = reply.status
        self.headers = headers
        self._reply = reply
        self._teller = teller

    async def read(self) -> bytes:
        while True:
            try:
                chunk = await self._reply.read()
            except UpstreamError as error:  # settled; told within the stream, as the client is used to
                log.warning("stream broke off", call=error.call_id, error=str(error))
                return self._teller.end()
            told = self._teller.feed(chunk) if chunk else self._teller.end()
            if told or not chunk or self._reply.ended:
                return told

    def broken(self, error: ThriftgateError) -> bytes:
        """The end of a stream that is cut here."""
        return self._teller.feed(error_event(DIALECTS[0].error(error))) + self._teller.end()

    @property
    def ended(self) -> bool:
        return self._reply.ended

    async def leave(self) -> None:
        await self._reply.leave()
