"""The trail of who did what."""

from __future__ import annotations

from pathlib import Path

from tests.gateway.keyed import staged


async def test_deeds_are_listed_the_latest_first_with_who_and_how(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        key, boss = await stage.issue("boss", role="admin")
        for number in range(4):
            await stage.admin("POST", "/orgs", boss, {"name": f"o{number}"})
        page = (await stage.admin("GET", "/audit?limit=3", boss)).document
        assert [(one["action"], one["detail"], one["who"], one["via"]) for one in page["audit"]] == [
            ("create", f"o{number}", key.id, "key") for number in (3, 2, 1)
        ]
        rest = (await stage.admin("GET", f"/audit?before={page['next']}", boss)).document
        assert [(one["detail"], one["via"]) for one in rest["audit"]] == [("o0", "key"), ("boss", "cli")]
        assert rest["next"] is None
        assert len((await stage.admin("GET", f"/audit?subject={key.id}", boss)).document["audit"]) == 1
        for wrong in ("x", "-1", "9" * 30):
            assert (await stage.admin("GET", f"/audit?before={wrong}", boss)).status == 400
