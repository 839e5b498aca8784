"""Serving on a socket that is bound first."""

from __future__ import annotations

import asyncio
import gc
import signal
import socket
import sys
from typing import Any

import pytest

from tests.fixtures import running
from thriftgate.cli import serving
from thriftgate.cli.serving import bind, serve_app
from thriftgate.core.errors import ConfigError


def test_a_free_port() -> None:
    with bind("127.0.0.1", 0) as bound:
        assert bound.getsockname()[1] > 0
        assert bound.proto == socket.IPPROTO_TCP  # asyncio sends small pieces at once only then


def test_ports_and_hosts_that_cannot_be_had() -> None:
    with bind("127.0.0.1", 0) as taken:
        taken.listen()
        number = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=f"cannot listen on 127.0.0.1:{number}: "):
            bind("127.0.0.1", number)
    with pytest.raises(ConfigError, match="cannot listen on"):
        bind("192.0.2.1", 0)


@pytest.fixture
def untouched(monkeypatch: pytest.MonkeyPatch) -> None:
    """Serving tunes the process it has for itself; a test has not."""
    for name in ("freeze", "set_threshold"):
        monkeypatch.setattr(gc, name, lambda *_: None)
    monkeypatch.setattr(sys, "setswitchinterval", lambda _: None)


@pytest.mark.usefixtures("untouched")
def test_ready_is_told_once_connections_are_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    bound = bind("127.0.0.1", 0)
    address = bound.getsockname()
    servers: list[Any] = []
    monkeypatch.setattr(serving, "_Server", _noted(serving._Server, servers))

    def ready(url: str) -> None:
        told.append(url)
        socket.create_connection(address, timeout=5).close()
        servers[0].should_exit = True

    assert serve_app(_app, bound, shutdown_s=1, ready=ready) == 0
    assert told == [f"http://127.0.0.1:{address[1]}"]


@pytest.mark.usefixtures("untouched")
def test_the_end_is_told_when_it_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is closed: what is held open can be let go then."""
    told: list[str] = []
    servers: list[Any] = []
    monkeypatch.setattr(serving, "_Server", _noted(serving._Server, servers))

    def ready(_url: str) -> None:
        servers[0].should_exit = True

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await _app(scope, receive, send)
        told.append("ended")

    assert serve_app(app, bind("127.0.0.1", 0), shutdown_s=1, ready=ready, stopping=lambda: told.append("ending")) == 0
    assert told == ["ending", "ended"]


@pytest.mark.usefixtures("untouched")
def test_an_app_that_does_not_start() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "no"})

    assert serve_app(app, bind("127.0.0.1", 0), shutdown_s=1, ready=lambda _: pytest.fail("was told")) == 1


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_signals_end_it_in_order(how: int) -> None:
    with running("simulate", "--port", "0") as process:
        assert process.stop(how) in (0, -how, 128 + how)  # uvicorn hands the signal on once it has shut down
        assert "Traceback" not in process.stderr


def _noted(kind: Any, into: list[Any]) -> Any:
    def make(*arguments: Any) -> Any:
        into.append(kind(*arguments))
        return into[-1]

    return make


async def _app(scope: Any, receive: Any, send: Any) -> None:
    assert scope["type"] == "lifespan"
    while (await receive())["type"] != "lifespan.shutdown":
        await send({"type": "lifespan.startup.complete"})
    await asyncio.sleep(0)
    await send({"type": "lifespan.shutdown.complete"})
