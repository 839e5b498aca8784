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


class Dialect(Protocol):
    """One way to talk to a model. `cannot_carry` names what is lost in it, so that nothing is lost silently."""

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

    def error(self, error: ThriftgateError) -> bytes:
        """One of our own errors in the shape this dialect's clients expect."""


def error_headers(error: ThriftgateError) -> tuple[tuple[bytes, bytes], ...]:
    """What goes with one of our own errors; `thriftgate-error` tells that it is not the provider's, `x-should-retry` what
    SDKs are to do (anthropic-sdk-python v0.121.0, `_base_client.py`)."""
    headers = ((b"content-type", b"application/json"), (b"thriftgate-error", error.label.encode()), *error.headers)
    if error.call_id:
        headers = (*headers, (b"thriftgate-request-id", error.call_id.encode()), (b"request-id", error.call_id.encode()))
    if error.retry_after_s and not error.after_answer:
        return (*headers, (b"retry-after", b"%d" % max(1, round(error.retry_after_s))))
    if error.status_hint < 500 or error.after_answer:
        return (*headers, (b"x-should-retry", b"false"))
    return headers
