"""Which targets are left alone."""

from __future__ import annotations

from tests.fixtures import TestClock
from thriftgate.core.health.breaker import Patience
from thriftgate.core.health.faults import Fault
from thriftgate.engine.health import Health

LIMITS = {"one": "one", "two": "one", "three": "three"}


def health(clock: TestClock) -> Health:
    return Health(Patience(failures=2, open_s=10), LIMITS, clock)


def test_a_fault_of_a_model_says_nothing_of_the_others() -> None:
    clock = TestClock()
    found = health(clock)
    found.failed("one", "opus", Fault("model"), clock.now_s())
    assert not found.may("one", "opus")
    assert found.may("one", "haiku")
    assert found.may("two", "opus")


def test_a_fault_of_the_target_holds_for_all_models() -> None:
    clock = TestClock()
    found = health(clock)
    for _ in range(2):
        assert found.may("one", "opus")
        found.failed("one", "opus", Fault("unreachable"), clock.now_s())
    assert not found.may("one", "opus")
    assert not found.may("one", "haiku")


def test_what_an_account_lacks_holds_for_all_its_targets() -> None:
    clock = TestClock()
    found = health(clock)
    found.failed("two", "opus", Fault("balance", shared=True), clock.now_s())
    assert [found.may(name, "opus") for name in LIMITS] == [False, False, True]
    assert [(left.target, left.model, left.kind) for left in found.left_alone()] == [
        ("one", "", "balance"),
        ("two", "", "balance"),
    ]


def test_one_that_is_served_again_is_forgotten() -> None:
    clock = TestClock()
    found = health(clock)
    for _ in range(2):
        found.failed("one", "opus", Fault("overload"), clock.now_s())
    clock.advance(10)
    assert found.may("one", "opus")
    found.goes("one", "opus")
    assert not found.may("one", "opus")  # one probe at a time
    found.served("one", "opus", clock.now_s())
    assert found.may("one", "opus")
    assert found.left_alone() == []


def test_an_operator_may_say_that_all_is_well() -> None:
    clock = TestClock()
    found = health(clock)
    found.failed("one", "opus", Fault("auth"), clock.now_s())
    found.clear("one")
    assert found.may("one", "opus")
