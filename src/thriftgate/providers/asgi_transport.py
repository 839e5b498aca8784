"""An ASGI app in this process as the provider: the simulator without a socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, MutableMapping
from typing import Any
from urllib.parse import urlsplit

from thriftgate.core.errors import BrokenReply, UpstreamError, UpstreamTimeout
from thriftgate.providers.file_slices import FileSlices, check
from thriftgate.providers.transport import FileBody, Headers, Outgoing, Timeouts

Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]
Receive = Callable[[], Awaitable[Message]]
AsgiApp = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

_END = object()


class AsgiIncoming:
    """See `transport.Incoming`."""

    def __init__(
        self, status: int, headers: Headers, queue: asyncio.Queue[object], task: asyncio.Task[None], timeout_s: float
    ) -> None:
        self.status = status
        self.headers = headers
        self._queue = queue
        self._task = task
        self._timeout_s = timeout_s

    async def chunks(self) -> AsyncIterator[bytes]:
        while True:
            try:
                item = await asyncio.wait_for(self._queue.get(), self._timeout_s)
            except TimeoutError:
                raise UpstreamTimeout("the provider stopped sending in the middle of its answer") from None
            if item is _END:
                return
            if isinstance(item, BaseException):
                raise BrokenReply(f"the provider's answer broke off: {str(item) or type(item).__name__}")
            if isinstance(item, bytes) and item:
                yield item

    async def read(self) -> bytes:
        return b"".join([chunk async for chunk in self.chunks()])

    def at_end(self) -> bool:
        return False

    def close(self) -> None:
        self._task.cancel()


class AsgiTransport:
    """See `transport.Transport`. The app sees a disconnect when the answer is closed before its end."""

    def __init__(self, app: AsgiApp) -> None:
        self._app = app
        self._tasks: set[asyncio.Task[None]] = set()

    async def send(self, outgoing: Outgoing, timeouts: Timeouts) -> AsgiIncoming:
        check(outgoing.body)
        parts = urlsplit(outgoing.url)
        scope: dict[str, Any] = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": outgoing.method,
            "scheme": parts.scheme,
            "path": parts.path,
            "raw_path": parts.path.encode(),
            "query_string": parts.query.encode(),
            "root_path": "",
            "headers": [*outgoing.headers, (b"host", parts.netloc.encode())],
            "client": ("127.0.0.1", 0),
            "server": (parts.hostname, parts.port or 80),
        }
        queue: asyncio.Queue[object] = asyncio.Queue()
        head: asyncio.Future[tuple[int, Headers]] = asyncio.get_running_loop().create_future()
        task = asyncio.ensure_future(self._run(scope, outgoing.body, head, queue))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            status, headers = await asyncio.wait_for(head, timeouts.read_s)
        except TimeoutError:
            task.cancel()
            raise UpstreamTimeout(f"no answer within {timeouts.read_s:g} s") from None
        except (asyncio.CancelledError, BrokenReply):
            task.cancel()
            raise
        return AsgiIncoming(status, headers, queue, task, timeouts.read_s)

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _run(
        self,
        scope: MutableMapping[str, Any],
        body: bytes | FileBody,
        head: asyncio.Future[tuple[int, Headers]],
        queue: asyncio.Queue[object],
    ) -> None:
        asking = _asking(body)

        def broken(failure: BaseException) -> None:
            if not head.done():
                head.set_exception(BrokenReply(f"no usable HTTP answer: {failure}"))
            queue.put_nowait(failure)

        async def receive() -> Message:
            try:
                message = next(asking, None)
            except UpstreamError as error:  # the caller cuts the app off, as a network does; it is not the app's to answer
                broken(error)
                message = None
            if message is None:
                await asyncio.Event().wait()  # until cancelled
            assert message is not None
            return message

        async def send(message: Message) -> None:
            if message["type"] == "http.response.start":
                if not head.done():
                    head.set_result((message["status"], tuple((k.lower(), v) for k, v in message.get("headers", ()))))
            elif message["type"] == "http.response.body":
                queue.put_nowait(message.get("body", b""))
                if not message.get("more_body", False):
                    queue.put_nowait(_END)

        try:
            await self._app(scope, receive, send)
            failure: BaseException = BrokenReply("the provider ended without an answer")
        except Exception as error:  # noqa: BLE001  whatever the app raises is a broken connection to us
            failure = error
        finally:
            asking.close()
        broken(failure)


def _asking(body: bytes | FileBody) -> Generator[Message, None, None]:
    """The messages of a request; a file is opened at the first and closed at the end of the last, or when this is closed."""
    if isinstance(body, bytes):
        yield {"type": "http.request", "body": body, "more_body": False}
        return
    with FileSlices(body) as slices:
        more = True
        while more:
            piece = slices.read()
            more = len(slices) > 0
            yield {"type": "http.request", "body": piece, "more_body": more}
