"""Support chat."""

from __future__ import annotations

from itertools import pairwise

from tests.demo.traffic import entries_of
from thriftgate.demo.support import CHATS, LUNCH_S, MODEL


def test_streams_over_one_cached_handbook() -> None:
    entries = entries_of("support")
    assert len(entries) == sum(len(chat) for chat in CHATS)
    assert {entry.model for entry in entries} == {MODEL}
    assert all(entry.stream and entry.outcome == "answered" for entry in entries)
    assert entries[0].usage.total.read == 0
    assert sum(entry.usage.total.read > 0 for entry in entries) > len(entries) * 0.8


def test_the_quiet_half_hour_costs_a_write_as_it_would_in_earnest() -> None:
    entries = entries_of("support")
    gaps_s = [(after.opened_us - before.opened_us) / 1e6 for before, after in pairwise(entries)]
    late = entries[1 + gaps_s.index(max(gaps_s))]
    assert max(gaps_s) > LUNCH_S
    assert late.usage.total.read == 0
    assert late.usage.total.write_5m + late.usage.total.write_1h > 0
