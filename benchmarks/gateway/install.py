"""Peers are installed into throw-away folders, never into the project: LiteLLM by pip, Portkey by npm.

A folder is kept between runs only when the caller names one with `--work`; a finished install is recognised by its marker.
"""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from shutil import which

LITELLM = "litellm[proxy]==1.106.2"
PORTKEY = "@portkey-ai/gateway@1.15.2"
PY_SPY = "py-spy==0.4.3"
_TIMEOUT_S = 900.0


class InstallError(RuntimeError):
    """An install was refused or is not possible here; the message says why."""


def litellm(work: Path) -> Path:
    """The python of a virtual environment that holds the LiteLLM proxy."""
    return _environment(work / "litellm", LITELLM) / "python"


def py_spy(work: Path) -> Path:
    """The sampling profiler."""
    return _environment(work / "py-spy", PY_SPY) / "py-spy"


def _environment(home: Path, what: str) -> Path:
    """The folder of programs of a virtual environment that holds one requirement."""
    programs = home / "bin"
    if not _done(home, what):
        _run([sys.executable, "-m", "venv", "--clear", str(home)])
        _run([str(programs / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", what])
        _mark(home, what)
    return programs


def portkey(work: Path) -> Path:
    """The start script of the Portkey gateway."""
    home = work / "portkey"
    npm = which("npm")
    if npm is None or which("node") is None:
        raise InstallError("node and npm are not installed (Debian: apt-get install nodejs npm)")
    if not _done(home, PORTKEY):
        home.mkdir(parents=True, exist_ok=True)
        (home / "package.json").write_text('{"private": true}\n')
        _run([npm, "install", "--no-audit", "--no-fund", "--ignore-scripts", PORTKEY], cwd=home)
        _mark(home, PORTKEY)
    return home / "node_modules" / "@portkey-ai" / "gateway" / "build" / "start-server.js"


def _done(home: Path, what: str) -> bool:
    marker = home / "installed"
    return marker.exists() and marker.read_text() == what


def _mark(home: Path, what: str) -> None:
    (home / "installed").write_text(what)


def _run(command: Sequence[str], cwd: Path | None = None) -> None:
    print(f"installing: {' '.join(command[-3:])}", file=sys.stderr, flush=True)
    try:
        done = subprocess.run(command, cwd=cwd, check=False, capture_output=True, text=True, timeout=_TIMEOUT_S)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise InstallError(f"{command[0]}: {error}") from error
    if done.returncode != 0:
        raise InstallError(f"exit code {done.returncode}: {(done.stderr or done.stdout)[-400:].strip()}")
