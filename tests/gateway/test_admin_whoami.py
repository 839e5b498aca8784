"""Who asks."""

from __future__ import annotations

from pathlib import Path

from tests.gateway.keyed import staged


async def test_a_key_is_told_who_it_is_and_needs_no_csrf_token(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        key, boss = await stage.issue("boss", role="owner", scopes=("admin:read",))
        actor = {"who": key.id, "name": "boss", "via": "key", "role": "owner", "writes": False, "team": "", "org": ""}
        assert (await stage.admin("GET", "/whoami", boss)).document == {"actor": actor, "csrf": None}
