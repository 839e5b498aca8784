"""Who may call, and how administrators log in."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, SecretStr

from thriftgate.settings.table import Table


class RoleRow(Table):
    """`[[access.oidc.roles]]`: what a claim of the identity provider's makes of a person. The first that fits counts."""

    claim: str = Field(default="groups", min_length=1, description="claim to look at; dots lead into objects")
    value: str = Field(min_length=1, description="what it must be, or hold if it is a list")
    role: Literal["owner", "admin", "team-admin", "viewer"] = Field(description="role that it gives")
    team: str = Field(default="", description="team by name or id; a team-admin must have one")


class OidcSettings(Table):
    """`[access.oidc]`: login to the dashboard through an identity provider (extra `oidc`)."""

    issuer: str = Field(default="", description="URL of the identity provider; empty is off")
    client_id: str = Field(default="", description="as the identity provider calls this gateway")
    client_secret: SecretStr = Field(default=SecretStr(""), description="empty for a public client, which has PKCE alone")
    redirect_url: str = Field(
        default="", description="where people come back to: the dashboard's own URL with /thriftgate/oidc/callback"
    )
    scopes: tuple[str, ...] = Field(default=("openid", "profile", "email"), description="what is asked for")
    roles: tuple[RoleRow, ...] = Field(default=(), description="who may come in, and as what; nobody without one")


class AccessSettings(Table):
    """`[access]`: who may call, and where the master key is."""

    mode: Literal["auto", "required", "open"] = Field(
        default="auto",
        description="auto wants a key as soon as one was made, and before that serves this machine alone; required always "
        "wants one; open takes whoever comes",
    )
    master_key: SecretStr = Field(default=SecretStr(""), description="32 bytes in hex or base64; THRIFTGATE_MASTER_KEY too")
    master_key_file: str = Field(default="", description="file that holds it; empty is LEDGER-master-key, made when needed")
    keyring: bool = Field(default=False, description="keep it in the system's keyring instead (extra keyring)")
    recheck_s: float = Field(default=2.0, ge=0, le=60, description="how soon another process's changes to keys count here")
    session_idle_s: float = Field(default=1800.0, gt=0, description="a login ends when unused for so long")
    session_s: float = Field(default=43_200.0, gt=0, description="a login ends after so long whatever happens")
    cookie_secure: bool | None = Field(
        default=None, description="send the session's cookie over TLS alone; not set: as the login itself came"
    )
    oidc: OidcSettings = OidcSettings()
