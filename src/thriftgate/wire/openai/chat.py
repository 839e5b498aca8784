"""Chat completions as a dialect: translated at the edge, so that the engine sees ordinary Messages calls (docs/adr/0030)."""

from __future__ import annotations

import msgspec

from thriftgate.core.errors import ThriftgateError
from thriftgate.wire.anthropic_messages import AnthropicMessages
from thriftgate.wire.dialect import Teller
from thriftgate.wire.openai.chat_answer import chat_completion
from thriftgate.wire.openai.chat_losses import CHAT_ROWS
from thriftgate.wire.openai.chat_stream import PING, ChatStream
from thriftgate.wire.openai.errors import error_body, told_error

_BROKEN = b'{"error":{"type":"api_error","message":"the provider\'s answer cannot be read"}}'


class ChatTeller:
    """See `dialect.Teller`."""

    ping = PING

    def __init__(self, created_s: int, *, include_usage: bool) -> None:
        self._created_s = created_s
        self._stream = ChatStream(created_s, include_usage=include_usage)

    def feed(self, chunk: bytes) -> bytes:
        return self._stream.feed(chunk)

    def end(self) -> bytes:
        return self._stream.end()

    def whole(self, status: int, body: bytes) -> tuple[int, bytes]:
        """The answer, or the error. One that cannot be read is an error, whatever its status says."""
        if status != 200:
            return status, told_error(body)
        try:
            body.decode()  # what goes on raw is not looked at otherwise, and JSON is UTF-8
            return 200, chat_completion(body, self._created_s)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return 502, told_error(_BROKEN)


class OpenaiChat(AnthropicMessages):
    """One call's dialect: requests are read as the Messages that they were translated to, answers are told as completions.
    See `dialect.Dialect`."""

    name = "openai.chat"
    cannot_carry = tuple(row.field for row in CHAT_ROWS if row.fate in ("reported", "refused"))

    def __init__(self, *, include_usage: bool = False) -> None:
        self._include_usage = include_usage

    def teller(self, created_s: int) -> Teller:
        return ChatTeller(created_s, include_usage=self._include_usage)

    def error(self, error: ThriftgateError) -> bytes:
        return error_body(error)
