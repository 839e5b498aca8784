"""The one seam where bytes leave the process. Everything above it is the same for a real network and for a test.

Three implementations: `http1_transport` (the network, by default) and `aiohttp_transport` (the network, by a setting), which
pass the same hostile tests, and `asgi_transport` (an ASGI app in this process).
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Protocol

from msgspec import Struct

from thriftgate.clock import Clock

Headers = tuple[tuple[bytes, bytes], ...]


class FileBody(Struct, frozen=True):
    """A body that is a file of that many bytes, read as it is sent; the file must not change meanwhile."""

    path: Path
    length: int


class Outgoing(Struct, frozen=True):
    """One HTTP request, ready to send. Header names are lower case. `finish` sends it where more is to be done to it, or to
    its answer."""

    method: str
    url: str
    headers: Headers
    body: bytes | FileBody = b""
    finish: Finish | None = None


class Timeouts(Struct, frozen=True):
    """Seconds: to connect, and between two pieces of the answer (the first one included)."""

    connect_s: float = 10.0
    read_s: float = 600.0


class Incoming(Protocol):
    """An answer whose head has come. Must be closed; closing before the end gives the connection up."""

    @property
    def status(self) -> int: ...

    @property
    def headers(self) -> Headers: ...

    def chunks(self) -> AsyncIterator[bytes]:
        """The body as it comes. Raises BrokenReply when it breaks off, UpstreamTimeout when it stalls."""

    async def read(self) -> bytes:
        """The whole body. Raises like `chunks`."""

    def at_end(self) -> bool:
        """Whether surely nothing more will come. False is no promise."""

    def close(self) -> None: ...


class WholeAnswer(Struct, frozen=True):
    """An answer that has been read to its end: see `Incoming`."""

    status: int
    headers: Headers
    body: bytes

    async def chunks(self) -> AsyncIterator[bytes]:
        yield self.body

    async def read(self) -> bytes:
        return self.body

    def at_end(self) -> bool:
        return True

    def close(self) -> None:
        """There is nothing to close."""


class Transport(Protocol):
    """Sends a request and returns when the head of the answer is there.

    Raises Unreachable when surely nothing was sent (also for a file as the body that is not there, or not as long as it
    should be), UpstreamTimeout or BrokenReply when something may have been (also where that file ends early).
    """

    async def send(self, outgoing: Outgoing, timeouts: Timeouts) -> Incoming: ...

    async def close(self) -> None: ...


class Finish(Protocol):
    """What a provider does at the moment of sending: a signature or a token that holds for minutes, an answer in another
    wire format. Above it requests and answers are those of the Messages API."""

    async def send(self, outgoing: Outgoing, timeouts: Timeouts, transport: Transport, clock: Clock) -> Incoming:
        """Raises like `Transport.send`; Unreachable also where there are no credentials, as nothing was sent then."""


def laid_over(headers: Headers, own: Headers) -> Headers:
    """These headers with `own` in the place of those of the same name."""
    names = {name for name, _ in own}
    return (*[one for one in headers if one[0] not in names], *own)


def header(headers: Headers, name: bytes) -> str:
    """The first value of a header (lower-case name), or ""."""
    for key, value in headers:  # a generator would take twice as long, a dozen times a call
        if key == name:
            return value.decode("latin-1")
    return ""
