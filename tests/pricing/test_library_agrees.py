"""Where the overlay says nothing else, the book bills what genai-prices itself bills."""

from __future__ import annotations

from datetime import UTC, datetime
from fractions import Fraction

import pytest
from genai_prices import Usage as LibraryUsage
from genai_prices import calc_price

from thriftgate.core.cost import price_usage
from thriftgate.core.foreign import is_foreign
from thriftgate.core.money import PICO_PER_USD
from thriftgate.core.prices import Mode, Terms, day_from_iso
from thriftgate.core.usage import Tokens, Usage
from thriftgate.pricing.compile import OVERLAY
from thriftgate.pricing.library import CONTEXTS
from thriftgate.pricing.load import load_book
from thriftgate.pricing.overlay import foreign_names, parse_overlay

BOOK = load_book()
OURS_ALONE = {"claude-mythos-5", "claude-mythos-5-1"}
FAST = ("claude-fable-5-2", "claude-mythos-5-2", "claude-opus-5-5", "claude-opus-5", "claude-opus-4-8")
DAYS = ("2025-10-01", "2026-03-12", "2026-03-13", "2026-10-06", "2026-10-07", "2026-10-14", "2026-11-20")
USAGES = [
    Usage(Tokens(1_234, 5_678, 910, 11_213, 1_415)),
    Usage(Tokens(40_000, 20_000, 10_000, 30_000, 9_000)),
    Usage(Tokens(40_001, 20_000, 10_000, 30_000, 9_000)),
    Usage(Tokens(100_000, 50_000, 0, 50_000, 7)),
    Usage(Tokens(100_001, 50_000, 0, 50_000, 7)),
    Usage(Tokens(1, 0, 0, 900_000, 64_000)),
    Usage(Tokens(500, output=60), web_searches=3),
]


def _differs(model: str, mode: Mode, day: str, usage: Usage) -> bool:
    """What the overlay corrects; each case has its own test in core/test_cost.py, or a golden bill."""
    if mode == "batch":
        return day < "2026-10-14" or (model, "batch") not in LIBRARY_MODES
    return (model == "claude-sonnet-5-5" and day < "2026-10-07") or (
        model == "claude-sonnet-4-20250514" and usage.total.prompt > 200_000
    )


LIBRARY_MODES = {
    (row.model, "batch")
    for row in BOOK.rows
    if row.model not in OURS_ALONE and not row.model.startswith(("claude-3", "claude-opus-4-1", "claude-opus-4-2025"))
} - {("claude-sonnet-4-20250514", "batch")}


def _by_library(model: str, mode: Mode, day: str, usage: Usage) -> Fraction:
    tokens = usage.total
    price = calc_price(
        LibraryUsage(
            input_tokens=tokens.prompt,
            cache_write_tokens=tokens.write_5m + tokens.write_1h,
            cache_write_5m_tokens=tokens.write_5m,
            cache_write_1h_tokens=tokens.write_1h,
            cache_read_tokens=tokens.read,
            output_tokens=tokens.output,
            web_searches=usage.web_searches,
        ),
        model,
        provider_id="anthropic",
        genai_request_timestamp=datetime.fromisoformat(day).replace(hour=12, tzinfo=UTC),
        price_context=CONTEXTS[mode],
    )
    return Fraction(price.total_price) * PICO_PER_USD


CLAUDE = {row.model for row in BOOK.rows if not is_foreign(row.model)}


@pytest.mark.parametrize("model", sorted(CLAUDE - OURS_ALONE))
def test_same_bill(model: str) -> None:
    compared = 0
    for mode in CONTEXTS:
        if mode == "fast" and model not in FAST:
            continue
        for day in DAYS:
            for usage in USAGES:
                if usage.web_searches and model.startswith(("claude-3-haiku", "claude-3-opus")):
                    continue  # no web search on these
                if not _differs(model, mode, day, usage):
                    ours = price_usage(usage, Terms(model, day_from_iso(day), mode), BOOK).pico
                    assert ours == _by_library(model, mode, day, usage), (mode, day, usage)
                    compared += 1
    assert compared >= 35


OTHERS = foreign_names(parse_overlay(OVERLAY.read_text(encoding="utf-8")))


@pytest.mark.parametrize("model", sorted(OTHERS))
def test_models_of_others_are_billed_as_the_library_bills_them(model: str) -> None:
    provider, name = OTHERS[model]
    for day in ("2026-10-18", "2026-10-19", "2026-10-25", "2026-11-20"):
        for tokens in (Tokens(1_000, read=5_000, output=700), Tokens(250_000, read=30_000, output=9)):
            theirs = calc_price(
                LibraryUsage(input_tokens=tokens.prompt, cache_read_tokens=tokens.read, output_tokens=tokens.output),
                name,
                provider_id=provider,
                genai_request_timestamp=datetime.fromisoformat(day).replace(hour=12, tzinfo=UTC),
            )
            ours = price_usage(Usage(tokens), Terms(model, day_from_iso(day)), BOOK).pico
            assert ours == Fraction(theirs.total_price) * PICO_PER_USD, (day, tokens)
