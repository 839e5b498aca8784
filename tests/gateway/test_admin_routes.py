"""How a request gets to its route."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.gateway.keyed import staged
from thriftgate.gateway.admin.routes import ROOT, ROUTES, is_admin_call


def test_routes_are_each_there_once() -> None:
    assert len({(one.method, one.path) for one in ROUTES}) == len(ROUTES)
    assert is_admin_call({"path": f"{ROOT}/keys"})
    assert not is_admin_call({"path": "/thriftgate/admin/v10/keys"})


@pytest.mark.parametrize("body", [b'{"name":"\xff"}', b"[" * 30_000, b'{"name":' * 6_000, b"", b"null", b'{"name":1e400}'])
async def test_a_body_that_is_no_json_of_ours_is_a_400(body: bytes, tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        _, boss = await stage.issue("boss", role="owner")
        status, kind, _ = (await stage.admin("POST", "/orgs", boss, body)).error
        assert (status, kind) == (400, "invalid_request_error")


@pytest.mark.parametrize(
    ("method", "path", "words"),
    [
        ("GET", "/nothing", "has no GET"),
        ("PUT", "/keys", "there is GET, POST"),
        ("GET", "/keys/a/b", "has no GET"),
        ("GET", "/keys/", "has no GET"),
        ("GET", "/keys/%40%20x", "has no GET"),  # dots and slashes are refused before: tests/security/test_requests.py
        ("GET", "/keys/" + "a" * 101, "has no GET"),
        ("GET", "/keys/key_none", "there is no key"),
    ],
)
async def test_what_is_not_there(method: str, path: str, words: str, tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        _, boss = await stage.issue("boss", role="owner")
        status, kind, told = (await stage.admin(method, path, boss)).error
        assert (status, kind) == (404, "not_found_error")
        assert words in told
        assert (await stage.ask(method, ROOT + path)).status == 401  # strangers are not told what there is
