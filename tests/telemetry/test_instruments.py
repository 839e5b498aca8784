"""Metrics for OpenTelemetry, read back from the SDK: bounded, and nothing counted that was no call of a model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from tests.cli.entries import entry_of
from thriftgate.ledger.entries import Entry, balanced
from thriftgate.telemetry.instruments import Instruments


def points(*entries: Entry, places: int = 5) -> Mapping[str, list[Any]]:
    """The data points by instrument."""
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader], shutdown_on_exit=False)
    made = Instruments(provider.get_meter("test"), places)
    for entry in entries:
        made.record(entry)
    data = reader.get_metrics_data()
    assert data is not None
    metrics = [metric for of in data.resource_metrics for scope in of.scope_metrics for metric in scope.metrics]
    provider.shutdown()
    return {metric.name: list(metric.data.data_points) for metric in metrics}


def test_names_made_up_make_no_series() -> None:
    found = points(*(entry_of(model=f"m{at}", served_model=f"s{at}") for at in range(500)), places=5)
    for name, of in found.items():
        assert len(of) <= 12, name
    assert sum(one.value for one in found["thriftgate.calls"]) == 500


def test_a_refused_call_is_no_operation() -> None:
    found = points(entry_of(outcome="refused", usage_source="none", postings=balanced(0, 0, {})))
    assert set(found) == {"thriftgate.calls"}


def test_a_batch_says_nothing_of_latency() -> None:
    found = points(entry_of(mode="batch", latency_ms=7_200_000))
    assert "gen_ai.client.operation.duration" not in found
    assert sum(one.sum for one in found["gen_ai.client.token.usage"]) == 1_200


def test_failures_have_their_kind() -> None:
    found = points(entry_of(outcome="failed", status=529, stream=True, usage_source="none", postings=balanced(0, 0, {})))
    (duration,) = found["gen_ai.client.operation.duration"]
    assert duration.attributes["error.type"] == "529"
    assert "gen_ai.client.operation.time_to_first_chunk" not in found
    assert "gen_ai.client.token.usage" not in found


def test_a_lever_may_cost() -> None:
    found = points(entry_of(postings=balanced(10**9, 3 * 10**9, {"cache.keepalive": -2 * 10**9})))
    (saved,) = found["thriftgate.saved"]
    assert (saved.attributes["thriftgate.lever"], saved.value) == ("cache.keepalive", -0.002)
