"""The book of beliefs: bounded, kept, merged."""

from __future__ import annotations

import pytest

from tests.core.test_evidence import MODEL, THREE
from thriftgate.core.belief_book import PAIRS_MAX, BeliefBook
from thriftgate.core.beliefs import Belief, Beliefs, Bounds
from thriftgate.core.cache import Breakpoint, CacheRules
from thriftgate.core.evidence import Evidence
from thriftgate.core.usage import Tokens

FAILS = Beliefs(late_upgrade=Belief("fails", "experiment", 5.0, 1), readable=Bounds(2.0, 4.0, "experiment", 5.0))


def test_what_nobody_told_is_documented() -> None:
    book = BeliefBook()
    assert book.rules("anthropic", MODEL) == CacheRules()
    assert book.minimum("anthropic", MODEL, 2_048) == 2_048
    assert book.readable_s("anthropic", MODEL) == 0.0


def test_a_pair_learns_for_itself() -> None:
    book = BeliefBook()
    evidence = Evidence(
        prefix=THREE,
        cumulative=[1_000, 2_000, 3_000],
        breakpoints=[Breakpoint(2, "1h")],
        residency={},
        billed=Tokens(write_5m=3_000),
        now_s=1.0,
        usable_s=1.0,
        cache_min_tokens=512,
    )
    lesson = book.learn("anthropic", MODEL, evidence)
    assert len(lesson.warnings) == 1
    assert not book.rules("anthropic", MODEL).hour_granted
    assert book.rules("anthropic", "claude-y").hour_granted
    assert book.rules("bedrock", MODEL).hour_granted


def test_kept_and_restored() -> None:
    book = BeliefBook()
    book.teach("anthropic", MODEL, FAILS)
    fresh = BeliefBook()
    fresh.restore(book.kept())
    assert fresh.of("anthropic", MODEL) == FAILS
    assert fresh.readable_s("anthropic", MODEL) == 4.0
    fresh.teach("anthropic", MODEL, Beliefs(late_upgrade=Belief("holds", "usage", 9.0, 1)))
    assert not fresh.rules("anthropic", MODEL).late_upgrade


@pytest.mark.parametrize("kept", [b"", b"{}", b'[["anthropic"]]', b"\xff"])
def test_what_is_no_book_changes_nothing(kept: bytes) -> None:
    book = BeliefBook()
    book.teach("anthropic", MODEL, FAILS)
    with pytest.raises(ValueError, match="no kept beliefs"):
        book.restore(kept)
    assert book.of("anthropic", MODEL) == FAILS


def test_it_is_bounded() -> None:
    book = BeliefBook()
    for number in range(PAIRS_MAX + 10):
        book.teach("anthropic", f"claude-{number}", FAILS)
    known = [number for number in range(PAIRS_MAX + 10) if book.of("anthropic", f"claude-{number}") == FAILS]
    assert known == list(range(10, PAIRS_MAX + 10))
