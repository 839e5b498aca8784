import math
from typing import Any

import pytest

from thriftgate.simulator import BatchRules
from thriftgate.simulator.schedule import Schedule, make_schedule

NOW = 1000.0


def schedule(count: int, *, seed: int = 1, slowness: float = 1.0, **rules: Any) -> Schedule:
    return make_schedule(BatchRules(**rules), count, NOW, ("batch", seed, 1), slowness)


def test_without_workers_items_spread_shuffled_over_the_duration() -> None:
    found = schedule(10, duration_s=(100, 100))
    assert found.done_at == NOW + 100
    assert list(found.starts) == pytest.approx([NOW + 4.75 + 9.5 * rank for rank in range(10)])
    assert sorted(found.order) == list(range(10)) != list(found.order)
    assert schedule(10, duration_s=(100, 100), slowness=3).done_at == NOW + 300
    assert 60 <= schedule(1).done_at - NOW <= 1800


def test_workers_start_evenly_and_keep_their_rate() -> None:
    found = schedule(10, workers=4, service_s=8)
    assert list(found.order) == list(range(10))
    assert list(found.starts) == [NOW + 2 * rank for rank in range(10)]
    assert found.done_at == NOW + 18 + 8
    assert schedule(10, workers=4, service_s=8, slowness=2).done_at == NOW + 36 + 16


def test_workers_that_start_at_once_work_in_waves() -> None:
    found = schedule(5, workers=2, service_s=8, stagger=False)
    assert list(found.starts) == [NOW, NOW, NOW + 8, NOW + 8, NOW + 16]
    assert found.done_at == NOW + 24
    assert list(schedule(3, workers=200, service_s=8, stagger=False).starts) == [NOW] * 3


def test_spread_keeps_the_mean_and_the_order_of_time() -> None:
    found = schedule(2000, workers=10, service_s=10, spread=0.5, stagger=False)
    assert list(found.starts) == sorted(found.starts)
    assert found.done_at - NOW == pytest.approx(2000, rel=0.05)
    taken = [later - earlier for earlier, later in zip(found.starts[10:], found.starts[11:], strict=False)]
    assert min(taken) < 0.1
    assert max(taken) > 2


def test_queue_order_and_seed() -> None:
    shuffled = schedule(20, workers=3, order="shuffled")
    assert sorted(shuffled.order) == list(range(20)) != list(shuffled.order)
    waits = [schedule(1, seed=seed, workers=1, start_s=(10, 20)).starts[0] - NOW for seed in range(50)]
    assert all(10 <= wait < 20 for wait in waits)
    assert max(waits) - min(waits) > 5
    assert schedule(20, seed=2, workers=3, order="shuffled") != shuffled == schedule(20, workers=3, order="shuffled")


@pytest.mark.parametrize("workers", [0, 5])
def test_stuck_items_never_start(workers: int) -> None:
    found = schedule(200, workers=workers, stuck_share=0.5)
    assert 70 < len(found.order) == len(found.starts) < 130
    assert found.done_at == math.inf
    assert list(found.starts) == sorted(found.starts)
    assert schedule(200, workers=workers, stuck_share=1e-9).done_at < math.inf
