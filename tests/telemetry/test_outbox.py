"""What waits to be delivered: bounded, counted, and never in the way."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

import pytest

from thriftgate.telemetry.outbox import BATCH, Outbox


def test_all_of_it_arrives_in_order() -> None:
    came: list[int] = []

    def deliver(items: Sequence[int]) -> int:
        assert len(items) <= BATCH
        came.extend(items)
        return 0

    box = Outbox(deliver, 10_000, every_s=0.01)
    for at in range(2_000):
        box.put(at)
    box.close(5)
    assert came == list(range(2_000))
    assert (box.dropped, box.undelivered) == (0, 0)


def test_a_full_box_drops_and_counts() -> None:
    stuck, entered = threading.Event(), threading.Event()
    came: list[int] = []

    def deliver(items: Sequence[int]) -> int:
        entered.set()
        stuck.wait(5)
        came.extend(items)
        return 0

    box = Outbox(deliver, 100, every_s=0.001)
    box.put(0)
    assert entered.wait(5)
    began = time.perf_counter()
    for at in range(1, 1_001):
        box.put(at)
    assert time.perf_counter() - began < 0.5, "nobody waits for a delivery that hangs"
    assert box.dropped == 900
    stuck.set()
    box.close(5)
    assert came == list(range(101))


def test_closing_has_an_end() -> None:
    stuck = threading.Event()
    box: Outbox[int] = Outbox(lambda _: 0 * stuck.wait(5), 100, every_s=0.001)
    for at in range(50):
        box.put(at)
    time.sleep(0.05)
    for at in range(50):
        box.put(at)
    began = time.perf_counter()
    box.close(0.1)
    assert time.perf_counter() - began < 1
    assert box.dropped > 0
    box.put(1)
    assert box.dropped > 50, "what comes after the end, too"
    stuck.set()


def test_failure_is_told_once_and_so_is_its_end(capfd: pytest.CaptureFixture[str]) -> None:
    answers = iter([2, 1, 0, 0])
    done = threading.Semaphore(0)

    def deliver(items: Sequence[int]) -> int:
        failed = next(answers)
        done.release()
        return min(failed, len(items))

    box = Outbox(deliver, 100, every_s=0.001)
    for _ in range(4):
        box.put(1)
        assert done.acquire(timeout=5)
        time.sleep(0.02)
    box.close(5)
    assert box.undelivered == 2
    lines = capfd.readouterr().err.splitlines()
    assert ["not delivered" in line for line in lines] == [True, False]
    assert "delivered again" in lines[1]


def test_what_raises_does_not_end_it(capfd: pytest.CaptureFixture[str]) -> None:
    came: list[str] = []

    def deliver(items: Sequence[str]) -> int:
        if "bad" in items:
            raise ValueError("the combination is 4711")
        came.extend(items)
        return 0

    box = Outbox(deliver, 100, every_s=0.001)
    box.put("bad")
    while not box.undelivered:
        time.sleep(0.001)
    box.put("good")
    box.close(5)
    assert came == ["good"]
    told = capfd.readouterr().err
    assert "ValueError" in told
    assert "4711" not in told
