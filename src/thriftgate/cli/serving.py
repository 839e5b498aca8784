"""Run an ASGI app under uvicorn on a socket that is bound first, so that the port is known and in use before it is told."""

from __future__ import annotations

import gc
import math
import socket
import sys
from collections.abc import Callable
from typing import Any

import uvicorn

from thriftgate.core.errors import ConfigError
from thriftgate.gateway.entrance import Entrance

# New objects before the collector looks at them, and how many such looks before one at those that outlived the first: chosen
# by what it costs a call and for how long calls stand still (benchmarks/README.md, "The garbage collector").
COLLECTED = (20_000, 5, 100)


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


def serve_app(
    app: Any,
    bound: socket.socket,
    *,
    shutdown_s: float,
    ready: Callable[[str], None],
    stopping: Callable[[], None] = lambda: None,
    entrance: Entrance | None = None,
) -> int:
    """Serve until SIGINT or SIGTERM, then let running answers end for `shutdown_s`. Returns the exit code.

    `ready` is called with the base URL once connections are accepted, `stopping` when the end begins. `entrance` says how
    connections come in; without one by plain HTTP, and without bounds.
    """
    host, port = bound.getsockname()[:2]
    config = uvicorn.Config(
        app,
        loop="auto",
        **(entrance.options() if entrance is not None else {"http": "httptools"}),
        ws="none",
        lifespan="on",
        log_level="warning",
        access_log=False,
        server_header=False,
        date_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=math.ceil(shutdown_s),  # 0 is none at all, and None would be for ever
        timeout_keep_alive=75,
    )
    scheme = entrance.scheme if entrance is not None else "http"
    server = _Server(config, lambda: ready(f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"), stopping)
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
    def __init__(self, config: uvicorn.Config, ready: Callable[[], None], stopping: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready
        self._stopping = stopping

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            # What lives now lives for ever: keep it out of the collector's way.
            gc.collect()
            gc.freeze()
            gc.set_threshold(*COLLECTED)
            self._ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._stopping()
        await super().shutdown(sockets)
