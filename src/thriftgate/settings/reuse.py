"""Which calls may be answered by an earlier answer, and how answers are kept."""

from __future__ import annotations

from pydantic import Field

from thriftgate.core.earlier.rules import Share
from thriftgate.settings.table import Table


class ReuseRuleRow(Table):
    """`[[reuse.rules]]`: the first row that a call meets says that its answer may be reused. `key`, `task` and `model` may
    hold `*`; a row without any of them is for all calls."""

    name: str = Field(default="", description="what `explain` calls it; empty is its number")
    key: str = Field(default="", description="the key, by the name that the reports use (key_…)")
    task: str = Field(default="", description="name or fingerprint of the task")
    model: str = Field(default="", description="the model that the client names")
    ttl_s: float = Field(default=3_600.0, gt=0, le=31_536_000, description="for how long an answer is reused")
    share: Share = Field(
        default="key",
        description="who is given it: the key that it was made for; user: the key's end user alone; team, org: all their "
        "keys. Clients without a virtual key are each alone, and so is a key whose calls other levers shape",
    )
    may_tool_use: bool = Field(default=False, description="answers that ask for tools may be reused, too")


class ReuseSettings(Table):
    """`[reuse]`: earlier answers instead of new calls. Needs reuse.exact in `policy.levers`, and a rule."""

    path: str = Field(
        default="",
        description="SQLite file, not the ledger, that keeps answers over restarts, sealed with the master key; empty keeps "
        "them in memory",
    )
    entries_max: int = Field(default=10_000, ge=1, description="answers kept at most")
    bytes_max: int = Field(default=64 * 1024 * 1024, ge=1, description="bytes that they take at most")
    answer_bytes_max: int = Field(default=1024 * 1024, ge=1, description="a longer answer is not kept")
    wait_s: float = Field(
        default=30.0, ge=0, le=600, description="how long a call may wait for an identical one that is under way; 0 is never"
    )
    rules: tuple[ReuseRuleRow, ...] = Field(default=(), description="calls whose answers may be reused")
