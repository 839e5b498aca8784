"""Processes that a benchmark starts: servers that tell their URL, and the environment of a worker."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks.audit.run import Failed

ROOT = Path(__file__).parents[2]
_URL = re.compile(r"http://127\.0\.0\.1:\d+")


def environment() -> Mapping[str, str]:
    """That of a worker: a key that is none, and no settings of the machine's own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("THRIFTGATE_")}
    return {**kept, "ANTHROPIC_API_KEY": "sk-ant-sim-batch-bench"}


def worker(jobs: Path, out: Path, url: str, ledger: Path, *options: str) -> list[str]:
    """The command of a worker."""
    command = [sys.executable, "-m", "thriftgate", "batch", "run", str(jobs), "--out", str(out)]
    return [*command, "--upstream", url, "--ledger", str(ledger), "--yes", "--json", *options]


@contextmanager
def lean_server() -> Iterator[str]:
    """The lean provider; its URL."""
    with serving("benchmarks.batch.lean", "0") as url:
        yield url


@contextmanager
def simulator(*options: str) -> Iterator[str]:
    """The simulator; its URL."""
    with serving("thriftgate", "simulate", "--port", "0", *options) as url:
        yield url


@contextmanager
def serving(module: str, *arguments: str) -> Iterator[str]:
    """A server that tells its URL when it is ready, until the end of the block. Raises Failed where it does not start."""
    process = subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=ROOT,
    )
    assert process.stdout is not None
    said: list[str] = []
    try:
        yield _url(process.stdout, said)
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()


def _url(output: Iterator[str], said: list[str]) -> str:
    for line in output:
        said.append(line)
        found = _URL.search(line)
        if found is not None:
            threading.Thread(target=_drain, args=(output,), daemon=True).start()
            return found[0]
    raise Failed(f"a server did not start: {''.join(said)[-300:]}")


def _drain(output: Iterator[str]) -> None:
    """Read on, so that nobody has to wait to be read."""
    try:
        for _ in output:
            pass
    except ValueError:
        return  # closed: the server has ended


def ended(command: Sequence[str], code: int, errors: Path) -> Failed:
    """A command that ended badly, with the end of what it said."""
    return Failed(f"{' '.join(command[1:5])}: code {code}: {errors.read_text(errors='replace')[-600:]}")
