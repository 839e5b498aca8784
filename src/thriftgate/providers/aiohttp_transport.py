"""The network, by aiohttp: the fastest maintained client measured (benchmarks/README.md)."""

from __future__ import annotations

import asyncio
import io
import socket
import ssl
from collections.abc import AsyncIterator

import aiohttp
from aiohttp.abc import AbstractResolver, AbstractStreamWriter, ResolveResult
from aiohttp.helpers import is_ip_address
from aiohttp.http import StreamWriter
from multidict import CIMultiDict
from yarl import URL

from thriftgate.core.errors import BrokenReply, Unreachable, UpstreamError, UpstreamTimeout
from thriftgate.providers.file_slices import FileSlices, check
from thriftgate.providers.receivers import Denied, Resolve, found_for_operator
from thriftgate.providers.transport import FileBody, Headers, Outgoing, Timeouts

LARGE_BYTES = 2**20
# aiohttp would add these by itself; the provider shall see what the client sent.
_SKIP = ("User-Agent", "Accept", "Accept-Encoding", "Content-Type")


class AiohttpIncoming:
    """See `transport.Incoming`."""

    __slots__ = ("_response", "headers")

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response
        self.headers: Headers = tuple((name.lower(), value) for name, value in response.raw_headers)

    @property
    def status(self) -> int:
        return self._response.status

    async def chunks(self) -> AsyncIterator[bytes]:
        content = self._response.content
        try:
            while chunk := await content.readany():
                yield chunk
        except TimeoutError:
            raise UpstreamTimeout("the provider stopped sending in the middle of its answer") from None
        except (aiohttp.ClientError, OSError) as error:
            raise BrokenReply(f"the provider's answer broke off: {_words(error)}") from None

    async def read(self) -> bytes:
        try:
            return await self._response.read()
        except TimeoutError:
            raise UpstreamTimeout("the provider stopped sending in the middle of its answer") from None
        except (aiohttp.ClientError, OSError) as error:
            raise BrokenReply(f"the provider's answer broke off: {_words(error)}") from None

    def at_end(self) -> bool:
        return self._response.content.at_eof()

    def close(self) -> None:
        if self._response.content.at_eof():
            self._response.release()
        else:
            self._response.close()


class _FilePayload(aiohttp.Payload):
    """A file, opened when it is written and closed whatever happens. aiohttp's own reads a file without looking whether it
    is as long as was promised, and waits for ever for a server that takes nothing."""

    def __init__(self, body: FileBody, stall_s: float) -> None:
        super().__init__(body)
        self._body = body
        self._size = body.length
        self._stall_s = stall_s

    async def write_with_length(self, writer: AbstractStreamWriter, content_length: int | None) -> None:
        try:
            with FileSlices(self._body) as slices:
                while piece := slices.read():
                    async with asyncio.timeout(self._stall_s):
                        await writer.write(piece)
                    if len(slices):
                        await asyncio.sleep(1e-9)  # not 0: behind what can be read, and the turns of the other calls
        except (UpstreamError, TimeoutError):
            if isinstance(writer, StreamWriter) and writer.transport is not None:
                writer.transport.abort()  # who reads an answer that has begun is told by nothing else
            raise

    async def write(self, writer: AbstractStreamWriter) -> None:
        await self.write_with_length(writer, None)

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        raise TypeError("a file that is sent is not read whole")


class _Resolver(AbstractResolver):
    """aiohttp's resolver, by `find`: what that does not allow is not connected to. A host that is an address is not asked
    for here: `send` does."""

    def __init__(self, find: Resolve) -> None:
        self._find = find

    async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET) -> list[ResolveResult]:
        return [
            ResolveResult(hostname=host, host=address[0], port=port, family=kind, proto=proto, flags=socket.AI_NUMERICHOST)
            for kind, _, proto, _, address in await self._find(host, port)
            if family in (socket.AF_UNSPEC, kind)
        ]

    async def close(self) -> None:
        """There is nothing to close."""


class AiohttpTransport:
    """See `transport.Transport`. Create it inside the running event loop. `ssl_context` and `find`: see `Http1Transport`."""

    def __init__(
        self, *, connections_max: int = 0, ssl_context: ssl.SSLContext | None = None, find: Resolve = found_for_operator
    ) -> None:
        # No limit by default: 200 streams are 200 connections. Idle ones are dropped before a peer is likely to.
        connector = aiohttp.TCPConnector(
            limit=connections_max,
            keepalive_timeout=15.0,
            ttl_dns_cache=60,
            ssl=ssl_context or True,
            resolver=_Resolver(find),
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            auto_decompress=False,
            skip_auto_headers=_SKIP,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None),
            read_bufsize=2**18,
        )
        self._timeouts: dict[Timeouts, aiohttp.ClientTimeout] = {}
        self._find = find
        self._addresses: set[str] = set()

    async def send(self, outgoing: Outgoing, timeouts: Timeouts) -> AiohttpIncoming:
        check(outgoing.body)
        await self._check_address(outgoing.url)
        headers = CIMultiDict((name.decode("latin-1"), _text(value)) for name, value in outgoing.headers)
        try:
            response = await self._session.request(
                outgoing.method,
                URL(outgoing.url, encoded=True),
                headers=headers,
                data=_sendable(outgoing.body, timeouts),
                timeout=self._timeout(timeouts),
                allow_redirects=False,
            )
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.InvalidURL) as error:
            raise Unreachable(f"cannot reach {_origin(outgoing.url)}: {_words(error)}") from None
        except TimeoutError:
            raise UpstreamTimeout(f"no answer from {_origin(outgoing.url)} within {timeouts.read_s:g} s") from None
        except (aiohttp.ClientError, OSError) as error:
            raise BrokenReply(f"no usable HTTP answer from {_origin(outgoing.url)}: {_words(error)}") from None
        return AiohttpIncoming(response)

    async def close(self) -> None:
        await self._session.close()

    async def _check_address(self, url: str) -> None:
        """A host that is an address is connected to without a resolver, so `find` is asked here, once for each."""
        host = URL(url, encoded=True).raw_host or ""
        if host in self._addresses or not is_ip_address(host):
            return
        try:
            await self._find(host, 0)
        except OSError as error:
            raise Unreachable(f"cannot reach {_origin(url)}: {_words(error)}") from None
        self._addresses.add(host)

    def _timeout(self, timeouts: Timeouts) -> aiohttp.ClientTimeout:
        known = self._timeouts.get(timeouts)
        if known is None:
            known = aiohttp.ClientTimeout(total=None, sock_connect=timeouts.connect_s, sock_read=timeouts.read_s)
            self._timeouts[timeouts] = known
        return known


def _text(value: bytes) -> str:
    """As aiohttp wants it: it writes UTF-8, so only what is none of it leaves as other bytes."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")


def _sendable(body: bytes | FileBody, timeouts: Timeouts) -> bytes | io.BytesIO | _FilePayload | None:
    """A large body is written piece by piece, so that other calls get their turns."""
    if not isinstance(body, bytes):
        return _FilePayload(body, timeouts.read_s)
    return io.BytesIO(body) if len(body) > LARGE_BYTES else body or None


def _origin(url: str) -> str:
    return str(URL(url).origin())


def _words(error: BaseException) -> str:
    """The error's own, cut short: it can quote a megabyte of what the peer sent."""
    if isinstance(error.__cause__, UpstreamError | Denied):  # ours, about a body that is a file, or an address
        error = error.__cause__
    return str(error)[:300] or type(error).__name__
