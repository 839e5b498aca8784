"""Who waits for what."""

from __future__ import annotations

from thriftgate.batch.waiters import Waiters


def test_those_who_wait_for_a_job_are_told() -> None:
    waiters = Waiters()
    with waiters.holding(1) as one, waiters.holding(1) as two, waiters.holding(2) as other:
        waiters.tell([1, 7])
        assert (one.is_set(), two.is_set(), other.is_set()) == (True, True, False)
        waiters.tell_all()
        assert other.is_set()


def test_who_waits_is_known_until_the_last_one_leaves() -> None:
    waiters = Waiters()
    assert not waiters.holds(1)
    with waiters.holding(1):
        with waiters.holding(1):
            assert waiters.holds(1)
        assert waiters.holds(1)
    assert not waiters.holds(1)
    waiters.tell([1])
    waiters.tell_all()
