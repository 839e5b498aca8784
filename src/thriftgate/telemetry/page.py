"""The metrics page: text for Prometheus, or OpenMetrics for those who ask for it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from thriftgate.ledger.entries import Counters
from thriftgate.telemetry.families import breakdown, standing, totals
from thriftgate.telemetry.standings import Standings
from thriftgate.telemetry.tallies import Tallies


class MetricsPage:
    """One per gateway, on a registry of its own. `places`: how many names a label has at most."""

    def __init__(self, counters: Counters, tallies: Tallies, asked: Standings, *, places: int) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(_Families(lambda: totals(counters)))
        self._registry.register(_Families(lambda: breakdown(tallies)))
        self._registry.register(_Families(lambda: standing(asked, open_holds=len(counters.open_holds), places=places)))

    def families(self) -> Sequence[Metric]:
        """What is on the page now. Asked for within the loop that the totals are kept in."""
        return tuple(self._registry.collect())


def page_text(families: Sequence[Metric], accept: str) -> tuple[str, bytes]:
    """The content type that the `accept` header asks for, and the page in it. Takes long enough for a thread of its own."""
    encode, content_type = choose_encoder(accept)
    return content_type, encode(_Families(lambda: families))


class _Families(Collector):
    def __init__(self, made: Callable[[], Iterable[Metric]]) -> None:
        self._made = made

    def collect(self) -> Iterator[Metric]:
        yield from self._made()
