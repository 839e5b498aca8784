"""Pages and the JSON API over HTTP: who gets what, and how errors read."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
from yarl import URL

from tests.dashboard.conftest import Owned
from tests.dashboard.house import API, PAGES, house, key_made
from tests.fixtures import client
from thriftgate.dashboard.app import is_served
from thriftgate.dashboard.assets import asset_named


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with client() as made:
        yield made


async def logged_in(session: aiohttp.ClientSession, owned: Owned, secret: str) -> dict[str, str]:
    """The cookie of a login, as a header."""
    async with session.post(
        f"{owned.house.url}{PAGES}/login", data={"key": secret}, allow_redirects=False, cookies={}
    ) as response:
        assert response.status == 303, await response.text()
        cookie = SimpleCookie(response.headers["set-cookie"])
    (one,) = cookie.values()
    assert one["httponly"]
    assert one["samesite"] == "Strict"
    return {"cookie": f"{one.key}={one.value}"}


def test_paths() -> None:
    assert all(is_served(path) for path in (PAGES, f"{PAGES}/cache", f"{API}/cache"))
    assert not any(is_served(path) for path in ("/v1/messages", "/thriftgate/dashboards", "/thriftgate/admin/v1/keys"))


async def test_strangers_log_in_first(session: aiohttp.ClientSession, owned: Owned) -> None:
    async with session.get(f"{owned.house.url}{PAGES}/keys", allow_redirects=False) as response:
        assert (response.status, response.headers["location"]) == (303, f"{PAGES}/login")
    async with session.get(f"{owned.house.url}{API}/overview") as response:
        assert response.status == 401
        assert msgspec.json.decode(await response.read())["error"]["type"] == "authentication_error"
    async with session.post(f"{owned.house.url}{PAGES}/login", data={"key": "tg-wrong"}) as response:
        assert response.status == 401
        assert "not known" in await response.text()
    headers = {"origin": "https://evil.example"}
    async with session.post(f"{owned.house.url}{PAGES}/login", data={"key": owned.secret}, headers=headers) as response:
        assert response.status == 403
        assert "set-cookie" not in response.headers


async def test_headers_and_files(session: aiohttp.ClientSession, owned: Owned) -> None:
    async with session.get(f"{owned.house.url}{PAGES}/login") as response:
        assert response.headers["x-content-type-options"] == "nosniff"
        assert response.headers["referrer-policy"] == "no-referrer"
        assert "frame-ancestors 'none'" in response.headers["content-security-policy"]
    async with session.get(f"{owned.house.url}{PAGES}/static/{asset_named('dashboard.js')}") as response:
        assert response.status == 200
        assert "immutable" in response.headers["cache-control"]
    for name, status in (("nothing.css", 404), ("..%2fapp.py", 400), ("dashboard.css", 404)):
        async with session.get(URL(f"{owned.house.url}{PAGES}/static/{name}", encoded=True)) as response:
            assert response.status == status


@pytest.mark.parametrize(
    ("path", "status"),
    [("nowhere", 404), ("cache/more", 404), ("calls", 404), ("calls/tg_none", 404), ("overview?span=odd", 400), ("", 404)],
)
async def test_errors_are_told_in_words(session: aiohttp.ClientSession, owned: Owned, path: str, status: int) -> None:
    async with session.get(f"{owned.house.url}{API}/{path}", headers={"x-api-key": owned.secret}) as response:
        assert response.status == status
        assert msgspec.json.decode(await response.read())["error"]["message"]


async def test_a_change_needs_the_token_of_the_page(session: aiohttp.ClientSession, owned: Owned) -> None:
    cookie = await logged_in(session, owned, owned.secret)
    url = f"{owned.house.url}{PAGES}/keys"
    for form in ({"act": "team", "name": "x"}, {"act": "team", "name": "x", "csrf": "0" * 64}):
        async with session.post(url, data=form, headers=cookie) as response:
            assert response.status == 403
    async with session.post(url, data={"act": "team", "name": "x"}, headers={"x-api-key": owned.secret}) as response:
        assert response.status == 401, "a key alone changes nothing here: the administrators' API takes one"
    async with session.post(f"{owned.house.url}{API}/keys", data={}, headers=cookie) as response:
        assert response.status == 404


async def test_roles(session: aiohttp.ClientSession, owned: Owned) -> None:
    """A viewer sees and changes nothing; a team-admin sees its own team alone, and not what cannot be narrowed to it."""
    _, viewer = await asyncio.to_thread(key_made, owned.house.settings, "looks", "viewer")
    _, admin = await asyncio.to_thread(key_made, owned.house.settings, "leads", "team-admin", "leaders")
    seen = await logged_in(session, owned, viewer)
    async with session.get(f"{owned.house.url}{PAGES}/budgets", headers=seen) as response:
        page = await response.text()
        assert response.status == 200
        assert "Make the budget" not in page
    token = page.partition('name="csrf" value="')[2].partition('"')[0]
    for slug in ("budgets", "keys", "alerts"):
        form = {"act": "make", "name": "x", "limit": "1", "csrf": token}
        async with session.post(f"{owned.house.url}{PAGES}/{slug}", data=form, headers=seen) as response:
            assert response.status == 403, slug
    async with session.get(
        f"{owned.house.url}{API}/overview?span=all&team=support", headers={"x-api-key": admin}
    ) as response:
        assert msgspec.json.decode(await response.read())["calls"] == 0, "the filter does not lead out of the team"
    for slug in ("settings", "quality", "batches"):
        async with session.get(f"{owned.house.url}{API}/{slug}", headers={"x-api-key": admin}) as response:
            assert response.status == 403
    async with session.get(f"{owned.house.url}{API}/keys", headers={"x-api-key": admin}) as response:
        told = msgspec.json.decode(await response.read())
    assert [one["name"] for one in told["keys"]] == ["leads"]
    assert told["others"] == []


async def test_before_there_is_a_key_this_machine_may_look(session: aiohttp.ClientSession, tmp_path: Path) -> None:
    with house(tmp_path / "new.db") as fresh:
        async with session.get(fresh.url + PAGES) as response:
            assert response.status == 200
            assert "Not logged in" in await response.text()
        async with session.get(fresh.url + PAGES, headers={"host": "evil.example"}, allow_redirects=False) as response:
            assert response.status == 303
        await asyncio.to_thread(key_made, fresh.settings, "first", "owner")
        async with session.get(fresh.url + PAGES, allow_redirects=False) as response:
            assert response.status == 303


async def test_live_events(session: aiohttp.ClientSession, owned: Owned) -> None:
    async with session.get(f"{owned.house.url}{PAGES}/live/events", headers={"x-api-key": owned.secret}) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        line: Any = await asyncio.wait_for(response.content.readuntil(b"\n\n"), 10)
    assert line.startswith(b"event: tick\ndata: {")
    assert msgspec.json.decode(line.partition(b"data: ")[2])["open_count"] == 0
