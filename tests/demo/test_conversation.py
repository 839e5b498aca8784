"""A long conversation."""

from __future__ import annotations

from tests.demo.traffic import entries_of
from thriftgate.demo.conversation import MODEL, TURNS


def test_each_turn_sends_all_before_it_and_most_of_it_is_read_from_the_cache() -> None:
    entries = entries_of("conversation")
    prompts = [entry.usage.total.prompt for entry in entries]
    assert len(entries) == len(TURNS) == 20
    assert prompts == sorted(prompts)
    assert {entry.model for entry in entries} == {MODEL}
    assert all(entry.stream and entry.outcome == "answered" for entry in entries)
    assert sum(entry.usage.total.read for entry in entries) > 0.5 * sum(prompts)
