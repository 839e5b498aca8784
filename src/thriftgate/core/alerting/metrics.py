"""What rules can measure of settled calls, and how it adds up.

Each metric is a sum, or one sum over another (a share). The 95th percentile of latency is read from counts by bins, whose
edges lie a fifth apart: it is right to a tenth.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable
from typing import Literal

from msgspec import Struct

Unit = Literal["usd", "share", "ms", "number"]

_STEP = 1.2
LATENCY_EDGES_MS = tuple(round(20 * _STEP**n) for n in range(60))  # 20 ms to a quarter of an hour


class Seen(Struct, frozen=True):
    """Settled calls that are alike: one of them, or `calls` with sums. `labels` are what rules can ask of them, such as
    "team=search". `latency_ms` is each call's (0: unknown)."""

    at_us: int
    labels: frozenset[str]
    calls: int = 1
    errors: int = 0
    paid_pico: int = 0
    baseline_pico: int = 0
    read: int = 0
    prompt: int = 0
    output: int = 0
    latency_ms: int = 0


class Cell(Struct):
    """What is added up of one metric over one slot of time: the sum, what it is a share of, and calls by latency."""

    calls: int = 0
    part: int = 0
    whole: int = 0
    bins: dict[int, int] | None = None

    def take(self, metric: Metric, seen: Seen) -> None:
        """Some calls more."""
        self.calls += seen.calls
        part, whole = metric.parts(seen)
        self.part += part
        self.whole += whole
        if metric.unit == "ms" and seen.latency_ms > 0:
            if self.bins is None:
                self.bins = {}
            place = min(bisect_left(LATENCY_EDGES_MS, seen.latency_ms), len(LATENCY_EDGES_MS) - 1)
            self.bins[place] = self.bins.get(place, 0) + seen.calls


class Metric(Struct, frozen=True):
    """`unit` tells how its values are written; those in "usd" are pico-USD."""

    name: str
    title: str
    unit: Unit
    parts: Callable[[Seen], tuple[int, int]]

    @property
    def adds_up(self) -> bool:
        """Whether values of two spans make the value of both together: what can be forecast."""
        return self.unit in ("usd", "number")


def value_of(metric: Metric, cells: Iterable[Cell]) -> tuple[int, float | None]:
    """Calls, and the metric over all of them; None where there is nothing to measure."""
    calls = part = whole = 0
    bins: dict[int, int] = {}
    for cell in cells:
        calls += cell.calls
        part += cell.part
        whole += cell.whole
        for place, count in (cell.bins or {}).items():
            bins[place] = bins.get(place, 0) + count
    if metric.unit == "ms":
        return calls, _percentile(bins, 0.95) if bins else None
    if metric.unit == "share":
        return calls, part / whole if whole else None
    return calls, float(part)


def _percentile(bins: dict[int, int], share: float) -> float:
    """The middle of the bin in which it lies."""
    left = share * sum(bins.values())
    for place in sorted(bins):
        left -= bins[place]
        if left <= 1e-9:
            return float(LATENCY_EDGES_MS[place] / _STEP**0.5)
    return float(LATENCY_EDGES_MS[-1])


METRICS: dict[str, Metric] = {
    one.name: one
    for one in (
        Metric("spend", "spent", "usd", lambda seen: (seen.paid_pico, 0)),
        Metric("saved", "saved", "usd", lambda seen: (seen.baseline_pico - seen.paid_pico, 0)),
        Metric("calls", "calls", "number", lambda seen: (seen.calls, 0)),
        Metric("errors", "errors", "number", lambda seen: (seen.errors, 0)),
        Metric("prompt_tokens", "prompt tokens", "number", lambda seen: (seen.prompt, 0)),
        Metric("output_tokens", "output tokens", "number", lambda seen: (seen.output, 0)),
        Metric("error_share", "share of errors", "share", lambda seen: (seen.errors, seen.calls)),
        Metric("cache_share", "share of prompts read from the cache", "share", lambda seen: (seen.read, seen.prompt)),
        Metric(
            "saved_share", "share saved", "share", lambda seen: (seen.baseline_pico - seen.paid_pico, seen.baseline_pico)
        ),
        Metric("latency_p95", "95th percentile of latency", "ms", lambda _seen: (0, 0)),
    )
}
