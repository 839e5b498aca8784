"""What the metrics page really exposes, with something of everything on it."""

from __future__ import annotations

from collections.abc import Mapping, Set

from tests.cli.entries import entry_of
from tests.telemetry.pages import families
from thriftgate.core.control.whose import Whose
from thriftgate.core.misses import Miss
from thriftgate.engine.governing import GovernorView, PlaceView
from thriftgate.ledger.entries import Counters
from thriftgate.telemetry.page import MetricsPage, page_text
from thriftgate.telemetry.standings import BudgetStanding, QueueStanding, Standings, Verdicts
from thriftgate.telemetry.tallies import Tallies

GOVERNOR = GovernorView(3, 7, 1.5, 1, {"rate": 4}, (PlaceView("one", "opus-4", 3, 2.0, {"requests": 0.5}),))


def exposed() -> Mapping[str, Set[str]]:
    """The names of samples, each with its labels."""
    counters, tallies = Counters(), Tallies(5)
    entry = entry_of(task="tickets", whose=Whose(team="shop"), miss=Miss("expired", 1, 1, ""), ttfb_ms=1, latency_ms=2)
    counters.count(entry)
    tallies.hear(entry)
    asked = Standings(
        queue=lambda: QueueStanding(1, 1),
        budgets=lambda: [BudgetStanding("shop", ("team",), 1, 1, 9)],
        governor=lambda: (GOVERNOR, 0),
        targets=lambda: {"overload": 1},
        alerts=lambda: {"forecast": 1},
        quality=lambda: {"tickets": Verdicts(1, 1, 1, 1)},
        dropped=lambda: {"calls": 1},
    )
    page = page_text(MetricsPage(counters, tallies, asked, places=5).families(), "")[1].decode()
    found: dict[str, Set[str]] = {"up": frozenset()}  # Prometheus' own
    for family in families(page).values():
        assert family.samples, f"{family.name} is empty: a query of it could not be held to its labels"
        for sample in family.samples:
            found[sample.name] = frozenset(sample.labels)
    return found
