"""How much memory the worker takes: `thriftgate batch run` as a process of its own, against a lean provider in another.

Flat means that a hundred times as many jobs take hardly more of it.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
from msgspec import Struct

from benchmarks.audit.run import Failed, timed
from benchmarks.batch import jobs
from benchmarks.batch.processes import environment, lean_server, worker
from benchmarks.cache.goals import Goal
from benchmarks.cache.report import align

FEW, MANY = 10_000, 1_000_000
GROWTH_MB = 20.0


class Memory(Struct, frozen=True):
    """One run: its jobs, the most memory its process ever held (MB, 1e6 bytes), its wall clock and CPU seconds."""

    jobs: int
    peak_mb: float
    wall_s: float
    cpu_s: float


def measure(sizes: Sequence[int] = (FEW, MANY), work: Path | None = None) -> list[Memory]:
    """A run of each size, one after the other. Raises Failed where one does not come through."""
    with lean_server() as url:
        return [_run(size, url, work) for size in sizes]


def _run(size: int, url: str, work: Path | None) -> Memory:
    with TemporaryDirectory(prefix="batch-bench-", dir=work) as folder:
        path = jobs.write(Path(folder) / "jobs.jsonl", jobs.small(size))
        command = worker(path, path.with_name("out.jsonl"), url, path.with_name("books.db"))
        print(f"memory: {size:,} jobs", file=sys.stderr, flush=True)
        done = timed(command, environment())
        told = msgspec.json.decode(done.output)
        if told["succeeded"] != size:
            raise Failed(f"{told['succeeded']} of {size} jobs came through")
    return Memory(size, done.largest_mb, done.wall_s, done.cpu_s)


def goals(runs: Sequence[Memory]) -> list[Goal]:
    """Flat."""
    growth = runs[-1].peak_mb - runs[0].peak_mb if len(runs) > 1 else None
    return [Goal(f"memory at {runs[-1].jobs:,} jobs over {runs[0].jobs:,}, MB", GROWTH_MB, True, True, growth)]


def table(runs: Sequence[Memory]) -> str:
    """For people."""
    rows = [["memory", "peak MB", "wall s", "CPU s", "jobs a CPU s"]]
    for one in runs:
        rows.append([f"{one.jobs:,} jobs", f"{one.peak_mb:,.1f}", f"{one.wall_s:,.1f}", f"{one.cpu_s:,.1f}"])
        rows[-1].append(f"{one.jobs / one.cpu_s:,.0f}")
    return align(rows)


def document(runs: Sequence[Memory]) -> list[dict[str, Any]]:
    """For machines."""
    return [msgspec.structs.asdict(one) for one in runs]
