"""The API's usage object into disjoint buckets, and the terms it names."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from thriftgate.core.usage import Iteration, Tokens, Usage
from thriftgate.wire.usage import ApiUsage


def read(**members: Any) -> ApiUsage:
    return msgspec.json.decode(msgspec.json.encode(members), type=ApiUsage)


BUCKETS: list[tuple[str, dict[str, Any], Tokens]] = [
    ("nothing", {}, Tokens()),
    ("plain", {"input_tokens": 5, "output_tokens": 7}, Tokens(5, output=7)),
    (
        "split writes",
        {
            "input_tokens": 1,
            "cache_creation_input_tokens": 30,
            "cache_read_input_tokens": 4,
            "cache_creation": {"ephemeral_5m_input_tokens": 10, "ephemeral_1h_input_tokens": 20},
        },
        Tokens(1, write_5m=10, write_1h=20, read=4),
    ),
    ("writes without their split are 5m", {"cache_creation_input_tokens": 30}, Tokens(write_5m=30)),
    ("split only", {"cache_creation": {"ephemeral_1h_input_tokens": 20}}, Tokens(write_1h=20)),
    (
        "writes that came later in the stream are 5m",
        {
            "cache_creation_input_tokens": 50,
            "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 20},
        },
        Tokens(write_5m=30, write_1h=20),
    ),
    (
        "nulls",
        {"input_tokens": None, "cache_creation": None, "output_tokens_details": None, "server_tool_use": None},
        Tokens(),
    ),
    (
        "nulls inside",
        {"cache_creation": {"ephemeral_5m_input_tokens": None}, "output_tokens_details": {"thinking_tokens": None}},
        Tokens(),
    ),
    (
        "thinking is part of the output",
        {"output_tokens": 9, "output_tokens_details": {"thinking_tokens": 4}},
        Tokens(output=9, thinking=4),
    ),
    (
        "and cannot exceed it",
        {"output_tokens": 3, "output_tokens_details": {"thinking_tokens": 4}},
        Tokens(output=3, thinking=3),
    ),
    ("fields of tomorrow", {"input_tokens": 1, "dreams": {"x": 1}}, Tokens(1)),
]


@pytest.mark.parametrize(("members", "tokens"), [row[1:] for row in BUCKETS], ids=[row[0] for row in BUCKETS])
def test_buckets(members: dict[str, Any], tokens: Tokens) -> None:
    assert read(**members).usage() == Usage(tokens)
    iteration = read(iterations=[members | {"type": "message", "model": "m"}]).usage().iterations
    assert iteration == (Iteration("message", tokens, "m"),)


def test_searches_and_iterations() -> None:
    usage = read(server_tool_use={"web_search_requests": 3}, iterations=[{"type": "compaction", "input_tokens": 9}]).usage()
    assert usage.web_searches == 3
    assert usage.iterations == (Iteration("compaction", Tokens(9)),)


MODES = [
    ({}, "standard"),
    ({"service_tier": "standard"}, "standard"),
    ({"service_tier": "priority"}, "standard"),
    ({"service_tier": "batch"}, "batch"),
    ({"speed": "fast"}, "fast"),
    ({"speed": "standard"}, "standard"),
    ({"speed": None, "service_tier": None}, "standard"),
]


@pytest.mark.parametrize(("members", "mode"), MODES)
def test_modes(members: dict[str, Any], mode: str) -> None:
    assert read(**members).mode() == mode


@pytest.mark.parametrize("name", ["input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens"])
@pytest.mark.parametrize("count", [-1, 2**40 + 1, 10**30, "7", 1.5])
def test_counts_that_cannot_be(name: str, count: Any) -> None:
    with pytest.raises(msgspec.ValidationError):
        read(**{name: count})


COUNTS = st.none() | st.integers(0, 10**6)
ANY = st.builds(
    ApiUsage,
    input_tokens=COUNTS,
    output_tokens=COUNTS,
    cache_creation_input_tokens=COUNTS,
    cache_read_input_tokens=COUNTS,
    speed=st.none() | st.sampled_from(("fast", "standard")),
)


@given(ANY, ANY)
def test_what_comes_later_stands_where_it_says_something(first: ApiUsage, later: ApiUsage) -> None:
    merged = first.merged(later)
    for name in ApiUsage.__struct_fields__:
        last = getattr(later, name)
        assert getattr(merged, name) == (getattr(first, name) if last is None else last)


@given(ANY)
def test_reading_never_fails_and_counts_everything(usage: ApiUsage) -> None:
    total = usage.usage().total
    parts = (usage.input_tokens, usage.cache_creation_input_tokens, usage.cache_read_input_tokens)
    assert total.prompt == sum(part or 0 for part in parts)
    assert total.output == (usage.output_tokens or 0)
