"""Who may call: virtual keys through the whole gateway, against the simulator."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import msgspec
import pytest

from tests.fixtures import KEY, books, client, message, serving, settings_of, simulator
from thriftgate.cli import main
from thriftgate.gateway.app import Gateway

PLAIN = {"anthropic-version": "2023-06-01", "content-type": "application/json"}


class Upstream:
    """The simulator, noting the headers that reach it."""

    def __init__(self) -> None:
        self.inner = simulator()
        self.seen: list[dict[str, str]] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            self.seen.append({name.decode(): value.decode("latin-1") for name, value in scope["headers"]})
        await self.inner(scope, receive, send)


class Stage(NamedTuple):
    """A gateway with a key of the provider's, its ledger and what its upstream has seen."""

    url: str
    ledger: str
    upstream: Upstream
    session: aiohttp.ClientSession

    async def post(self, body: Any = None, path: str = "/v1/messages", **headers: str) -> tuple[int, Any, Mapping[str, str]]:
        data = msgspec.json.encode(message() if body is None else body)
        named = PLAIN | {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.session.post(self.url + path, data=data, headers=named) as response:
            return response.status, msgspec.json.decode(await response.read()), response.headers

    async def get(self, path: str, **headers: str) -> tuple[int, Any]:
        named = PLAIN | {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.session.get(self.url + path, headers=named) as response:
            return response.status, msgspec.json.decode(await response.read())


def made(ledger: str, *arguments: str) -> dict[str, Any]:
    """What a verb of `thriftgate keys` prints."""
    import io
    from contextlib import redirect_stdout

    out = io.StringIO()
    with redirect_stdout(out), pytest.raises(SystemExit) as ended:
        main(["keys", *arguments, "--ledger", ledger, "--json"])
    assert ended.value.code == 0, out.getvalue()
    document: dict[str, Any] = msgspec.json.decode(out.getvalue())
    return document


@contextlib.asynccontextmanager
async def staged(folder: Path, *, own: str = KEY, **access: Any) -> AsyncIterator[Stage]:
    upstream = Upstream()
    ledger = str(folder / "books.db")
    with serving(upstream) as url:
        settings = settings_of(
            upstream={"url": url, "api_key": own}, ledger={"path": ledger}, access={"recheck_s": 0.0} | access
        )
        with serving(Gateway(settings)) as gateway:
            async with client() as session:
                yield Stage(gateway, ledger, upstream, session)


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with staged(tmp_path) as one:
        yield one


async def make(stage: Stage, *arguments: str) -> dict[str, Any]:
    return await asyncio.to_thread(made, stage.ledger, *arguments)


async def test_a_key_opens_the_gateway_and_without_one_it_is_shut(stage: Stage) -> None:
    assert (await stage.post(x_api_key="anything"))[0] == 200  # before there is any key
    key = await make(stage, "create", "ci", "--tag", "env=prod")
    status, answer, headers = await stage.post(x_api_key=key["secret"])
    assert status == 200, answer
    assert (await stage.post(authorization=f"Bearer {key['secret']}"))[0] == 200
    for wrong in ({}, {"x_api_key": "anything"}, {"x_api_key": key["secret"][:-1] + "_"}, {"x_api_key": "tg-"}):
        status, answer, told = await stage.post(**wrong)
        assert (status, answer["error"]["type"]) == (401, "authentication_error"), wrong
        assert told["x-should-retry"] == "false"
    async with books(stage.ledger) as ledger:
        entry = await ledger.entry(headers["thriftgate-request-id"])
    assert entry is not None
    assert (entry.key, entry.whose.tags) == (key["id"], ("env=prod",))
