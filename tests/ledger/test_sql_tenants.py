"""Tenants in SQLite: what is written comes back, changes are told by version, nothing is deleted."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.fixtures import books
from thriftgate.core.errors import LedgerError
from thriftgate.ledger.sql_tenants import SqlTenants
from thriftgate.ledger.tenants import Deed, Key, Org, ProviderKey, Secret, Session, Team, Thing, User

ORG = Org("org_1", "acme", 1)
TEAM = Team("team_1", "platform", "org_1", 2)
USER = User("user_1", "ann", "org_1", "team_1", "ann@x.org", "viewer", 3)
KEY = Key(
    "key_1", "ci", "user_1", "team_1", "org_1", "", ("call", "batch"), ("claude-*",), ("t",), ("env=prod", "eu"), ("env=*",),
    "high", 4, 5_000, 0, 0, 0,
)  # fmt: skip
PROVIDER = ProviderKey("pk_1", "main", "anthropic", 5, 0, b"\x00sealed")
SECRET = Secret(b"d" * 32, "key_1", 4)
THINGS: list[Thing] = [ORG, TEAM, USER, KEY, PROVIDER]


def deed(thing: Thing, action: str = "create", at_us: int = 10) -> Deed:
    return Deed(at_us, "host", "cli", action, thing.id, thing.name)


@pytest.fixture
async def tenants(tmp_path: Path) -> AsyncIterator[SqlTenants]:
    async with books(tmp_path / "books.db") as ledger:
        yield SqlTenants(ledger)


async def fill(tenants: SqlTenants) -> None:
    for thing in THINGS:
        await tenants.add(thing, deed(thing), SECRET if thing is KEY else None)


@pytest.mark.parametrize("thing", THINGS, ids=lambda one: type(one).__name__)
async def test_what_is_added_comes_back_as_it_was(thing: Any, tenants: SqlTenants) -> None:
    await tenants.add(thing, deed(thing))
    kind = type(thing)
    assert await tenants.get(kind, thing.id) == thing
    assert list(await tenants.named(kind, thing.name)) == list(await tenants.named(kind, thing.id)) == [thing]
    assert list(await tenants.page(kind)) == [thing]
    assert await tenants.get(kind, "nobody") is None
    with pytest.raises(LedgerError, match=r"there is .* already"):
        await tenants.add(thing, deed(thing))
    assert [(one.action, one.subject) for one in await tenants.deeds()] == [("create", thing.id)]


async def test_changes_are_told_from_a_version_on(tenants: SqlTenants) -> None:
    empty = await tenants.changes(-1)
    assert (empty.any_key, list(empty.keys)) == (False, [])
    await fill(tenants)
    first = await tenants.changes(empty.version)
    assert (first.any_key, list(first.keys), list(first.secrets)) == (True, [KEY], [SECRET])
    assert first.version == await tenants.version() == empty.version + len(THINGS)
    again = await tenants.changes(first.version)
    assert (again.version, again.any_key, list(again.keys)) == (first.version, True, [])
    other = Key("key_2", "other")
    await tenants.add(other, deed(other), Secret(b"e" * 32, "key_2", 4))
    more = await tenants.changes(first.version)
    assert ([one.id for one in more.keys], [one.key for one in more.secrets]) == (["key_2"], ["key_2"])
    org = Org("org_9", "none", 1)
    await tenants.add(org, deed(org))
    nothing = await tenants.changes(more.version)
    assert (nothing.any_key, list(nothing.keys)) == (True, [])


async def test_after_a_rotation_both_secrets_are_good_for_a_while(tenants: SqlTenants) -> None:
    await fill(tenants)
    await tenants.rotate(KEY, Secret(b"n" * 32, "key_1", 100), 50, deed(KEY, "rotate"))
    await tenants.rotate(KEY, Secret(b"o" * 32, "key_1", 120), 1000, deed(KEY, "rotate"))
    ends = {one.digest[:1]: one.ends_us for one in (await tenants.changes(-1)).secrets}
    assert ends == {b"d": 150, b"n": 1120, b"o": 0}  # a later rotation lengthens no life
    found = await tenants.get(Key, "key_1")
    assert found is not None
    assert found.rotated_us == 120
    assert await tenants.secret_of(b"n" * 32) == Secret(b"n" * 32, "key_1", 100, 1120)
    assert await tenants.secret_of(b"z" * 32) is None


@pytest.mark.parametrize(
    ("thing", "ended"),
    [
        (ORG, {"org_1", "team_1", "user_1", "key_1"}),
        (TEAM, {"team_1", "user_1", "key_1"}),
        (USER, {"user_1", "key_1"}),
        (KEY, {"key_1"}),
    ],
)
async def test_with_what_is_gone_goes_what_belongs_to_it_and_its_name_stays(
    thing: Any, ended: set[str], tenants: SqlTenants
) -> None:
    await fill(tenants)
    before = await tenants.version()
    for who in ("user_1", "key_1", "oidc:else"):
        session = Session(who.encode(), "s", who, "", "viewer", False, "", "", 1, 1, 10**18)
        await tenants.add_session(session, deed(USER, "login"))
    await tenants.remove(thing, deed(thing, "remove", 77))
    gone = set()
    kinds: list[Any] = [Org, Team, User, Key]
    for kind in kinds:
        for one in await tenants.page(kind, gone=True):
            gone |= {one.id} if one.gone_us == 77 else set()
        assert not {one.id for one in await tenants.page(kind)} & ended
    assert gone == ended
    kept = await tenants.get(type(thing), thing.id)
    assert kept is not None
    assert kept.name == thing.name
    assert [one.id for one in (await tenants.changes(before)).keys] == ["key_1"]
    there = [who for who in ("user_1", "key_1", "oidc:else") if await tenants.session(who.encode())]
    assert there == [who for who in ("user_1", "key_1", "oidc:else") if who not in ended]


async def test_pages(tenants: SqlTenants) -> None:
    for number in range(7):
        key = Key(f"key_{number}", "same", team=f"team_{number % 2}")
        await tenants.add(key, deed(key))
    assert [one.id for one in await tenants.page(Key, limit=3)] == ["key_0", "key_1", "key_2"]
    assert [one.id for one in await tenants.page(Key, after="key_2", limit=2, where={"team": "team_1"})] == [
        "key_3",
        "key_5",
    ]
    assert len(await tenants.named(Key, "same")) == 7
    deeds = await tenants.deeds(limit=2)
    assert [one.subject for one in deeds] == ["key_6", "key_5"]
    assert [one.subject for one in await tenants.deeds(before=deeds[-1].id, limit=1)] == ["key_4"]
    assert [one.subject for one in await tenants.deeds(subject="key_1")] == ["key_1"]


async def test_use_is_written_down_without_a_new_version(tenants: SqlTenants) -> None:
    await fill(tenants)
    before = await tenants.version()
    await tenants.touch({"key_1": 50, "nobody": 1})
    await tenants.touch({"key_1": 40})
    found = await tenants.get(Key, "key_1")
    assert found is not None
    assert (found.used_us, await tenants.version()) == (50, before)


async def test_sessions_end(tenants: SqlTenants) -> None:
    for number in range(3):
        session = Session(bytes([number]), "s", "key_1", "n", "admin", True, "t", "o", 1, 2, 100 + number)
        await tenants.add_session(session, deed(USER, "login"))
    found = await tenants.session(b"\x01")
    assert found == Session(b"\x01", "s", "key_1", "n", "admin", True, "t", "o", 1, 2, 101)
    await tenants.see_session(b"\x01", 9)
    seen = await tenants.session(b"\x01")
    assert seen is not None
    assert seen.seen_us == 9
    assert await tenants.end_sessions(before_us=101) == 1
    assert await tenants.end_sessions(digest=b"\x01") == 1
    assert await tenants.end_sessions(who="key_1") == 1
    assert await tenants.end_sessions() == 0


async def test_what_is_sealed_first_stays(tenants: SqlTenants) -> None:
    assert await tenants.sealed("pepper") is None
    assert await tenants.seal("pepper", b"a") == await tenants.seal("pepper", b"b") == await tenants.sealed("pepper") == b"a"


async def test_names_are_values_and_no_sql(tenants: SqlTenants) -> None:
    org = Org("org_1", "'; drop table orgs; --", 1)
    await tenants.add(org, deed(org))
    assert list(await tenants.named(Org, "'; drop table orgs; --")) == [org]
    assert list(await tenants.page(Org, after="' or 1=1 --", where={"name": "x' or 1=1 --"})) == []
