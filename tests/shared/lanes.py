"""Lanes to a real server, and what stands at their ends."""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import AsyncIterator

from tests.servers import RedisServer
from thriftgate.clock import SystemClock
from thriftgate.shared.address import read_address
from thriftgate.shared.lane import Lane
from thriftgate.shared.scripts import script

_NUMBERS = itertools.count(1)


def fresh_prefix() -> str:
    """Of keys that nobody has written to."""
    return f"test-{os.getpid()}-{next(_NUMBERS)}"


@contextlib.asynccontextmanager
async def lane_to(
    server: RedisServer | str, *, prefix: str = "", replica: str = "r1", timeout_s: float = 5.0
) -> AsyncIterator[Lane]:
    """A lane that is up, where the server is."""
    url = server if isinstance(server, str) else server.url
    tag = f"{prefix or fresh_prefix()}:calls"
    lane = Lane(read_address(url), script("calls"), tag=tag, replica=replica, timeout_s=timeout_s, clock=SystemClock())
    await lane.start(timeout_s)
    try:
        yield lane
    finally:
        await lane.close()
