"""What a soak has shown, and whether that is good enough."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from typing import NamedTuple

from benchmarks.cache.goals import Goal
from benchmarks.soak.driver import Timed
from benchmarks.soak.run import Soaked
from benchmarks.soak.trend import Trend, trend
from benchmarks.soak.watching import Look

WARM_SHARE = 0.25  # of the load, from its beginning: not judged
SLOPE_MB = 20.0  # memory may grow by less than so much in a million calls
SHORT_MB = 220.0
MORE_DESCRIPTORS, MORE_THREADS, MORE_TASKS = 5.0, 2.0, 5.0
LATER = 1.5  # the median of the last third, over that of the first


class Drift(NamedTuple):
    """Milliseconds of one kind of call, in the first and the last third of the load."""

    kind: str
    first_p50_ms: float
    first_p99_ms: float
    last_p50_ms: float
    last_p99_ms: float


class Verdict(NamedTuple):
    """`slope` is in MB per million calls."""

    slope: Trend
    drifts: tuple[Drift, ...]
    goals: list[Goal]


def verdict(soaked: Soaked) -> Verdict:
    """Judge it. Raises ValueError where it was too short for that."""
    seconds = soaked.asked.seconds
    warm = [one for one in soaked.looks if seconds * WARM_SHARE <= one.at_s <= seconds]
    slope = trend([(one.calls / 1e6, one.rss_mb) for one in warm])
    drifts = tuple(_drift(kind, soaked.seen.times, seconds) for kind in ("plain", "stream"))
    books = soaked.books
    later = max(drift.last_p50_ms / drift.first_p50_ms for drift in drifts)
    goals = [
        _memory(soaked, slope),
        Goal("file descriptors, last third less first", MORE_DESCRIPTORS, True, True, _more(warm, _descriptors)),
        Goal("threads, last third less first", MORE_THREADS, True, True, _more(warm, _threads)),
        Goal("tasks, last third less first", MORE_TASKS, True, True, _more(warm, _tasks)),
        Goal("CPU of a call, last third over first", LATER, True, True, _cpu_drift(warm)),
        Goal("median latency, last third over first, the worse kind", LATER, True, False, later),
        Goal("exact entries that are not the bill", 0, True, True, books.wrong),
        Goal("billed whole answers in no entry", 0, True, True, books.missing),
        Goal("answers billed to two entries", 0, True, True, books.doubled),
        Goal("open holds at the end", 0, True, True, books.open_holds),
        Goal("answers that should not have come", 0, True, True, soaked.seen.wrong.total()),
    ]
    return Verdict(slope, drifts, goals)


def _memory(soaked: Soaked, slope: Trend) -> Goal:
    if soaked.asked.short:
        return Goal("memory at the end, MB", SHORT_MB, True, True, soaked.looks[-1].rss_mb)
    grown = 0.0 if slope.flat(SLOPE_MB) else slope.low
    return Goal(f"memory: MB surely grown per million calls, if more than {SLOPE_MB:g}", 0.0, True, True, grown)


def _cpu_drift(looks: Sequence[Look]) -> float:
    """Unlike latency it hardly moves when other work shares the machine."""
    third = len(looks) // 3
    return _cpu_per_call(looks[-third:]) / _cpu_per_call(looks[:third])


def _cpu_per_call(looks: Sequence[Look]) -> float:
    return (looks[-1].cpu_s - looks[0].cpu_s) / (looks[-1].calls - looks[0].calls)


def _descriptors(look: Look) -> int:
    return look.descriptors


def _threads(look: Look) -> int:
    return look.threads


def _tasks(look: Look) -> int:
    return look.tasks


def _more(looks: Sequence[Look], figure: Callable[[Look], int]) -> float:
    third = max(1, len(looks) // 3)
    return statistics.median(map(figure, looks[-third:])) - statistics.median(map(figure, looks[:third]))


def _drift(kind: str, times: Sequence[Timed], seconds: float) -> Drift:
    first = sorted(one.ms for one in times if one.kind == kind and one.at_s < seconds / 3)
    last = sorted(one.ms for one in times if one.kind == kind and one.at_s >= seconds * 2 / 3)
    if not first or not last:
        raise ValueError(f"no {kind} call was answered in the first or the last third")
    return Drift(kind, _quantile(first, 0.5), _quantile(first, 0.99), _quantile(last, 0.5), _quantile(last, 0.99))


def _quantile(ordered: Sequence[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
