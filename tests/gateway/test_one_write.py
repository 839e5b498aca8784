"""What the server writes within one turn of its loop leaves as one."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.fixtures import simulator
from thriftgate.gateway.one_write import Joined, OneWriteProtocol


class _Transport:
    """Takes down what is done with it."""

    def __init__(self) -> None:
        self.done: list[tuple[str, Any]] = []

    def writelines(self, pieces: list[bytes]) -> None:
        self.done.append(("write", b"".join(pieces)))

    def close(self) -> None:
        self.done.append(("close", None))

    def is_closing(self) -> bool:
        return False


def _joined(transport: _Transport) -> Joined:
    return Joined(transport, asyncio.get_running_loop())  # type: ignore[arg-type]


async def test_head_and_body_leave_together() -> None:
    transport = _Transport()
    joined = _joined(transport)
    joined.write(b"head ")
    joined.write(b"body")
    assert transport.done == []
    await asyncio.sleep(0)
    assert transport.done == [("write", b"head body")]
    joined.write(b"later")
    await asyncio.sleep(0)
    assert transport.done[1:] == [("write", b"later")]


async def test_what_waits_leaves_before_the_end() -> None:
    transport = _Transport()
    joined = _joined(transport)
    joined.write(b"last words")
    joined.close()
    await asyncio.sleep(0)
    assert transport.done == [("write", b"last words"), ("close", None)]


async def test_all_else_is_the_transports_own() -> None:
    assert not _joined(_Transport()).is_closing()


@pytest.mark.parametrize("stream", [False, True])
async def test_an_answer_comes_whole_and_keeps_its_connection(stream: bool) -> None:
    """A real server: two calls on one connection, the first answer in one piece where it is no stream."""
    import uvicorn

    from thriftgate.cli.serving import bind

    bound = bind("127.0.0.1", 0)
    config = uvicorn.Config(simulator(), http=OneWriteProtocol, ws="none", lifespan="off", log_level="error")
    server = uvicorn.Server(config)
    serving = asyncio.ensure_future(server.serve(sockets=[bound]))
    try:
        while not server.started:
            await asyncio.sleep(0.01)
        reader, writer = await asyncio.open_connection(*bound.getsockname()[:2])
        body = b'{"model":"claude-opus-4-8","max_tokens":50,"stream":%b,"messages":[{"role":"user","content":"hi"}]}'
        raw = body % (b"true" if stream else b"false")
        head = b"POST /v1/messages HTTP/1.1\r\nhost: x\r\nx-api-key: sk-ant-sim-test-1\r\nanthropic-version: 2023-06-01\r\n"
        for _ in range(2):
            writer.write(head + b"content-length: %d\r\n\r\n" % len(raw) + raw)
            first = await asyncio.wait_for(reader.read(2**20), 10)
            assert first.startswith(b"HTTP/1.1 200")
            if stream:
                while b"message_stop" not in first or not first.endswith(b"0\r\n\r\n"):
                    first += await asyncio.wait_for(reader.read(2**20), 10)
            else:
                assert first.endswith(b"}")
        writer.close()
    finally:
        server.should_exit = True
        await serving
        bound.close()
