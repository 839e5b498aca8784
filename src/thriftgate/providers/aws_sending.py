"""What is done to a request for AWS when it is sent, and to its answer: signed, and told as the Messages API tells it."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Protocol

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from thriftgate.clock import Clock
from thriftgate.core.errors import BrokenReply, Unreachable
from thriftgate.providers.aws_credentials import Bearer, Keyring
from thriftgate.providers.sigv4 import Scope, signed
from thriftgate.providers.transport import (
    FileBody,
    Headers,
    Incoming,
    Outgoing,
    Timeouts,
    Transport,
    WholeAnswer,
    header,
    laid_over,
)
from thriftgate.wire.aws_answers import MessagesStream, translated

EVENT_STREAM = "application/vnd.amazon.eventstream"
_SIGNED = (b"content-type", b"x-amz-", b"x-amzn-bedrock-", b"anthropic-workspace")
_LARGE_BYTES = 1024 * 1024  # hashing more takes milliseconds, in which the loop would stand still


class AwsFinish(Struct, frozen=True):
    """See `transport.Finish`. `keys` is None where the request carries a key already. `retold` makes a Messages answer of a
    whole one that has another shape."""

    scope: Scope
    keys: Keyring | None
    retold: Callable[[bytes], bytes] | None = None

    async def send(self, outgoing: Outgoing, timeouts: Timeouts, transport: Transport, clock: Clock) -> Incoming:
        ready = replace(outgoing, finish=None, headers=await self._headers(outgoing, clock))
        incoming = await transport.send(ready, timeouts)
        headers = _identified(incoming.headers)
        if 200 <= incoming.status < 300:
            if header(headers, b"content-type").startswith(EVENT_STREAM):
                return _Told(incoming, headers)
            return await self._whole(incoming, headers) if self.retold is not None else _Passed(incoming, headers)
        try:
            body = await incoming.read()
        finally:
            incoming.close()
        if self.keys is not None and incoming.status in (401, 403):
            self.keys.refused()
        status, told = translated(
            incoming.status, header(headers, b"x-amzn-errortype"), body, header(headers, b"request-id")
        )
        return WholeAnswer(status, _as_json(headers), told)

    async def _headers(self, outgoing: Outgoing, clock: Clock) -> Headers:
        if self.keys is None:
            return outgoing.headers
        key = await self.keys.identity(clock.now_s())
        if isinstance(key, Bearer):
            return (*outgoing.headers, as_bearer(key.key.encode()))
        chosen = tuple(one for one in outgoing.headers if one[0].startswith(_SIGNED))
        digest = await _sha256(outgoing.body)
        own = signed(outgoing.method, outgoing.url, chosen, digest, key=key, scope=self.scope, now_s=clock.now_s())
        return laid_over(outgoing.headers, own)

    async def _whole(self, incoming: Incoming, headers: Headers) -> Incoming:
        assert self.retold is not None
        try:
            body = await incoming.read()
        finally:
            incoming.close()
        try:
            return WholeAnswer(incoming.status, _as_json(headers), self.retold(body))
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise BrokenReply("AWS answered with something that is no count of tokens") from None


def as_bearer(key: bytes) -> tuple[bytes, bytes]:
    """The header of a key that is sent as it is."""
    return b"authorization", b"Bearer " + key


class _Passed:
    """An answer as it came, with the id by which AWS knows it where the Messages API has its own."""

    def __init__(self, incoming: Incoming, headers: Headers) -> None:
        self._incoming = incoming
        self.headers = headers

    @property
    def status(self) -> int:
        return self._incoming.status

    def chunks(self) -> AsyncIterator[bytes]:
        return self._incoming.chunks()

    async def read(self) -> bytes:
        return await self._incoming.read()

    def at_end(self) -> bool:
        return self._incoming.at_end()

    def close(self) -> None:
        self._incoming.close()


class _Told(_Passed):
    """A stream of events of AWS's, as a Messages stream."""

    def __init__(self, incoming: Incoming, headers: Headers) -> None:
        super().__init__(incoming, laid_over(_unframed(headers), ((b"content-type", b"text/event-stream; charset=utf-8"),)))

    async def chunks(self) -> AsyncIterator[bytes]:
        stream = MessagesStream()
        try:
            async for chunk in self._incoming.chunks():
                if told := stream.feed(chunk):
                    yield told
        except ValueError as error:
            raise BrokenReply(f"AWS's event stream cannot be read: {error}") from None
        if stream.pending:
            raise BrokenReply("AWS's event stream ended in the middle of an event")

    async def read(self) -> bytes:
        return b"".join([chunk async for chunk in self.chunks()])


def _identified(headers: Headers) -> Headers:
    own = header(headers, b"x-amzn-requestid")
    return headers if not own or header(headers, b"request-id") else (*headers, (b"request-id", own.encode("latin-1")))


def _unframed(headers: Headers) -> Headers:
    return tuple(one for one in headers if one[0] != b"content-length")


def _as_json(headers: Headers) -> Headers:
    return laid_over(_unframed(headers), ((b"content-type", b"application/json"),))


class _Hash(Protocol):
    def hexdigest(self) -> str: ...


async def _sha256(body: bytes | FileBody) -> str:
    """Of what is sent. Raises Unreachable for a file that is not there."""
    if isinstance(body, bytes):
        if len(body) < _LARGE_BYTES:
            return hashlib.sha256(body).hexdigest()
        return (await asyncio.to_thread(hashlib.sha256, body)).hexdigest()
    try:
        found = await asyncio.to_thread(_sha256_of_file, body.path)
    except OSError as error:
        raise Unreachable(f"the body cannot be read: {error.strerror}; nothing was sent") from None
    return found.hexdigest()


def _sha256_of_file(path: Path) -> _Hash:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256")
