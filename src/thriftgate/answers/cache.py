"""How prompts were cached, what was missed, why, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from thriftgate.core.errors import UnknownPrice
from thriftgate.core.misses import Cause
from thriftgate.core.moments import text_from_micros
from thriftgate.core.money import price_tokens, usd_from_pico
from thriftgate.core.prices import Mode, PriceBook, Terms
from thriftgate.ledger.entries import CacheReport, MissSum, PricedAlike, PromptSum
from thriftgate.ledger.sql import SqlLedger

ADVICE: dict[Cause, str] = {
    "cold": "nothing to do: somebody has to be the first",
    "expired": "a 1h lifetime where calls come back within the hour, or a ping before the entry ends",
    "prefix_changed": "keep dates, ids and tool lists out of the prefix, or behind it: `thriftgate cache doctor`",
    "model_changed": "keep a conversation on one model: each has a cache of its own",
    "speed_changed": "keep a conversation on one speed: each has a cache of its own",
    "tool_choice_changed": "keep tool_choice the same through a conversation, or say it in the last message",
    "thinking_changed": "keep thinking the same through a conversation",
    "effort_changed": "keep effort the same through a conversation",
    "format_changed": "keep the output format and the task budget the same through a conversation",
    "images_changed": "have an image in the prompt from the start, or none at all",
    "citations_changed": "turn citations on from the start, or not at all",
    "below_minimum": "nothing to do: the model caches no prompt so short",
    "look_back": "a second breakpoint at most 20 blocks before the last one",
    "concurrency": "send one call first, and the others once its answer has begun",
    "evicted": "nothing to do: the provider dropped the entry early",
    "not_marked": "set a breakpoint there, or switch the lever cache.breakpoints on",
    "hour_not_granted": "ask the provider why 1h is billed as 5m; until then a ping every four minutes",
}
"""One line for each cause."""


async def cache_figures(books: SqlLedger, book: PriceBook, span: tuple[int, int]) -> CacheReport:
    """What the books say of a span of time (microseconds since 1970). Raises LedgerError."""
    steps = sorted({row.above_tokens for row in book.rows if row.above_tokens})
    return await books.cache_report(steps, since_us=span[0], until_us=span[1])


def cache_document(
    found: CacheReport, book: PriceBook, since_us: int | None = None, until_us: int | None = None
) -> dict[str, Any]:
    """The report as `--json` prints it."""
    saved, unpriced = saved_by_caching(found.priced_alike, book)
    return {
        "since": None if since_us is None else text_from_micros(since_us),
        "until": None if until_us is None else text_from_micros(until_us),
        **_prompts(found.total),
        "saved_usd": usd_from_pico(saved),
        "unpriced_prompt_tokens": unpriced,
        "missed_usd": usd_from_pico(found.total.miss_pico),
        "avoidable_usd": usd_from_pico(sum(miss.avoidable_pico for miss in found.misses)),
        "misses": [_miss(miss) for miss in found.misses],
        "by_model": _groups("model", found.by_model),
        "by_key": _groups("key", found.by_key),
    }


def saved_by_caching(alike: Iterable[PricedAlike], book: PriceBook) -> tuple[int, int]:
    """What all prompts would have cost more (pico-USD) sent without any caching, whoever set the breakpoints; and the prompt
    tokens for which the book has no price. Sub-calls that only `usage.iterations` tells of are not in it."""
    saved = unpriced = 0
    for one in alike:
        terms = Terms(one.model, one.day, msgspec.convert(one.mode, Mode), one.geo)
        try:
            rates = book.rates(terms, one.above_tokens + 1)
        except UnknownPrice:
            unpriced += one.tokens.prompt
            continue
        tokens = one.tokens
        saved += price_tokens(tokens.read, rates.input - rates.read)
        saved -= price_tokens(tokens.write_5m, rates.write_5m - rates.input)
        saved -= price_tokens(tokens.write_1h, rates.write_1h - rates.input)
    return saved, unpriced


def _prompts(one: PromptSum) -> dict[str, Any]:
    return {
        "calls": one.calls,
        "prompt_tokens": one.prompt,
        "read_tokens": one.read,
        "write_5m_tokens": one.write_5m,
        "write_1h_tokens": one.write_1h,
        "plain_tokens": one.plain,
        "hit_share": round(one.read / one.prompt, 4) if one.prompt else None,
    }


def _groups(name: str, groups: Iterable[PromptSum]) -> list[dict[str, Any]]:
    return [{name: one.name, **_prompts(one), "missed_usd": usd_from_pico(one.miss_pico)} for one in groups]


def _miss(miss: MissSum) -> dict[str, Any]:
    return {
        "cause": miss.cause,
        "calls": miss.calls,
        "tokens": miss.tokens,
        "cost_usd": usd_from_pico(miss.pico),
        "avoidable_usd": usd_from_pico(miss.avoidable_pico),
        "avoidable": miss.avoidable_pico > 0,
        "advice": ADVICE[miss.cause],
    }
