"""Options that several verbs share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

if TYPE_CHECKING:
    from thriftgate.settings import Settings

Json = Annotated[bool, Parameter(name="--json", negative="", help="Print one JSON document on stdout.")]
Config = Annotated[Path | None, Parameter(name="--config", help="Settings file (TOML); THRIFTGATE_CONFIG names one too.")]
LedgerPath = Annotated[str | None, Parameter(name="--ledger", help="SQLite file of the books.")]


def settings_for(config: Path | None, **flags: object) -> Settings:
    """Settings from file, environment and flags; a flag `upstream__url` sets `upstream.url`."""
    from thriftgate.settings import load  # noqa: PLC0415  pydantic takes a quarter of a second, and --help needs none of it

    return load(config, flags={name.replace("__", ".", 1): value for name, value in flags.items()})
