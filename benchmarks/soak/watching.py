"""What is looked at while it runs: memory, file descriptors, threads and tasks of the gateway, every few seconds."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.gateway import measure

_PAGE_MB = os.sysconf("SC_PAGE_SIZE") / 1e6
_PROC = Path("/proc")


class Look(NamedTuple):
    """One look. `calls` are those that were answered so far, `at_s` seconds since the load began, `cpu_s` what
    the process has used since it began."""

    at_s: float
    calls: int
    rss_mb: float
    descriptors: int
    threads: int
    tasks: int
    cpu_s: float


def look(pid: int, at_s: float, calls: int, state: dict[str, Any]) -> Look:
    """Read /proc of a process. Raises OSError where it has ended."""
    folder = _PROC / str(pid)
    resident = int((folder / "statm").read_text().split()[1]) * _PAGE_MB
    descriptors = sum(1 for _ in (folder / "fd").iterdir())
    threads = sum(1 for _ in (folder / "task").iterdir())
    return Look(at_s, calls, resident, descriptors, threads, int(state["tasks"]), measure.cpu_us(pid) / 1e6)
