"""What an entry adds to its cells."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from tests.contracts.check_ledger import entry_of
from thriftgate.core.misses import Miss
from thriftgate.core.usage import Tokens, Usage
from thriftgate.ledger.entries import balanced
from thriftgate.ledger.rollup_columns import (
    BOUNDS_MS,
    COUNT_MAX,
    PART_COLUMNS,
    PROMPT_COLUMNS,
    WAY_COLUMNS,
    measures_of,
    parts_of,
    prompt_of,
)


def measured(**members: Any) -> dict[str, int]:
    return dict(zip(WAY_COLUMNS, measures_of(entry_of("a", **members)), strict=True))


def test_money_is_split_and_joins_again() -> None:
    found = measured(paid=12_345_678, saved=-3)
    assert (found["paid_high"], found["paid_low"]) == (12, 345_678)
    assert (found["baseline_high"], found["baseline_low"]) == (12, 345_675)
    assert found["own_calls"] == found["own_paid_high"] == found["own_paid_low"] == 0
    below = measured(postings=balanced(0, -1_000_001, {"x": 1_000_001}))
    assert (below["paid_high"], below["paid_low"]) == (-1, -1), "towards zero, as SQL divides"
    assert (below["own_calls"], below["own_paid_low"]) == (1, -1)


def test_without_usage_there_are_no_tokens() -> None:
    usage = Usage(Tokens(input=5, output=7), web_searches=2)
    assert measured(usage=usage)["input"] == 5
    found = measured(usage=usage, usage_source="none", miss=Miss("expired", 1, 9, ""))
    assert (found["used"], found["input"], found["output"], found["missed_low"]) == (0, 0, 0, 0)


def test_what_cannot_be_is_cut_off() -> None:
    found = measured(usage=Usage(Tokens(read=10**17)), latency_ms=10**17)
    assert found["read"] == found["latency_ms"] == COUNT_MAX
    assert prompt_of(entry_of("a", usage=Usage(Tokens(read=10**17))))[1][3] == COUNT_MAX


@pytest.mark.parametrize(("ms", "at"), [(0, None), (1, 0), (160, 0), (161, 1), (81_920, 9), (81_921, 10), (10**9, 10)])
def test_classes_of_latency(ms: int, at: int | None) -> None:
    found = measured(latency_ms=ms, ttfb_ms=ms)
    for kind in ("latency", "ttfb"):
        classes = [found[f"{kind}_{number}"] for number in range(len(BOUNDS_MS) + 1)]
        assert [number for number, count in enumerate(classes) if count] == ([] if at is None else [at])


def test_parts_are_levers_and_the_miss() -> None:
    entry = replace(entry_of("a", paid=5, saved=2_000_003), miss=Miss("evicted", 4, 1_000_001, ""))
    found = {name: dict(zip(PART_COLUMNS, sums, strict=True)) for name, sums in parts_of(entry)}
    saved, missed = found["saved:cache.breakpoints"], found["miss:evicted"]
    assert (saved["calls"], saved["pico_high"], saved["pico_low"]) == (1, 2, 3)
    assert (missed["tokens"], missed["pico_high"], missed["pico_low"]) == (4, 1, 1)
    assert missed["avoidable_high"] == missed["avoidable_low"] == 0


@pytest.mark.parametrize(("prompt", "above"), [(0, 0), (4_000, 0), (4_001, 4_000), (200_000, 196_000), (200_001, 200_000)])
def test_prompts_are_told_apart_by_the_step_that_they_exceed(prompt: int, above: int) -> None:
    names, counts = prompt_of(entry_of("a", usage=Usage(Tokens(input=prompt)), served_model="s"))
    assert names == ("s", "standard", "global", above)
    assert dict(zip(PROMPT_COLUMNS, counts, strict=True))["input"] == prompt
