"""The provider's keys over HTTP: put in, never told again, used from the next start on."""

from __future__ import annotations

from pathlib import Path

from tests.fixtures import KEY
from tests.gateway.keyed import staged


async def test_a_key_of_the_provider_serves_virtual_keys_from_the_next_start_on(tmp_path: Path) -> None:
    async with staged(tmp_path, own="") as stage:
        _, boss = await stage.issue("boss", role="admin", scopes=("call", "admin"))
        assert (await stage.call(x_api_key=boss)).status == 503
        made = await stage.admin("POST", "/provider-keys", boss, {"name": "main", "secret": KEY})
        assert made.status == 201
        listed = await stage.admin("GET", "/provider-keys", boss)
        for got in (made, listed, await stage.admin("GET", "/audit", boss)):
            assert KEY.encode() not in got.body
        assert [one["name"] for one in listed.document["provider_keys"]] == ["main"]
        assert (await stage.admin("POST", "/provider-keys", boss, {"name": "b", "secret": boss})).status == 400
    async with staged(tmp_path, own="") as stage:
        assert (await stage.call(x_api_key=boss)).status == 200
        assert stage.upstream.seen[-1]["x-api-key"] == KEY
        key = made.document["id"]
        assert (await stage.admin("DELETE", f"/provider-keys/{key}", boss)).status == 204
        assert (await stage.admin("DELETE", f"/provider-keys/{key}", boss)).status == 404
    async with staged(tmp_path, own="") as stage:
        assert (await stage.call(x_api_key=boss)).status == 503
