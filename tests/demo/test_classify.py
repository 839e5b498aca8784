"""Nightly classification."""

from __future__ import annotations

from tests.demo.traffic import entries_of
from thriftgate.demo.classify import AT_ONCE, MODEL, tickets


def test_every_ticket_is_a_call_and_the_first_ones_pay_for_writing() -> None:
    entries = entries_of("classification")
    assert len(entries) == len(tickets()) == len(set(tickets()))
    assert {entry.model for entry in entries} == {MODEL}
    cold = sum(entry.usage.total.read == 0 for entry in entries)
    assert 1 <= cold <= AT_ONCE
