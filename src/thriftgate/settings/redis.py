"""What several replicas of the gateway must know of each other while calls run."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, SecretStr

from thriftgate.settings.table import Table


class RedisSettings(Table):
    """`[redis]`: a Redis or Valkey server that all replicas share. Nothing that decides about money is kept there alone."""

    url: SecretStr = Field(
        default=SecretStr(""),
        description="redis://[[user]:password@]host[:port][/db], or rediss:// for TLS; empty is off: each replica is alone",
    )
    prefix: str = Field(
        default="thriftgate",
        pattern=r"^[A-Za-z0-9_.:-]{1,64}$",
        description="what the names of all keys begin with: replicas of one fleet have it in common, and no others",
    )
    on_loss: Literal["refuse", "alone"] = Field(
        default="refuse",
        description="while the server cannot be reached: refuse calls under a limit of callers (503), or let each replica "
        "go on alone, with its share of each limit by the number of replicas that were last seen",
    )
    timeout_s: float = Field(
        default=0.5, gt=0, le=10, description="an answer of the server that takes longer counts as none"
    )
    ca: str = Field(
        default="", description="file of the certificates that the server's is checked by; empty is the system's"
    )
