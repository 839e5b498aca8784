"""Usage × price book = cost, to the pico-dollar. The only place where a call is priced.

Gateway, client, batch runner, auditor and the `price` verb all call `price_usage`.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from thriftgate.core.money import TOKENS_PER_MTOK, price_tokens
from thriftgate.core.prices import SECONDS_PER_DAY, PriceBook, Rates, Terms
from thriftgate.core.usage import Tokens, Usage

Kind = Literal["input", "write_5m", "write_1h", "read", "output", "web_search"]

# Refusals before any output: free since 2026-06-02; since 2026-09-24 these categories are billed again
# (platform.claude.com/docs/en/build-with-claude/refusals-and-fallback, 2026-10).
REFUSALS_FREE_FROM_DAY = 20_606  # 2026-06-02
REFUSALS_BILLED_FROM_DAY = 20_720  # 2026-09-24
REFUSALS_BILLED = frozenset({"bio", "frontier_llm", "reasoning_extraction"})


class CostLine(Struct, frozen=True):
    """One line of a bill: `quantity` tokens (or web searches) of one kind on one model."""

    kind: Kind
    model: str
    quantity: int
    pico_per_mtok: int
    pico: int


class Cost(Struct, frozen=True):
    """The bill of one call. Lines sum to `pico`; `price_book` names the rates used."""

    pico: int
    lines: tuple[CostLine, ...]
    price_book: str


def price_usage(usage: Usage, terms: Terms, book: PriceBook) -> Cost:
    """Price one call.

    Iterations are priced each at its own model and its own prompt length: for Haiku 5.5's step the documentation does not
    say whether the sum counts; "which iterations exceeded thresholds" in the SDK's docstring speaks for each on its own
    (anthropic-sdk-python v0.121.0, 2026-08-07). Per-use fees know no batch or geo factor.

    Raises UnknownPrice for a model, date, mode or geography the book does not list.
    """
    lines: list[CostLine] = []
    for iteration in usage.billed():
        model = iteration.model or terms.model
        tokens = iteration.tokens
        rates = book.rates(terms if model == terms.model else replace(terms, model=model), tokens.prompt)
        quantities: tuple[tuple[Kind, int, int], ...] = (
            ("input", tokens.input, rates.input),
            ("write_5m", tokens.write_5m, rates.write_5m),
            ("write_1h", tokens.write_1h, rates.write_1h),
            ("read", tokens.read, rates.read),
            ("output", tokens.output, rates.output),
        )
        lines += [CostLine(kind, model, n, rate, price_tokens(n, rate)) for kind, n, rate in quantities if n]
    if usage.web_searches:
        fee = book.web_search_pico
        lines.append(
            CostLine("web_search", terms.model, usage.web_searches, fee * TOKENS_PER_MTOK, usage.web_searches * fee)
        )
    return Cost(sum(line.pico for line in lines), tuple(lines), book.id)


def pico_at(tokens: Tokens, rates: Rates) -> int:
    """What these tokens cost at one rate card (pico-USD); of several calls together, if they share it and its rates are
    whole pico-dollars a token, as all list prices are."""
    pico = price_tokens(tokens.input, rates.input) if tokens.input else 0
    if tokens.write_5m:
        pico += price_tokens(tokens.write_5m, rates.write_5m)
    if tokens.write_1h:
        pico += price_tokens(tokens.write_1h, rates.write_1h)
    if tokens.read:
        pico += price_tokens(tokens.read, rates.read)
    if tokens.output:
        pico += price_tokens(tokens.output, rates.output)
    return pico


def pico_of(usage: Usage, terms: Terms, book: PriceBook) -> int:
    """What `price_usage` comes to, without its lines. Raises UnknownPrice."""
    if usage.iterations:
        return price_usage(usage, terms, book).pico
    total = usage.total
    return pico_at(total, book.rates(terms, total.prompt)) + usage.web_searches * book.web_search_pico


def refusal_is_billed(category: str | None, *, output_tokens: int, day: int) -> bool:
    """Whether a refusal (`stop_reason: "refusal"`) is billed. One that streamed any output always is."""
    if output_tokens > 0 or day < REFUSALS_FREE_FROM_DAY:
        return True
    return day >= REFUSALS_BILLED_FROM_DAY and category in REFUSALS_BILLED


def day_of(now_s: float) -> int:
    """UTC day number of a unix time."""
    return int(now_s // SECONDS_PER_DAY)
