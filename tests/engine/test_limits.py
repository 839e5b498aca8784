"""Who may wait for another call."""

from __future__ import annotations

from thriftgate.engine.limits import Limits


def test_who_is_in_a_hurry_does_not_wait() -> None:
    limits = Limits(latency_critical=frozenset({"key_1"}))
    assert limits.may_wait("key_2", ())
    assert not limits.may_wait("key_1", ())
    assert not limits.may_wait("key_2", ((b"thriftgate-latency", b"critical"),))
    assert not Limits(fanout_wait_s=0.0).may_wait("key_2", ())
