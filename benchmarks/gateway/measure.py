"""What the kernel knows of a process tree: CPU time, memory, cores, scheduling class; and small statistics.

Linux only: everything is read from /proc. CPU time is the main figure, since it hardly moves when other work shares the
machine, while wall-clock rates do.
"""

import os
import statistics
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")
_TICK_US = 1e6 / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class _Stat:
    state: str
    parent: int
    cpu_us: float


def _stat(pid: int) -> _Stat | None:
    try:
        text = (_PROC / str(pid) / "stat").read_text()
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()
    return _Stat(state=fields[0], parent=int(fields[1]), cpu_us=sum(map(int, fields[11:15])) * _TICK_US)


def runs(pid: int) -> bool:
    """Is the process there, and not a zombie that only waits to be reaped?"""
    stat = _stat(pid)
    return stat is not None and stat.state not in "ZX"


def tree(root: int) -> tuple[int, ...]:
    """The process and all its living descendants, the root first."""
    children: dict[int, list[int]] = {}
    for entry in _PROC.iterdir():
        if entry.name.isdigit():
            stat = _stat(int(entry.name))
            if stat is not None:
                children.setdefault(stat.parent, []).append(int(entry.name))
    found: list[int] = []
    waiting = [root] if _stat(root) is not None else []
    while waiting:
        pid = waiting.pop()
        found.append(pid)
        waiting.extend(children.get(pid, ()))
    return tuple(found)


def cpu_us(root: int) -> float:
    """User plus system time of the tree since it began, children that ended and were reaped included."""
    return sum(stat.cpu_us for pid in tree(root) if (stat := _stat(pid)) is not None)


def pss_mb(root: int) -> float:
    """Resident memory of the tree in MB; a page shared by n processes counts 1/n for each."""
    total = 0
    for pid in tree(root):
        with suppress(OSError):
            for line in (_PROC / str(pid) / "smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1])
    return total * 1024 / 1e6


def threads(root: int) -> tuple[int, ...]:
    """The thread ids of the whole tree."""
    found: list[int] = []
    for pid in tree(root):
        with suppress(OSError):
            found.extend(int(entry.name) for entry in (_PROC / str(pid) / "task").iterdir())
    return tuple(found)


def pin(root: int, core: int) -> None:
    """Keep every thread of the tree, and what it starts later, on one core."""
    for thread in threads(root):
        with suppress(ProcessLookupError):
            os.sched_setaffinity(thread, {core})


def cores() -> tuple[int, int]:
    """The core for the proxy and the core for mock and load; the same one twice where there is only one."""
    usable = sorted(os.sched_getaffinity(0))
    return usable[0], usable[1 % len(usable)]


@contextmanager
def real_time(roots: Iterable[int]) -> Iterator[bool]:
    """Run these trees under SCHED_FIFO meanwhile, where that is permitted; yields whether it is."""
    found = [thread for root in roots for thread in threads(root)]
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    except PermissionError:
        yield False
        return
    try:
        for thread in found:
            with suppress(ProcessLookupError):
                os.sched_setscheduler(thread, os.SCHED_FIFO, os.sched_param(1))
        yield True
    finally:
        for thread in (0, *found):
            with suppress(ProcessLookupError):
                os.sched_setscheduler(thread, os.SCHED_OTHER, os.sched_param(0))


def quantile(values: Sequence[float], share: float) -> float:
    """The value below which `share` of the sorted values lie (nearest rank)."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def median(values: Iterable[float | None]) -> float | None:
    """The median of the values that are there; None if there is none."""
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None
