"""Responses as a dialect: translated at the edge, so that the engine sees ordinary Messages calls (docs/adr/0030)."""

from __future__ import annotations

from thriftgate.core.errors import BrokenReply, ThriftgateError
from thriftgate.wire.anthropic_messages import AnthropicMessages
from thriftgate.wire.openai.errors import error_body, told_error
from thriftgate.wire.openai.responses_answer import Frame, ResponseStream, whole_response
from thriftgate.wire.openai.responses_losses import RESPONSE_ROWS


class ResponseTeller:
    """See `dialect.Teller`."""

    ping = b": ping\n\n"

    def __init__(self, frame: Frame) -> None:
        self._frame = frame
        stream = ResponseStream(frame)
        self.feed = stream.feed
        self.end = stream.end

    def whole(self, status: int, body: bytes) -> tuple[int, bytes]:
        """The answer, or the error. One that cannot be read is an error, whatever its status says."""
        if status != 200:
            return status, told_error(body)
        try:
            return 200, whole_response(body, self._frame)
        except BrokenReply as error:
            return error.status_hint, error_body(error)


class OpenaiResponses(AnthropicMessages):
    """One call's dialect: requests are read as the Messages that they were translated to, answers are told as responses.
    `frame`: what a response repeats of its request. See `dialect.Dialect`."""

    name = "openai.responses"
    cannot_carry = tuple(row.field for row in RESPONSE_ROWS if row.fate in ("reported", "refused"))

    def __init__(self, frame: Frame | None = None) -> None:
        self._frame = frame or Frame({})

    def teller(self) -> ResponseTeller:
        return ResponseTeller(self._frame)

    def error(self, error: ThriftgateError) -> bytes:
        return error_body(error)
