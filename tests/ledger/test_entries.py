"""The words of the books."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.contracts.check_ledger import entry_of
from thriftgate.core.misses import Miss
from thriftgate.core.usage import Tokens, Usage
from thriftgate.ledger.entries import BASELINE, SAVED, UPSTREAM, Counters, Posting, balanced

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


def test_each_call_is_added_up() -> None:
    counters = Counters()
    tokens = Usage(Tokens(input=1, write_5m=2, write_1h=3, read=4, output=5))
    counters.count(entry_of("a", paid=70, saved=30, usage=tokens, miss=Miss("expired", 9, 8, "")))
    counters.count(entry_of("b", paid=50, saved=-7, usage=tokens, miss=Miss("expired", 1, 2, "")))
    counters.count(entry_of("c", paid=0, outcome="failed", resolution="void", usage_source="none"))
    assert counters.calls == {"answered": 2, "failed": 1}
    assert (counters.plain, counters.write_5m, counters.write_1h, counters.read, counters.output) == (2, 4, 6, 8, 10)
    assert (counters.baseline_pico, counters.paid_pico) == (143, 120)
    assert counters.saved_pico == {"cache.breakpoints": 23}
    missed = counters.misses["expired"]
    assert (missed.calls, missed.tokens, missed.pico) == (2, 10, 10)
    assert list(counters.misses) == ["expired"]
