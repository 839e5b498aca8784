"""Questions over documents."""

from __future__ import annotations

from tests.demo.traffic import entries_of
from thriftgate.demo.documents import CALLS, MODEL, QUESTIONS


def test_each_document_is_written_once_and_read_by_every_other_question() -> None:
    entries = entries_of("documents")
    assert len(entries) == CALLS
    assert {entry.model for entry in entries} == {MODEL}
    assert not any(entry.stream for entry in entries)
    assert sum(entry.usage.total.read == 0 for entry in entries) == len(QUESTIONS)
