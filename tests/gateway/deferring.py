"""A gateway whose calls can wait, on a real socket in the test's own loop: simulated time, the simulator as the provider."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import msgspec
import uvicorn

from tests.batch.queueing import CALLER, QueueStage
from tests.fixtures import client, until
from thriftgate.cli.serving import bind
from thriftgate.gateway.app import Gateway

HEADERS = {"x-api-key": CALLER, "anthropic-version": "2023-06-01", "content-type": "application/json"}
WAITS = {"thriftgate-deadline": "6h"}
HELD = WAITS | {"thriftgate-wait": "true"}


class Got(NamedTuple):
    """What a call was answered with."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def document(self) -> Any:
        return msgspec.json.decode(self.body)


class Setup:
    """The gateway, and a client for it."""

    def __init__(self, url: str, stage: QueueStage, gateway: Gateway, session: aiohttp.ClientSession) -> None:
        self.url = url
        self.stage = stage
        self.gateway = gateway
        self.session = session

    async def ask(
        self, body: dict[str, Any] | bytes, headers: Mapping[str, str] | None = None, path: str = "/v1/messages"
    ) -> Got:
        """One Messages call, to its end."""
        data = body if isinstance(body, bytes) else msgspec.json.encode(body)
        async with self.session.post(self.url + path, data=data, headers=HEADERS | dict(headers or {})) as response:
            return Got(response.status, response.headers, await response.read())

    async def ticket(self, body: dict[str, Any], headers: Mapping[str, str] = WAITS) -> str:
        """The id of the job that is made of a call."""
        got = await self.ask(body, headers)
        assert got.status == 202, got
        job: str = got.document["id"]
        return job

    async def get(self, path: str, key: str = CALLER, method: str = "GET") -> Got:
        async with self.session.request(method, self.url + path, headers={"x-api-key": key}) as response:
            return Got(response.status, response.headers, await response.read())

    async def job(self, name: str, key: str = CALLER) -> dict[str, Any]:
        """The document of a job."""
        got = await self.get(f"/thriftgate/jobs/{name}", key)
        assert got.status == 200, got
        document: dict[str, Any] = got.document
        return document

    async def in_status(self, name: str, *statuses: str) -> dict[str, Any]:
        """The document of a job, once it is so far."""

        async def reached() -> bool:
            return (await self.job(name))["status"] in statuses

        await until(reached)
        return await self.job(name)


@contextlib.asynccontextmanager
async def serving_here(app: Any, port: int = 0) -> AsyncIterator[str]:
    """An ASGI app on a free port, or on that one, in this loop."""
    bound = bind("127.0.0.1", port)
    config = uvicorn.Config(
        app,
        http="httptools",
        ws="none",
        lifespan="on",
        log_level="critical",
        access_log=False,
        proxy_headers=False,
        timeout_graceful_shutdown=2,
    )
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    await server.startup(sockets=[bound])
    assert server.started
    try:
        yield f"http://127.0.0.1:{bound.getsockname()[1]}"
    finally:
        await server.shutdown(sockets=[bound])
        bound.close()


@contextlib.asynccontextmanager
async def deferring(
    path: Path, *, flows: bool = True, flags: dict[str, Any] | None = None, **members: Any
) -> AsyncIterator[Setup]:
    """A gateway with a queue; `flags` are its settings, "table.key": value."""
    stage = QueueStage(path, flows=flows, flags={"batch.window_s": 5.0} | (flags or {}), **members)
    gateway = Gateway(stage.settings, await stage.build())
    async with serving_here(gateway) as url, client() as session:
        stage.serves(gateway)
        if stage._queue is not None:
            await stage.begun()
        try:
            yield Setup(url, stage, gateway, session)
        finally:
            gateway.stopping()
            await session.close()
            await asyncio.sleep(0)
