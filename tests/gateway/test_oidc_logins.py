"""Login through an identity provider, from the button to the dashboard: the way it should go, and every way it must not."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlsplit

import pytest

from tests.fixtures import serving, settings_of
from tests.gateway.identity import CLIENT, SECRET, IdentityProvider, signing_key
from tests.gateway.keyed import Got, Stage, at_tenants, now_us, staged
from thriftgate.gateway.oidc_logins import actor_of_claims
from thriftgate.ledger.issuing import HOST, Issuer
from thriftgate.settings import RoleRow

ROLES = [
    {"claim": "groups", "value": "admins", "role": "admin"},
    {"claim": "realm.roles", "value": "lead", "role": "team-admin", "team": "platform"},
    {"value": "staff", "role": "viewer"},
]


class Setup(NamedTuple):
    """A gateway and its identity provider; `go` is what a browser does."""

    stage: Stage
    identity: IdentityProvider

    async def begin(self) -> tuple[str, str]:
        """Press the button: the way back from the identity provider, and the cookie to come back with."""
        got = await self.stage.ask("GET", "/thriftgate/oidc/login")
        assert got.status == 303, got
        cookie = got.headers["set-cookie"].partition(";")[0]
        assert "HttpOnly; SameSite=Lax" in got.headers["set-cookie"]
        async with self.stage.session.get(got.headers["location"], allow_redirects=False) as answer:
            assert answer.status == 302, await answer.text()
            back = urlsplit(answer.headers["location"])
        return f"{back.path}?{back.query}", cookie

    async def go(self) -> Got:
        back, cookie = await self.begin()
        return await self.stage.ask("GET", back, cookie=cookie)

    async def who(self, got: Got) -> dict[str, Any]:
        """Who is logged in after that."""
        cookie = got.headers["set-cookie"].partition(";")[0]
        answer = await self.stage.ask("GET", "/thriftgate/admin/v1/whoami", cookie=cookie)
        assert answer.status == 200, answer
        actor: dict[str, Any] = answer.document["actor"]
        return actor


@contextlib.contextmanager
def identified() -> Iterator[IdentityProvider]:
    one = IdentityProvider()
    with serving(one) as url:
        one.url = url
        yield one


@contextlib.asynccontextmanager
async def going(folder: Path, **table: Any) -> AsyncIterator[Setup]:
    with identified() as identity:
        oidc = {
            "issuer": identity.url,
            "client_id": CLIENT,
            "client_secret": SECRET,
            "redirect_url": "http://127.0.0.1:1/thriftgate/oidc/callback",
            "roles": ROLES,
        } | table
        async with staged(folder, access={"oidc": oidc}) as stage:
            yield Setup(stage, identity)


@pytest.fixture
async def setup(tmp_path: Path) -> AsyncIterator[Setup]:
    async with going(tmp_path) as one:
        yield one


async def test_a_person_comes_in_as_their_group_says(setup: Setup) -> None:
    got = await setup.go()
    assert (got.status, b'url=/thriftgate/dashboard"' in got.body) == (200, True)
    assert "default-src 'none'" in got.headers["content-security-policy"]
    who = await setup.who(got)
    assert (who["who"], who["role"], who["writes"], who["name"], who["via"]) == (
        "oidc:u1", "viewer", False, "ann@x.org", "session",
    )  # fmt: skip
    assert setup.identity.asked == ["/.well-known/openid-configuration", "/authorize", "/token", "/keys"]
    setup.identity.claims = {"sub": "u2", "groups": ["staff", "admins"]}
    assert (await setup.who(await setup.go()))["role"] == "admin"  # the first row that fits
    assert setup.identity.asked[4:] == ["/authorize", "/token"]


async def test_a_known_user_comes_in_as_themselves_and_goes_with_their_removal(setup: Setup) -> None:
    async with at_tenants(setup.stage.ledger) as tenants:
        issuer = Issuer(tenants, HOST, now_us)
        await issuer.add_team("platform")
        user = await issuer.add_user("ann", email="ANN@x.org", role="team-admin", team="platform")
    got = await setup.go()
    who = await setup.who(got)
    assert (who["who"], who["role"], who["team"]) == (user.id, "team-admin", user.team)
    async with at_tenants(setup.stage.ledger) as tenants:
        await Issuer(tenants, HOST, now_us).remove(user)
    cookie = got.headers["set-cookie"].partition(";")[0]
    assert (await setup.stage.ask("GET", "/thriftgate/admin/v1/whoami", cookie=cookie)).status == 401


@pytest.mark.parametrize(
    "claims",
    [
        {"sub": "u1"},
        {"sub": "u1", "groups": "nobody"},
        {"sub": "u1", "email": "boss@x.org", "email_verified": False},
        {"sub": "u1", "email": "boss@x.org"},
        {"sub": "u1", "email": "boss@x.org", "email_verified": "true"},
        {"sub": "u1", "realm": {"roles": ["lead"]}},  # whose team is not there
    ],
)
async def test_who_has_no_role_does_not_come_in(claims: dict[str, Any], setup: Setup) -> None:
    async with at_tenants(setup.stage.ledger) as tenants:
        await Issuer(tenants, HOST, now_us).add_user("boss", email="boss@x.org", role="owner")
    setup.identity.claims = claims
    got = await setup.go()
    assert got.error[:2] == (403, "permission_error")
    assert "set-cookie" not in got.headers


def changed(**members: Any) -> Callable[[dict[str, Any]], dict[str, Any]]:
    def forge(claims: dict[str, Any]) -> dict[str, Any]:
        found = {name: value(claims) if callable(value) else value for name, value in members.items()}
        return {name: value for name, value in (claims | found).items() if value is not ...}

    return forge


FORGED: list[tuple[str, dict[str, Any]]] = [
    ("nonce", {"nonce": "another"}),
    ("no nonce", {"nonce": ...}),
    ("audience", {"aud": "another"}),
    ("audiences", {"aud": ["another", "third"]}),
    ("two audiences, no party", {"aud": [CLIENT, "another"]}),
    ("party", {"aud": [CLIENT, "another"], "azp": "another"}),
    ("issuer", {"iss": "https://another.example"}),
    ("expired", {"exp": lambda claims: claims["iat"] - 61}),
    ("no end", {"exp": ...}),
    ("no number", {"exp": "later"}),
    ("future", {"iat": lambda claims: claims["iat"] + 3600}),
    ("no time", {"iat": ...}),
    ("nobody", {"sub": ""}),
]


@pytest.mark.parametrize("members", [members for _, members in FORGED], ids=[name for name, _ in FORGED])
async def test_a_token_with_wrong_claims_opens_nothing(members: dict[str, Any], setup: Setup) -> None:
    setup.identity.forge = changed(**members)
    got = await setup.go()
    assert got.error[:2] == (401, "authentication_error")
    assert "set-cookie" not in got.headers


async def test_a_token_that_is_a_little_late_or_for_several_is_fine(setup: Setup) -> None:
    setup.identity.forge = changed(aud=[CLIENT, "another"], azp=CLIENT, exp=lambda claims: claims["iat"] - 30)
    assert (await setup.go()).status == 200


@pytest.mark.parametrize("how", ["unsigned", "by_secret", "by_stranger"])
async def test_a_token_that_the_provider_has_not_signed_opens_nothing(how: str, setup: Setup) -> None:
    setup.identity.sign = getattr(setup.identity, how)
    assert (await setup.go()).error[:2] == (401, "authentication_error")


@pytest.mark.parametrize("token", ["", "a", "a.b.c", "a.b.c.d.e", "é"])
async def test_what_is_no_token_opens_nothing(token: str, setup: Setup) -> None:
    setup.identity.sign = lambda _: token
    assert (await setup.go()).error[:2] == (401, "authentication_error")


async def test_a_new_signing_key_is_fetched_and_an_old_one_is_not_asked_for_again(
    setup: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("thriftgate.gateway.oidc.KEYS_AGAIN_S", 0.0)
    assert (await setup.go()).status == 200
    setup.identity.rotate()
    assert (await setup.go()).status == 200
    assert setup.identity.asked.count("/keys") == 2
    assert (await setup.go()).status == 200
    assert setup.identity.asked.count("/keys") == 2
    setup.identity.key = signing_key("unpublished")
    assert (await setup.go()).error[0] == 401


async def test_signing_keys_are_not_fetched_for_each_wrong_token(setup: Setup) -> None:
    assert (await setup.go()).status == 200
    setup.identity.key = signing_key("unpublished")
    for _ in range(4):
        assert (await setup.go()).error[0] == 401
    assert setup.identity.asked.count("/keys") == 1


async def test_a_way_back_is_good_once_and_in_its_own_browser(setup: Setup) -> None:
    back, cookie = await setup.begin()
    assert (await setup.stage.ask("GET", back)).error[0] == 401  # somebody else's browser
    assert (await setup.stage.ask("GET", back, cookie=cookie)).error[0] == 401  # it is used up
    back, cookie = await setup.begin()
    other, _ = await setup.begin()
    assert (await setup.stage.ask("GET", other, cookie=cookie)).error[0] == 401
    assert (await setup.stage.ask("GET", back, cookie=cookie)).status == 200
    assert (await setup.stage.ask("GET", back, cookie=cookie)).error[0] == 401


async def test_what_comes_back_without_a_code_or_a_state_is_nothing(setup: Setup) -> None:
    back, cookie = await setup.begin()
    state = dict(parse_qsl(urlsplit(back).query))["state"]
    for query in ("", "code=x", "code=x&state=y", f"state={state}", f"error=access_denied&state={state}"):
        assert (await setup.stage.ask("GET", f"/thriftgate/oidc/callback?{query}", cookie=cookie)).error[0] == 401


async def test_a_code_of_another_login_does_not_fit_its_verifier(setup: Setup) -> None:
    one, cookie = await setup.begin()
    other, _ = await setup.begin()
    code = dict(parse_qsl(urlsplit(other).query))["code"]
    state = dict(parse_qsl(urlsplit(one).query))["state"]
    got = await setup.stage.ask("GET", f"/thriftgate/oidc/callback?code={code}&state={state}", cookie=cookie)
    assert got.error[:2] == (401, "authentication_error")


async def test_trying_again_and_again_is_slowed_down(setup: Setup) -> None:
    statuses = [(await setup.stage.ask("GET", "/thriftgate/oidc/callback?code=a&state=b")).status for _ in range(9)]
    assert statuses[:6] == [401] * 6
    assert statuses[-1] == 429


async def test_a_client_without_basic_or_without_a_secret(tmp_path: Path) -> None:
    async with going(tmp_path) as setup:
        setup.identity.metadata = {"token_endpoint_auth_methods_supported": ["client_secret_post"]}
        assert (await setup.go()).status == 200
    async with going(tmp_path, client_secret="") as setup:
        assert (await setup.go()).error[0] == 401  # this provider wants one


@pytest.mark.parametrize(
    ("metadata", "words"),
    [
        ({"issuer": "https://another.example"}, "calls itself 'https://another.example'"),
        ({"token_endpoint": "http://10.0.0.1/token"}, "not https"),
        ({"jwks_uri": "file:///etc/passwd"}, "not https"),
        ({"jwks_uri": 7}, "cannot be read"),
    ],
)
async def test_a_provider_that_is_not_what_was_set(metadata: dict[str, Any], words: str, setup: Setup) -> None:
    setup.identity.metadata = metadata
    status, _, told = (await setup.stage.ask("GET", "/thriftgate/oidc/login")).error
    assert status == 502
    assert words in told


async def test_without_an_identity_provider_there_is_no_such_login(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        for path in ("/thriftgate/oidc/login", "/thriftgate/oidc/callback?code=a&state=b"):
            assert (await stage.ask("GET", path)).error[0] == 404


async def test_a_provider_that_is_gone(tmp_path: Path) -> None:
    async with going(tmp_path, issuer="http://127.0.0.1:9") as setup:
        status, _, told = (await setup.stage.ask("GET", "/thriftgate/oidc/login")).error
        assert (status, "cannot be reached" in told) == (502, True)


async def test_a_team_admins_row_gives_its_team(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage, at_tenants(stage.ledger) as tenants:
        team = await Issuer(tenants, HOST, now_us).add_team("platform")
        rows = tuple(RoleRow.model_validate(row) for row in ROLES)
        actor = await actor_of_claims(tenants, rows, {"sub": "u1", "realm": {"roles": ["x", "lead"]}})
        assert actor is not None
        assert (actor.role, actor.team, actor.org, actor.writes) == ("team-admin", team.id, team.org, True)
        assert settings_of().access.oidc.issuer == ""
