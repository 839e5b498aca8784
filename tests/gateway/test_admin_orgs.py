"""Organisations, teams and users over HTTP; with a team go its keys."""

from __future__ import annotations

from pathlib import Path

from tests.gateway.keyed import staged


async def test_a_team_comes_and_goes(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        _, boss = await stage.issue("boss", role="admin")
        org = (await stage.admin("POST", "/orgs", boss, {"name": "acme"})).document
        team = (await stage.admin("POST", "/teams", boss, {"name": "platform"})).document
        assert team["org"] == org["id"]
        made = await stage.admin(
            "POST", "/users", boss, {"name": "ann", "email": "Ann@x.org", "team": "platform", "role": "viewer"}
        )
        user = made.document
        assert (made.status, user["email"], user["team"]) == (201, "ann@x.org", team["id"])
        key = (await stage.admin("POST", "/keys", boss, {"name": "ci", "user": "ann"})).document
        assert (await stage.call(x_api_key=key["secret"])).status == 200
        assert (await stage.admin("POST", "/teams", boss, {"name": "platform"})).status == 400
        assert (await stage.admin("POST", "/users", boss, {"name": "x", "role": "owner"})).status == 403
        found = (await stage.admin("GET", f"/users?team={team['id']}", boss)).document["users"]
        assert [one["name"] for one in found] == ["ann"]
        assert (await stage.admin("DELETE", f"/teams/{team['id']}", boss)).status == 204
        assert (await stage.call(x_api_key=key["secret"])).status == 401
        assert (await stage.admin("GET", "/users", boss)).document["users"] == []
        (gone,) = (await stage.admin("GET", "/users?all=true", boss)).document["users"]
        assert (gone["name"], gone["removed"] is not None) == ("ann", True)
        assert (await stage.admin("DELETE", f"/users/{user['id']}", boss)).status == 404
        assert (await stage.admin("DELETE", f"/orgs/{org['id']}", boss)).status == 204
        assert (await stage.admin("GET", "/orgs", boss)).document == {"orgs": [], "next": None}
