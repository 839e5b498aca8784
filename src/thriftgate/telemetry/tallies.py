"""Totals by model, team and task, added up as entries settle. Plain integers: what a call costs here is under 10 µs."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from typing import Generic, TypeVar

from thriftgate.batch.booking import ENDPOINT as BATCHES
from thriftgate.ledger.entries import BASELINE, UPSTREAM, Entry
from thriftgate.telemetry.busiest import Busiest, model_text
from thriftgate.wire import DIALECTS

# Upper bounds of buckets: seconds until an answer began or was there, and dollars a call.
SECONDS = (0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0)
DOLLARS = (0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)
_SECONDS_MS = tuple(round(bound * 1e3) for bound in SECONDS)
_DOLLARS_PICO = tuple(round(bound * 1e12) for bound in DOLLARS)

CLIENTS_ENDPOINTS = frozenset({BATCHES, *(dialect.name for dialect in DIALECTS)})
_NOT_TRIED = frozenset({"refused", "left"})  # say nothing of whether the model would have answered


class Distribution:
    """How many values were at most each of the bounds, the last ones beyond all of them, and their sum."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: tuple[int, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0

    def add(self, value: int) -> None:
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value


class ModelTally:
    """Calls by (endpoint, outcome), tokens by how they were billed, pico-USD, milliseconds."""

    __slots__ = ("baseline_pico", "calls", "first_byte_ms", "latency_ms", "paid_pico", "tokens")

    def __init__(self) -> None:
        self.calls: dict[tuple[str, str], int] = {}
        self.tokens: dict[str, int] = {}
        self.baseline_pico = 0
        self.paid_pico = 0
        self.latency_ms = Distribution(_SECONDS_MS)
        self.first_byte_ms = Distribution(_SECONDS_MS)


class Tally:
    """Calls of clients, how many of them were tried (not refused, and not left by the client) and how many answered; what
    they and our own calls on their behalf cost (pico-USD)."""

    __slots__ = ("answered", "baseline_pico", "calls", "latency_ms", "paid_pico", "tried")

    def __init__(self) -> None:
        self.calls = 0
        self.tried = 0
        self.answered = 0
        self.baseline_pico = 0
        self.paid_pico = 0
        self.latency_ms = Distribution(_SECONDS_MS)


_T = TypeVar("_T")


class Named(Generic[_T]):
    """One tally a name, for the busiest names."""

    def __init__(self, kind: Callable[[], _T], places: int) -> None:
        self._kind = kind
        self._busiest = Busiest(places)
        self.tallies: dict[str, _T] = {}

    def of(self, name: str) -> _T:
        label, lost = self._busiest.label(name)
        if lost:
            self.tallies.pop(lost, None)
        found = self.tallies.get(label)
        if found is None:
            found = self.tallies[label] = self._kind()
        return found


class Tallies:
    """Since the process began. `places`: how many models, teams and tasks are told apart."""

    def __init__(self, places: int) -> None:
        self.models: Named[ModelTally] = Named(ModelTally, places)
        self.teams: Named[Tally] = Named(Tally, places)
        self.tasks: Named[Tally] = Named(Tally, places)
        self.cost_pico = Distribution(_DOLLARS_PICO)

    def hear(self, entry: Entry) -> None:
        """Add a settled call."""
        paid, baseline = -entry.posted(UPSTREAM), entry.posted(BASELINE)
        clients = is_clients(entry)
        quick = clients and entry.outcome == "answered" and entry.mode != "batch"
        self._model(entry, paid, baseline, quick=quick)
        for tally in (self.teams.of(entry.whose.team), self.tasks.of(entry.task)):
            tally.paid_pico += paid
            tally.baseline_pico += baseline
            if clients:
                tally.calls += 1
                tally.tried += entry.outcome not in _NOT_TRIED
                tally.answered += entry.outcome == "answered"
            if quick:
                tally.latency_ms.add(entry.latency_ms)
        if clients and entry.usage_source != "none":
            self.cost_pico.add(paid)

    def _model(self, entry: Entry, paid: int, baseline: int, *, quick: bool) -> None:
        model = self.models.of(model_text(entry.model))
        way = (entry.endpoint or "unknown", entry.outcome)
        model.calls[way] = model.calls.get(way, 0) + 1
        model.paid_pico += paid
        model.baseline_pico += baseline
        total, tokens = entry.usage.total, model.tokens
        for kind, count in (
            ("read", total.read),
            ("write_5m", total.write_5m),
            ("write_1h", total.write_1h),
            ("plain", total.input),
            ("output", total.output),
        ):
            if count:
                tokens[kind] = tokens.get(kind, 0) + count
        if quick:
            model.latency_ms.add(entry.latency_ms)
            model.first_byte_ms.add(entry.ttfb_ms)


def is_clients(entry: Entry) -> bool:
    """Whether a client asked for this call; the others are ours: pings, second calls, what was spent on judging."""
    return entry.endpoint in CLIENTS_ENDPOINTS and not entry.parent
