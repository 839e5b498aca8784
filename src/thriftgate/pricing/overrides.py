"""What an operator may change about prices: the `[prices]` table of the settings.

    [[prices.models]]              # a model of your own
    id = "our-llm"
    usd_per_mtok = { input = "0.60", output = "2.40" }
    batch_factor = "0.5"           # without it: no batch price

    [[prices.discounts]]           # a contract: factor on all token prices, per model or for every shipped one
    factor = "0.85"
    models = ["claude-opus-5-5"]
    from = "2026-10-01"

    [[prices.rows]]                # any single rate card, replacing the shipped one on its days
    model = "claude-opus-5"
    mode = "fast"
    usd_per_mtok = { input = "9", write_5m = "11.25", write_1h = "18", read = "0.9", output = "45" }

In this order: models, rows, discounts. Amounts are decimal strings, because a TOML float is not exact.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from typing import Any, get_args

import msgspec
from msgspec import Struct, field
from msgspec.structs import replace

from thriftgate.core.errors import ConfigError
from thriftgate.core.foreign import Foreign, is_foreign
from thriftgate.core.prices import Mode, PriceBook, PriceRow
from thriftgate.pricing.book import digest
from thriftgate.pricing.rows import (
    RateText,
    factor_from_text,
    in_order,
    interval_from_text,
    outside,
    put,
    rate_from_usd,
    rates_from_text,
)

CHECKED = "2026-11-20"  # of what is taken for granted of own models: core/foreign.py


class ModelRates(Struct, frozen=True, forbid_unknown_fields=True):
    """Rates of an own model. What it does not cache is input: cache prices left out are the input price."""

    input: str
    output: str
    write_5m: str = ""
    write_1h: str = ""
    read: str = ""


class OwnModel(Struct, frozen=True, forbid_unknown_fields=True):
    """A model that the shipped book does not list. With both lengths (tokens) calls can be routed to it, and it is taken for
    one that is not Claude: no marks for the cache, no signed thinking."""

    id: str
    usd_per_mtok: ModelRates
    aliases: tuple[str, ...] = ()
    context_tokens: int = 0
    output_tokens_max: int = 0
    batch_factor: str = ""
    from_day: str = field(name="from", default="")
    until_day: str = field(name="until", default="")


class ExtraRow(Struct, frozen=True, forbid_unknown_fields=True):
    """One rate card; replaces what has the same model, mode and length step on its days."""

    model: str
    usd_per_mtok: RateText
    mode: Mode = "standard"
    from_day: str = field(name="from", default="")
    until_day: str = field(name="until", default="")
    above_tokens: int = 0


class Discount(Struct, frozen=True, forbid_unknown_fields=True):
    """A factor on every token price, in every mode. No models named: all of Claude's that the shipped book lists."""

    factor: str
    models: tuple[str, ...] = ()
    from_day: str = field(name="from", default="")
    until_day: str = field(name="until", default="")


class Overrides(Struct, frozen=True, forbid_unknown_fields=True):
    """The `[prices]` table. `web_search_usd` is the fee of one search, "" for the list price."""

    models: tuple[OwnModel, ...] = ()
    rows: tuple[ExtraRow, ...] = ()
    discounts: tuple[Discount, ...] = ()
    web_search_usd: str = ""


def parse_overrides(raw: Mapping[str, Any]) -> Overrides:
    """Read the `[prices]` table. Raises ConfigError naming the key that is wrong, with the nearest right one."""
    try:
        return msgspec.convert(raw, Overrides)
    except msgspec.ValidationError as error:
        raise ConfigError(_explain(str(error))) from None


def apply_overrides(book: PriceBook, overrides: Overrides) -> PriceBook:
    """The book with the overrides in force and their digest in its id; the same book where there are none.

    Raises ConfigError for a model id that is taken or unknown, a wrong amount, day or factor, or two discounts at once.
    """
    if overrides == Overrides():
        return book
    aliases = dict(book.aliases)
    rows = list(book.rows)
    for number, model in enumerate(overrides.models):
        rows += _own_rows(model, {row.model for row in rows} | set(aliases), f"prices.models[{number}]")
        aliases |= dict.fromkeys(model.aliases, model.id)
    names = _Names({row.model for row in rows}, aliases)
    for number, extra in enumerate(overrides.rows):
        where = f"prices.rows[{number}]"
        rates = rates_from_text(extra.usd_per_mtok, f"{where}.usd_per_mtok")
        days = interval_from_text(extra.from_day, extra.until_day, where)
        model_id = names.canonical(extra.model, f"{where}.model")
        if extra.above_tokens < 0:
            raise ConfigError(f"{where}.above_tokens: a prompt length must not be negative")
        rows = put(rows, PriceRow(model_id, rates, where, extra.mode, *days, extra.above_tokens))
    rows = _discounted(
        rows, overrides.discounts, names, sorted({row.model for row in book.rows if not is_foreign(row.model)})
    )
    fee = book.web_search_pico
    if overrides.web_search_usd:
        fee = rate_from_usd(overrides.web_search_usd, "prices.web_search_usd")
    return PriceBook(
        f"{book.id} + overrides {digest(overrides)}", in_order(rows), geos=book.geos, aliases=aliases, web_search_pico=fee
    )


def own_models(overrides: Overrides) -> tuple[Foreign, ...]:
    """The own models of which is known how long prompts and answers may be."""
    return tuple(
        Foreign(
            model.id,
            "[[prices.models]]",
            CHECKED,
            model.context_tokens,
            model.output_tokens_max,
            aliases=model.aliases,
        )
        for model in overrides.models
        if model.context_tokens > 0 and model.output_tokens_max > 0
    )


class _Names:
    """Every name the book answers to."""

    def __init__(self, ids: set[str], aliases: Mapping[str, str]) -> None:
        self._ids = ids
        self._aliases = aliases

    def canonical(self, model: str, where: str) -> str:
        """The id of a model. Raises ConfigError naming `where` and the nearest name for one that is not in the book."""
        found = self._aliases.get(model, model)
        if found not in self._ids:
            raise ConfigError(f"{where}: {model!r} is not in the price book{_nearest(model, [*self._ids, *self._aliases])}")
        return found


def _own_rows(model: OwnModel, taken: set[str], where: str) -> list[PriceRow]:
    for name in (model.id, *model.aliases):
        if not name or name in taken:
            raise ConfigError(
                f"{where}: the name {name!r} is empty or already in the price book; to change a price use prices.rows"
            )
    if len({model.id, *model.aliases}) != 1 + len(model.aliases):
        raise ConfigError(f"{where}.aliases: a name is listed twice")
    text = model.usd_per_mtok
    card = RateText(
        text.input, text.write_5m or text.input, text.write_1h or text.input, text.read or text.input, text.output
    )
    rates = rates_from_text(card, f"{where}.usd_per_mtok")
    days = interval_from_text(model.from_day, model.until_day, where)
    row = PriceRow(model.id, rates, where, "standard", *days)
    if not model.batch_factor:
        return [row]
    factor = factor_from_text(model.batch_factor, f"{where}.batch_factor")
    return [row, replace(row, mode="batch", rates=rates.scaled(*factor))]


def _discounted(rows: list[PriceRow], discounts: tuple[Discount, ...], names: _Names, shipped: list[str]) -> list[PriceRow]:
    """Rows with each discount on its days. Two on one model and day are an error: which factor holds would be unclear."""
    taken: dict[str, list[tuple[int, int]]] = {}
    for number, discount in enumerate(discounts):
        where = f"prices.discounts[{number}]"
        factor = factor_from_text(discount.factor, where)
        from_day, until_day = interval_from_text(discount.from_day, discount.until_day, where)
        models = {names.canonical(model, f"{where}.models") for model in discount.models} or set(shipped)
        for model in sorted(models):
            if any(start < until_day and from_day < end for start, end in taken.setdefault(model, [])):
                raise ConfigError(f"{where}: another discount holds for {model} on some of these days; write one factor")
            taken[model].append((from_day, until_day))
        changed: list[PriceRow] = []
        for row in rows:
            if row.model in models:
                changed += _discount(row, factor, from_day, until_day, f"{row.source}; {where}")
            else:
                changed.append(row)
        rows = changed
    return rows


def _discount(row: PriceRow, factor: tuple[int, int], from_day: int, until_day: int, source: str) -> list[PriceRow]:
    left = outside(row, from_day, until_day)
    if left == [row]:
        return left
    start, end = max(row.from_day, from_day), min(row.until_day, until_day)
    return [*left, replace(row, from_day=start, until_day=end, rates=row.rates.scaled(*factor), source=source)]


def _explain(message: str) -> str:
    """A msgspec error in the words of the settings: the path as written there, the nearest key, why amounts are strings."""
    text, _, path = message.partition(" - at `$")
    where = f"prices{path.rstrip('`')}"
    unknown = re.search(r"unknown field `([^`]*)`", text)
    if unknown:
        return f"{where}: unknown key {unknown[1]!r}{_nearest(unknown[1], _KEYS)}"
    if "got `float`" in text or "Expected `str`, got `int`" in text:
        return f'{where}: write the amount in quotes, like "0.25": a bare number is not exact'
    if text.startswith("Invalid enum value"):
        return f"{where}: {text}; modes are {', '.join(get_args(Mode))}"
    return f"{where}: {text}"


def _nearest(word: str, known: Iterable[str]) -> str:
    found = difflib.get_close_matches(word, sorted(known), n=1)
    return f"; did you mean {found[0]!r}?" if found else ""


_KEYS = {
    name
    for kind in (Overrides, OwnModel, ModelRates, ExtraRow, Discount)
    for name in (info.encode_name for info in msgspec.structs.fields(kind))
}
