"""Figures of the auditor's benchmark as aligned tables and as one JSON document."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from benchmarks.audit import ccusage, goals
from benchmarks.audit.run import OURS, THEIRS, Figures, Run
from benchmarks.cache.report import align, machine
from thriftgate.core.money import usd_from_pico

_FIELDS = ("wall_s", "cpu_s", "largest_mb", "peak_mb")


def tables(figures: Figures) -> str:
    """Everything that was measured."""
    parts = [_month(figures), _import(figures), _sums(figures), _replay(figures), _traps(figures)]
    parts += [f"{name} skipped: {reason}" for name, reason in figures.skipped.items()]
    return "\n\n".join(part for part in parts if part)


def _month(figures: Figures) -> str:
    truth = figures.truth
    if truth is None:
        return ""
    return (
        f"a month of {truth.calls:,} calls, seed {truth.seed}: {truth.bytes / 1e9:.2f} GB in {truth.files:,} files, "
        f"{truth.lines:,} lines; {truth.sessions:,} sessions, {truth.agents:,} sub-agents, {truth.forks:,} forks, "
        f"{truth.usage_lines - truth.calls:,} copies of calls"
    )


def _import(figures: Figures) -> str:
    truth = figures.truth
    if truth is None or not figures.runs:
        return ""
    rounds = max(map(len, figures.runs.values()))
    rows = [
        [f"import and price, median of {rounds}", "wall s", "CPU s", "calls/s", "calls/s per core", "GB/s", "GB/s per core"]
    ]
    rows[0] += ["largest MB", "all MB", "spread"]
    for tool, runs in figures.runs.items():
        wall, cpu, largest, peak = (figures.middle(tool, field) or 0.0 for field in _FIELDS)
        size = truth.bytes / 1e9
        rows.append([tool, f"{wall:,.2f}", f"{cpu:,.2f}", f"{truth.calls / wall:,.0f}", f"{truth.calls / cpu:,.0f}"])
        rows[-1] += [f"{size / wall:.3f}", f"{size / cpu:.3f}", f"{largest:,.0f}", f"{peak:,.0f}", _spread(runs)]
    if len(figures.runs) == 2:
        rows.append(
            [f"{THEIRS} / {OURS}", *(f"{_ratio(figures, field):.2f}" for field in ("wall_s", "cpu_s")), "", "", "", ""]
        )
        rows[-1] += [*(f"{_ratio(figures, field):.2f}" for field in ("largest_mb", "peak_mb")), ""]
    return align(rows)


def _sums(figures: Figures) -> str:
    """What the tools make of the month, beside what it is."""
    truth, audit, totals = figures.truth, figures.audit, figures.totals
    if truth is None or (audit is None and totals is None):
        return ""
    rows = [["the month's bill", "calls", "dollars", "off by"]]
    right = Decimal(usd_from_pico(truth.pico))
    rows.append(["truth", f"{truth.calls:,}", f"{right:,.6f}", ""])
    if audit is not None:
        rows.append([OURS, f"{audit.calls:,}", f"{audit.cost_usd:,.6f}", f"{audit.cost_usd - right:,.6f}"])
    if totals is not None:
        rows.append([THEIRS, "", f"{totals.usd:,.6f}", f"{totals.usd - right:,.6f}"])
        priced = {name: one for name, one in truth.models.items() if name not in totals.unpriced}
        rest = Decimal(usd_from_pico(sum(one.pico for one in priced.values())))
        name = f"truth without {', '.join(totals.unpriced)}" if totals.unpriced else ""
        if name:
            rows.append(
                [name, f"{sum(one.calls for one in priced.values()):,}", f"{rest:,.6f}", f"{totals.usd - rest:,.6f}"]
            )
    return align(rows)


def _replay(figures: Figures) -> str:
    run, audit, truth = figures.replay, figures.replay_audit, figures.truth
    if run is None or audit is None or truth is None:
        return ""
    rows = [["import and replay", "wall s", "CPU s", "calls/s", "policies", "replayed/s", "largest MB", "all MB"]]
    rate = goals.replayed_per_s(figures)
    rows.append([OURS, f"{run.wall_s:,.2f}", f"{run.cpu_s:,.2f}", f"{truth.calls / run.wall_s:,.0f}"])
    rows[-1] += [str(len(audit.policies)), "-" if rate is None else f"{rate:,.0f}"]
    rows[-1] += [f"{run.largest_mb:,.0f}", f"{run.peak_mb:,.0f}"]
    return align(rows)


def _traps(figures: Figures) -> str:
    if not figures.cases:
        return ""
    rows = [["trap", "right", OURS, THEIRS, ""]]
    notes: list[str] = []
    for case in figures.cases:
        verdict = "no figure" if case.ours is None else {True: "right", False: "WRONG", None: ""}[case.correct]
        rows.append([case.name, _dollars(case.right), _dollars(case.ours), _dollars(case.theirs), verdict])
        if case.differs or (case.correct is False and case.ours is not None):
            notes.append(f"{case.name}: {case.why or 'no right figure is known'}.")
            if case.differs:
                notes.append(f"    ccusage: {case.breaks or 'NOT EXPLAINED'}.")
    failures = dict.fromkeys(case.failed for case in figures.cases if case.failed)
    notes += [f"failed: {reason}" for reason in failures]
    return "\n".join([align(rows), "", *notes])


def document(figures: Figures) -> dict[str, Any]:
    """All figures, for `--json`."""
    truth = figures.truth
    return {
        "versions": {**machine(), THEIRS: None if THEIRS in figures.skipped else ccusage.VERSION},
        "month": None
        if truth is None
        else {
            "calls": truth.calls,
            "bytes": truth.bytes,
            "files": truth.files,
            "lines": truth.lines,
            "usage_lines": truth.usage_lines,
            "usd": usd_from_pico(truth.pico),
            "price_book": truth.price_book,
        },
        "import": {tool: _tool(figures, tool, runs) for tool, runs in figures.runs.items()},
        "ratios": {field: _ratio(figures, field) for field in _FIELDS} if len(figures.runs) == 2 else {},
        "bills": {
            OURS: None if figures.audit is None else str(figures.audit.cost_usd),
            THEIRS: None if figures.totals is None else str(figures.totals.usd),
            "unpriced_by_ccusage": [] if figures.totals is None else list(figures.totals.unpriced),
        },
        "replay": None if figures.replay is None else _replayed(figures, figures.replay),
        "traps": [
            {"name": case.name, "right": _text(case.right), OURS: _text(case.ours), THEIRS: _text(case.theirs)}
            | {"correct": case.correct, "explained": case.explained, "ccusage_breaks": case.breaks if case.differs else ""}
            for case in figures.cases
        ],
        "skipped": figures.skipped,
    }


def _tool(figures: Figures, tool: str, runs: list[Run]) -> dict[str, Any]:
    told: dict[str, Any] = {field: figures.middle(tool, field) for field in _FIELDS}
    truth = figures.truth
    if truth is not None:
        told["calls_per_s"] = truth.calls / told["wall_s"]
        told["calls_per_core_s"] = truth.calls / told["cpu_s"]
        told["gb_per_s"] = truth.bytes / 1e9 / told["wall_s"]
    return told | {"rounds": [{field: getattr(run, field) for field in _FIELDS} for run in runs]}


def _replayed(figures: Figures, run: Run) -> dict[str, Any]:
    told: dict[str, Any] = {field: getattr(run, field) for field in _FIELDS}
    audit = figures.replay_audit
    if audit is not None:
        told |= {"usd": str(audit.cost_usd), "policies": [one.get("name") for one in audit.policies]}
        told["replayed_calls"] = audit.replayed
    return told | {"replayed_per_s": goals.replayed_per_s(figures), "calls_per_s": goals.whole_per_s(figures)}


def _ratio(figures: Figures, field: str) -> float:
    """ccusage's median over ours."""
    ours, theirs = figures.middle(OURS, field), figures.middle(THEIRS, field)
    return theirs / ours if ours and theirs else 0.0


def _spread(runs: list[Run]) -> str:
    walls = sorted(run.wall_s for run in runs)
    return f"{(walls[-1] - walls[0]) / walls[len(walls) // 2]:.0%}".replace("%", " %")


def _dollars(amount: Decimal | None) -> str:
    return "-" if amount is None else f"{amount:,.6f}"


def _text(amount: Decimal | None) -> str | None:
    return None if amount is None else str(amount)
