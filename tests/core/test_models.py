"""The capability table: complete, sourced, and in step with the price book."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest

from thriftgate.core.errors import ConfigError
from thriftgate.core.models import Capabilities, parse_models
from thriftgate.core.prices import day_from_iso
from thriftgate.pricing.load import MODELS, claude_models, load_book, load_models

TABLE = claude_models()
ALL = load_models().rows
RAW: list[dict[str, Any]] = tomllib.loads(MODELS.read_text(encoding="utf-8"))["model"]
KEYS = set(Capabilities.__struct_fields__) - {"known"}


@pytest.mark.parametrize("raw", RAW, ids=lambda raw: raw["id"])
def test_every_row_writes_every_key(raw: dict[str, Any]) -> None:
    assert set(raw) == KEYS


@pytest.mark.parametrize("row", TABLE.rows, ids=lambda row: row.id)
def test_every_row_is_consistent(row: Capabilities) -> None:
    assert row.known
    assert "platform.claude.com" in row.source
    assert row.checked >= "2026-10"
    assert row.launched < (row.retired or "9999")
    assert 0 < row.output_tokens_max <= row.context_tokens
    assert row.output_tokens_max_batch in (0, 300_000)
    assert row.cache_min_tokens in (512, 1_024, 2_048, 4_096)
    assert row.tool_prompt_tokens > 0
    assert (row.effort_default in row.effort) if row.effort else not row.effort_default
    assert not (row.thinking_always_on and "disabled" in row.thinking)
    assert row.thinking_default_on or not row.thinking_always_on
    assert not (row.prefix_bound_thinking and not row.keeps_thinking)
    assert row.fast or not (row.fast_beta or row.fast_until)
    assert row.image_tier == ("high" if row.tokenizer == "claude47" else "standard")


def test_models_and_book_list_each_other() -> None:
    book = load_book()
    assert {row.id for row in ALL} - {row.model for row in book.rows} == {"claude-mythos-preview"}
    assert {row.model for row in book.rows} <= {row.id for row in ALL}
    for row in TABLE.rows:
        assert all(book.canonical(alias) == row.id for alias in row.aliases)
    assert set(book.aliases) <= {alias for row in TABLE.rows for alias in row.aliases}


@pytest.mark.parametrize("row", ALL, ids=lambda row: row.id)
def test_gates_and_prices_say_the_same(row: Capabilities) -> None:
    book = load_book()
    day = day_from_iso("2026-11-20")
    rows = [priced for priced in book.rows if priced.model == row.id and priced.from_day <= day < priced.until_day]
    fast = {priced.rates for priced in rows if priced.mode == "fast"} - {p.rates for p in rows if p.mode == "standard"}
    assert bool(fast) == row.has_fast(day)
    us = next(geo for geo in book.geos if geo.geo == "us")
    assert (row.id in us.models) == row.geo
    steps = {priced.above_tokens for priced in rows if priced.mode == "standard"} - {0}
    assert {row.long_context_above_tokens} - {0} == {step for step in steps if step < row.context_tokens}


def test_an_unknown_model_is_flagged_and_gets_the_strictest_gates() -> None:
    unknown = TABLE["claude-nine"]
    assert not unknown.known
    assert unknown.id == "claude-nine"
    assert "claude-nine" not in TABLE
    assert unknown.cache_min_tokens == max(row.cache_min_tokens for row in TABLE.rows)
    assert unknown.output_tokens_max <= 8_192
    assert unknown.context_tokens == min(row.context_tokens for row in TABLE.rows)
    assert unknown.tool_prompt_tokens == max(row.tool_prompt_tokens for row in TABLE.rows)
    assert unknown.prefix_bound_thinking
    assert unknown.thinking_always_on
    gates = ("prefill", "sampling", "forced_tool_choice", "mid_conversation_system", "task_budget", "batch", "geo", "fast")
    assert not any(getattr(unknown, gate) for gate in gates)
    assert (unknown.thinking, unknown.effort) == ((), ())


def test_aliases_answer_with_the_row() -> None:
    assert TABLE["claude-haiku-4-5"].id == "claude-haiku-4-5-20251001"
    assert "claude-haiku-4-5" in TABLE


def _having(key: str, value: object = True) -> set[str]:
    return {row.id for row in TABLE.rows if getattr(row, key) == value and not row.retired and "preview" not in row.id}


def test_minimum_prefixes() -> None:
    """platform.claude.com/docs/en/build-with-claude/prompt-caching, 2026-10; Sonnet 4.6 as measured in SDK issue 1194."""
    assert _having("cache_min_tokens", 4_096) == {
        "claude-opus-4-6",
        "claude-opus-4-5-20251101",
        "claude-haiku-4-5-20251001",
    }
    assert _having("cache_min_tokens", 2_048) == {"claude-opus-4-7", "claude-sonnet-4-6"}
    assert _having("cache_min_tokens", 1_024) == {"claude-opus-4-8", "claude-sonnet-5"}
    assert TABLE["claude-mythos-preview"].cache_min_tokens == 2_048


def test_gates_of_the_living_models() -> None:
    """Section 7 of each page named in the rows, 2026-10."""
    assert _having("prefill") == {"claude-opus-4-5-20251101", "claude-haiku-4-5-20251001"}
    assert _having("sampling") == _having("prefill") | {"claude-opus-4-6", "claude-sonnet-4-6"}
    bound = {f"claude-{name}" for name in ("fable-5-1", "fable-5-2", "mythos-5-1", "mythos-5-2", "opus-5-5", "sonnet-5-5")}
    assert _having("forced_tool_choice", value=False) == bound
    assert _having("prefix_bound_thinking") == bound | {"claude-haiku-5-5"}
    assert _having("effort_default", "medium") == {"claude-opus-5-5", "claude-haiku-5-5"}
    assert _having("long_context_above_tokens", 100_000) == {"claude-haiku-5-5"}


def test_life_cycle() -> None:
    sonnet = TABLE["claude-sonnet-4-5"]
    assert not sonnet.is_retired(day_from_iso("2026-11-29"))
    assert sonnet.is_retired(day_from_iso("2026-11-30"))
    assert not TABLE["claude-opus-5"].is_retired(10**6)
    opus = TABLE["claude-opus-4-8"]
    assert opus.has_fast(day_from_iso("2026-11-29"))
    assert not opus.has_fast(day_from_iso("2026-11-30"))
    assert TABLE["claude-opus-5-5"].has_fast(10**6)


ROW = 'id = "m"\nsource = "s"\nchecked = "2026-11-20"\n'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[model]", "model table: "),
        (f"[[model]]\n{ROW}colour = 1", "row 'm': .*`colour`"),
        (f"[[model]]\n{ROW}prefill = 1", "row 'm': .*prefill"),
        (f'[[model]]\n{ROW}effort = ["huge"]', "row 'm': .*huge"),
        ('[[model]]\nid = "m"\nsource = ""\nchecked = "2026-11-20"', "row 'm': id, source and checked"),
        (f'[[model]]\n{ROW}retired = "soon"', "row 'm': retired must be a day"),
        (f"[[model]]\n{ROW}[[model]]\n{ROW}", "'m' is listed twice"),
        (f'[[model]]\n{ROW}aliases = ["m"]', "'m' is listed twice"),
    ],
)
def test_a_wrong_table_is_refused_by_row_and_key(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_models(text)
