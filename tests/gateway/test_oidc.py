"""What an identity provider must be, and what is read of its claims. The login as a whole: test_oidc_logins.py."""

from __future__ import annotations

from typing import Any

import pytest

from thriftgate.core.errors import ConfigError
from thriftgate.gateway.oidc import check_settings, claim_of, email_of
from thriftgate.settings import OidcSettings

FINE: dict[str, Any] = {
    "issuer": "https://id.example.org/realms/x",
    "client_id": "gate",
    "redirect_url": "https://gate.example.org/thriftgate/oidc/callback",
}


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({"issuer": "http://id.example.org"}, "access.oidc.issuer"),
        ({"issuer": "id.example.org"}, "access.oidc.issuer"),
        ({"issuer": "https://[x"}, "access.oidc.issuer"),
        ({"redirect_url": ""}, "access.oidc.redirect_url"),
        ({"redirect_url": "http://192.0.2.1/x"}, "access.oidc.redirect_url"),
        ({"client_id": ""}, "access.oidc.client_id"),
        ({"scopes": ("profile",)}, "must hold openid"),
        ({"roles": ({"value": "a", "role": "team-admin"},)}, "a team-admin must have a team"),
    ],
)
def test_settings_that_cannot_work(members: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        check_settings(OidcSettings.model_validate(FINE | members))


@pytest.mark.parametrize("url", ["http://localhost:8080", "http://127.0.0.1", "http://[::1]:1/x", "https://a.b"])
def test_settings_that_can(url: str) -> None:
    check_settings(OidcSettings.model_validate(FINE | {"issuer": url}))


def test_claims_are_found_by_their_path() -> None:
    claims = {"groups": ["a", 7, "b"], "realm": {"roles": ["c"]}, "https://x.org/role": "d", "n": 1}
    found = [claim_of(claims, path) for path in ("groups", "realm.roles", "https://x.org/role", "n", "none", "groups.x")]
    assert found == [("a", "b"), ("c",), ("d",), (), (), ()]


def test_only_a_verified_address_counts() -> None:
    assert email_of({"email": "Ann@X.org", "email_verified": True}) == "ann@x.org"
    for claims in ({"email": "a@b"}, {"email": "a@b", "email_verified": "true"}, {"email": 1, "email_verified": True}, {}):
        assert email_of(claims) == ""
