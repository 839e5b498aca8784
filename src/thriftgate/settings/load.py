"""Settings: read once from a TOML file, the environment and flags into a frozen value. Later wins.

An unknown key is an error with a suggestion, never ignored: a misspelt limit is no limit.
"""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

from pydantic import Field, ValidationError

from thriftgate.core.deadline import FARTHEST_S, parse_duration, words
from thriftgate.core.errors import ConfigError, InputError
from thriftgate.core.keepalive import quiet_hours
from thriftgate.core.levers import LEVERS
from thriftgate.core.money import pico_from_usd
from thriftgate.core.routing.kinds import KINDS
from thriftgate.core.stability.rewrite import LEVER as STABILISE
from thriftgate.providers.urls import place_of
from thriftgate.settings.access import AccessSettings
from thriftgate.settings.alerts import AlertSettings, check_alerts
from thriftgate.settings.choosing import ExperimentSettings, ProofSettings, RoutingSettings
from thriftgate.settings.governing import GovernorSettings
from thriftgate.settings.limiting import LimitsSettings, caller_limits
from thriftgate.settings.openai import OpenaiSettings
from thriftgate.settings.redis import RedisSettings
from thriftgate.settings.reuse import ReuseSettings
from thriftgate.settings.serving import (
    BatchSettings,
    CacheSettings,
    KeepaliveSettings,
    LedgerSettings,
    PolicySettings,
    Server,
    Upstream,
)
from thriftgate.settings.shorter import CompressSettings, ContextSettings, GuardSettings, OutputSettings
from thriftgate.settings.table import Table
from thriftgate.settings.targets import FailoverSettings, TargetRow, check_targets
from thriftgate.settings.telemetry import TelemetrySettings

ENV_PREFIX = "THRIFTGATE_"
ENV_SEPARATOR = "__"
_LISTS = frozenset(
    {"levers", "stabilise", "latency_critical_keys", "webhooks", "artefacts", "allow_hosts", "private_hosts"}
)  # of words, separated by commas in a variable

_MASTER_KEY = f"{ENV_PREFIX}MASTER_KEY"
_FILE = "_FILE"


class Settings(Table):
    """Everything that can be set. `prices` is read by the price book (`pricing/overrides.py`)."""

    server: Server = Server()
    upstream: Upstream = Upstream()
    ledger: LedgerSettings = LedgerSettings()
    redis: RedisSettings = RedisSettings()
    access: AccessSettings = AccessSettings()
    policy: PolicySettings = PolicySettings()
    cache: CacheSettings = CacheSettings()
    compress: CompressSettings = CompressSettings()
    context: ContextSettings = ContextSettings()
    output: OutputSettings = OutputSettings()
    guard: GuardSettings = GuardSettings()
    keepalive: KeepaliveSettings = KeepaliveSettings()
    governor: GovernorSettings = GovernorSettings()
    targets: tuple[TargetRow, ...] = Field(default=(), description="where else calls can go, beside [upstream]")
    failover: FailoverSettings = FailoverSettings()
    batch: BatchSettings = BatchSettings()
    openai: OpenaiSettings = OpenaiSettings()
    routing: RoutingSettings = RoutingSettings()
    experiment: ExperimentSettings = ExperimentSettings()
    proof: ProofSettings = ProofSettings()
    reuse: ReuseSettings = ReuseSettings()
    limits: LimitsSettings = LimitsSettings()
    alerts: AlertSettings = AlertSettings()
    telemetry: TelemetrySettings = TelemetrySettings()
    prices: dict[str, Any] = Field(default_factory=dict, description="own models, contract discounts, extra rows")

    @property
    def is_fleet(self) -> bool:
        """Whether other processes may serve the same books, by their owner's word."""
        server = self.server
        return bool(self.redis.url.get_secret_value()) or server.unshared or server.supervise or server.workers > 1


def load(
    path: str | Path | None = None,
    *,
    environ: Mapping[str, str] = os.environ,
    flags: Mapping[str, object] | None = None,
) -> Settings:
    """Settings from `path` (or THRIFTGATE_CONFIG), then THRIFTGATE_TABLE__KEY variables, then flags ("table.key": value).
    THRIFTGATE_TABLE__KEY_FILE names a file that holds the value, as secrets are mounted into containers.

    Raises ConfigError naming the file or variable, the key, and the nearest known key.
    """
    return settings_of(read_document(path, environ=environ, flags=flags))


def read_document(
    path: str | Path | None = None,
    *,
    environ: Mapping[str, str] = os.environ,
    flags: Mapping[str, object] | None = None,
) -> dict[str, Any]:
    """What `load` reads, put together but not checked yet: only values that JSON holds. Raises ConfigError."""
    path = path or environ.get(f"{ENV_PREFIX}CONFIG")
    document: dict[str, Any] = _read(Path(path)) if path else {}
    for name, text in _variables(environ):
        if name.startswith(ENV_PREFIX) and ENV_SEPARATOR in name:
            table, _, key = name.removeprefix(ENV_PREFIX).lower().partition(ENV_SEPARATOR)
            _put(document, table, key, _listed(text) if key in _LISTS else text)
        elif name == _MASTER_KEY:
            _put(document, "access", "master_key", text)
        elif name.startswith(ENV_PREFIX):
            _check_name(name)
    for dotted, value in (flags or {}).items():
        if value is not None:
            table, _, key = dotted.partition(".")
            _put(document, table, key, value)
    return document


def settings_of(document: Mapping[str, Any]) -> Settings:
    """The settings of a document. Raises ConfigError."""
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
        "governor.wait_usd_per_hour": settings.governor.wait_usd_per_hour,
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
    _check_workers(settings)
    _check_routing(settings.routing)
    try:
        caller_limits(settings.limits)
    except InputError as error:
        raise ConfigError(f"limits.rules: {error}") from None
    check_alerts(settings.alerts)
    check_targets(settings.targets)
    experiment = settings.experiment
    if bool(experiment.levers) != (experiment.share > 0):
        raise ConfigError("experiment: levers and share need each other: which levers, for which share of conversations")
    urls = [("batch.webhooks", url) for url in settings.batch.webhooks]
    for name, url in (*urls, ("telemetry.endpoint", settings.telemetry.endpoint)):
        try:
            place_of(url)
        except InputError as error:
            raise ConfigError(f"{name}: {error}") from None
    try:
        quiet_hours(keepalive.quiet_hours)
    except InputError as error:
        raise ConfigError(f"keepalive.quiet_hours: {error}") from None


def _check_workers(settings: Settings) -> None:
    """Several processes serve one set of books rightly only where they share what no book holds."""
    server = settings.server
    if server.workers == 1:
        return
    if settings.ledger.path == ":memory:":
        raise ConfigError("server.workers: several processes need books that they can share; ledger.path is :memory:")
    if not settings.redis.url.get_secret_value() and not server.unshared:
        raise ConfigError(
            f"server.workers: {server.workers} processes without [redis] would count caller limits, failures of targets and "
            f"repeated calls each for itself: a limit of 100 would let {server.workers} x 100 through; set redis.url, or "
            "server.unshared = true where that will do (budgets are exact either way)"
        )


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


def _variables(environ: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """The variables that are ours, those that name a file replaced by what it holds. Raises ConfigError."""
    known = {_MASTER_KEY, *_setting_names()}
    for name, text in environ.items():
        base = name.removesuffix(_FILE)
        if base == name or name in known or base not in known:  # access.master_key_file is a setting of its own
            yield name, text
        elif base in environ:
            raise ConfigError(f"{name}: {base} is set as well; set one of them")
        else:
            yield base, _held(name, Path(text))


def _held(name: str, file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "not text"
        raise ConfigError(f"{name}: cannot read {file}: {why}") from None


def _setting_names() -> list[str]:
    return [
        f"{ENV_PREFIX}{table}{ENV_SEPARATOR}{key}".upper()
        for table, field in Settings.model_fields.items()
        for key in getattr(field.annotation, "model_fields", ())
    ]


def _put(document: dict[str, Any], table: str, key: str, value: object) -> None:
    inner = document.setdefault(table, {})
    if not isinstance(inner, dict):
        raise ConfigError(f"{table}: must be a table")
    inner[key] = value


def _listed(text: str) -> list[str]:
    return [item.strip() for item in text.split(",") if item.strip()]


def _check_name(name: str) -> None:
    """A variable that was meant to be a setting and lacks the double underscore would silently do nothing."""
    meant = difflib.get_close_matches(name, _setting_names(), n=1, cutoff=0.9)
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
    wrong = wrong.removesuffix("_file")  # a file that holds the value
    longer = [name for name in known if wrong and name.startswith(wrong)]
    near = longer or difflib.get_close_matches(wrong, known, n=1, cutoff=0.5)
    return f"; did you mean {near[0]!r}?" if near else f"; known: {', '.join(known)}"
