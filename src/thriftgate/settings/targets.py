"""`[[targets]]` and `[failover]`: where else calls can go, and when they do."""

from __future__ import annotations

import re
from decimal import Decimal

from pydantic import Field, SecretStr

from thriftgate.core.errors import ConfigError
from thriftgate.providers import PROVIDERS
from thriftgate.providers.endpoint import Endpoint
from thriftgate.settings.table import Table

_NAME = r"^[A-Za-z0-9_.-]{1,64}$"


class TargetRow(Table):
    """`[[targets]]`: a place beside `[upstream]` where calls can go, with credentials of the gateway's own."""

    name: str = Field(pattern=_NAME, description="what books and metrics call it")
    provider: str = Field(description="whose wire format and envelope: one of those that `thriftgate providers` lists")
    url: str = Field(default="", description="its address; empty is the provider's own")
    key: SecretStr = Field(default=SecretStr(""), description="API key or bearer token")
    region: str = Field(default="", description='region of AWS or Google; "us" for US Data Zone deployments of Foundry')
    project: str = Field(default="", description="Google's project, or Azure's resource")
    workspace: str = Field(default="", description="workspace of Claude Platform on AWS, or of Anthropic's on Google Cloud")
    profile: str = Field(default="", description="profile in AWS's shared files")
    access_key_id: str = Field(default="", description="AWS access key")
    secret_access_key: SecretStr = Field(default=SecretStr(""), description="AWS secret key")
    session_token: SecretStr = Field(
        default=SecretStr(""), description="AWS session token, where the key is a temporary one"
    )
    credentials: SecretStr = Field(
        default=SecretStr(""), description="Google service account's key: JSON, or the path of a file with it"
    )
    tenant: str = Field(default="", description="Entra tenant of the application that calls Foundry")
    client_id: str = Field(default="", description="that application's id")
    client_secret: SecretStr = Field(default=SecretStr(""), description="that application's secret")
    authority: str = Field(default="", description="where Entra gives tokens; empty is login.microsoftonline.com")
    models: dict[str, str] = Field(
        default_factory=dict, description="what models are called there, by the name that callers use"
    )
    serves: tuple[str, ...] = Field(default=(), description="used for these models only; empty is all that it has")
    order: int = Field(default=0, ge=0, description="those of the lowest order are used, others where these fail")
    weight: float = Field(default=1.0, gt=0, description="its share of new conversations, beside others of its order")
    price_factor: Decimal = Field(
        default=Decimal(1), gt=0, le=100, description="what it asks, by the price book's prices of the same models"
    )
    shares_limits_with: str = Field(default="", description="another target or key with the same rate limits, by its name")

    def endpoint(self) -> Endpoint:
        """Its address and credentials."""
        return Endpoint(
            url=self.url,
            key=self.key.get_secret_value(),
            region=self.region,
            project=self.project,
            workspace=self.workspace,
            profile=self.profile,
            access_key_id=self.access_key_id,
            secret_access_key=self.secret_access_key.get_secret_value(),
            session_token=self.session_token.get_secret_value(),
            credentials=self.credentials.get_secret_value(),
            tenant=self.tenant,
            client_id=self.client_id,
            client_secret=self.client_secret.get_secret_value(),
            authority=self.authority,
            models=self.models,
        )


class FailoverSettings(Table):
    """`[failover]`: when a call is tried at another target. It never is once a byte of an answer has gone to the client."""

    on: bool = Field(default=True, description="whether calls are tried elsewhere; needs two targets or keys for a model")
    upstream_order: int = Field(default=0, ge=0, description="the order of [upstream] and its keys, beside the targets'")
    targets_max: int = Field(default=3, ge=1, le=10, description="targets that one call is tried at, the first included")
    deadline_s: float = Field(default=60.0, gt=0, description="no further target is tried once a call has taken so long")
    failures: int = Field(default=5, ge=1, description="failures of a kind, one after the other, that open a breaker")
    open_s: float = Field(default=15.0, gt=0, description="how long a target that failed is left alone, the first time")
    open_s_max: float = Field(default=300.0, gt=0, description="the longest that it is, as it goes on failing")
    hedge_share: float = Field(
        default=0.0, ge=0, le=1, description="hedged calls may cost this share of what all calls cost; 0 is no hedging"
    )
    hedge_after_s: float = Field(
        default=0.0, ge=0, description="a second target is asked where none has begun to answer by then; 0 learns when"
    )


def check_targets(targets: tuple[TargetRow, ...]) -> None:
    """Raises ConfigError for a target of an unknown provider, or one without what its provider needs."""
    for at, row in enumerate(targets):
        kind = PROVIDERS.get(row.provider)
        if kind is None:
            raise ConfigError(f"targets[{at}] ({row.name}): there is no provider {row.provider!r}; {', '.join(PROVIDERS)}")
        try:
            provider = kind(row.endpoint())
        except ConfigError as error:
            raise ConfigError(f"targets[{at}] ({row.name}): {re.sub(r'^upstream[.]', '', str(error))}") from None
        if not provider.traits.claude and not row.models:
            raise ConfigError(f"targets[{at}] ({row.name}): models: name the models that it is for, as it calls them")
