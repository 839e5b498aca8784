"""The `[redis]` table."""

from __future__ import annotations

import pytest

from tests.engine.sharing import replicas
from tests.fixtures import engine_on, simulator
from tests.servers import RedisServer
from thriftgate.core.errors import ConfigError


async def test_without_a_url_nothing_is_shared() -> None:
    async with engine_on(simulator()) as engine:
        assert engine.sharing is None


async def test_with_one_the_engine_shares(redis: RedisServer) -> None:
    async with replicas(simulator(), redis) as (one, _):
        assert one.sharing is not None
        view = one.sharing.view()
        assert (view.calls.up, view.background.up, view.alone_among) == (True, True, 0)
        assert abs(view.clock_ahead_s) > 1  # the simulator's clock stands elsewhere


async def test_a_url_that_is_none_is_told_before_anything_begins() -> None:
    with pytest.raises(ConfigError, match=r"redis\.url"):
        async with engine_on(simulator(), redis={"url": "http://cache:hunter2@x"}):
            pass
