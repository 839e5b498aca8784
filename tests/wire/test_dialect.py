"""The dialects there are: each with a name of its own. What every one must do is checked in tests/contracts."""

from __future__ import annotations

from thriftgate.wire import DIALECTS
from thriftgate.wire.anthropic_messages import AnthropicMessages
from thriftgate.wire.dialect import Dialect, Meter


def test_names_are_unique() -> None:
    names = [dialect.name for dialect in DIALECTS]
    assert len(set(names)) == len(names)


def test_the_dialect_of_the_planner_stands_first_and_loses_nothing() -> None:
    first: Dialect = DIALECTS[0]
    assert isinstance(first, AnthropicMessages)
    assert not first.cannot_carry


def test_each_call_gets_a_meter_of_its_own() -> None:
    for dialect in DIALECTS:
        one: Meter = dialect.meter()
        two: Meter = dialect.meter()
        one.feed(b'event: message_start\ndata: {"message":{"id":"m"}}\n\n')
        assert two.reading().message_id == ""
