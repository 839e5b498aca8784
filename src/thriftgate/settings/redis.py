"""What several processes share beside the books."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, SecretStr

from thriftgate.settings.table import Table


class RedisSettings(Table):
    """`[redis]`: where processes share limits, failures of targets and what stands in the provider's cache."""

    url: SecretStr = Field(default=SecretStr(""), description="redis:// or rediss:// URL; empty shares nothing")
    on_loss: Literal["refuse", "alone"] = Field(
        default="refuse", description="without it: refuse what needs it, or let each process count for itself"
    )
