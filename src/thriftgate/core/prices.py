"""The price book: dated rate cards, looked up strictly.

A book is data (`pricing/book.json`, compiled from the genai-prices package and our dated overlay); this module only
knows how to find the one row that applies. What is not in the book is an `UnknownPrice`, never the standard price and
never zero: a wrong bill must be loud.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from datetime import date
from typing import Literal

from msgspec import Struct

from thriftgate.core.errors import ConfigError, UnknownPrice

Mode = Literal["standard", "batch", "fast"]
SECONDS_PER_DAY = 86_400
UNIX_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()
FOREVER_DAY = 2**31
NO_GEO = ("global", "not_available", "")
"""What `usage.inference_geo` says when no geography was asked for (…/docs/en/manage-claude/data-residency, 2026-08)."""


class Rates(Struct, frozen=True):
    """One rate card, in pico-USD per million tokens: $2 per million tokens is 2_000_000_000_000."""

    input: int
    write_5m: int
    write_1h: int
    read: int
    output: int

    def scaled(self, numerator: int, denominator: int) -> Rates:
        """Every rate times a fraction, rounded to the nearest pico-USD per million tokens."""

        def scale(rate: int) -> int:
            return (rate * numerator * 2 + denominator) // (denominator * 2)

        return Rates(*(scale(getattr(self, name)) for name in self.__struct_fields__))


class Terms(Struct, frozen=True):
    """Under which terms a call is priced, as the response reports them (`usage.service_tier`, `.speed`, `.inference_geo`).

    `day` counts UTC days since 1970-01-01: prices change at midnight UTC.
    """

    model: str
    day: int
    mode: Mode = "standard"
    geo: str = "global"


class PriceRow(Struct, frozen=True):
    """Rates of one model in one mode over [from_day, until_day), for prompts of more than `above_tokens` tokens."""

    model: str
    rates: Rates
    source: str
    mode: Mode = "standard"
    from_day: int = 0
    until_day: int = FOREVER_DAY
    above_tokens: int = 0


class GeoRow(Struct, frozen=True):
    """Factor on all token categories for one inference geography, by model; a model not named there has no such price."""

    geo: str
    numerator: int
    denominator: int
    models: tuple[str, ...]
    source: str


_Card = tuple[int, int, int, Rates]
"""from_day, until_day, the prompt length that must be exceeded, rates in the geography asked for."""


class PriceBook:
    """All rows, and the `id` under which each ledger entry can be priced again (source versions + digest of the content).

    `web_search_pico` is one web search: $10 per 1,000, not halved in batches
    (platform.claude.com/docs/en/about-claude/pricing, 2026-10-10). Raises ConfigError where two rows contradict.
    """

    __slots__ = ("_cards", "_index", "aliases", "geos", "id", "rows", "web_search_pico")

    def __init__(
        self,
        id: str,  # noqa: A002  the field's own name
        rows: tuple[PriceRow, ...],
        *,
        geos: tuple[GeoRow, ...] = (),
        aliases: Mapping[str, str] | None = None,
        web_search_pico: int = 10_000_000_000,
    ) -> None:
        self.id = id
        self.rows = rows
        self.geos = geos
        self.aliases = dict(aliases or {})
        self.web_search_pico = web_search_pico
        self._cards: dict[tuple[str, str, str], tuple[_Card, ...]] = {}  # filled on first use, one entry per priced terms
        self._index: dict[tuple[str, str], list[PriceRow]] = {}
        for row in rows:
            self._index.setdefault((row.model, row.mode), []).append(row)
        for same in self._index.values():
            same.sort(key=lambda row: -row.above_tokens)
            for one, two in itertools.combinations(same, 2):
                if one.above_tokens == two.above_tokens and _overlap(one, two):
                    raise ConfigError(f"price book {id}: two rows price {one.model} ({one.mode}) on the same day")

    def canonical(self, model: str) -> str:
        """The id under which the book lists a model: aliases resolved, anything else unchanged."""
        return self.aliases.get(model, model)

    def knows(self, model: str) -> bool:
        """Whether the book has any standard price for the model."""
        return (self.canonical(model), "standard") in self._index

    def rates(self, terms: Terms, prompt_tokens: int) -> Rates:
        """The rate card for these terms and this prompt length (tokens, cached parts included).

        Raises UnknownPrice naming what is missing: the model, the mode on that day, or the geography.
        """
        cards = self._cards.get((terms.model, terms.mode, terms.geo)) or self._find_cards(terms)
        day = terms.day
        for from_day, until_day, above_tokens, rates in cards:
            if from_day <= day < until_day and prompt_tokens > above_tokens:
                return rates
        raise UnknownPrice(
            f"{self.canonical(terms.model)} has no {terms.mode} price on {iso_from_day(day)} in price book {self.id}"
        )

    def _find_cards(self, terms: Terms) -> tuple[_Card, ...]:
        model = self.canonical(terms.model)
        rows = self._index.get((model, terms.mode))
        if rows is None:
            raise UnknownPrice(self._why_unknown(model, terms))
        cards = tuple(
            (row.from_day, row.until_day, row.above_tokens or -1, self._in_geo(row.rates, model, terms.geo)) for row in rows
        )
        self._cards[terms.model, terms.mode, terms.geo] = cards
        return cards

    def _in_geo(self, rates: Rates, model: str, geo: str) -> Rates:
        if geo in NO_GEO:
            return rates
        for row in self.geos:
            if row.geo == geo and model in row.models:
                return rates.scaled(row.numerator, row.denominator)
        raise UnknownPrice(f"{model} has no price for inference_geo {geo!r} in price book {self.id}")

    def _why_unknown(self, model: str, terms: Terms) -> str:
        if (model, "standard") in self._index:
            return f"{model} has no {terms.mode} price in price book {self.id}"
        return f"no price for model {terms.model!r} in price book {self.id}; add it under [[prices.models]] in the settings"


def _overlap(one: PriceRow, two: PriceRow) -> bool:
    return one.from_day < two.until_day and two.from_day < one.until_day


def day_from_iso(text: str) -> int:
    """UTC day number of a day written like 2026-11-30. Raises ValueError for anything else."""
    return date.fromisoformat(text).toordinal() - UNIX_EPOCH_ORDINAL


def iso_from_day(day: int) -> str:
    """The day as text, like 2026-11-30; a number outside the calendar stays a number."""
    try:
        return date.fromordinal(UNIX_EPOCH_ORDINAL + day).isoformat()
    except (ValueError, OverflowError):
        return f"day {day}"
