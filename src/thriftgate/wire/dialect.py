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
