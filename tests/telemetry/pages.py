"""A metrics page, read by the library's own parsers."""

from __future__ import annotations

from collections.abc import Mapping

from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_prometheus

Labels = frozenset[tuple[str, str]]


def families(page: str, *, openmetrics: bool = False) -> dict[str, Metric]:
    """The families by name; fails where a name comes twice."""
    read = read_openmetrics if openmetrics else read_prometheus
    found = list(read(page))
    by_name = {family.name: family for family in found}
    assert len(by_name) == len(found)
    return by_name


def samples(page: str, *, openmetrics: bool = False) -> dict[tuple[str, Labels], float]:
    """Every sample by its name and labels; fails where one comes twice."""
    found: dict[tuple[str, Labels], float] = {}
    for family in families(page, openmetrics=openmetrics).values():
        for sample in family.samples:
            key = (sample.name, frozenset(sample.labels.items()))
            assert key not in found, key
            found[key] = sample.value
    return found


def value(found: Mapping[tuple[str, Labels], float], name: str, **labels: str) -> float:
    """One sample; KeyError where it is not there."""
    return found[f"thriftgate_{name}", frozenset(labels.items())]
