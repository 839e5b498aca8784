"""An app in this process as the provider: the same three errors, and an app that is left is stopped."""

from __future__ import annotations

import asyncio
import hashlib
import os
import tracemalloc
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from tests.fixtures import until
from tests.providers.test_file_slices import closed, file_of
from thriftgate.core.errors import BrokenReply, Unreachable, UpstreamTimeout
from thriftgate.providers.asgi_transport import AsgiTransport, Receive, Send
from thriftgate.providers.file_slices import SLICE_BYTES
from thriftgate.providers.transport import FileBody, Outgoing, Timeouts

QUICK = Timeouts(read_s=0.1)
ASK = Outgoing("POST", "http://provider.example:81/v1/messages?beta=true", ((b"x-a", b"1"),), b"body")


class App:
    """Sends what it is told; an exception in the list is raised, an Event waited for. Notes how it ended."""

    def __init__(self, *steps: Any) -> None:
        self.steps = steps
        self.scope: Any = None
        self.body = b""
        self.ended = ""

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        self.scope = scope
        self.body = (await receive())["body"]
        try:
            for step in self.steps:
                if isinstance(step, Exception):
                    raise step
                await (step.wait() if isinstance(step, asyncio.Event) else send(step))
            self.ended = "done"
        except asyncio.CancelledError:
            self.ended = "cancelled"
            raise


def head(status: int = 200) -> dict[str, Any]:
    return {"type": "http.response.start", "status": status, "headers": [(b"Content-Type", b"text/plain")]}


def body(data: bytes, *, more: bool = False) -> dict[str, Any]:
    return {"type": "http.response.body", "body": data, "more_body": more}


async def test_a_whole_exchange() -> None:
    app = App(head(201), body(b"one", more=True), body(b"", more=True), body(b"two"))
    incoming = await AsgiTransport(app).send(ASK, QUICK)
    assert (incoming.status, incoming.headers) == (201, ((b"content-type", b"text/plain"),))
    assert [chunk async for chunk in incoming.chunks()] == [b"one", b"two"]
    assert app.body == b"body"
    assert (app.scope["path"], app.scope["query_string"]) == ("/v1/messages", b"beta=true")
    assert app.scope["headers"] == [(b"x-a", b"1"), (b"host", b"provider.example:81")]


@pytest.mark.parametrize("steps", [(), (ValueError("broken"),)])
async def test_an_app_without_an_answer_is_a_broken_reply(steps: tuple[Any, ...]) -> None:
    with pytest.raises(BrokenReply, match="no usable HTTP answer"):
        await AsgiTransport(App(*steps)).send(ASK, QUICK)


async def test_an_app_that_never_answers_is_a_timeout_and_is_stopped() -> None:
    app = App(asyncio.Event())
    transport = AsgiTransport(app)
    with pytest.raises(UpstreamTimeout):
        await transport.send(ASK, QUICK)
    await transport.close()
    assert app.ended == "cancelled"


@pytest.mark.parametrize("end", [(), (ConnectionError("dropped"),)])
async def test_a_body_that_breaks_off_is_a_broken_reply_after_what_came(end: tuple[Any, ...]) -> None:
    incoming = await AsgiTransport(App(head(), body(b"one", more=True), *end)).send(ASK, QUICK)
    chunks = incoming.chunks()
    assert await anext(chunks) == b"one"
    with pytest.raises(BrokenReply, match="broke off"):
        await anext(chunks)


async def test_a_body_that_stalls_is_a_timeout_of_this_call() -> None:
    incoming = await AsgiTransport(App(head(), body(b"one", more=True), asyncio.Event())).send(ASK, QUICK)
    chunks = incoming.chunks()
    assert await anext(chunks) == b"one"
    with pytest.raises(UpstreamTimeout):
        await anext(chunks)
    incoming.close()


async def test_leaving_early_stops_the_app() -> None:
    app = App(head(), body(b"one", more=True), asyncio.Event())
    transport = AsgiTransport(app)
    incoming = await transport.send(ASK, QUICK)
    incoming.close()
    await transport.close()
    assert app.ended == "cancelled"


async def test_a_caller_cancelled_while_waiting_stops_the_app() -> None:
    app = App(asyncio.Event())
    task = asyncio.ensure_future(AsgiTransport(app).send(ASK, Timeouts()))

    async def asked() -> bool:
        return app.body == b"body"

    async def stopped() -> bool:
        return app.ended == "cancelled"

    await until(asked)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await until(stopped)


# --- a file as the body ------------------------------------------------------------------------------------------------


class Taking:
    """An app that takes a body message by message, keeps its length and digest only, and answers at its end. `between` is
    called after each message."""

    def __init__(self, between: Callable[[int], Awaitable[object]] | None = None) -> None:
        self.between = between
        self.messages = 0
        self.got = 0
        self.digest = ""
        self.ended = ""

    async def __call__(self, _scope: Any, receive: Receive, send: Send) -> None:
        found, more = hashlib.sha256(), True
        try:
            while more:
                message = await receive()
                found.update(message["body"])
                self.messages += 1
                self.got += len(message["body"])
                more = message["more_body"]
                if self.between is not None:
                    await self.between(self.messages)
            self.digest = found.hexdigest()
            await send(head())
            await send(body(b"taken"))
            self.ended = "done"
        except Exception:  # noqa: BLE001  as frameworks do
            self.ended = "answered"
            await send(head(500))
            await send(body(b"an error page"))
        except asyncio.CancelledError:
            self.ended = "cancelled"
            raise


def sending(sent: FileBody) -> Outgoing:
    return Outgoing("POST", "http://provider.example/v1/messages/batches", (), sent)


async def test_a_large_file_comes_in_messages_and_is_never_held(tmp_path: Path) -> None:
    sent, app = file_of(tmp_path / "body", 50_000_000), Taking()
    tracemalloc.start()
    try:
        incoming = await AsgiTransport(app).send(sending(sent), Timeouts())
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert await incoming.read() == b"taken"
    with sent.path.open("rb") as file:
        assert (app.got, app.digest) == (sent.length, hashlib.file_digest(file, "sha256").hexdigest())
    assert app.messages == -(-sent.length // SLICE_BYTES)
    assert peak < 4_000_000


@pytest.mark.parametrize(("size", "messages"), [(0, 1), (1, 1), (SLICE_BYTES, 1), (SLICE_BYTES + 1, 2)])
async def test_the_last_message_says_so(size: int, messages: int, tmp_path: Path) -> None:
    app = Taking()
    incoming = await AsgiTransport(app).send(sending(file_of(tmp_path / "body", size)), QUICK)
    assert await incoming.read() == b"taken"
    assert (app.got, app.messages, app.ended) == (size, messages, "done")


@pytest.mark.parametrize("length", [4, 6])
async def test_a_file_of_another_length_is_unreachable_and_the_app_is_not_called(length: int, tmp_path: Path) -> None:
    app = App(head(), body(b""))
    for path in (file_of(tmp_path / "body", 5).path, tmp_path / "none"):
        with pytest.raises(Unreachable, match="nothing was sent"):
            await AsgiTransport(app).send(sending(FileBody(path, length)), QUICK)
    assert app.scope is None


async def test_a_file_that_ends_early_is_a_broken_reply_whatever_the_app_makes_of_it(tmp_path: Path) -> None:
    sent = file_of(tmp_path / "body", 3 * SLICE_BYTES)

    async def cut(_messages: int) -> None:
        os.truncate(sent.path, SLICE_BYTES + 9)

    app = Taking(cut)
    transport = AsgiTransport(app)
    with pytest.raises(BrokenReply, match="bytes shorter"):
        await transport.send(sending(sent), Timeouts())
    await transport.close()
    assert (app.messages, app.ended) == (2, "cancelled")
    await closed(sent.path)


async def test_a_file_that_ends_early_breaks_off_an_answer_that_has_begun(tmp_path: Path) -> None:
    sent, cut = file_of(tmp_path / "body", 3 * SLICE_BYTES), asyncio.Event()

    async def early(_scope: Any, receive: Receive, send: Send) -> None:
        await receive()
        await send(head())
        await send(body(b"hello", more=True))
        await cut.wait()
        await receive()

    transport = AsgiTransport(early)
    incoming = await transport.send(sending(sent), Timeouts())
    os.truncate(sent.path, SLICE_BYTES)
    cut.set()
    chunks = incoming.chunks()
    assert await anext(chunks) == b"hello"
    with pytest.raises(BrokenReply, match="bytes shorter"):
        await anext(chunks)
    incoming.close()
    await transport.close()
    await closed(sent.path)


async def test_an_answer_before_the_file_is_taken_is_delivered(tmp_path: Path) -> None:
    sent = file_of(tmp_path / "body", 3 * SLICE_BYTES)
    incoming = await AsgiTransport(App(head(413), body(b"too large"))).send(sending(sent), QUICK)
    assert (incoming.status, await incoming.read()) == (413, b"too large")
    await closed(sent.path)


async def test_a_caller_cancelled_while_a_file_is_taken_stops_the_app(tmp_path: Path) -> None:
    sent, began = file_of(tmp_path / "body", 3 * SLICE_BYTES), asyncio.Event()

    async def halt(_messages: int) -> None:
        began.set()
        await asyncio.Event().wait()

    app = Taking(halt)
    transport = AsgiTransport(app)
    task = asyncio.ensure_future(transport.send(sending(sent), Timeouts()))
    await began.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await transport.close()
    assert app.ended == "cancelled"
    await closed(sent.path)
