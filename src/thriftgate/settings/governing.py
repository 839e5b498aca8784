"""How the provider's own limits are kept to, and its keys."""

from __future__ import annotations

from decimal import Decimal

from pydantic import Field, SecretStr

from thriftgate.settings.table import Table


class UpstreamKey(Table):
    """`[[upstream.keys]]`: one of several keys of the provider. The first one also sends what belongs to a workspace, such
    as batches, unless `upstream.api_key` is set, which is then the first, by the name `default`."""

    name: str = Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$", description="what books and metrics call it")
    key: SecretStr = Field(description="the key itself")
    weight: float = Field(default=1.0, gt=0, description="its share of new conversations, beside the others'")
    shares_limits_with: str = Field(
        default="", description="another key of the same organisation, by its name: they have their rate limits in common"
    )


class GovernorSettings(Table):
    """`[governor]`: calls are sent at the pace that the provider's rate limits allow, and wait for it here."""

    on: bool = Field(default=True, description="whether calls wait; nothing waits where no limit is near")
    queue_s_max: float = Field(
        default=30.0, ge=0, le=3600, description="how long a call may wait for its turn; a client may ask for another time"
    )
    queue_calls_max: int = Field(default=5_000, ge=0, description="so many calls may wait at once")
    reserve_share: float = Field(
        default=0.02, ge=0, le=0.5, description="share of each limit that is left to calls of high priority"
    )
    probe_s: float = Field(
        default=300.0, ge=0, description="how often a key whose money is spent may be tried again; 0 is not in this month"
    )
    wait_usd_per_hour: Decimal = Field(
        default=Decimal(4),
        ge=0,
        description="what it is worth that calls do not wait: a conversation changes its key where that costs less",
    )
