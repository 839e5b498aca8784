"""Wheel and sdist that anybody can make again, byte for byte: built twice, in different folders with different times and
permissions, and compared.

The time that stands in them is that of the last commit (SOURCE_DATE_EPOCH, reproducible-builds.org/docs/source-date-epoch,
2026-11). What is built is what the commit holds, not what else lies about in the folder.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path
from typing import NamedTuple

from supply.closure import needs
from supply.lock import ROOT, read_lock
from thriftgate import __version__

LOCK_NAME = "thriftgate.lock"
_WHEEL = re.compile(rf"thriftgate/.+|thriftgate-{re.escape(__version__)}\.dist-info/.+")
_SDIST = re.compile(
    r"src/thriftgate/.+|README\.md|LICENSE|pyproject\.toml|PKG-INFO|\.gitignore|CHANGELOG\.md|SECURITY\.md|CONTRIBUTING\.md"
)
_NEVER = re.compile(r"(^|/)(__pycache__|tests|benchmarks|fuzz|\.cache|\.venv|\.git)/|\.pyc$|\.db$|\.env$")
_SOURCES = ("src", "README.md", "LICENSE", "pyproject.toml", ".gitignore")
_PATIENCE_S = 600


class Differs(RuntimeError):
    """Two builds of one commit are not the same bytes, or hold what they should not."""


class Built(NamedTuple):
    """A file that was built."""

    path: Path
    sha256: str


def epoch_s(root: Path = ROOT) -> int:
    """When the last commit was made, or what SOURCE_DATE_EPOCH says where there is no history."""
    told = os.environ.get("SOURCE_DATE_EPOCH", "")
    if told:
        return int(told)
    command = ["git", "log", "-1", "--format=%ct"]
    return int(subprocess.run(command, cwd=root, check=True, capture_output=True, text=True, timeout=60).stdout)


def build(target: Path, root: Path = ROOT) -> list[Built]:
    """Both files, in `target`, with the lock to install them by. Raises Differs."""
    when = epoch_s(root)
    with tempfile.TemporaryDirectory(prefix="thriftgate-build-") as folder:
        first = _built(root, Path(folder) / "a", when, mask=0o022, touched_s=when)
        second = _built(root, Path(folder) / "a-longer-name" / "b", when, mask=0o077, touched_s=when + 86_400)
        differing = [one.name for one in first if _digest(one) != _digest(second[0].parent / one.name)]
        if differing or len(first) != len(second):
            raise Differs(f"built twice, and not the same: {', '.join(differing) or 'another number of files'}")
        for file in first:
            wrong = strangers(file)
            if wrong:
                raise Differs(f"{file.name} holds what does not belong there: {', '.join(wrong[:5])}")
        target.mkdir(parents=True, exist_ok=True)
        made = [Built(Path(shutil.copy(file, target)), _digest(file)) for file in first]
    (target / LOCK_NAME).write_text(_lock(made), encoding="utf-8")
    return made


def strangers(file: Path) -> list[str]:
    """Names in a built file that do not belong there: tests, caches, anything but the package and what describes it."""
    if file.suffix == ".whl":
        with zipfile.ZipFile(file) as wheel:
            names = wheel.namelist()
        pattern = _WHEEL
    else:
        with tarfile.open(file) as sdist:
            names = [one.partition("/")[2] for one in sdist.getnames()]
        pattern = _SDIST
    return [name for name in names if not pattern.fullmatch(name) or _NEVER.search(name)]


def install(target: Path, folder: Path) -> None:
    """Install what was built, and all that it needs, into a fresh environment in `folder`: by hash and nothing else. Raises
    CalledProcessError."""
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True, timeout=_PATIENCE_S)
    python = folder / "bin" / "python"
    pip = (str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes", "--no-deps")
    command = [*pip, "--only-binary", ":all:", "--find-links", str(target), "-r", str(target / LOCK_NAME)]
    subprocess.run(command, check=True, timeout=_PATIENCE_S)
    subprocess.run([str(python), "-m", "pip", "check"], check=True, timeout=_PATIENCE_S)
    subprocess.run([str(folder / "bin" / "thriftgate"), "--version"], check=True, timeout=_PATIENCE_S)


def _built(root: Path, folder: Path, when: int, *, mask: int, touched_s: int) -> list[Path]:
    """Build a copy of what the commit holds, with these permissions and times."""
    source, out = folder / "source", folder / "out"
    held = subprocess.run(
        ["git", "archive", "HEAD", *_SOURCES], cwd=root, check=True, capture_output=True, timeout=60
    ).stdout
    with tarfile.open(fileobj=io.BytesIO(held)) as archive:
        archive.extractall(source, filter="data")
    for one in source.rglob("*"):
        one.chmod((0o777 if one.is_dir() else 0o666) & ~mask)
        os.utime(one, (touched_s, touched_s))
    environment = os.environ | {"SOURCE_DATE_EPOCH": str(when), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "hatchling", "build", "-d", str(out)]
    subprocess.run(command, cwd=source, env=environment, check=True, timeout=_PATIENCE_S, capture_output=True, umask=mask)
    return sorted(out.iterdir())


def _lock(made: list[Built]) -> str:
    """The wheel with its hash, and the packages of the lock that are always needed, with theirs."""
    wheel = next(one for one in made if one.path.suffix == ".whl")
    locked = read_lock()
    scopes = needs(locked)
    lines = [line for one in locked if scopes[one.name] == "required" or one.name in _ELSEWHERE for line in one.lines]
    return "\n".join([f"thriftgate=={__version__} \\", f"    --hash=sha256:{wheel.sha256}", *lines, ""])


_ELSEWHERE = frozenset({"regex"})  # what ctok needs, which is there from Python 3.12 on: see closure.needs


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()
