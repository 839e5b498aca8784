"""From raw figures to medians, ratios, tables and the JSON document."""

import platform
from dataclasses import asdict, dataclass, field
from pathlib import Path

from benchmarks.gateway.bodies import CASES
from benchmarks.gateway.measure import median
from benchmarks.gateway.mock import EVENTS
from benchmarks.gateway.runner import Figures, Latency, Outcome


@dataclass(frozen=True)
class LatencySummary:
    """Medians over the rounds, milliseconds; "added" is the quantile through the proxy less the one without it."""

    p50_ms: float
    p99_ms: float
    added_p50_ms: float
    added_p99_ms: float
    fifo: bool


@dataclass
class Summary:
    """One target, medians over the rounds; None where nothing was measured."""

    version: str = ""
    note: str = ""
    cpu_us: dict[str, float] = field(default_factory=dict)
    spread: dict[str, float] = field(default_factory=dict)  # (largest - smallest) / median of the CPU figure
    wall_per_s: dict[str, float] = field(default_factory=dict)  # calls a second in the closed loop, for information
    latency: dict[str, LatencySummary] = field(default_factory=dict)
    streams_p99_ms: float | None = None
    streams_added_p50_ms: float | None = None
    streams_added_p99_ms: float | None = None
    streams_incomplete: float | None = None
    streams_cpu_us_per_event: float | None = None
    streams_note: str = ""
    idle_mb: float | None = None
    after_mb: float | None = None
    start_s: float | None = None
    calls: int = 0
    upstream_calls: int = 0
    errors: dict[str, int] = field(default_factory=dict)

    @property
    def per_core(self) -> dict[str, float]:
        """Requests a second that one core can serve."""
        return {case: 1e6 / us for case, us in self.cpu_us.items() if us > 0}


def summarise(figures: Figures) -> Summary:
    """Medians of everything."""
    summary = Summary(
        version=figures.version,
        note=figures.note,
        idle_mb=figures.idle_mb,
        after_mb=figures.after_mb,
        start_s=median(figures.start_s),
        calls=figures.calls,
        upstream_calls=figures.upstream_calls,
        errors=dict(figures.errors),
        streams_note=figures.streams_skipped,
    )
    for case, runs in figures.cpu.items():
        values = [run.us_per_call for run in runs]
        summary.cpu_us[case] = _median(values)
        summary.wall_per_s[case] = _median([run.rate for run in runs])
        summary.spread[case] = (max(values) - min(values)) / _median(values) if _median(values) else 0.0
    for case, pairs in figures.latency.items():
        summary.latency[case] = LatencySummary(
            p50_ms=_median([through.p50_ms for through, _ in pairs]),
            p99_ms=_median([through.p99_ms for through, _ in pairs]),
            added_p50_ms=_median([through.p50_ms - direct.p50_ms for through, direct in pairs]),
            added_p99_ms=_median([through.p99_ms - direct.p99_ms for through, direct in pairs]),
            fifo=all(through.fifo for through, _ in pairs),
        )
    _streams(summary, figures.streams)
    return summary


def _streams(summary: Summary, pairs: list[tuple[Latency, Latency]]) -> None:
    summary.streams_p99_ms = median(through.first_p99_ms for through, _ in pairs)
    summary.streams_added_p50_ms = median(through.first_p50_ms - direct.first_p50_ms for through, direct in pairs)
    summary.streams_added_p99_ms = median(through.first_p99_ms - direct.first_p99_ms for through, direct in pairs)
    summary.streams_cpu_us_per_event = median(through.cpu_us_per_call / EVENTS for through, _ in pairs)
    summary.streams_incomplete = float(sum(through.failed for through, _ in pairs)) if pairs else None


def _median(values: list[float]) -> float:
    found = median(values)
    assert found is not None
    return found


def ratios(summaries: dict[str, Summary]) -> dict[str, dict[str, float]]:
    """Requests per core of thriftgate as a multiple of each peer's, case by case."""
    ours = summaries.get("thriftgate", Summary()).cpu_us
    return {
        name: {case: peer.cpu_us[case] / us for case, us in ours.items() if case in peer.cpu_us}
        for name, peer in summaries.items()
        if name != "thriftgate"
    }


def machine() -> dict[str, object]:
    """What the figures were measured on."""
    models = [line.partition(":")[2].strip() for line in _cpuinfo() if line.startswith("model name")]
    return {
        "cores": len(models) or None,
        "cpu": models[0] if models else platform.machine(),
        "kernel": platform.release(),
        "python": platform.python_version(),
    }


def _cpuinfo() -> list[str]:
    return Path("/proc/cpuinfo").read_text().splitlines()


def target_document(summary: Summary) -> dict[str, object]:
    """One target for the JSON document."""
    return {**asdict(summary), "requests_per_core_s": summary.per_core}


def rounded(value: object) -> object:
    """The document with every float cut to five significant digits: more would only pretend."""
    if isinstance(value, float):
        return float(f"{value:.5g}")
    if isinstance(value, dict):
        return {key: rounded(each) for key, each in value.items()}
    if isinstance(value, list):
        return [rounded(each) for each in value]
    return value


def tables(summaries: dict[str, Summary], outcome: Outcome) -> str:
    """All figures as aligned text."""
    names = [case.name for case in CASES]
    by_target = ratios(summaries)
    cpu = [["CPU us per call", *names, "2 kB calls/s per core", "thriftgate is", "spread"]]
    for name, each in summaries.items():
        row = [name, *(_number(each.cpu_us.get(case)) for case in names), _number(each.per_core.get(names[0]))]
        times = by_target.get(name, {}).get(names[0])
        row.append("" if times is None else f"{times:.3g}x")
        cpu.append([*row, f"{max(each.spread.values(), default=0):.0%}"])
    added = [["added p50 / p99, ms", *names, "SCHED_FIFO"]]
    for name, each in summaries.items():
        row = [name]
        for case in names:
            found = each.latency.get(case)
            row.append("-" if found is None else f"{found.added_p50_ms:.2f} / {found.added_p99_ms:.2f}")
        added.append([*row, "yes" if each.latency and all(x.fifo for x in each.latency.values()) else "no"])
    rest = [
        ["200 paced streams: added", "p50 ms", "p99 ms", "us/event", "idle MB", "after MB", "start s", "calls", "errors"]
    ]
    for name, each in summaries.items():
        streams = (each.streams_added_p50_ms, each.streams_added_p99_ms, each.streams_cpu_us_per_event)
        memory = (each.idle_mb, each.after_mb, each.start_s)
        figures = [_number(value, 2) for value in streams] + [_number(value, 1) for value in memory]
        rest.append([name, *figures, f"{each.calls:,}", str(sum(each.errors.values()))])
    notes = [f"{name} {each.version}: {each.note}" for name, each in summaries.items() if each.note]
    notes += [f"{name}: no paced streams: {each.streams_note}" for name, each in summaries.items() if each.streams_note]
    notes += [
        f"{name}: {each.calls} calls made, the mock saw {each.upstream_calls}"
        for name, each in summaries.items()
        if each.calls != each.upstream_calls
    ]
    if outcome.books is not None:
        notes.append(f"thriftgate's ledger after its load: {outcome.books}")
    notes += [f"{name}: SKIPPED: {reason}" for name, reason in outcome.skipped.items()]
    notes += [f"{name}: {n} x {error}" for name, each in summaries.items() for error, n in each.errors.items()]
    if not outcome.fifo:
        notes.append("SCHED_FIFO was not permitted: latencies hold scheduling noise")
    return "\n\n".join([*(_align(table) for table in (cpu, added, rest)), "\n".join(notes)])


def _number(value: float | None, digits: int = 0) -> str:
    return "-" if value is None else f"{value:,.{digits}f}"


def _align(rows: list[list[str]]) -> str:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    )
