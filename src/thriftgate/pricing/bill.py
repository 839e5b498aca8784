"""A price on request: what the `price` verb computes and prints. Pure."""

from __future__ import annotations

from datetime import date
from typing import Any

from thriftgate.core.cost import Cost, price_usage
from thriftgate.core.money import usd_from_pico
from thriftgate.core.prices import UNIX_EPOCH_ORDINAL, Mode, PriceBook, Terms
from thriftgate.core.usage import Tokens, Usage


def quote(
    book: PriceBook,
    model: str,
    tokens: Tokens,
    *,
    on: date,
    mode: Mode = "standard",
    geo: str = "global",
    web_searches: int = 0,
) -> Cost:
    """The cost of one call on one day (UTC). Raises UnknownPrice where the book has no such price."""
    terms = Terms(model, on.toordinal() - UNIX_EPOCH_ORDINAL, mode, geo)
    return price_usage(Usage(tokens, web_searches), terms, book)


def bill_document(cost: Cost) -> dict[str, Any]:
    """A cost as `price --json` prints it: money as exact decimal strings in USD.

    `tokens` of a web_search line are searches, and its `usd_per_mtok` the price of a million of them.
    """
    return {
        "cost_usd": usd_from_pico(cost.pico),
        "lines": [
            {
                "kind": line.kind,
                "model": line.model,
                "tokens": line.quantity,
                "usd_per_mtok": usd_from_pico(line.pico_per_mtok),
                "usd": usd_from_pico(line.pico),
            }
            for line in cost.lines
        ],
        "price_book": cost.price_book,
    }
