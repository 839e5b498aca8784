"""Keys over HTTP: made, used, rotated, ended."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.gateway.keyed import Stage, at_tenants, now_us, staged
from thriftgate.ledger.issuing import HOST, Issuer


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with staged(tmp_path) as one:
        yield one


async def test_the_life_of_a_key(tmp_path: Path) -> None:
    """Each change counts at once, though the next look at the books is far."""
    async with staged(tmp_path) as stage:
        _, boss = await stage.issue("boss", role="owner")
    async with staged(tmp_path, access={"recheck_s": 60.0}) as stage:
        await live(stage, boss)


async def live(stage: Stage, boss: str) -> None:
    """A key is made, used, rotated and ended."""

    async def tried(*secrets: str) -> list[int]:
        return [(await stage.call(x_api_key=one)).status for one in secrets]

    made = await stage.admin("POST", "/keys", boss, {"name": "ci", "tags": ["eu"], "expires": "2199-01-01T00:00:00Z"})
    assert made.status == 201
    key, secret = made.document["id"], made.document["secret"]
    assert (made.document["state"], made.document["tags"]) == ("active", ["eu"])
    assert made.document["expires"] == "2199-01-01T00:00:00.000Z"
    assert (await stage.call(x_api_key=secret)).status == 200
    rotated = (await stage.admin("POST", f"/keys/{key}/rotate", boss, {"overlap_s": 3600})).document
    assert await tried(secret, rotated["secret"]) == [200, 200]
    again = (await stage.admin("POST", f"/keys/{key}/rotate", boss, {"overlap_s": 0})).document
    assert [(await stage.call(x_api_key=one)).status for one in (secret, rotated["secret"], again["secret"])] == [
        401,
        401,
        200,
    ]
    await stage.admin("POST", f"/keys/{key}/expire", boss, {"expires": None})
    shown = (await stage.admin("GET", f"/keys/{key}", boss)).document
    assert [one["action"] for one in shown["history"]] == ["expire", "rotate", "rotate", "create"]
    assert (shown["expires"], "secret" in shown) == (None, False)
    assert (await stage.admin("POST", f"/keys/{key}/revoke", boss)).document["state"] == "revoked"
    assert (await stage.call(x_api_key=again["secret"])).status == 401
    assert (await stage.admin("GET", f"/keys/{key}", boss)).document["state"] == "revoked"
    assert (await stage.admin("POST", f"/keys/{key}/revoke", boss)).status == 404


async def test_keys_are_listed_page_by_page(stage: Stage) -> None:
    _, boss = await stage.issue("boss", role="owner")
    for number in range(5):
        await stage.issue(f"k{number}")
    found: list[str] = []
    after = ""
    while True:
        page = (await stage.admin("GET", f"/keys?limit=2&after={after}", boss)).document
        assert len(page["keys"]) <= 2
        found += [one["name"] for one in page["keys"]]
        after = page["next"]
        if after is None:
            break
    assert sorted(found) == ["boss", "k0", "k1", "k2", "k3", "k4"]
    for wrong in ("0", "1001", "x", "-1", "٣"):
        assert (await stage.admin("GET", f"/keys?limit={wrong}", boss)).status == 400


async def test_a_team_admin_sees_and_makes_keys_of_its_own_team(stage: Stage) -> None:
    async with at_tenants(stage.ledger) as tenants:
        issuer = Issuer(tenants, HOST, now_us)
        mine, other = await issuer.add_team("mine"), await issuer.add_team("other")
    leader, secret = await stage.issue("leader", role="team-admin", team="mine")
    foreign, _ = await stage.issue("foreign", team="other")
    made = (await stage.admin("POST", "/keys", secret, {"name": "new"})).document
    assert made["team"] == mine.id
    listed = (await stage.admin("GET", "/keys", secret)).document["keys"]
    assert {one["id"] for one in listed} == {leader.id, made["id"]}
    assert (await stage.admin("GET", f"/keys/{foreign.id}", secret)).status == 404
    assert (await stage.admin("POST", f"/keys/{foreign.id}/revoke", secret)).status == 404
    assert (await stage.admin("POST", "/keys", secret, {"name": "x", "team": other.id})).status == 404
    assert (await stage.admin("POST", "/keys", secret, {"name": "x", "role": "admin"})).status == 403
    assert [one["name"] for one in (await stage.admin("GET", "/teams", secret)).document["teams"]] == ["mine"]


BAD: list[tuple[Any, str]] = [
    (b"{", "not valid JSON"),
    (b"\xff", "not valid JSON"),
    ([], "Expected `object`"),
    ({}, "missing required field `name`"),
    ({"name": 1}, "`$.name`"),
    ({"name": "x", "nam": 1}, "unknown field `nam`"),
    ({"name": "x", "scopes": ["all"]}, "Invalid enum value 'all'"),
    ({"name": "x", "role": "god"}, "Invalid enum value 'god'"),
    ({"name": "x" * 101}, "101 characters long"),
    ({"name": "a\nb"}, "control character"),
    ({"name": "x", "tags": ["t"] * 5 + [str(n) for n in range(16)]}, "17 tags"),
    ({"name": "x", "models": ["m" * 101]}, "101 characters"),
    ({"name": "x", "expires": "2020-01-01T00:00:00Z"}, "lies in the past"),
    ({"name": "x", "expires": "2199-01-01T00:00:00"}, "names no time zone"),
    ({"name": "x", "scopes": ["admin"]}, "must have a role"),
]


@pytest.mark.parametrize(("body", "words"), BAD, ids=[words for _, words in BAD])
async def test_what_does_not_fit_is_a_clear_400(body: Any, words: str, stage: Stage) -> None:
    _, boss = await stage.issue("boss", role="owner")
    status, kind, told = (await stage.admin("POST", "/keys", boss, body)).error
    assert (status, kind) == (400, "invalid_request_error")
    assert words in told


async def test_huge_bodies_and_other_kinds_are_refused(stage: Stage) -> None:
    _, boss = await stage.issue("boss", role="owner")
    assert (await stage.admin("POST", "/keys", boss, {"name": "x" * 70_000})).error[0] == 413
    plain = await stage.ask("POST", "/thriftgate/admin/v1/keys", b'{"name":"x"}', x_api_key=boss, content_type="text/plain")
    assert plain.error[0] == 400
