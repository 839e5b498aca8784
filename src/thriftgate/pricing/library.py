"""Strict reading of the genai-prices package, used only when the book is compiled.

The library resolves a context that matches no variant to the standard price, and prices batches before 2026-10-14 and fast
mode of some models that way (genai-prices 0.2.3, `ModelInfo.get_prices`, 2026-11). Here a mode without its own variant
yields no row, and anything this module does not understand is a ConfigError rather than a guess.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from msgspec import Struct

from thriftgate.core.errors import ConfigError
from thriftgate.core.models import Capabilities
from thriftgate.core.money import pico_from_usd
from thriftgate.core.prices import FOREVER_DAY, UNIX_EPOCH_ORDINAL, Mode, PriceRow, Rates

if TYPE_CHECKING:
    from genai_prices.types import ConditionalPrice, ModelInfo, ModelPrice, PriceVariant, Provider

SOURCE = "genai-prices"
CONTEXTS: dict[Mode, dict[str, str]] = {"standard": {}, "batch": {"processing": "batch"}, "fast": {"speed": "fast"}}
INSTEAD = {"cache_write_mtok": "input_mtok", "cache_write_1h_mtok": "cache_write_mtok", "cache_read_mtok": "input_mtok"}
"""Of models that are not Claude: what a price is that is not listed. What is not sold apart is input."""
PRICE_KEYS = ("input_mtok", "cache_write_mtok", "cache_write_1h_mtok", "cache_read_mtok", "output_mtok")
"""The library's keys in the order of `Rates`: plain writes are the 5-minute ones."""
FEE_KEY = "web_searches_kcount"


class Library(Struct, frozen=True):
    """What the library says about our models: rows, the fee of one web search in pico-USD, and its own version.

    `unclaimed` are the library's Claude models that no row of the capability table names, `missing` our models it lacks.
    """

    version: str
    rows: tuple[PriceRow, ...]
    web_search_pico: int
    unclaimed: tuple[str, ...]
    missing: tuple[str, ...]


def read_library(models: Iterable[Capabilities], provider: Provider | None = None) -> Library:
    """Everything the library knows about `models`; `provider` stands in for its Anthropic data.

    Raises ConfigError where it holds something we cannot read exactly.
    """
    from genai_prices import __version__  # noqa: PLC0415  0.3 s and 100 MB, paid only here
    from genai_prices.data import providers  # noqa: PLC0415

    provider = provider or next(found for found in providers if found.id == "anthropic")
    rows: list[PriceRow] = []
    missing: list[str] = []
    claimed: dict[str, str] = {}
    fees: set[int] = set()
    for model in models:
        found = _find(provider, model)
        if found is None:
            missing.append(model.id)
            continue
        if found.id in claimed:
            raise ConfigError(f"genai-prices takes {model.id} and {claimed[found.id]} for one model, {found.id}")
        claimed[found.id] = model.id
        rows += _rows(model.id, found)
        fees |= _fees(found)
    if len(fees) != 1:
        raise ConfigError(f"genai-prices has {len(fees)} prices for a web search on Claude, expected one")
    unclaimed = tuple(sorted(found.id for found in provider.models if found.id not in claimed))
    return Library(__version__, tuple(rows), fees.pop(), unclaimed, tuple(missing))


def read_foreign(wanted: Mapping[str, tuple[str, str]], known: Iterable[Provider] | None = None) -> tuple[PriceRow, ...]:
    """Standard prices of models that are not Claude: by their names here, the library's provider and the name there.

    Raises ConfigError for one that it does not have, or whose price depends on more than the day and the prompt's length.
    """
    from genai_prices.data import providers  # noqa: PLC0415

    listed = {(provider.id, model.id): model for provider in known or providers for model in provider.models}
    rows: list[PriceRow] = []
    for name, there in sorted(wanted.items()):
        found = listed.get(there)
        if found is None:
            raise ConfigError(f"genai-prices has no {there[1]} of {there[0]}, which {name} is to be priced by")
        plain = dataclasses.replace(found, price_variants=None)  # priority, batches and the like: nothing here asks for them
        rows += _rows(name, plain, INSTEAD)
    return tuple(rows)


def _find(provider: Provider, model: Capabilities) -> ModelInfo | None:
    found = provider.find_model(model.id)
    for alias in model.aliases:
        other = provider.find_model(alias)
        if other is not None and other is not found:
            raise ConfigError(f"genai-prices takes {alias} for {other.id}, not for {found.id if found else 'any model'}")
    return found


def _rows(model: str, found: ModelInfo, instead: Mapping[str, str] = {}) -> list[PriceRow]:
    known = list(CONTEXTS.values())
    for variant in found.price_variants or ():
        if variant.when not in known:
            raise ConfigError(f"genai-prices prices {found.id} by {variant.when}, which thriftgate does not know")
    starts = sorted({0, *_start_days(found)})
    rows: list[PriceRow] = []
    for mode, context in CONTEXTS.items():
        for from_day, until_day in zip(starts, [*starts[1:], FOREVER_DAY], strict=True):
            prices = _prices(found, from_day, context)
            if prices is not None:
                rows += [
                    PriceRow(model, rates, SOURCE, mode, from_day, until_day, above)
                    for above, rates in _steps(found.id, prices, instead).items()
                ]
    return _joined(rows)


def _start_days(found: ModelInfo) -> list[int]:
    """The days on which any price of the model changes."""
    from genai_prices.types import StartDateConstraint  # noqa: PLC0415

    dated: list[ConditionalPrice | PriceVariant] = [*(found.price_variants or ())]
    if isinstance(found.prices, list):
        dated += found.prices
    days: list[int] = []
    for entry in dated:
        if isinstance(entry.constraint, StartDateConstraint):
            days.append(entry.constraint.start_date.toordinal() - UNIX_EPOCH_ORDINAL)
        elif entry.constraint is not None:
            raise ConfigError(f"genai-prices prices {found.id} by {entry.constraint!r}, which thriftgate does not know")
    return days


def _prices(found: ModelInfo, day: int, context: dict[str, str]) -> ModelPrice | None:
    """The prices in force on a day; None where the context matched no variant that covers every token price."""
    when = datetime.combine(date.fromordinal(UNIX_EPOCH_ORDINAL + day), datetime.min.time(), UTC)
    if context:
        matched = [
            variant
            for variant in found.price_variants or ()
            if variant.when == context and (variant.constraint is None or variant.constraint.active(when))
        ]
        if not matched:
            return None
        if len(matched) > 1 or any(getattr(matched[0].prices, key) is None for key in PRICE_KEYS):
            raise ConfigError(f"genai-prices has no single, complete price of {found.id} for {context}")
    return found.get_prices(when, context)


def _steps(model: str, prices: ModelPrice, instead: Mapping[str, str]) -> dict[int, Rates]:
    """Rates by the prompt length that must be exceeded; 0 is the base. All token prices must step together. `instead` names
    what stands in for a price that is not there."""
    from genai_prices.types import TieredPrices  # noqa: PLC0415

    tables: list[dict[int, int]] = []
    for named in PRICE_KEYS:
        key = named
        price = getattr(prices, key)
        while price is None and key in instead:
            key = instead[key]
            price = getattr(prices, key)
        if isinstance(price, TieredPrices):
            tables.append({0: _pico(price.base), **{tier.start: _pico(tier.price) for tier in price.tiers}})
        elif isinstance(price, Decimal):
            tables.append({0: _pico(price)})
        else:
            raise ConfigError(f"genai-prices has no {key} for {model}")
    if any(table.keys() != tables[0].keys() for table in tables):
        raise ConfigError(f"genai-prices lets the prices of {model} step at different prompt lengths")
    return {above: Rates(*(table[above] for table in tables)) for above in tables[0]}


def _joined(rows: list[PriceRow]) -> list[PriceRow]:
    """Neighbouring intervals of equal rates made one: a change of the batch price splits no standard row."""
    joined: list[PriceRow] = []
    for row in sorted(rows, key=lambda row: (row.mode, row.above_tokens, row.from_day)):
        last = joined[-1] if joined else None
        if (
            last is not None
            and (last.mode, last.above_tokens, last.rates) == (row.mode, row.above_tokens, row.rates)
            and last.until_day == row.from_day
        ):
            joined[-1] = PriceRow(row.model, row.rates, SOURCE, row.mode, last.from_day, row.until_day, row.above_tokens)
        else:
            joined.append(row)
    return joined


def _fees(found: ModelInfo) -> set[int]:
    """Prices of one web search, in pico-USD, over all of the model's cards."""
    cards = [card.prices for card in found.prices] if isinstance(found.prices, list) else [found.prices]
    fees: set[int] = set()
    for card in cards:
        fee = getattr(card, FEE_KEY)
        if isinstance(fee, Decimal):
            fees.add(_pico(fee) // 1_000)
    return fees


def _pico(price: Decimal) -> int:
    return pico_from_usd(price)
