"""An audit in bounded memory: the same work on logs of growing size, each with a limit that the kernel keeps.

    python -m benchmarks.audit.bounded [--calls N ...] [--replayed N ...] [--limit-mb MB] [--work DIR]

The limit is on the proportional set size (PSS) of all processes together, in which a page that several share counts once;
it is measured. The kernel keeps another one, `RLIMIT_DATA` of each process, twice as high: that counts what is reserved,
too, used or not. An audit that needs more fails.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from benchmarks.audit.large import LargeTruth, generate, read_truth
from benchmarks.gateway.measure import tree

LIMIT_MB = 600
_POLL_S = 0.25
_PICO = 10**12


class Bounded(Struct, frozen=True):
    """One audit. Memory in MB (1e6 bytes), at its highest; `disk_mb` is what the tables and partitions took."""

    truth: LargeTruth
    wall_s: float
    cpu_s: float
    largest_mb: float
    pss_mb: float
    disk_mb: float
    exact: bool
    replayed: bool


def main(arguments: list[str] | None = None) -> int:
    """Print a row for each size. Exits 1 where a bill was wrong, or more memory was used than allowed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.audit.bounded", description=__doc__.partition("\n")[0])
    parser.add_argument("--calls", type=int, nargs="*", default=[500_000, 4_000_000], help="sizes that are read and priced")
    parser.add_argument("--replayed", type=int, nargs="*", default=[], help="sizes that are replayed, too")
    parser.add_argument("--limit-mb", type=int, default=LIMIT_MB)
    parser.add_argument("--work", type=Path, help="where logs are made and kept; else they are deleted")
    asked = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="audit-bounded-") as temporary:
        folder = asked.work or Path(temporary)
        rows = [measured(folder, calls, asked.limit_mb, replay=False) for calls in asked.calls]
        rows += [measured(folder, calls, asked.limit_mb, replay=True) for calls in asked.replayed]
    print(table(rows, asked.limit_mb))
    return 0 if all(row.exact and row.pss_mb <= asked.limit_mb for row in rows) else 1


def measured(work: Path, calls: int, limit_mb: int, *, replay: bool) -> Bounded:
    """One audit with nothing in its cache, with a process at a time. Raises RuntimeError where it fails."""
    log = work / f"fleet-{calls}"
    try:
        truth = read_truth(log)
    except OSError:
        truth = generate(log, calls)
    with tempfile.TemporaryDirectory(prefix=".cache-", dir=work) as cache:
        command = [sys.executable, "-m", "thriftgate", "audit", str(log / "logs"), "--json", "--cache", cache]
        command += ["--processes", "1", *([] if replay else ["--no-replay"])]
        began = time.perf_counter()
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        found, largest, pss, disk = _watched(command, limit_mb, Path(cache))
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    exact = (
        found["calls"] == truth.calls
        and found["duplicates"] == truth.rows - truth.calls
        and round(float(found["cost_usd"]) * 1e6) == round(truth.pico / _PICO * 1e6)
    )
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Bounded(truth, time.perf_counter() - began, cpu, largest, pss, disk, exact, replay)


def _watched(command: list[str], limit_mb: int, cache: Path) -> tuple[dict[str, Any], float, float, float]:
    """Its document, and the peaks of RSS of one process, of PSS of all, and of what lies in the cache folder."""

    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_DATA, (2 * limit_mb * 10**6, 2 * limit_mb * 10**6))

    largest = pss = disk = 0.0
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(command, stdout=out, stderr=errors, preexec_fn=limited)  # noqa: PLW1509  there are no threads
        try:
            while process.poll() is None:
                held = [_memory(pid) for pid in tree(process.pid)]
                largest = max([largest, *(rss for rss, _ in held)])
                pss = max(pss, sum(share for _, share in held))
                disk = max(disk, _disk_mb(cache))
                time.sleep(_POLL_S)
        finally:
            process.kill()
            process.wait()
        out.seek(0)
        errors.seek(0)
        if process.returncode:
            raise RuntimeError(f"code {process.returncode}: {errors.read().decode(errors='replace')[-500:]}")
        return msgspec.json.decode(out.read()), largest, pss, disk


def _memory(pid: int) -> tuple[float, float]:
    """RSS and PSS in MB; zeros where the process has gone."""
    told: dict[str, float] = {}
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()[1:]:
            name, kib, *_ = line.split()
            told[name] = int(kib) * 1024 / 1e6
    return told.get("Rss:", 0.0), told.get("Pss:", 0.0)


def _disk_mb(folder: Path) -> float:
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):
                total += (Path(place) / name).stat().st_size
    return total / 1e6


def table(rows: list[Bounded], limit_mb: int) -> str:
    """For people. `x` are ratios to the first row of the same kind."""
    lines = [
        f"limit {limit_mb} MB; one process that replays at a time; seed 1",
        "calls          rows       log GB  what          wall s   CPU s  largest MB  all MB (PSS)  disk MB  log/all  exact",
    ]
    for row in rows:
        what = "+ replay" if row.replayed else "read, price"
        size = row.truth.bytes / 1e9
        lines.append(
            f"{row.truth.calls:<13,}  {row.truth.rows:<10,}  {size:5.2f}  {what:<12}  {row.wall_s:6.0f}  {row.cpu_s:6.0f}"
            f"  {row.largest_mb:10.0f}  {row.pss_mb:12.0f}  {row.disk_mb:7.0f}  {size * 1000 / row.pss_mb:5.1f}  {row.exact}"
        )
    for first, last in _pairs(rows):
        grown = last.truth.rows / first.truth.rows
        lines.append(f"{grown:.1f} times the rows: {last.pss_mb / first.pss_mb:.2f} times the memory")
    return "\n".join(lines)


def _pairs(rows: list[Bounded]) -> list[tuple[Bounded, Bounded]]:
    kinds = [[row for row in rows if row.replayed == replayed] for replayed in (False, True)]
    return [(kind[0], kind[-1]) for kind in kinds if len(kind) > 1]


if __name__ == "__main__":
    sys.exit(main())
