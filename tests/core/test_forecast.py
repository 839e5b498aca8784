"""Expected and worst cost of a drafted call, by hand: Opus 4.8 at $5 in and $25 out per million tokens."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.core.planning import BOOK, request_of, state_of
from thriftgate.core.cache import Breakpoint, Resident
from thriftgate.core.cost import day_of, price_usage
from thriftgate.core.errors import UnknownPrice
from thriftgate.core.forecast import forecast, worst_case
from thriftgate.core.money import pico_from_usd
from thriftgate.core.plan import Draft
from thriftgate.core.prices import Terms
from thriftgate.core.state import State
from thriftgate.core.usage import Tokens, Usage

BLOCKS = [{"type": "text", "text": str(at)} for at in range(3)]
REQUEST = request_of(messages=[{"role": "user", "content": BLOCKS}])
STATE = state_of(REQUEST, tokens=100_000, output_tokens=1_000)
TERMS = Terms("claude-opus-4-8", day_of(STATE.now_s))
LIVE = {STATE.prefix.chain[0]: Resident("5m", STATE.now_s - 1, STATE.now_s + 299)}


def draft(*marks: Breakpoint, max_tokens: int = 2_000) -> Draft:
    return Draft(TERMS, max_tokens, marks)


TABLE: list[tuple[str, Draft, State, Tokens, str, str]] = [
    ("plain", draft(), STATE, Tokens(300_000, output=1_000), "1.525", "1.55"),
    ("short answer", draft(max_tokens=10), STATE, Tokens(300_000, output=10), "1.50025", "1.50025"),
    ("no answer", draft(max_tokens=0), STATE, Tokens(300_000), "1.5", "1.5"),
    ("5m", draft(Breakpoint(1, "5m")), STATE, Tokens(100_000, write_5m=200_000, output=1_000), "1.775", "1.925"),
    ("1h", draft(Breakpoint(2, "1h")), STATE, Tokens(write_1h=300_000, output=1_000), "3.025", "3.05"),
    (
        "warm",
        draft(Breakpoint(1, "5m")),
        replace(STATE, residency=LIVE),
        Tokens(100_000, write_5m=100_000, read=100_000, output=1_000),
        "1.2",
        "1.925",
    ),
]


@pytest.mark.parametrize(
    ("drafted", "state", "tokens", "usd", "worst_usd"), [row[1:] for row in TABLE], ids=[r[0] for r in TABLE]
)
def test_by_hand(drafted: Draft, state: State, tokens: Tokens, usd: str, worst_usd: str) -> None:
    found = forecast(drafted, state)
    assert (found.tokens, found.pico, found.worst_pico) == (tokens, pico_from_usd(usd), pico_from_usd(worst_usd))


def test_the_worst_case_counts_by_the_upper_bound() -> None:
    state = replace(STATE, upper=(150_000, 300_000, 450_000))
    assert worst_case(draft(max_tokens=0), state) == pico_from_usd("2.25")
    assert forecast(draft(max_tokens=0), state).pico == pico_from_usd("1.5")


def test_an_empty_prompt() -> None:
    request = request_of(messages=[])
    assert worst_case(draft(max_tokens=1_000), state_of(request)) == pico_from_usd("0.025")
    assert forecast(draft(max_tokens=1_000), state_of(request, output_tokens=0)).pico == 0


def test_an_unknown_price_is_an_error() -> None:
    with pytest.raises(UnknownPrice):
        forecast(replace(draft(), terms=replace(TERMS, model="claude-of-tomorrow")), STATE)


MARKS = st.sets(st.integers(0, 2), max_size=3).flatmap(
    lambda spots: st.builds(
        lambda hours: tuple(Breakpoint(at, "1h" if n < hours else "5m") for n, at in enumerate(sorted(spots))),
        st.integers(0, len(spots)),
    )
)


@given(
    MARKS,
    st.integers(0, 100_000),
    st.integers(0, 100_000),
    st.booleans(),
    st.sampled_from(("claude-opus-4-8", "claude-haiku-5-5")),
)
def test_no_outcome_costs_more_than_the_worst(
    marks: tuple[Breakpoint, ...], output: int, max_tokens: int, warm: bool, model: str
) -> None:
    """Whatever is read from the cache or not, and however long the answer is."""
    state = replace(STATE, residency=LIVE if warm else {}, output_tokens=output)
    drafted = Draft(replace(TERMS, model=model), max_tokens, marks)
    found = forecast(drafted, state)
    assert 0 <= found.pico <= found.worst_pico
    full = replace(found.tokens, output=max_tokens)
    assert price_usage(Usage(full), drafted.terms, BOOK).pico <= found.worst_pico
