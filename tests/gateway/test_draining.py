"""The end of a gateway, announced."""

from __future__ import annotations

from thriftgate.gateway.draining import Draining


def test_it_begins_once_and_for_good() -> None:
    draining = Draining()
    assert not draining.on
    draining.begin()
    assert draining.on
