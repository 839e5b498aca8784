"""Wrong keys are slowed down, address by address, in bounded memory."""

from __future__ import annotations

from thriftgate.gateway.throttle import ADDRESSES_MAX, ALL_MAX, FREE, LONGEST_S, WINDOW_S, Throttle


def test_a_few_cost_nothing_and_then_each_costs_twice_as_much() -> None:
    one, waits = Throttle(), []
    for _ in range(FREE + 4):
        waits.append(one.wait_s("a", 0.0))
        one.failed("a", 0.0)
    assert waits == [0.0] * (FREE + 1) + [1.0, 2.0, 4.0]
    assert one.wait_s("b", 0.0) == 0.0
    assert one.wait_s("a", 7.0) == 1.0
    for _ in range(2000):
        one.failed("a", 0.0)
    assert one.wait_s("a", 0.0) == LONGEST_S


def test_who_keeps_still_is_forgiven() -> None:
    one = Throttle()
    for _ in range(FREE + 3):
        one.failed("a", 0.0)
    one.failed("a", LONGEST_S + 1)
    assert one.wait_s("a", LONGEST_S + 1) == 0.0
    for _ in range(FREE + 3):
        one.failed("a", LONGEST_S + 1)
    one.passed("a")
    assert one.wait_s("a", LONGEST_S + 1) == 0.0


def test_from_everywhere_at_once_whoever_failed_waits_for_the_next_window() -> None:
    one = Throttle()
    for number in range(ALL_MAX):
        assert one.wait_s(f"a{number}", 1.0) == 0.0
        one.failed(f"a{number}", 1.0)
    assert one.wait_s("a7", 1.0) == WINDOW_S
    assert one.wait_s("fresh", 1.0) == 0.0
    assert one.wait_s("a7", 1.0 + WINDOW_S) == 0.0


def test_memory_is_bounded() -> None:
    one = Throttle()
    for number in range(3 * ADDRESSES_MAX):
        one.failed(str(number), 0.0)
    assert len(one._failed) <= ADDRESSES_MAX
