"""Settings: read once from a TOML file, the environment and flags into a frozen value. Later wins.

An unknown key is an error with a suggestion, never ignored: a misspelt limit is no limit.
"""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from thriftgate.core.deadline import FARTHEST_S, parse_duration, words
from thriftgate.core.errors import ConfigError, InputError
from thriftgate.core.keepalive import quiet_hours
from thriftgate.core.levers import LEVERS
from thriftgate.core.money import pico_from_usd
from thriftgate.core.routing.kinds import KINDS
from thriftgate.core.stability.rewrite import LEVER as STABILISE
from thriftgate.providers.anthropic import DEFAULT_URL
from thriftgate.providers.urls import place_of

ENV_PREFIX = "THRIFTGATE_"
ENV_SEPARATOR = "__"
_LISTS = frozenset(
    {"levers", "stabilise", "latency_critical_keys", "webhooks", "artefacts"}
)  # of words, separated by commas in a variable


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Server(_Table):
    """`[server]`: where the gateway listens, and how it ends."""

    host: str = Field(default="127.0.0.1", description="address to listen on")
    port: int = Field(default=8484, ge=0, le=65535, description="port to listen on; 0 picks a free one")
    body_bytes_max: int = Field(
        default=32 * 1024 * 1024, gt=0, description="largest request body; the API's own limit is 32 MB"
    )
    batch_bytes_max: int = Field(
        default=256_000_000, gt=0, description="largest body of a batch that a client creates; the API's own limit is 256 MB"
    )
    drain_s: float = Field(default=60.0, ge=0, description="how long an answer is read on after its client left")
    shutdown_s: float = Field(default=30.0, ge=0, description="how long running streams may finish after SIGTERM")


class Upstream(_Table):
    """`[upstream]`: where calls go."""

    provider: Literal["anthropic"] = Field(default="anthropic", description="wire format and envelope")
    url: str = Field(default=DEFAULT_URL, description="origin of the provider's API")
    api_key: SecretStr = Field(
        default=SecretStr(""), description="replaces the clients' own keys; empty passes theirs through"
    )
    transport: Literal["http1", "aiohttp"] = Field(default="http1", description="HTTP client: our lean one, or aiohttp's")
    connect_timeout_s: float = Field(default=10.0, gt=0, description="to connect")
    read_timeout_s: float = Field(default=600.0, gt=0, description="between two pieces of an answer")
    retry: Literal["auto", "always", "never"] = Field(
        default="auto", description="auto leaves it to clients that retry themselves"
    )
    attempts_max: int = Field(default=3, ge=1, le=10, description="tries for one call, the first included")
    retry_wait_s_max: float = Field(default=8.0, ge=0, description="a longer retry-after is handed to the client")


class LedgerSettings(_Table):
    """`[ledger]`: where the books are."""

    path: str = Field(default="thriftgate.db", min_length=1, description="SQLite file; :memory: keeps nothing")
    sync: Literal["normal", "full"] = Field(default="normal", description="full also survives the death of the machine")
    trails: bool = Field(default=True, description="keep digests of prompts' boundaries, so that an audit can replay calls")


class PolicySettings(_Table):
    """`[policy]`: what planning may do."""

    levers: tuple[str, ...] = Field(
        default=tuple(lever.id for lever in LEVERS if lever.safe), description="levers that are on"
    )
    cost_limit_usd: Decimal | None = Field(default=None, gt=0, description="the most one call may cost in the worst case")
    on_cost_limit: Literal["refuse", "warn"] = Field(default="refuse", description="what happens above cost_limit_usd")


Stabiliser = Literal["split_volatile", "order_tools", "order_documents", "stable_json", "single_turn"]


class CacheSettings(_Table):
    """`[cache]`: what may be done for the provider's prompt cache."""

    mode: Literal["observe", "ttl-only", "add", "full"] = Field(
        default="ttl-only",
        description="for clients that set breakpoints themselves: observe changes nothing, ttl-only lengthens lives, add "
        "also uses free breakpoints, full also moves and drops the client's",
    )
    stabilise: tuple[Stabiliser, ...] = Field(
        default=(),
        description="rewrites that keep a prefix the same from call to call; single_turn is your word that answers are "
        "never sent back",
    )
    fanout_wait_s: float = Field(
        default=2.0, ge=0, description="how long a call may wait for one that is writing its prefix; 0 is off"
    )
    latency_critical_keys: tuple[str, ...] = Field(
        default=(), description="keys whose calls never wait, by the names that the reports use (key_…)"
    )


class CompressSettings(_Table):
    """`[compress]`: how prompts are written shorter. Needs the levers named in `policy.levers`."""

    drop_nulls: bool = Field(default=False, description="members of JSON objects that are null may go")
    tables: Literal["best", "csv", "toon"] = Field(
        default="best", description="what uniform arrays of JSON become; best is the shortest"
    )
    fillers: bool = Field(default=False, description="filler phrases may go")


class KeepaliveSettings(_Table):
    """`[keepalive]`: pings that keep a pausing conversation in the cache. They are spend without anybody's call."""

    on: bool = Field(default=False, description="whether to send any")
    usd_per_day: Decimal = Field(default=Decimal(10), ge=0, description="the most that all pings of a UTC day may cost")
    usd_per_key_per_day: Decimal = Field(default=Decimal(5), ge=0, description="the same for one key")
    quiet_hours: str = Field(default="", description="no pings within these hours, UTC, such as 22:00-06:00; empty is none")
    hours_max: float = Field(default=12.0, gt=0, le=24, description="a conversation silent for longer is left alone")
    margin: float = Field(default=1.2, ge=1, description="how many times its cost a ping must be expected to save")


class DeferRule(_Table):
    """`[[batch.rules]]`: calls that may wait without saying so themselves."""

    key: str = Field(default="", description="of this key, by the name that the reports use (key_…); empty is any")
    task: str = Field(default="", description="with this thriftgate-task header; empty is any")
    deadline: str = Field(min_length=1, description="answered within this time, such as 6h")
    wait: bool = Field(default=True, description="hold the connection; false answers 202 with a ticket")


class BatchSettings(_Table):
    """`[batch]`: calls that can wait, through the provider's batches. Needs `upstream.api_key`."""

    window_s: float = Field(default=60.0, ge=0, description="how long calls are gathered before they leave, at most")
    queue_jobs: int = Field(default=200_000, ge=1, description="jobs at most in the provider's queue at once")
    cancel_s: float = Field(default=300.0, ge=0, description="time to allow for canceling a batch before a deadline")
    call_s: float = Field(default=60.0, gt=0, description="time to allow for one synchronous call before a deadline")
    parallel: int = Field(default=16, ge=1, description="synchronous calls at once for jobs whose deadline is near")
    answers_kept_h: float = Field(default=72.0, gt=0, description="how long answers of tickets can be asked for")
    webhooks: tuple[str, ...] = Field(default=(), description="URLs that may be told of answers, each with what is below it")
    webhook_secret: SecretStr = Field(default=SecretStr(""), description="signs webhooks; needed where any is allowed")
    rules: tuple[DeferRule, ...] = Field(default=(), description="calls that may wait without saying so")


class TaskRow(_Table):
    """`[[routing.tasks]]`: what calls are called, where the client does not say it with a `thriftgate-task` header."""

    name: str = Field(min_length=1, description="the task, as rules and reports name it")
    fingerprint: str = Field(default="", description="of the call site (fp:…, see `thriftgate route tasks`); empty is any")
    key: str = Field(default="", description="of this key, by the name that the reports use (key_…); empty is any")
    system: str = Field(default="", description="a regular expression, searched in the system prompt; empty is any")
    metadata: str = Field(default="", description="a regular expression, searched in the call's metadata; empty is any")


class RuleRow(_Table):
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


class RoutingSettings(_Table):
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


class ExperimentSettings(_Table):
    """`[experiment]`: conversations on two policies side by side, to see what a lever does."""

    holdout: float = Field(default=0.0, ge=0, le=0.5, description="share of conversations that no lever touches")
    share: float = Field(default=0.0, ge=0, le=1, description="share of the others that `levers` are on for")
    levers: tuple[str, ...] = Field(default=(), description="levers under test: on in that share, off in the rest")
    name: str = Field(default="", description="a new name draws the sides anew")


class ProofSettings(_Table):
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


class Settings(_Table):
    """Everything that can be set. `prices` is read by the price book (`pricing/overrides.py`)."""

    server: Server = Server()
    upstream: Upstream = Upstream()
    ledger: LedgerSettings = LedgerSettings()
    policy: PolicySettings = PolicySettings()
    cache: CacheSettings = CacheSettings()
    compress: CompressSettings = CompressSettings()
    keepalive: KeepaliveSettings = KeepaliveSettings()
    batch: BatchSettings = BatchSettings()
    routing: RoutingSettings = RoutingSettings()
    experiment: ExperimentSettings = ExperimentSettings()
    proof: ProofSettings = ProofSettings()
    prices: dict[str, Any] = Field(default_factory=dict, description="own models, contract discounts, extra rows")


def load(
    path: str | Path | None = None,
    *,
    environ: Mapping[str, str] = os.environ,
    flags: Mapping[str, object] | None = None,
) -> Settings:
    """Settings from `path` (or THRIFTGATE_CONFIG), then THRIFTGATE_TABLE__KEY variables, then flags ("table.key": value).

    Raises ConfigError naming the file or variable, the key, and the nearest known key.
    """
    path = path or environ.get(f"{ENV_PREFIX}CONFIG")
    document: dict[str, Any] = _read(Path(path)) if path else {}
    for name, text in environ.items():
        if name.startswith(ENV_PREFIX) and ENV_SEPARATOR in name:
            table, _, key = name.removeprefix(ENV_PREFIX).lower().partition(ENV_SEPARATOR)
            _put(document, table, key, _listed(text) if key in _LISTS else text)
        elif name.startswith(ENV_PREFIX):
            _check_name(name)
    for dotted, value in (flags or {}).items():
        if value is not None:
            table, _, key = dotted.partition(".")
            _put(document, table, key, value)
    try:
        settings = Settings.model_validate(document)
    except ValidationError as error:
        raise ConfigError("; ".join(_worded(one["loc"], one["type"], one["msg"]) for one in error.errors())) from None
    _check_values(settings)
    known = [lever.id for lever in LEVERS]
    for name, levers in (("policy.levers", settings.policy.levers), ("experiment.levers", settings.experiment.levers)):
        for lever in levers:
            if lever == STABILISE:
                raise ConfigError(f"{name}: {lever} is switched on by naming its rewrites in cache.stabilise")
            if lever not in known:
                raise ConfigError(f"{name}: there is no lever {lever!r}{_suggest(lever, known)}")
    return settings


def _check_values(settings: Settings) -> None:
    """What the types of the fields do not say."""
    keepalive = settings.keepalive
    amounts = {
        "policy.cost_limit_usd": settings.policy.cost_limit_usd,
        "keepalive.usd_per_day": keepalive.usd_per_day,
        "keepalive.usd_per_key_per_day": keepalive.usd_per_key_per_day,
        "proof.usd_per_day": settings.proof.usd_per_day,
    }
    for name, amount in amounts.items():
        try:
            pico_from_usd(amount or 0)
        except InputError as error:
            raise ConfigError(f"{name}: {error}") from None
    if settings.batch.webhooks and not settings.batch.webhook_secret.get_secret_value():
        raise ConfigError("batch.webhook_secret: must be set where batch.webhooks allows any; receivers check it")
    for at, rule in enumerate(settings.batch.rules):
        try:
            farther = parse_duration(rule.deadline) > FARTHEST_S
        except InputError as error:
            raise ConfigError(f"batch.rules[{at}].deadline: {error}") from None
        if farther:
            raise ConfigError(f"batch.rules[{at}].deadline: {rule.deadline} is more than {words(FARTHEST_S)} ahead")
    _check_routing(settings.routing)
    experiment = settings.experiment
    if bool(experiment.levers) != (experiment.share > 0):
        raise ConfigError("experiment: levers and share need each other: which levers, for which share of conversations")
    for url in settings.batch.webhooks:
        try:
            place_of(url)
        except InputError as error:
            raise ConfigError(f"batch.webhooks: {error}") from None
    try:
        quiet_hours(keepalive.quiet_hours)
    except InputError as error:
        raise ConfigError(f"keepalive.quiet_hours: {error}") from None


def _check_routing(routing: RoutingSettings) -> None:
    for at, row in enumerate(routing.tasks):
        for name in ("system", "metadata"):
            try:
                re.compile(getattr(row, name))
            except re.error as error:
                raise ConfigError(f"routing.tasks[{at}].{name}: not a regular expression: {error}") from None
        if not (row.fingerprint or row.key or row.system or row.metadata):
            raise ConfigError(
                f"routing.tasks[{at}]: {row.name!r} would be every call: name a fingerprint, key, system or metadata"
            )
    for at, rule in enumerate(routing.rules):
        if rule.kind and rule.kind not in KINDS:
            raise ConfigError(f"routing.rules[{at}].kind: there is no kind {rule.kind!r}{_suggest(rule.kind, list(KINDS))}")
        try:
            pico_from_usd(rule.spent_usd)
        except InputError as error:
            raise ConfigError(f"routing.rules[{at}].spent_usd: {error}") from None


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read the settings file {path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not valid TOML: {error}") from None


def _put(document: dict[str, Any], table: str, key: str, value: object) -> None:
    inner = document.setdefault(table, {})
    if not isinstance(inner, dict):
        raise ConfigError(f"{table}: must be a table")
    inner[key] = value


def _listed(text: str) -> list[str]:
    return [item.strip() for item in text.split(",") if item.strip()]


def _check_name(name: str) -> None:
    """A variable that was meant to be a setting and lacks the double underscore would silently do nothing."""
    names = [
        f"{ENV_PREFIX}{table}{ENV_SEPARATOR}{key}".upper()
        for table, field in Settings.model_fields.items()
        for key in getattr(field.annotation, "model_fields", ())
    ]
    meant = difflib.get_close_matches(name, names, n=1, cutoff=0.9)
    if meant:
        raise ConfigError(f"{name}: unknown variable; did you mean {meant[0]}?")


def _worded(location: tuple[int | str, ...], kind: str, message: str) -> str:
    dotted = ".".join(str(part) for part in location)
    if kind != "extra_forbidden":
        return f"{dotted}: {message}"
    fields: dict[str, Any] = dict(Settings.model_fields)
    for part in location[:-1]:
        if isinstance(part, str):  # a number counts the tables of a list
            kinds = get_args(fields[part].annotation) or (fields[part].annotation,)
            fields = dict(kinds[0].model_fields)
    return f"{dotted}: unknown setting{_suggest(str(location[-1]), list(fields))}"


def _suggest(wrong: str, known: list[str]) -> str:
    longer = [name for name in known if wrong and name.startswith(wrong)]
    near = longer or difflib.get_close_matches(wrong, known, n=1, cutoff=0.5)
    return f"; did you mean {near[0]!r}?" if near else f"; known: {', '.join(known)}"
