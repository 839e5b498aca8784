"""An app in this process as the provider: the same three errors, and an app that is left is stopped."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.fixtures import until
from thriftgate.core.errors import BrokenReply, UpstreamTimeout
from thriftgate.providers.asgi_transport import AsgiTransport, Receive, Send
from thriftgate.providers.transport import Outgoing, Timeouts

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
