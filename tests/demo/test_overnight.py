"""Drafts that can wait."""

from __future__ import annotations

from tests.demo.traffic import entries_of
from thriftgate.demo.overnight import CALLS, MODEL


def test_all_of_them_go_through_batches_and_all_but_the_first_read_the_handbook() -> None:
    entries = entries_of("overnight")
    assert len(entries) == CALLS
    assert {(entry.model, entry.mode, entry.endpoint) for entry in entries} == {(MODEL, "batch", "anthropic.batches")}
    assert sum(entry.usage.total.read == 0 for entry in entries) == 1
    assert all(entry.posted("saved:batch.defer") for entry in entries)
