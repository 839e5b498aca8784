"""Buckets are disjoint, add up, and never go negative."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from thriftgate.core.usage import Iteration, Tokens, Usage

COUNT = st.integers(0, 10**7)
TOKENS = st.builds(Tokens, COUNT, COUNT, COUNT, COUNT, COUNT)


@given(TOKENS)
def test_the_prompt_is_every_input_bucket_and_nothing_else(tokens: Tokens) -> None:
    assert tokens.prompt == tokens.input + tokens.write_5m + tokens.write_1h + tokens.read


@given(TOKENS, TOKENS)
def test_adding_adds_every_bucket(one: Tokens, two: Tokens) -> None:
    both = one + two
    assert all(getattr(both, name) == getattr(one, name) + getattr(two, name) for name in Tokens.__struct_fields__)
    assert both == two + one
    assert one + Tokens() == one


@given(TOKENS)
def test_uncached_is_the_same_prompt_and_output(tokens: Tokens) -> None:
    plain = tokens.uncached()
    assert (plain.prompt, plain.output) == (tokens.prompt, tokens.output)
    assert plain.input == tokens.prompt
    assert plain.uncached() == plain


@pytest.mark.parametrize("name", Tokens.__struct_fields__)
def test_a_negative_count_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="negative"):
        Tokens(**{name: -1})


def test_thinking_is_part_of_output() -> None:
    assert Tokens(output=10, thinking=10).prompt == 0
    with pytest.raises(ValueError, match="part of output"):
        Tokens(output=10, thinking=11)


def test_negative_counts_are_refused_from_the_wire_too() -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"input": -1}, Tokens)


def test_iterations_are_the_bill_where_there_are_any() -> None:
    total = Tokens(input=23_000, output=1_000)
    compaction = Iteration("compaction", Tokens(input=180_000, output=3_500))
    message = Iteration("message", total)
    assert Usage(total).billed() == (message,)
    assert Usage(total, iterations=(compaction, message)).billed() == (compaction, message)
