"""Run an ASGI app under uvicorn on a socket that is bound first, so that the port is known and in use before it is told."""

from __future__ import annotations

import asyncio
import gc
import socket
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any, NamedTuple

import uvicorn

from thriftgate.cli.allocator import give_back_holes, give_back_large_blocks
from thriftgate.core.errors import ConfigError
from thriftgate.gateway.entrance import Entrance
from thriftgate.gateway.one_write import OneWriteProtocol

# When the collector looks at new objects, at those that have outlived that, and at all. Calls make no garbage for it, so it
# only costs. Looked at early and seldom again, what calls leave behind stops them most shortly (benchmarks/README.md).
COLLECTED = (5_000, 1, 2_000)

TICK_S = 0.02  # how often it is looked whether a wait is over
CUT_S = 2.0  # for calls that were cut off to say so, and to be booked


def bind(host: str, port: int) -> socket.socket:
    """A listening address. Raises ConfigError where it is taken or not ours."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # The protocol is named because asyncio (not uvloop) switches delayed sending off only where it is: 40 ms a call.
    bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
    except (OSError, OverflowError) as error:
        bound.close()
        why = error.strerror if isinstance(error, OSError) else error
        raise ConfigError(f"cannot listen on {host}:{port}: {why}") from None
    return bound


class Patience(NamedTuple):
    """How long the end may take, in seconds: to go on serving once it is known (`wait_s`; without `accepts` only on the
    connections that there are, and no longer than there are any), and then to let running answers end (`running_s`)."""

    running_s: float
    wait_s: float = 0.0
    accepts: bool = True


class Life:
    """How an app's serving ends, and what it is told of that. One that wants more than `patience` overrides the rest."""

    def __init__(self, patience: Patience) -> None:
        self.patience = patience
        self.stop: Callable[[], None] = lambda: None

    def started(self) -> None:
        """Connections are accepted; `stop` begins the end, in this loop."""

    def signalled(self) -> None:
        """SIGTERM or SIGINT came, maybe not the first."""

    def draining(self) -> None:
        """The end was decided; calls are still served."""

    def cutting(self) -> None:
        """The time is over: what still runs is cancelled next."""


def serve_app(
    app: Any,
    bound: socket.socket,
    *,
    shutdown_s: float,
    ready: Callable[[str], None],
    stopping: Callable[[], None] = lambda: None,
    entrance: Entrance | None = None,
    life: Life | None = None,
) -> int:
    """Serve until SIGINT or SIGTERM, then let running answers end for `shutdown_s`. Returns the exit code.

    `ready` is called with the base URL once connections are accepted, `stopping` when only what runs is ended. `entrance`
    says how connections come in; without one by plain HTTP, and without bounds. `life` is for an app that wants to know more
    of its end, and to bring it about.
    """
    host, port = bound.getsockname()[:2]
    config = uvicorn.Config(
        app,
        loop="auto",
        **(entrance.options() if entrance is not None else {"http": OneWriteProtocol}),
        ws="none",
        lifespan="on",
        log_level="warning",
        access_log=False,
        server_header=False,
        date_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=1,  # by then all is over
        timeout_keep_alive=75,
    )
    scheme = entrance.scheme if entrance is not None else "http"
    url = f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"
    server = _Server(config, lambda: ready(url), stopping, life or Life(Patience(shutdown_s)))
    # A busy event loop hands the interpreter lock to the ledger's thread sooner than after the default 5 ms.
    sys.setswitchinterval(0.001)
    try:
        server.run(sockets=[bound])
    except SystemExit:  # uvicorn's way of saying that the app could not start, with an exit code of its own
        return 1
    finally:
        bound.close()
    return 0 if server.started else 1


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, ready: Callable[[], None], stopping: Callable[[], None], life: Life) -> None:
        super().__init__(config)
        self._ready = ready
        self._stopping = stopping
        self._life = life
        self._trimming: asyncio.Future[None] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            # What lives now lives for ever: keep it out of the collector's way.
            gc.collect()
            gc.freeze()
            gc.set_threshold(*COLLECTED)
            give_back_large_blocks()
            self._trimming = asyncio.ensure_future(give_back_holes())
            self._life.stop = self._stop
            self._life.started()
            self._ready()

    def _stop(self) -> None:
        self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Say so, wait, take no more, let running answers end, cut what is left, and only then let go of the app."""
        patience = self._life.patience
        if self._trimming is not None:
            self._trimming.cancel()
        self._life.draining()
        if not patience.accepts:
            self._close()
        for connection in self.server_state.connections:
            cycle = getattr(connection, "cycle", None)
            if cycle is not None and not cycle.response_started:
                cycle.keep_alive = False
        await self._until(lambda: patience.wait_s, lambda: not patience.accepts and not self.server_state.connections)
        self._stopping()
        self._close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        await self._until(lambda: self._life.patience.running_s, self._is_idle)
        self._life.cutting()
        for task in list(self.server_state.tasks):
            task.cancel()
        await self._until(lambda: CUT_S, self._is_idle)
        await super().shutdown(sockets)

    def _close(self) -> None:
        for server in self.servers:
            server.close()

    def _is_idle(self) -> bool:
        return not self.server_state.connections and not self.server_state.tasks

    async def _until(self, seconds: Callable[[], float], over: Callable[[], bool]) -> None:
        """Wait until it is over, at most so long; a second SIGINT ends every wait."""
        loop = asyncio.get_running_loop()
        begun_s = loop.time()
        while loop.time() < begun_s + seconds() and not over() and not self.force_exit:  # noqa: ASYNC110  uvicorn has no events
            await asyncio.sleep(TICK_S)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._life.signalled()
        super().handle_exit(sig, frame)
