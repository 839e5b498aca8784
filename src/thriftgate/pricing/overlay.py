"""The dated overlay, and how it is laid over the library's rows.

In this order: `rates` replace what they cover (same model, mode and length step); `batch` rows are derived from the standard
rows and must agree with every batch row the library has; `ends` cut off what a provider withdrew; `geo` and `web_search` are
taken as they stand. Every table carries the source it was read from and the day it was checked.
"""

from __future__ import annotations

import tomllib

import msgspec
from msgspec import Struct, field
from msgspec.structs import replace

from thriftgate.core.errors import ConfigError
from thriftgate.core.prices import FOREVER_DAY, GeoRow, Mode, PriceRow
from thriftgate.pricing.library import Library
from thriftgate.pricing.rows import (
    RateText,
    factor_from_text,
    interval_from_text,
    outside,
    put,
    rate_from_usd,
    rates_from_text,
)


class Noted(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Every table names its source and the day it was last checked."""

    source: str
    checked: str

    @property
    def note(self) -> str:
        """The source as it stands in the compiled row."""
        return f"{self.source}, checked {self.checked}"


class WebSearch(Noted, frozen=True):
    """The fee of one web search."""

    usd_per_search: str


class Skip(Noted, frozen=True):
    """Models of the library that we leave out on purpose."""

    library_models: tuple[str, ...]


class Unpriced(Noted, frozen=True):
    """Models of the capability table that have no price on purpose."""

    models: tuple[str, ...]


class ForeignTable(Noted, frozen=True):
    """Models that are not Claude, `vendor`/model here, with the prices that the library lists for one of its providers: by
    the name here, the name there."""

    vendor: str
    library_provider: str
    models: dict[str, str]


class RatesTable(Noted, frozen=True):
    """One rate card for some models over [from, until), for prompts longer than `above_tokens`."""

    models: tuple[str, ...]
    usd_per_mtok: RateText
    mode: Mode = "standard"
    from_day: str = field(name="from", default="")
    until_day: str = field(name="until", default="")
    above_tokens: int = 0


class Ends(Noted, frozen=True):
    """A mode that a provider withdrew."""

    models: tuple[str, ...]
    mode: Mode
    until: str


class Factor(Noted, frozen=True):
    """Batch prices as a fraction of the standard ones."""

    models: tuple[str, ...]
    factor: str


class GeoFactor(Factor, frozen=True):
    """The factor of one inference geography."""

    geo: str


class Overlay(Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file."""

    web_search: WebSearch
    skip: tuple[Skip, ...] = ()
    unpriced: tuple[Unpriced, ...] = ()
    foreign: tuple[ForeignTable, ...] = ()
    rates: tuple[RatesTable, ...] = ()
    ends: tuple[Ends, ...] = ()
    batch: tuple[Factor, ...] = ()
    geo: tuple[GeoFactor, ...] = ()


def parse_overlay(text: str) -> Overlay:
    """Read an overlay. Raises ConfigError naming the key that is wrong."""
    try:
        return msgspec.convert(tomllib.loads(text), Overlay)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise ConfigError(f"price overlay: {error}") from None


def lay_over(library: Library, overlay: Overlay) -> list[PriceRow]:
    """The library's rows with the overlay in force. Raises ConfigError where library and overlay cannot both be right."""
    listed = [row for row in library.rows if row.mode != "batch"]
    for number, table in enumerate(overlay.rates):
        listed = _put_rates(listed, table, f"price overlay: rates[{number}]")
    batches = [row for table in overlay.batch for row in _batch_rows(listed, table)]
    for row in (row for row in library.rows if row.mode == "batch"):
        _check_batch(row, batches)
    rows = listed + batches
    for end in overlay.ends:
        rows = _cut(rows, end)
    return rows


def foreign_names(overlay: Overlay) -> dict[str, tuple[str, str]]:
    """The models that are priced by another provider's list: by their name here, that provider and the name there."""
    return {
        f"{table.vendor}/{name}": (table.library_provider, there)
        for table in overlay.foreign
        for name, there in table.models.items()
    }


def geo_rows(overlay: Overlay) -> tuple[GeoRow, ...]:
    """The geographies with their factors as exact fractions."""
    return tuple(
        GeoRow(table.geo, *factor_from_text(table.factor, f"price overlay: geo {table.geo}"), table.models, table.note)
        for table in overlay.geo
    )


def search_fee(library: Library, overlay: Overlay) -> int:
    """Pico-USD of one web search; library and overlay must agree."""
    fee = rate_from_usd(overlay.web_search.usd_per_search, "price overlay: web_search")
    if fee != library.web_search_pico:
        raise ConfigError(f"a web search costs {fee} pico-USD in the overlay, {library.web_search_pico} in genai-prices")
    return fee


def _put_rates(rows: list[PriceRow], table: RatesTable, where: str) -> list[PriceRow]:
    if table.mode == "batch":
        raise ConfigError(f"{where}: batch prices are derived; use a [[batch]] table")
    rates = rates_from_text(table.usd_per_mtok, f"{where}.usd_per_mtok")
    from_day, until_day = interval_from_text(table.from_day, table.until_day, where)
    for model in table.models:
        rows = put(rows, PriceRow(model, rates, table.note, table.mode, from_day, until_day, table.above_tokens))
    return rows


def _batch_rows(rows: list[PriceRow], table: Factor) -> list[PriceRow]:
    numerator, denominator = factor_from_text(table.factor, "price overlay: batch")
    found = [row for row in rows if row.model in table.models and row.mode == "standard"]
    unknown = set(table.models) - {row.model for row in found}
    if unknown:
        raise ConfigError(f"price overlay: batch names {sorted(unknown)}, which have no standard price")
    return [replace(row, mode="batch", rates=row.rates.scaled(numerator, denominator), source=table.note) for row in found]


def _check_batch(listed: PriceRow, derived: list[PriceRow]) -> None:
    """Every day of a batch row of the library must be covered by derived rows of the same price."""
    open_days = [listed]
    for row in derived:
        if (row.model, row.above_tokens) == (listed.model, listed.above_tokens) and row.rates == listed.rates:
            open_days = [left for part in open_days for left in outside(part, row.from_day, row.until_day)]
    if open_days:
        raise ConfigError(f"genai-prices and the overlay disagree on the batch price of {listed.model}: {listed}")


def _cut(rows: list[PriceRow], end: Ends) -> list[PriceRow]:
    until_day = interval_from_text("", end.until, "price overlay: ends")[1]
    cut: list[PriceRow] = []
    for row in rows:
        withdrawn = row.model in end.models and row.mode == end.mode
        cut += outside(row, until_day, FOREVER_DAY) if withdrawn else [row]
    return cut
