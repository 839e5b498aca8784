"""Price rows as text and as values, and the one rule by which a newer row replaces an older one."""

from __future__ import annotations

from decimal import Decimal

from msgspec import Struct, field
from msgspec.structs import replace

from thriftgate.core.errors import ConfigError, InputError
from thriftgate.core.money import pico_from_usd, usd_from_pico
from thriftgate.core.prices import FOREVER_DAY, Mode, PriceRow, Rates, day_from_iso, iso_from_day


class RateText(Struct, frozen=True, forbid_unknown_fields=True):
    """One rate card as people read it: USD per million tokens, exact decimal strings."""

    input: str
    write_5m: str
    write_1h: str
    read: str
    output: str


class RowText(Struct, frozen=True, forbid_unknown_fields=True):
    """One price row as people read it: days like 2026-11-30 (UTC), "" where the interval is open."""

    model: str
    mode: Mode
    from_day: str = field(name="from")
    until_day: str = field(name="until")
    above_tokens: int
    usd_per_mtok: RateText
    source: str


def rates_from_text(text: RateText, where: str) -> Rates:
    """Exact rates. Raises ConfigError naming `where` for anything but a non-negative decimal."""
    return Rates(*(rate_from_usd(getattr(text, name), f"{where}.{name}") for name in text.__struct_fields__))


def rate_from_usd(text: str, where: str) -> int:
    """Pico-USD per million tokens of a decimal string in USD per million tokens. Raises ConfigError naming `where`."""
    try:
        rate = pico_from_usd(text)
    except InputError as error:
        raise ConfigError(f"{where}: {error}") from None
    if rate < 0:
        raise ConfigError(f"{where}: a price must not be negative, got {text}")
    return rate


def text_from_rates(rates: Rates) -> RateText:
    """The inverse of `rates_from_text`, without trailing zeros."""
    return RateText(*(usd_from_pico(getattr(rates, name)) for name in rates.__struct_fields__))


def row_from_text(text: RowText, where: str) -> PriceRow:
    """Raises ConfigError naming `where` for wrong amounts or days."""
    from_day, until_day = interval_from_text(text.from_day, text.until_day, where)
    rates = rates_from_text(text.usd_per_mtok, f"{where}.usd_per_mtok")
    return PriceRow(text.model, rates, text.source, text.mode, from_day, until_day, text.above_tokens)


def text_from_row(row: PriceRow) -> RowText:
    """The inverse of `row_from_text`."""
    from_day = iso_from_day(row.from_day) if row.from_day else ""
    until_day = iso_from_day(row.until_day) if row.until_day < FOREVER_DAY else ""
    return RowText(row.model, row.mode, from_day, until_day, row.above_tokens, text_from_rates(row.rates), row.source)


def interval_from_text(from_day: str, until_day: str, where: str) -> tuple[int, int]:
    """[from, until) in UTC days, open where empty. Raises ConfigError for no day, or an interval that holds none."""
    days: list[int] = []
    for key, text, default in (("from", from_day, 0), ("until", until_day, FOREVER_DAY)):
        try:
            days.append(day_from_iso(text) if text else default)
        except ValueError:
            raise ConfigError(f"{where}.{key}: write a day like 2026-11-30, not {text!r}") from None
    if days[0] >= days[1]:
        raise ConfigError(f"{where}: from {from_day or 'the start'} until {until_day} holds no day")
    return days[0], days[1]


def factor_from_text(text: str, where: str) -> tuple[int, int]:
    """A positive decimal factor as numerator and denominator. Raises ConfigError naming `where`."""
    try:
        numerator, denominator = Decimal(text).as_integer_ratio()
    except (ArithmeticError, ValueError):
        raise ConfigError(f"{where}: factor must be a decimal like 0.85, not {text!r}") from None
    if not 0 < numerator <= 100 * denominator:
        raise ConfigError(f"{where}: factor must lie above 0 and not above 100, got {text}")
    return numerator, denominator


def put(rows: list[PriceRow], new: PriceRow) -> list[PriceRow]:
    """The rows with `new` in force: it replaces, on its own days, what had the same model, mode and length step."""
    kept: list[PriceRow] = []
    for row in rows:
        if (row.model, row.mode, row.above_tokens) == (new.model, new.mode, new.above_tokens):
            kept += outside(row, new.from_day, new.until_day)
        else:
            kept.append(row)
    return [*kept, new]


def outside(row: PriceRow, from_day: int, until_day: int) -> list[PriceRow]:
    """What is left of a row outside [from_day, until_day): none, one or two rows."""
    if row.until_day <= from_day or until_day <= row.from_day:
        return [row]
    left = []
    if row.from_day < from_day:
        left.append(replace(row, until_day=from_day))
    if until_day < row.until_day:
        left.append(replace(row, from_day=until_day))
    return left


def in_order(rows: list[PriceRow]) -> tuple[PriceRow, ...]:
    """Sorted by model, mode, day and step: the order of the file."""
    return tuple(sorted(rows, key=lambda row: (row.model, row.mode, row.from_day, row.above_tokens)))
