"""The short form of `python -m benchmarks.batch waves`: jobs that share a prefix cost hardly more than the optimum, whatever
the provider's load; one batch of the same jobs does."""

from __future__ import annotations

import pytest
from benchmarks.batch import waves
from benchmarks.batch.waves import Shape

from thriftgate.simulator.cache import HOUR_S


@pytest.mark.parametrize(("workers", "stall_s"), [(20, 0.0), (1_000, 60.0), (50, 600.0)])
def test_one_prefix_is_written_once_whatever_the_load(workers: int, stall_s: float) -> None:
    (cell,) = waves.measure([Shape(1, 120, 20_000)], [workers], [stall_s])
    assert 1.0 <= cell.over < waves.OVER_OPTIMUM
    assert cell.batches == 2
    assert min(cost for cost in cell.others.values() if cost is not None) > cell.ours
    assert waves.goals([cell])[0].passed


def test_prefixes_live_as_long_as_a_slow_batch() -> None:
    """The followers of one group alone would keep the workers busy for longer than any prefix lives."""
    (cell,) = waves.measure([Shape(20, 25, 4_000)], [20], [600.0])
    assert cell.hours * 3600 > 3 * HOUR_S
    assert cell.over < 1.25
    assert cell.hits > 0.9


def test_the_optimum_is_what_nobody_stays_below() -> None:
    shape = Shape(4, 10, 4_000)
    (cell,) = waves.measure([shape], [50], [0.0])
    assert set(cell.others) == {f"{order} {ttl}" for order in waves.ORDERS for ttl in waves.TTLS}
    assert all(cost is not None and cost >= cell.optimum for cost in (*cell.others.values(), cell.ours))
    assert len(waves.table([cell]).splitlines()) == 2
    assert waves.document([cell])[0]["over_optimum"] == cell.over


def test_orders_hold_every_job_once() -> None:
    shape = Shape(3, 4, 100)
    assert waves.ordered(shape, "grouped", 1) == list(range(12))
    assert waves.ordered(shape, "striped", 1)[:4] == [0, 4, 8, 1]
    for order in waves.ORDERS:
        assert sorted(waves.ordered(shape, order, 1)) == list(range(12))
