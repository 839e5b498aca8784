"""ccusage, the usual tool for Claude Code logs: installed into a folder that git ignores, run offline, its totals read.

It needs npm and node. It never sees the user's own logs: it runs with a home of its own, on the folder it is given.
"""

from __future__ import annotations

import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from shutil import which

import msgspec
from msgspec import Struct

VERSION = "20.0.24"
HOME = Path(__file__).parents[2] / ".cache" / "ccusage"
TIMEOUT_S = 900.0


class NotAvailable(RuntimeError):
    """ccusage cannot be installed or run here; the message says why."""


class Totals(Struct, frozen=True):
    """What ccusage makes of one folder. Tokens by bucket (it does not tell writes of 5 minutes and an hour apart), cost in
    dollars, also by model, and the models it has no price for: their cost is 0 in `usd`."""

    input: int
    write: int
    read: int
    output: int
    usd: Decimal
    by_model: dict[str, Decimal] = {}
    unpriced: tuple[str, ...] = ()


class _Model(Struct, rename="camel"):
    model_name: str
    cost: float


class _Day(Struct, rename="camel"):
    model_breakdowns: list[_Model] = []


class _Sums(Struct, rename="camel"):
    input_tokens: int = 0
    cache_creation_tokens: int = 0
    cache_read_tokens: int = 0
    output_tokens: int = 0
    total_cost: float = 0.0
    unpriced_models: list[str] = []


class _Printed(Struct):
    totals: _Sums
    daily: list[_Day] = []


def install(home: Path = HOME) -> Path:
    """The program, installed by npm if it is not there yet. Raises NotAvailable."""
    program = home / "node_modules" / ".bin" / "ccusage"
    if _installed(home) == VERSION and program.exists():
        return program
    npm = which("npm")
    if npm is None or which("node") is None:
        raise NotAvailable("ccusage needs node and npm, which are not installed (Debian: apt-get install nodejs npm)")
    home.mkdir(parents=True, exist_ok=True)
    (home / "package.json").write_text('{"private": true}\n')
    command = [npm, "install", "--no-audit", "--no-fund", "--ignore-scripts", f"ccusage@{VERSION}"]
    print(f"installing: ccusage@{VERSION}", file=sys.stderr, flush=True)
    try:
        done = subprocess.run(command, cwd=home, check=False, capture_output=True, text=True, timeout=TIMEOUT_S)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotAvailable(f"npm: {error}") from error
    if done.returncode != 0:
        raise NotAvailable(f"npm ended with code {done.returncode}: {(done.stderr or done.stdout)[-400:].strip()}")
    return program


def command(program: Path) -> list[str]:
    """Offline: prices are those that came with the program."""
    return [str(program), "daily", "--offline", "--json", "--timezone", "UTC"]


def environment(config: Path, home: Path) -> dict[str, str]:
    """What it sees: the logs in `config`, and an empty home, since it looks for those of a dozen other tools too."""
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(home),
        "XDG_CONFIG_HOME": str(home / ".config"),
        "XDG_DATA_HOME": str(home / ".local"),
        "CLAUDE_CONFIG_DIR": str(config),
        "TZ": "UTC",
        "NO_COLOR": "1",
    }


def parse(printed: bytes) -> Totals:
    """What it printed with `--json`. Raises NotAvailable for anything else."""
    try:
        told = msgspec.json.decode(printed, type=_Printed)
    except msgspec.DecodeError as error:
        raise NotAvailable(f"ccusage printed no totals: {error}") from error
    by_model: dict[str, Decimal] = {}
    for model in (each for day in told.daily for each in day.model_breakdowns):
        by_model[model.model_name] = by_model.get(model.model_name, Decimal(0)) + Decimal(str(model.cost))
    sums = told.totals
    return Totals(
        input=sums.input_tokens,
        write=sums.cache_creation_tokens,
        read=sums.cache_read_tokens,
        output=sums.output_tokens,
        usd=Decimal(str(sums.total_cost)),
        by_model=by_model,
        unpriced=tuple(sums.unpriced_models),
    )


def _installed(home: Path) -> str:
    try:
        package = msgspec.json.decode((home / "node_modules" / "ccusage" / "package.json").read_bytes())
    except (OSError, msgspec.DecodeError):
        return ""
    return str(package.get("version", "")) if isinstance(package, dict) else ""
