"""Which model serves a call, and whether that was right."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

from pydantic import Field, SecretStr

from thriftgate.settings.table import Table


class TaskRow(Table):
    """`[[routing.tasks]]`: what calls are called, where the client does not say it with a `thriftgate-task` header."""

    name: str = Field(min_length=1, description="the task, as rules and reports name it")
    fingerprint: str = Field(default="", description="of the call site (fp:…, see `thriftgate route tasks`); empty is any")
    key: str = Field(default="", description="of this key, by the name that the reports use (key_…); empty is any")
    system: str = Field(default="", description="a regular expression, searched in the system prompt; empty is any")
    metadata: str = Field(default="", description="a regular expression, searched in the call's metadata; empty is any")


class RuleRow(Table):
    """`[[routing.rules]]`: the first row that a call meets says which model serves it. Texts may hold `*`."""

    name: str = Field(default="", description="what `route explain` calls it; empty is its number")
    to: str = Field(min_length=1, description="the model that serves")
    effort: Literal["", "low", "medium", "high", "xhigh", "max"] = Field(
        default="", description="its effort; empty as asked"
    )
    task: str = Field(default="", description="name or fingerprint of the task")
    kind: str = Field(default="", description="kind of task that the call looks like, such as classify or code")
    asked: str = Field(default="", description="the model that the client named")
    key: str = Field(default="", description="the key, by the name that the reports use (key_…)")
    tenant: str = Field(default="", description="the thriftgate-tenant header")
    tokens_min: int = Field(default=0, ge=0, description="the prompt has at least so many tokens")
    tokens_max: int = Field(default=0, ge=0, description="the prompt has at most so many tokens; 0 is any")
    turns_max: int = Field(default=0, ge=0, description="the user has spoken at most so often; 0 is any")
    tools: bool | None = Field(default=None, description="whether the call has tools; unset is either")
    images: bool | None = Field(default=None, description="whether the prompt has images; unset is either")
    schema_: bool | None = Field(default=None, alias="schema", description="whether the answer must follow a schema")
    spent_usd: Decimal = Field(default=Decimal(0), ge=0, description="only once the key has spent that much today (UTC)")


class RoutingSettings(Table):
    """`[routing]`: which model serves a call. Needs route.rules, route.learned or route.cascade in `policy.levers`."""

    usual_split: bool = Field(default=False, description="after the rules, the ready-made split of kinds over models")
    observe: bool = Field(default=True, description="tell each call its task, for the books, even if nothing is routed")
    artefacts: tuple[str, ...] = Field(default=(), description="files that `thriftgate calibrate` made")
    secret: SecretStr = Field(
        default=SecretStr(""),
        description="signs artefacts where several machines share them; empty is a secret of the ledger",
    )
    tasks: tuple[TaskRow, ...] = Field(default=(), description="names of tasks")
    rules: tuple[RuleRow, ...] = Field(default=(), description="which model serves which calls")


class ExperimentSettings(Table):
    """`[experiment]`: conversations on two policies side by side, to see what a lever does."""

    holdout: float = Field(default=0.0, ge=0, le=0.5, description="share of conversations that no lever touches")
    share: float = Field(default=0.0, ge=0, le=1, description="share of the others that `levers` are on for")
    levers: tuple[str, ...] = Field(default=(), description="levers under test: on in that share, off in the rest")
    name: str = Field(default="", description="a new name draws the sides anew")


class ProofSettings(Table):
    """`[proof]`: sampled calls run a second time on the other model, off the client's path, to see whether quality holds."""

    shadow: float = Field(
        default=0.0, ge=0, le=1, description="share of calls on the strong model that also run on the cheap"
    )
    audit: float = Field(
        default=0.02, ge=0, le=1, description="share of calls on the cheap model that also run on the strong"
    )
    usd_per_day: Decimal = Field(default=Decimal(5), ge=0, description="the most that all of it may cost on a UTC day")
    batch: bool = Field(
        default=True,
        description="through batches, where the gateway has a key for them; they are then kept as any job is",
    )
    judge: str = Field(default="agreement", description="agreement, or the model that compares the two answers")
    store: str = Field(default="", description="file that prompts and both answers are kept in; empty keeps none")
