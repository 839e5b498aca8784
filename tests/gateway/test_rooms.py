"""What a gateway hands to its handlers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.batch.queueing import GATEWAY
from tests.gateway.deferring import deferring
from thriftgate.batch.queue import Queue


@pytest.mark.parametrize(
    ("flags", "waits"),
    [({}, True), ({"upstream.api_key": ""}, False), ({"policy.levers": ["count.guard"]}, False)],
)
async def test_a_queue_is_there_where_calls_can_wait(flags: dict[str, Any], waits: bool, tmp_path: Path) -> None:
    async with deferring(tmp_path, flags=flags) as gateway:
        rooms = gateway.gateway.rooms
        assert isinstance(rooms.queue, Queue) is waits
        assert rooms.engine is gateway.stage.engine
        assert rooms.settings.upstream.api_key.get_secret_value() in (GATEWAY, "")
        assert rooms.clients is gateway.gateway.rooms.clients, "one for all requests"
