"""Logins are ended from elsewhere."""

from __future__ import annotations

from pathlib import Path

from tests.gateway.keyed import staged


async def test_an_administrator_ends_somebodys_logins(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        _, boss = await stage.issue("boss", role="admin")
        key, secret = await stage.issue("ann", role="viewer")
        cookies = []
        for _ in range(2):
            got = await stage.ask("POST", "/thriftgate/login", {"key": secret})
            cookies.append(got.headers["set-cookie"].partition(";")[0])
        assert (await stage.admin("POST", "/sessions/end", boss, {"who": key.id})).document == {"ended": 2}
        for cookie in cookies:
            assert (await stage.ask("GET", "/thriftgate/admin/v1/whoami", cookie=cookie)).status == 401
        assert (await stage.admin("POST", "/sessions/end", boss, {"who": ""})).document == {"ended": 0}
        deed = (await stage.admin("GET", "/audit?limit=2", boss)).document["audit"][1]
        assert (deed["action"], deed["subject"], deed["detail"]) == ("end sessions", key.id, "2 ended")
