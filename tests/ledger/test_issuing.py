"""Who may make and end what; a secret is shown once and kept as its hash."""

from __future__ import annotations

from collections.abc import AsyncIterator
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.fixtures import books
from thriftgate.core.control.key_text import check_key_text
from thriftgate.core.errors import InputError, NotAllowed, NotThere
from thriftgate.ledger.issuing import HOST, Actor, Issuer, KeyDraft
from thriftgate.ledger.master_key import MasterKey
from thriftgate.ledger.sealing import Vault, open_vault
from thriftgate.ledger.sql_tenants import SqlTenants
from thriftgate.ledger.tenants import Key, Org, ProviderKey, Role, Team, User


class Room(NamedTuple):
    """Tenants to act on, at a time of its own."""

    tenants: SqlTenants
    vault: Vault
    now: count[int]

    def by(self, role: Role, *, writes: bool = True, team: str = "") -> Issuer:
        return Issuer(self.tenants, Actor("key_x", "key", role, writes, team), lambda: next(self.now))

    @property
    def host(self) -> Issuer:
        return Issuer(self.tenants, HOST, lambda: next(self.now))


@pytest.fixture
async def room(tmp_path: Path) -> AsyncIterator[Room]:
    async with books(tmp_path / "books.db") as ledger:
        tenants = SqlTenants(ledger)
        yield Room(tenants, await open_vault(tenants, MasterKey(":memory:")), count(1000))


async def test_a_key_is_made_found_by_its_secret_and_ended(room: Room) -> None:
    key, secret = await room.host.add_key(KeyDraft("ci", tags=("eu", "env=prod", "eu")), room.vault)
    check_key_text(secret)
    assert (key.tags, key.scopes) == (("env=prod", "eu"), ("call", "batch", "count", "models", "read"))
    found = await room.tenants.secret_of(room.vault.digest(secret))
    assert found is not None
    assert found.key == key.id
    other, second = await room.host.rotate(key, room.vault, 60)
    assert (other.id, second != secret, other.rotated_us > 0) == (key.id, True, True)
    later = await room.host.expire(other, 10**15)
    assert later.expires_us == 10**15
    gone = await room.host.revoke(later)
    assert gone.ended(0) == "revoked"
    for ended in (room.host.rotate(gone, room.vault), room.host.revoke(gone), room.host.expire(gone, 0)):
        with pytest.raises(InputError, match="was revoked"):
            await ended
    assert [one.action for one in await room.tenants.deeds(subject=key.id)] == ["revoke", "expire", "rotate", "create"]


async def test_a_users_team_and_organisation_come_by_themselves(room: Room) -> None:
    team = await room.host.add_team("platform")
    user = await room.host.add_user("ann", email="Ann@X.org", team="platform", role="team-admin")
    assert (user.email, user.org) == ("ann@x.org", team.org)
    key, _ = await room.host.add_key(KeyDraft("ci", user="ann"), room.vault)
    assert (key.user_id, key.team, key.org) == (user.id, team.id, team.org)
    await room.host.add_org("other")
    for wrong, words in (
        (KeyDraft("x", user="ann", team=(await room.host.add_team("data", "other")).id), "of another team"),
        (KeyDraft("x", team="platform", org="other"), "of another organisation"),
        (KeyDraft("x", role="team-admin"), "must have a team"),
        (KeyDraft("x", scopes=("admin",)), "must have a role"),
        (KeyDraft("x", expires_us=1), "lies in the past"),
        (KeyDraft(" "), "must not be empty"),
        (KeyDraft("x", models=("a" * 101,)), "101 characters"),
    ):
        with pytest.raises(InputError, match=words):
            await room.host.add_key(wrong, room.vault)
    with pytest.raises(InputError, match="several organisations"):
        await room.host.add_team("third")
    with pytest.raises(InputError, match="must have a team"):
        await room.host.add_user("bob", role="team-admin")


@pytest.mark.parametrize(
    ("draft", "scopes"),
    [
        ({"role": "owner"}, ("admin:read", "admin")),
        ({"role": "viewer"}, ("admin:read",)),
        ({"role": "viewer", "scopes": ("read",)}, ("read", "admin:read")),
        ({"role": "owner", "scopes": ("admin:read",)}, ("admin:read",)),
        ({"role": "admin", "scopes": ("call", "admin")}, ("call", "admin", "admin:read")),
    ],
)
async def test_a_role_brings_the_scopes_that_it_needs(draft: dict[str, Any], scopes: tuple[str, ...], room: Room) -> None:
    key, _ = await room.host.add_key(KeyDraft("x", **draft), room.vault)
    assert key.scopes == scopes


async def test_what_each_role_may_do(room: Room) -> None:
    mine, other = await room.host.add_team("mine"), await room.host.add_team("other")
    own, _ = await room.host.add_key(KeyDraft("own", team="mine"), room.vault)
    foreign, _ = await room.host.add_key(KeyDraft("foreign", team="other"), room.vault)
    boss, _ = await room.host.add_key(KeyDraft("boss", role="owner"), room.vault)
    leader, _ = await room.host.add_key(KeyDraft("leader", role="team-admin", team="mine"), room.vault)
    team, admin, owner = room.by("team-admin", team=mine.id), room.by("admin"), room.by("owner")
    viewer, looking = room.by("viewer"), room.by("owner", writes=False)
    await team.rotate(own, room.vault)
    made, _ = await team.add_key(KeyDraft("new"), room.vault)
    assert made.team == mine.id
    await admin.rotate(foreign, room.vault)
    await admin.rotate(leader, room.vault)
    await owner.rotate(boss, room.vault)
    refused = [
        *(one.rotate(own, room.vault) for one in (viewer, looking)),
        *(one.add_key(KeyDraft("x"), room.vault) for one in (viewer, looking)),
        *(team.rotate(one, room.vault) for one in (foreign, boss, leader)),
        team.revoke(foreign),
        team.expire(foreign, 0),
        team.add_key(KeyDraft("x", role="viewer"), room.vault),
        team.add_user("x"),
        team.add_team("x"),
        team.add_org("x"),
        team.remove(mine),
        team.add_provider_key("x", "anthropic", "sk", room.vault),
        admin.rotate(boss, room.vault),
        admin.revoke(boss),
        admin.expire(boss, 1),
        admin.add_key(KeyDraft("x", role="owner"), room.vault),
        admin.add_user("x", role="owner"),
    ]
    for attempt in refused:
        with pytest.raises(NotAllowed):
            await attempt
    with pytest.raises(NotThere):
        await team.find(Key, "foreign")
    with pytest.raises(NotThere):
        await team.add_key(KeyDraft("x", team=other.id), room.vault)
    assert [team.reaches(one) for one in (mine, other, own, foreign)] == [True, False, True, False]


async def test_an_admin_may_not_remove_a_team_with_an_owners_key(room: Room) -> None:
    team = await room.host.add_team("bosses")
    await room.host.add_key(KeyDraft("boss", role="owner", team="bosses"), room.vault)
    with pytest.raises(NotAllowed):
        await room.by("admin").remove(team)
    owner = await room.host.add_user("owner", role="owner")
    with pytest.raises(NotAllowed):
        await room.by("admin").remove(owner)
    assert (await room.host.remove(team)).gone_us


async def test_names_are_found_and_the_nearest_is_told(room: Room) -> None:
    team = await room.host.add_team("platform")
    assert (await room.host.find(Team, "platform")).id == (await room.host.find(Team, team.id)).id == team.id
    with pytest.raises(NotThere, match="did you mean 'platform'"):
        await room.host.find(Team, "platfrom")
    for make in (room.host.add_team("platform"), room.host.add_org("main")):
        with pytest.raises(InputError, match="already"):
            await make
    assert (len(await room.tenants.page(Team)), len(await room.tenants.page(Org))) == (1, 1)
    for _ in range(2):
        await room.host.add_key(KeyDraft("same"), room.vault)
    with pytest.raises(InputError, match="several are called 'same': name one by its id, key_"):
        await room.host.find(Key, "same")
    await room.host.add_user("ann")
    with pytest.raises(NotThere, match="there is no user"):
        await room.host.find(User, "x" * 10_000)


@pytest.mark.parametrize(
    ("secret", "words"),
    [*((text, "one word") for text in ("", "a b", "a\nb", "x" * 1001, "é")), ("tg-abc", "thriftgate's own")],
)
async def test_what_cannot_be_a_key_of_the_provider(secret: str, words: str, room: Room) -> None:
    with pytest.raises(InputError, match=words):
        await room.host.add_provider_key("main", "anthropic", secret, room.vault)
    made = await room.host.add_provider_key("main", "anthropic", " sk-ant-1\n", room.vault)
    assert room.vault.provider_secret(made) == "sk-ant-1"
    assert b"sk-ant" not in made.sealed
    await room.host.remove_provider_key(made)
    assert not await room.tenants.page(ProviderKey)


async def test_an_overlap_has_an_end(room: Room) -> None:
    key, _ = await room.host.add_key(KeyDraft("ci"), room.vault)
    for overlap_s in (-1.0, 1e9, float("nan")):
        with pytest.raises(InputError, match="overlap"):
            await room.host.rotate(key, room.vault, overlap_s)
