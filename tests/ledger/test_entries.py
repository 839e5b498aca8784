"""The words of the books."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.contracts.check_ledger import entry_of
from thriftgate.ledger.entries import BASELINE, SAVED, UPSTREAM, Posting, balanced

PICO = st.integers(-(10**18), 10**18)


def test_the_example_of_the_module() -> None:
    postings = balanced(1_000_000_000, 412_000_000, {"cache.breakpoints": 588_000_000})
    assert postings == (
        Posting(BASELINE, 1_000_000_000),
        Posting(UPSTREAM, -412_000_000),
        Posting(SAVED + "cache.breakpoints", -588_000_000),
    )


@given(PICO, st.dictionaries(st.text(max_size=5), PICO, max_size=4))
def test_what_adds_up_is_posted_and_sums_to_zero(paid: int, saved: dict[str, int]) -> None:
    entry = entry_of("a", postings=balanced(paid + sum(saved.values()), paid, saved))
    assert entry.balance() == 0
    assert entry.posted(UPSTREAM) == -paid
    assert all(entry.posted(SAVED + lever) == -pico for lever, pico in saved.items())


@given(PICO, PICO, PICO, PICO.filter(bool))
def test_what_does_not_add_up_is_refused(paid: int, one: int, two: int, off: int) -> None:
    with pytest.raises(ValueError, match=f"off by {off} pico-USD"):
        balanced(paid + one + two + off, paid, {"a": one, "b": two})
