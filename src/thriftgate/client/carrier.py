"""Between the SDK and the network: what a call is planned and booked for goes to the engine, everything else goes on.

This is an `httpx2` transport: here the SDK has made its request, the URL, the headers with their credentials, the bytes.
What comes back is what came, status, headers and body, for the SDK to read or to raise. Why it is not the SDK's middleware
is told in docs/adr/0033.
"""

from __future__ import annotations

import asyncio
import os
import re
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import Future
from concurrent.futures import TimeoutError as Late
from typing import NamedTuple, TypeVar

import httpx2
from pydantic import SecretStr

from thriftgate.client.contexts import purses, with_wishes
from thriftgate.client.engine_thread import ENGINES, EngineThread
from thriftgate.client.exchange import BrokenOff, Exchange, Head, scope_of
from thriftgate.core.errors import BrokenReply, ThriftgateError, Unreachable, UpstreamTimeout
from thriftgate.gateway.asgi import Scope
from thriftgate.gateway.messages import PURSES
from thriftgate.providers.anthropic import Anthropic
from thriftgate.providers.transport import header
from thriftgate.settings import Settings
from thriftgate.wire import DIALECTS
from thriftgate.wire.anthropic_batches import read_error
from thriftgate.wire.dialect import error_headers

_T = TypeVar("_T")
_ONE = r"/v1/messages/batches/[A-Za-z0-9_.-]+"
_SERVED = re.compile(
    r"POST (?P<messages>\S*?)/v1/messages(?:/count_tokens)?"
    r"|(?:GET|POST) (?P<batches>\S*?)/v1/messages/batches"
    rf"|(?:GET|DELETE) (?P<batch>\S*?){_ONE}"
    rf"|POST (?P<cancel>\S*?){_ONE}/cancel"
    rf"|GET (?P<results>\S*?){_ONE}/results"
    r"|GET (?P<jobs>\S*?)/thriftgate/jobs/[^/]+"
)
# What the SDK raises for a network that fails, by how thriftgate names it.
_NETWORK: dict[str, type[httpx2.TransportError]] = {
    Unreachable.label: httpx2.ConnectError,
    UpstreamTimeout.label: httpx2.ReadTimeout,
    BrokenReply.label: httpx2.RemoteProtocolError,
}


class Asked(NamedTuple):
    """A request that the engine serves."""

    upstream: str  # the URL that everything is below
    scope: Scope
    timeout_s: float | None  # for each piece of the answer


class Carrier:
    """What the two transports share. `settings` hold for every upstream; which one that is, the request says."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._credential = ""
        self._threads: dict[str, EngineThread] = {}
        self._process = os.getpid()
        self._lock = threading.Lock()

    def knows(self, credential: str) -> None:
        """The key that batches are to be sent with: the first that a client of this carrier has."""
        self._credential = self._credential or credential

    def known(self, upstream: str) -> EngineThread | None:
        """The engine for an upstream, where it is at work."""
        return self._threads.get(upstream) if self._process == os.getpid() else None

    def taken(self, upstream: str) -> EngineThread:
        """The engine for an upstream; it is started where it is not at work. Raises ThriftgateError."""
        with self._lock:
            if self._process != os.getpid():
                self._threads, self._process = {}, os.getpid()
            thread = self._threads.get(upstream)
            if thread is None:
                thread = self._threads[upstream] = ENGINES.take(_settings_for(self._settings, upstream), self._credential)
            return thread

    def threads(self) -> list[EngineThread]:
        """Those at work for this client."""
        return list(self._threads.values()) if self._process == os.getpid() else []

    def __del__(self) -> None:
        for thread in self.threads():
            ENGINES.drop(thread)

    def close(self) -> None:
        """Give the engines back."""
        with self._lock:
            threads, self._threads = self.threads(), {}
        for thread in threads:
            ENGINES.give_back(thread)


class SyncCarrier(httpx2.BaseTransport):
    """For `Client`. What it does not serve goes through `inner`, the HTTP client that the SDK would have had."""

    def __init__(self, carrier: Carrier, inner: httpx2.Client) -> None:
        self.carrier = carrier
        self._inner = inner

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        asked = asked_of(request)
        if asked is None:
            return self._inner.send(request, stream=True, follow_redirects=False)
        for hook in self._inner.event_hooks["request"]:
            hook(request)
        try:
            thread = self.carrier.taken(asked.upstream)
        except ThriftgateError as error:
            return _response(_told(error))
        exchange = thread.begin(asked.scope, request.read())
        try:
            head = _waited(thread.ask(exchange.head()), asked, request)
            _check(head, request)
            response = _response(head, _SyncRest(thread, exchange, asked, request) if head.body is None else None)
        except BaseException:
            thread.tell(exchange.leave)
            raise
        for hook in self._inner.event_hooks["response"]:
            response.request = request
            hook(response)
        return response

    def close(self) -> None:
        self.carrier.close()
        self._inner.close()


class AsyncCarrier(httpx2.AsyncBaseTransport):
    """For `AsyncClient`, in whatever asyncio loop it is used."""

    def __init__(self, carrier: Carrier, inner: httpx2.AsyncClient) -> None:
        self.carrier = carrier
        self._inner = inner

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        asked = asked_of(request)
        if asked is None:
            return await self._inner.send(request, stream=True, follow_redirects=False)
        for hook in self._inner.event_hooks["request"]:
            await hook(request)
        try:
            thread = self.carrier.known(asked.upstream)
            if thread is None:  # it takes a moment to start
                thread = await asyncio.to_thread(self.carrier.taken, asked.upstream)
        except ThriftgateError as error:
            return _response(_told(error))
        exchange = thread.begin(asked.scope, await request.aread())
        try:
            head = await _awaited(thread.ask(exchange.head()), asked, request)
            _check(head, request)
            response = _response(head, _AsyncRest(thread, exchange, asked, request) if head.body is None else None)
        except BaseException:
            thread.tell(exchange.leave)
            raise
        for hook in self._inner.event_hooks["response"]:
            response.request = request
            await hook(response)
        return response

    async def aclose(self) -> None:
        await asyncio.to_thread(self.carrier.close)
        await self._inner.aclose()


def asked_of(request: httpx2.Request) -> Asked | None:
    """The request as the gateway reads it; None where it is not for the engine."""
    url = request.url
    path = url.raw_path.partition(b"?")[0]
    found = _SERVED.fullmatch(f"{request.method} {path.decode('latin-1')}")
    if found is None:
        return None
    prefix = next(part for part in found.groupdict().values() if part is not None)
    upstream = f"{url.scheme}://{url.netloc.decode('latin-1')}{prefix}"
    headers = with_wishes(tuple((name.lower(), value) for name, value in request.headers.raw))
    scope = scope_of(request.method, path[len(prefix) :], url.query, headers, **{PURSES: purses()})
    read_s: float | None = request.extensions.get("timeout", {}).get("read")
    return Asked(upstream, scope, None if header(headers, b"thriftgate-deadline") else read_s)


class _Rest:
    """What is still to come of an answer. One that nobody reads to its end is left, and settled."""

    def __init__(self, thread: EngineThread, exchange: Exchange, asked: Asked, request: httpx2.Request) -> None:
        self._thread = thread
        self._exchange = exchange
        self._asked = asked
        self._request = request

    def leave(self) -> None:
        self._thread.tell(self._exchange.leave)

    def __del__(self) -> None:
        self.leave()


class _SyncRest(_Rest, httpx2.SyncByteStream):
    def __iter__(self) -> Iterator[bytes]:
        while piece := _waited(self._thread.ask(self._exchange.next()), self._asked, self._request):
            yield piece

    def close(self) -> None:
        self.leave()


class _AsyncRest(_Rest, httpx2.AsyncByteStream):
    async def __aiter__(self) -> AsyncIterator[bytes]:
        while piece := await _awaited(self._thread.ask(self._exchange.next()), self._asked, self._request):
            yield piece

    async def aclose(self) -> None:
        self.leave()


def _waited(future: Future[_T], asked: Asked, request: httpx2.Request) -> _T:
    try:
        return future.result(asked.timeout_s)
    except Late:
        future.cancel()
        raise httpx2.ReadTimeout(f"nothing came for {asked.timeout_s:g} s", request=request) from None
    except BrokenOff as error:
        raise httpx2.RemoteProtocolError(str(error), request=request) from None


async def _awaited(future: Future[_T], asked: Asked, request: httpx2.Request) -> _T:
    try:
        async with asyncio.timeout(asked.timeout_s):
            return await asyncio.wrap_future(future)
    except TimeoutError:
        raise httpx2.ReadTimeout(f"nothing came for {asked.timeout_s:g} s", request=request) from None
    except BrokenOff as error:
        raise httpx2.RemoteProtocolError(str(error), request=request) from None


def _response(head: Head, rest: _SyncRest | _AsyncRest | None = None) -> httpx2.Response:
    return httpx2.Response(head.status, headers=list(head.headers), stream=rest or httpx2.ByteStream(head.body or b""))


def _check(head: Head, request: httpx2.Request) -> None:
    """Raises what the SDK would have met without thriftgate, where the provider could not be reached or made sense of; not
    where the call must not be tried again, which only an answer can say."""
    kind = _NETWORK.get(header(head.headers, b"thriftgate-error"))
    if kind is not None and header(head.headers, b"x-should-retry") != "false":
        raise kind(read_error(head.body or b"").message, request=request)


def _told(error: ThriftgateError) -> Head:
    """An engine that does not start, in the shape of all errors. Nothing has changed when the call is tried again."""
    headers = (*error_headers(error), (b"x-should-retry", b"false"))
    return Head(error.status_hint, headers, DIALECTS[0].error(error))


def _settings_for(settings: Settings, upstream: str) -> Settings:
    """The settings of a client's engine: it has the client's upstream, and keys that pass through; where they name targets,
    or a provider that no client speaks to, they say where calls go, and who pays. Who may call is no question where only
    this process can."""
    access = settings.access.model_copy(update={"mode": "open"})
    provider: str = settings.upstream.provider
    if settings.targets or provider != Anthropic.name:
        return settings.model_copy(update={"access": access})
    own = settings.upstream.model_copy(update={"url": upstream, "api_key": SecretStr(""), "keys": ()})
    return settings.model_copy(update={"access": access, "upstream": own})
