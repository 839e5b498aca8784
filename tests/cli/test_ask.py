"""One GET request."""

from __future__ import annotations

import asyncio

import pytest

from tests.fixtures import serving
from tests.scripted import Received, raw_answer, upstream
from thriftgate.cli.ask import get
from thriftgate.core.errors import BrokenReply, Unreachable
from thriftgate.providers.transport import Timeouts
from thriftgate.simulator import Simulator


def test_status_and_body() -> None:
    with serving(Simulator()) as url:
        assert get(url + "/", timeouts=Timeouts(5, 5)) == (200, b'{"simulated":true}')
        assert get(url + "/v1/models", timeouts=Timeouts(5, 5))[0] == 401


def test_nobody_listens() -> None:
    with pytest.raises(Unreachable):
        get("http://127.0.0.1:9", timeouts=Timeouts(5, 5))


async def test_what_is_no_http() -> None:
    async def script(_request: Received, writer: asyncio.StreamWriter) -> None:
        writer.write(raw_answer(b"x")[5:])

    async with upstream(script) as server:
        with pytest.raises(BrokenReply):
            await asyncio.to_thread(get, server.url, timeouts=Timeouts(5, 5))
