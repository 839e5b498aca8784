"""The goals of the auditor, and whether this run met them."""

from __future__ import annotations

from decimal import Decimal

from benchmarks.audit.run import OURS, THEIRS, Figures
from benchmarks.cache.goals import Goal
from thriftgate.core.money import usd_from_pico

MEMORY_MB = 1000


def judge(figures: Figures) -> list[Goal]:
    """All goals; what was not measured has no value."""
    return [*_speed(figures), *_memory(figures), *_right(figures)]


def _speed(figures: Figures) -> list[Goal]:
    calls = figures.truth.calls if figures.truth is not None else 0
    wall, cpu = figures.middle(OURS, "wall_s"), figures.middle(OURS, "cpu_s")
    return [
        Goal("calls imported and priced per core and second", 50_000, False, True, _over(calls, cpu)),
        Goal("wall clock per GB, ccusage's / ours", 1, False, True, _over(figures.middle(THEIRS, "wall_s"), wall)),
        Goal("CPU per GB, ccusage's / ours", 1, False, False, _over(figures.middle(THEIRS, "cpu_s"), cpu)),
        Goal("calls replayed a second, each policy counted", 20_000, False, True, replayed_per_s(figures)),
        Goal("calls of the log a second, whole verb", 20_000, False, False, whole_per_s(figures)),
    ]


def replayed_per_s(figures: Figures) -> float | None:
    """Calls replayed (the log as it is and each policy) over the time the whole verb takes longer than import alone."""
    wall = figures.middle(OURS, "wall_s")
    if figures.replay is None or figures.replay_audit is None or wall is None:
        return None
    return _over(figures.replay_audit.replayed, max(figures.replay.wall_s - wall, 1e-9))


def whole_per_s(figures: Figures) -> float | None:
    """Calls of the log over the time of the whole verb, import included."""
    if figures.replay is None or figures.truth is None:
        return None
    return _over(figures.truth.calls, figures.replay.wall_s)


def _memory(figures: Figures) -> list[Goal]:
    imported = max((run.peak_mb for run in figures.runs.get(OURS, ())), default=None)
    replayed = figures.replay.peak_mb if figures.replay is not None else None
    return [
        Goal("memory, import and price, MB (all processes)", MEMORY_MB, True, True, imported),
        Goal("memory, import and replay, MB (all processes)", MEMORY_MB, True, True, replayed),
    ]


def _right(figures: Figures) -> list[Goal]:
    truth = figures.truth
    goals: list[Goal] = []
    for name, audit in (("import", figures.audit), ("replay", figures.replay_audit)):
        dollars = calls = None
        if audit is not None and truth is not None:
            dollars = float(abs(audit.cost_usd - Decimal(usd_from_pico(truth.pico))))
            calls = float(abs(audit.calls - truth.calls))
        goals.append(Goal(f"month, {name}: off by, dollars", 0.005, True, True, dollars))
        goals.append(Goal(f"month, {name}: calls too many or too few", 0, True, True, calls))
    known = [case for case in figures.cases if case.correct is not None]
    wrong = float(sum(not case.correct for case in known)) if known else None
    unexplained = None
    if any(case.ours is not None and case.theirs is not None for case in figures.cases):
        unexplained = float(sum(not case.explained for case in figures.cases))
    goals.append(Goal("traps: not right to the cent", 0, True, True, wrong))
    goals.append(Goal("traps: differences from ccusage not explained", 0, True, True, unexplained))
    return goals


def _over(amount: float | None, by: float | None) -> float | None:
    return None if amount is None or not by else amount / by
