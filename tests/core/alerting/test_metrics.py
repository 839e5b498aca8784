"""What adds up to what."""

from __future__ import annotations

import random
from typing import Any

import pytest

from thriftgate.core.alerting.metrics import LATENCY_EDGES_MS, METRICS, Cell, Seen, value_of


def seen(**members: Any) -> Seen:
    values: dict[str, Any] = {"at_us": 0, "labels": frozenset()}
    return Seen(**values | members)


SOME = (
    seen(paid_pico=4, baseline_pico=10, read=90, prompt=100, output=7, latency_ms=100),
    seen(calls=2, errors=1, paid_pico=6, baseline_pico=10, read=0, prompt=100, output=3, latency_ms=200),
)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("spend", 10), ("saved", 10), ("calls", 3), ("errors", 1), ("prompt_tokens", 200), ("output_tokens", 10),
        ("error_share", 1 / 3), ("cache_share", 0.45), ("saved_share", 0.5),
    ],
)  # fmt: skip
def test_sums_and_shares(name: str, value: float) -> None:
    metric = METRICS[name]
    cells = [Cell(), Cell()]
    for cell, one in zip(cells, SOME, strict=True):
        cell.take(metric, one)
    calls, found = value_of(metric, cells)
    assert calls == 3
    assert found == pytest.approx(value)


def test_no_share_of_nothing() -> None:
    assert value_of(METRICS["cache_share"], ()) == (0, None)
    assert value_of(METRICS["latency_p95"], ()) == (0, None)
    assert value_of(METRICS["spend"], ()) == (0, 0.0)


def test_the_percentile_is_right_to_a_tenth() -> None:
    draw = random.Random(5)
    for _ in range(20):
        values = sorted(int(draw.lognormvariate(7, 1)) + 20 for _ in range(500))
        cell = Cell()
        for value in values:
            cell.take(METRICS["latency_p95"], seen(latency_ms=value))
        _, p95 = value_of(METRICS["latency_p95"], [cell])
        assert p95 == pytest.approx(values[474], rel=0.11)


def test_latency_that_is_unknown_or_endless() -> None:
    metric = METRICS["latency_p95"]
    cell = Cell()
    cell.take(metric, seen())
    assert value_of(metric, [cell]) == (1, None)
    cell.take(metric, seen(latency_ms=10**9))
    assert value_of(metric, [cell])[1] == pytest.approx(LATENCY_EDGES_MS[-1], rel=0.1)


def test_what_adds_up_can_be_forecast() -> None:
    assert {name for name, metric in METRICS.items() if not metric.adds_up} == {
        "error_share", "cache_share", "saved_share", "latency_p95",
    }  # fmt: skip
