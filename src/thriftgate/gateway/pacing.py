"""What the metrics page shows of the governor. Labels are our own words: no key, no model."""

from __future__ import annotations

from collections.abc import Iterator
from typing import get_args

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric

from thriftgate.core.governing.refusals import Kind
from thriftgate.engine.governing import GovernorView

_PREFIX = "thriftgate_governor_"


def governor_families(view: GovernorView, spent: int) -> Iterator[Metric]:
    """How near the provider's limits are: of each kind the tightest. `spent` keys have no money left."""
    counts = {"waited": "Calls that have waited for the provider's limits.", "waited_seconds": "How long they have."}
    values = {"waited": float(view.waited), "waited_seconds": view.waited_s, "crowded": float(view.crowded)}
    for name, meaning in (counts | {"crowded": "Calls that could not be sent in time."}).items():
        yield CounterMetricFamily(_PREFIX + name, meaning, values[name])
    paused = sum(place.paused_s > 0 for place in view.places)
    gauges = {"waiting": view.waiting, "paused": paused, "keys_spent": spent}
    meanings = ("Calls that wait now.", "Limits that a refusal has paused.", "The provider's keys whose money is spent.")
    for (name, value), meaning in zip(gauges.items(), meanings, strict=True):
        yield GaugeMetricFamily(_PREFIX + name, meaning, float(value))
    refusals = CounterMetricFamily(_PREFIX + "refusals", "Refusals of the provider.", labels=("kind",))
    for kind in filter(None, get_args(Kind)):
        refusals.add_metric((kind,), view.refusals.get(kind, 0))
    yield refusals
    left: dict[str, float] = {}
    for place in view.places:
        for limit, share in place.left.items():
            left[limit] = min(share, left.get(limit, 1.0))
    ratio = GaugeMetricFamily(_PREFIX + "left_ratio", "What is left of the tightest limit.", labels=("limit",))
    for limit, share in left.items():
        ratio.add_metric((limit,), share)
    yield ratio
