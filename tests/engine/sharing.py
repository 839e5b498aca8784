"""Two replicas on one simulator, with a server in common or without."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any

from tests.fixtures import TestClock, settings_of
from tests.servers import RedisServer
from tests.shared.lanes import fresh_prefix
from thriftgate.clock import Clock
from thriftgate.engine.build import build_engine
from thriftgate.engine.engine import Engine
from thriftgate.providers.asgi_transport import AsgiTransport
from thriftgate.simulator import Simulator


@contextlib.asynccontextmanager
async def replicas(
    app: Simulator, server: RedisServer | None, *, count: int = 2, clock: Clock | None = None, **tables: Any
) -> AsyncIterator[list[Engine]]:
    """So many engines."""
    if server is not None:
        tables["redis"] = {"url": server.url, "prefix": fresh_prefix(), "timeout_s": 5.0} | tables.get("redis", {})
    clock = clock or TestClock(app.config.clock)  # type: ignore[arg-type]
    async with contextlib.AsyncExitStack() as stack:
        engines = []
        for _ in range(count):
            transport = AsgiTransport(app)
            engine = await build_engine(settings_of(**tables), transport=transport, clock=clock, draw=lambda: 0.0)
            stack.push_async_callback(engine.close)
            engines.append(engine)
        yield engines
