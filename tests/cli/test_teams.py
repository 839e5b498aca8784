"""`thriftgate teams`: organisations, teams and users."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.cli.test_keys import Desk


@pytest.fixture
def desk(run: Run, tmp_path: Path) -> Desk:
    return Desk(run, tmp_path)


def test_a_team_with_its_people_comes_and_goes(desk: Desk) -> None:
    team = desk.json("teams", "add", "platform")
    user = desk.json("teams", "user", "add", "ann", "--team", "platform", "--email", "Ann@x.org", "--role", "viewer")
    assert (user["team"], user["org"], user["email"]) == (team["id"], team["org"], "ann@x.org")
    key = desk.json("keys", "create", "ci", "--user", "ann")
    assert key["team"] == team["id"]
    listed = desk.json("teams", "list")
    assert {name: [one["name"] for one in things] for name, things in listed.items()} == {
        "orgs": ["main"],
        "teams": ["platform"],
        "users": ["ann"],
    }
    assert [one["id"] for one in desk.json("keys", "list", "--team", "platform")["keys"]] == [key["id"]]
    assert desk.json("teams", "remove", "platform")["removed"]
    assert desk.json("teams", "list")["users"] == []
    assert desk.json("keys", "show", key["id"])["state"] == "revoked"


def test_people_and_organisations(desk: Desk) -> None:
    desk.json("teams", "org", "add", "acme")
    desk.json("teams", "org", "add", "other")
    assert "several organisations" in desk("teams", "add", "x").err
    desk.json("teams", "add", "x", "--org", "acme")
    desk.json("teams", "user", "add", "bob", "--org", "acme")
    out = desk("teams", "list").out
    assert all(word in out for word in ("organisation", "acme", "bob", "team"))
    assert "bob" in desk("teams", "user", "add", "bob2").out
    desk.json("teams", "user", "remove", "bob2")
    desk.json("teams", "org", "remove", "acme")
    assert {name: len(things) for name, things in desk.json("teams", "list").items()} == {"orgs": 1, "teams": 0, "users": 0}
    assert desk("teams", "org", "remove", "acme").code == 1
