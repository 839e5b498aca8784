"""Settings: read once from a TOML file, the environment and flags into a frozen value. Later wins.

An unknown key is an error with a suggestion, never ignored: a misspelt limit is no limit.
"""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from thriftgate.core.errors import ConfigError
from thriftgate.core.levers import LEVERS
from thriftgate.providers.anthropic import DEFAULT_URL

ENV_PREFIX = "THRIFTGATE_"
ENV_SEPARATOR = "__"


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Server(_Table):
    """`[server]`: where the gateway listens, and how it ends."""

    host: str = Field("127.0.0.1", description="address to listen on")
    port: int = Field(8484, ge=0, le=65535, description="port to listen on; 0 picks a free one")
    body_bytes_max: int = Field(32 * 1024 * 1024, gt=0, description="largest request body; the API's own limit is 32 MB")
    drain_s: float = Field(60.0, ge=0, description="how long an answer is read on after its client left")
    shutdown_s: float = Field(30.0, ge=0, description="how long running streams may finish after SIGTERM")


class Upstream(_Table):
    """`[upstream]`: where calls go."""

    provider: Literal["anthropic"] = Field("anthropic", description="wire format and envelope")
    url: str = Field(DEFAULT_URL, description="origin of the provider's API")
    api_key: SecretStr = Field(SecretStr(""), description="replaces the clients' own keys; empty passes theirs through")
    connect_timeout_s: float = Field(10.0, gt=0, description="to connect")
    read_timeout_s: float = Field(600.0, gt=0, description="between two pieces of an answer")
    retry: Literal["auto", "always", "never"] = Field("auto", description="auto leaves it to clients that retry themselves")
    attempts_max: int = Field(3, ge=1, le=10, description="tries for one call, the first included")
    retry_wait_s_max: float = Field(8.0, ge=0, description="a longer retry-after is handed to the client")


class LedgerSettings(_Table):
    """`[ledger]`: where the books are."""

    path: str = Field("thriftgate.db", description="SQLite file; :memory: keeps nothing")
    sync: Literal["normal", "full"] = Field("normal", description="full also survives the death of the machine")


class PolicySettings(_Table):
    """`[policy]`: what planning may do."""

    levers: list[str] = Field(
        default_factory=lambda: [lever.id for lever in LEVERS if lever.safe], description="levers that are on"
    )
    cost_limit_usd: Decimal | None = Field(None, gt=0, description="the most one call may cost in the worst case")
    on_cost_limit: Literal["refuse", "warn"] = Field("refuse", description="what happens above cost_limit_usd")


class Settings(_Table):
    """Everything that can be set. `prices` is read by the price book (`pricing/overrides.py`)."""

    server: Server = Server()
    upstream: Upstream = Upstream()
    ledger: LedgerSettings = LedgerSettings()
    policy: PolicySettings = PolicySettings()
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
            _put(document, table, key, text.split(",") if key == "levers" else text)
    for dotted, value in (flags or {}).items():
        if value is not None:
            _put(document, *dotted.split(".", 1), value)
    try:
        settings = Settings.model_validate(document)
    except ValidationError as error:
        raise ConfigError("; ".join(_worded(one["loc"], one["type"], one["msg"]) for one in error.errors())) from None
    known = [lever.id for lever in LEVERS]
    for lever in settings.policy.levers:
        if lever not in known:
            raise ConfigError(f"policy.levers: there is no lever {lever!r}{_suggest(lever, known)}")
    return settings


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


def _worded(location: tuple[int | str, ...], kind: str, message: str) -> str:
    dotted = ".".join(str(part) for part in location)
    if kind != "extra_forbidden":
        return f"{dotted}: {message}"
    fields: dict[str, Any] = dict(Settings.model_fields)
    for part in location[:-1]:
        annotation = fields[str(part)].annotation
        fields = dict(annotation.model_fields)
    return f"{dotted}: unknown setting{_suggest(str(location[-1]), list(fields))}"


def _suggest(wrong: str, known: list[str]) -> str:
    near = difflib.get_close_matches(wrong, known, n=1, cutoff=0.5)
    return f"; did you mean {near[0]!r}?" if near else f"; known: {', '.join(known)}"
