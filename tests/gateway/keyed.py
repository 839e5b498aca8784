"""A gateway that knows virtual keys, on a real socket in front of the simulator, and its ledger opened beside it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import msgspec

from tests.fixtures import KEY, books, client, message, serving, settings_of, simulator
from thriftgate.gateway.admin.routes import ROOT
from thriftgate.gateway.app import Gateway
from thriftgate.gateway.entrance import Entrance
from thriftgate.ledger.issuing import HOST, Actor, Issued, Issuer, KeyDraft
from thriftgate.ledger.master_key import MasterKey
from thriftgate.ledger.sealing import open_vault
from thriftgate.ledger.sql_tenants import SqlTenants

PLAIN = {"anthropic-version": "2023-06-01", "content-type": "application/json"}


class Upstream:
    """The simulator, noting what reaches it."""

    def __init__(self) -> None:
        self.inner = simulator()
        self.seen: list[dict[str, str]] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            self.seen.append({name.decode(): value.decode("latin-1") for name, value in scope["headers"]})
        await self.inner(scope, receive, send)


class Got(NamedTuple):
    """What a request was answered with."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def document(self) -> Any:
        return msgspec.json.decode(self.body)

    @property
    def error(self) -> tuple[int, str, str]:
        """Status, type and message of an error in Anthropic's shape."""
        told = self.document["error"]
        return self.status, told["type"], told["message"]


class Stage(NamedTuple):
    """The gateway, its ledger, and what its upstream has seen."""

    url: str
    ledger: str
    upstream: Upstream
    session: aiohttp.ClientSession

    async def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Got:
        """One request; header names with `_` for `-`."""
        data = body if body is None or isinstance(body, bytes) else msgspec.json.encode(body)
        named = PLAIN | {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.session.request(
            method, self.url + path, data=data, headers=named, allow_redirects=False
        ) as response:
            return Got(response.status, response.headers, await response.read())

    async def call(self, body: Any = None, path: str = "/v1/messages", **headers: str) -> Got:
        """One Messages call."""
        return await self.ask("POST", path, message() if body is None else body, **headers)

    async def admin(self, method: str, path: str, secret: str, body: Any = None) -> Got:
        """One call of the administrators' API, by key."""
        return await self.ask(method, ROOT + path, body, x_api_key=secret)

    async def issue(self, name: str = "one", *, actor: Actor = HOST, **members: Any) -> Issued:
        """A key, made beside the running gateway as the command line makes it."""
        async with at_tenants(self.ledger) as tenants:
            vault = await open_vault(tenants, MasterKey(self.ledger))
            return await Issuer(tenants, actor, now_us).add_key(KeyDraft(name, **members), vault)


def now_us() -> int:
    return int(time.time() * 1e6)


@contextlib.asynccontextmanager
async def at_tenants(ledger: str) -> AsyncIterator[SqlTenants]:
    """The tenants of a ledger, opened beside whoever is at work on it."""
    async with books(ledger) as opened:
        yield SqlTenants(opened)


@contextlib.asynccontextmanager
async def staged(
    folder: Path, *, own: str = KEY, access: Mapping[str, Any] | None = None, **tables: Any
) -> AsyncIterator[Stage]:
    """A gateway whose own key is `own`, with more tables of settings."""
    upstream, ledger = Upstream(), str(folder / "books.db")
    with serving(upstream) as url:
        told = {"recheck_s": 0.0} | dict(access or {})
        settings = settings_of(upstream={"url": url, "api_key": own}, ledger={"path": ledger}, access=told, **tables)
        with serving(Gateway(settings), Entrance(settings.server)) as gateway:
            async with client() as session:
                yield Stage(gateway, ledger, upstream, session)
