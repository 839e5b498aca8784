"""What a wire dialect is: how clients write requests and read answers, without I/O."""

from __future__ import annotations

from typing import Protocol

from thriftgate.core.errors import ThriftgateError
from thriftgate.core.request import Request
from thriftgate.wire.meter import Reading


class Meter(Protocol):
    """Reads a copy of a stream; equal for any chunking."""

    def feed(self, chunk: bytes) -> bool:
        """Read a chunk; True once the answer has ended: the chunk holds its last event."""

    def reading(self) -> Reading: ...


class Teller(Protocol):
    """Puts one answer of the provider into its client's words: whole, or piece by piece, equal for any chunking. What it is
    fed, it tells at once, except for what only the end of an answer decides. Garbage becomes an error, not an exception."""

    @property
    def ping(self) -> bytes:
        """A sign of life within a stream, which clients pass over."""

    def whole(self, status: int, body: bytes) -> tuple[int, bytes]:
        """An answer or error that is complete, with the status that it is sent with."""

    def feed(self, chunk: bytes) -> bytes:
        """A piece of a stream."""

    def end(self) -> bytes:
        """The stream has ended; b"" where the answer was complete, and whenever it is asked again."""


class Dialect(Protocol):
    """One way to talk to a model. `cannot_carry` names what is lost in it, so that nothing is lost silently.

    It has two faces. The one towards the engine is Messages, whatever the client speaks: a request is translated before a
    call is made of it, and `parse`, `render`, `read` and `meter` are about what the provider gets and answers. The one
    towards the client is `teller` and `error`.
    """

    @property
    def name(self) -> str: ...

    @property
    def cannot_carry(self) -> tuple[str, ...]: ...

    def parse(self, body: bytes) -> Request:
        """A client's body as a Messages request. Raises InputError."""

    def render(self, request: Request) -> bytes:
        """The request as this dialect writes it: `render(parse(body)) == body`."""

    def read(self, body: bytes) -> Reading:
        """Meter a whole answer."""

    def meter(self) -> Meter:
        """Meter a stream."""

    def teller(self, created_s: int) -> Teller | None:
        """Tells one answer, made at that time (unix seconds); None where clients get what the provider says, byte for
        byte."""

    def error(self, error: ThriftgateError) -> bytes:
        """One of our own errors in the shape this dialect's clients expect."""


def error_headers(error: ThriftgateError) -> tuple[tuple[bytes, bytes], ...]:
    """What goes with one of our own errors; `thriftgate-error` tells that it is not the provider's, `x-should-retry` what
    SDKs are to do (anthropic-sdk-python v0.121.0, `_base_client.py`)."""
    headers = ((b"content-type", b"application/json"), (b"thriftgate-error", error.label.encode()), *error.headers)
    if error.call_id:
        names = (b"thriftgate-request-id", b"request-id", b"x-request-id")  # OpenAI's SDKs look for the last one
        headers = (*headers, *((name, error.call_id.encode()) for name in names))
    if error.retry_after_s and not error.after_answer:
        return (*headers, (b"retry-after", b"%d" % max(1, round(error.retry_after_s))))
    if error.status_hint < 500 or error.after_answer:
        return (*headers, (b"x-should-retry", b"false"))
    return headers
