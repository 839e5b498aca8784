"""One request and its answer between two loops: whole answers at once, streams as they come, and what breaks off."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from thriftgate.client.exchange import AHEAD_BYTES, BrokenOff, Exchange, Head, scope_of

START = {"type": "http.response.start", "status": 200, "headers": [(b"a", b"b")]}


def piece(body: bytes, *, more: bool = True) -> dict[str, Any]:
    return {"type": "http.response.body", "body": body, "more_body": more}


class Serving:
    """An exchange with an app that says what it is told to."""

    def __init__(self, *messages: Any) -> None:
        self.exchange = Exchange({"type": "http"}, b"asked")
        self.sent = 0
        self.got: list[Any] = []
        self._messages = messages

    async def __call__(self, _scope: Any, receive: Any, send: Any) -> None:
        self.got.append(await receive())
        for message in self._messages:
            if isinstance(message, asyncio.Event):
                await message.wait()
            elif message is None:
                self.got.append(await receive())
            else:
                await send(message)
                self.sent += 1

    async def __aenter__(self) -> Exchange:
        self._task = asyncio.ensure_future(self.exchange.run(self))  # type: ignore[arg-type]
        return self.exchange

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


async def test_a_whole_answer_comes_with_its_head() -> None:
    serving = Serving(START, piece(b"whole", more=False))
    async with serving as exchange:
        assert await exchange.head() == Head(200, ((b"a", b"b"),), b"whole")
        assert await exchange.next() == b""
    assert serving.got == [{"type": "http.request", "body": b"asked", "more_body": False}]


async def test_an_empty_answer() -> None:
    async with Serving(START, piece(b"", more=False)) as exchange:
        assert (await exchange.head()).body == b""


async def test_a_stream_comes_as_it_is_sent_and_together_where_nobody_was_quick() -> None:
    gate, end = asyncio.Event(), asyncio.Event()
    async with Serving(START, piece(b"1"), gate, piece(b"2"), piece(b"3"), end, piece(b"", more=False)) as exchange:
        assert (await exchange.head()).body is None
        assert await exchange.next() == b"1"
        gate.set()
        await asyncio.sleep(0)
        assert await exchange.next() == b"23"
        end.set()
        assert await exchange.next() == b""


async def test_no_answer_and_half_an_answer() -> None:
    async with Serving() as exchange:
        with pytest.raises(BrokenOff, match="without an answer"):
            await exchange.head()
    async with Serving(START) as exchange:
        assert (await exchange.head()).body is None
        with pytest.raises(BrokenOff, match="before its end"):
            await exchange.next()
    async with Serving(START, piece(b"half")) as exchange:
        assert (await exchange.head()).body is None
        assert await exchange.next() == b"half"
        with pytest.raises(BrokenOff):
            await exchange.next()


async def test_a_slow_reader_is_not_run_away_from() -> None:
    serving = Serving(START, *[piece(b"x" * (AHEAD_BYTES // 2))] * 9, piece(b"", more=False))
    async with serving as exchange:
        await exchange.head()
        for _ in range(5):
            await asyncio.sleep(0)
        assert serving.sent <= 4
        size = 0
        while got := await exchange.next():
            size += len(got)
        assert size == 9 * (AHEAD_BYTES // 2)


async def test_who_leaves_is_told_of_and_holds_nobody_up() -> None:
    serving = Serving(START, *[piece(b"x" * AHEAD_BYTES)] * 9, None)
    async with serving as exchange:
        await exchange.head()
        exchange.leave()
        for _ in range(5):
            await asyncio.sleep(0)
        assert (serving.sent, serving.got[1:]) == (10, [{"type": "http.disconnect"}])


def test_a_scope_names_no_host() -> None:
    scope = scope_of("POST", b"/v1/messages", b"a=b", ((b"host", b"x"), (b"x-own", b"1")), besides=1)
    assert (scope["headers"], scope["besides"], scope["path"]) == ([(b"x-own", b"1")], 1, "/v1/messages")
