"""One of several gateways on the same books: its engine and its duties."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from tests.fixtures import settings_of
from thriftgate.engine.build import build_engine
from thriftgate.engine.engine import Engine
from thriftgate.gateway.batches import open_clients
from thriftgate.gateway.duties import Duties
from thriftgate.providers.asgi_transport import AsgiTransport
from thriftgate.simulator import Simulator


@contextlib.asynccontextmanager
async def one_of_many(folder: Path, provider: Simulator, **tables: Any) -> AsyncIterator[tuple[Engine, Duties]]:
    """`tables` are more of its settings."""
    settings = settings_of(
        ledger={"path": str(folder / "books.db")},
        server={"unshared": True},
        upstream={"api_key": "sk-ant-sim-many"},
        policy={"levers": ("cache.breakpoints", "batch.defer", "count.guard")},
        **tables,
    )
    engine = await build_engine(settings, transport=AsgiTransport(provider))
    duties = Duties(engine, settings, open_clients(engine, settings), None)
    await duties.start()
    try:
        yield engine, duties
    finally:
        await engine.leading.close()
        await duties.close()
        await engine.close()
