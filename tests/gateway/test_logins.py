"""Logging in and out over HTTP, as a browser and as a program do."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.gateway.keyed import Got, Stage, staged
from thriftgate.gateway.sessions import HOME

FORM = "application/x-www-form-urlencoded"


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with staged(tmp_path) as one:
        yield one


def cookie_of(got: Got) -> str:
    return got.headers["set-cookie"].partition(";")[0]


async def test_in_by_json_and_out(stage: Stage) -> None:
    key, secret = await stage.issue(role="viewer")
    got = await stage.ask("POST", "/thriftgate/login", {"key": secret})
    assert got.status == 200
    assert got.document["actor"]["who"] == key.id
    assert got.headers["cache-control"] == "no-store"
    cookie, csrf = cookie_of(got), got.document["csrf"]
    who = await stage.ask("GET", "/thriftgate/admin/v1/whoami", cookie=cookie)
    assert who.document == {"actor": got.document["actor"], "csrf": csrf}
    assert (await stage.ask("POST", "/thriftgate/logout", cookie=cookie)).status == 403
    assert (await stage.ask("POST", "/thriftgate/logout", cookie=cookie, x_csrf_token=csrf)).status == 204
    assert (await stage.ask("GET", "/thriftgate/admin/v1/whoami", cookie=cookie)).status == 401
    assert (await stage.ask("POST", "/thriftgate/logout", cookie=cookie, x_csrf_token=csrf)).status == 401


async def test_in_by_a_form_and_out(stage: Stage) -> None:
    _, secret = await stage.issue(role="viewer")
    got = await stage.ask("POST", "/thriftgate/login", f"key={secret}".encode(), content_type=FORM)
    assert (got.status, got.headers["location"], got.body) == (303, HOME, b"")
    cookie = cookie_of(got)
    csrf = (await stage.ask("GET", "/thriftgate/admin/v1/whoami", cookie=cookie)).document["csrf"]
    assert (await stage.ask("POST", "/thriftgate/logout", b"csrf=x", cookie=cookie, content_type=FORM)).status == 403
    out = await stage.ask("POST", "/thriftgate/logout", f"csrf={csrf}".encode(), cookie=cookie, content_type=FORM)
    assert (out.status, out.headers["location"]) == (303, HOME)


async def test_no_other_site_logs_a_browser_in(stage: Stage) -> None:
    _, secret = await stage.issue(role="viewer")
    body = f"key={secret}".encode()
    assert (
        await stage.ask("POST", "/thriftgate/login", body, content_type=FORM, origin="https://evil.example")
    ).status == 403
    assert (await stage.ask("POST", "/thriftgate/login", body, content_type=FORM, sec_fetch_site="cross-site")).status == 403
    assert (await stage.ask("POST", "/thriftgate/login", body, content_type=FORM, origin=stage.url)).status == 303


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"key":1}', b'{"key":"a","b":1}', b"\xff"])
async def test_a_body_that_is_no_login(body: bytes, stage: Stage) -> None:
    assert (await stage.ask("POST", "/thriftgate/login", body)).error[0] == 400


async def test_a_login_is_short(stage: Stage) -> None:
    assert (await stage.ask("POST", "/thriftgate/login", {"key": "x" * 5000})).error[0] == 413
