"""Responses as a dialect: translated at the edge, so that the engine sees ordinary Messages calls (docs/adr/0030)."""

from __future__ import annotations

from thriftgate.core.errors import BrokenReply, ThriftgateError
from thriftgate.wire.anthropic_messages import AnthropicMessages
from thriftgate.wire.openai.errors import error_body, told_error
from thriftgate.wire.openai.responses_answer import Frame, Heard, ResponseStream, whole_response
from thriftgate.wire.openai.responses_losses import RESPONSE_ROWS


class ResponseTeller:
    """See `dialect.Teller`."""

    ping = b": ping\n\n"

    def __init__(self, frame: Frame, created_s: int, heard: Heard | None) -> None:
        self._frame, self._created_s, self._heard = frame, created_s, heard
        self._stream = ResponseStream(frame, created_s, heard)

    def feed(self, chunk: bytes) -> bytes:
        return self._stream.feed(chunk)

    def end(self) -> bytes:
        return self._stream.end()

    def whole(self, status: int, body: bytes) -> tuple[int, bytes]:
        """The answer, or the error. One that cannot be read is an error, whatever its status says."""
        if status != 200:
            return status, told_error(body)
        try:
            return 200, whole_response(body, self._frame, self._created_s, self._heard)
        except BrokenReply as error:
            return error.status_hint, error_body(error)


class OpenaiResponses(AnthropicMessages):
    """One call's dialect: requests are read as the Messages that they were translated to, answers are told as responses.
    `frame`: what its response repeats of a request; `heard` is handed each that was told. See `dialect.Dialect`."""

    name = "openai.responses"
    cannot_carry = tuple(row.field for row in RESPONSE_ROWS if row.fate in ("reported", "refused"))

    def __init__(self, frame: Frame | None = None, heard: Heard | None = None) -> None:
        self._frame = frame or Frame({})
        self._heard = heard

    def teller(self, created_s: int) -> ResponseTeller:
        return ResponseTeller(self._frame, created_s, self._heard)

    def error(self, error: ThriftgateError) -> bytes:
        return error_body(error)
