"""The simulator's model table: prices, windows, gates and life cycle of each model id, read from `models.toml`.

The rows are compiled from documentation only (each names its source); nothing here is shared with thriftgate's own tables.
"""

from __future__ import annotations

import datetime as dt
import tomllib
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from importlib.resources import files
from typing import Any

from thriftgate.simulator.errors import not_found

SINCE_4_5 = dt.date(2025, 9, 29)
EFFORTS = ("low", "medium", "high", "xhigh", "max")


@dataclass(frozen=True, slots=True)
class Prices:
    """USD per million tokens of one kind each."""

    input: Decimal
    write_5m: Decimal
    write_1h: Decimal
    read: Decimal
    output: Decimal

    def times(self, factor: Decimal) -> Prices:
        """All five prices multiplied."""
        return Prices(*(getattr(self, name) * factor for name in self.__slots__))


@dataclass(frozen=True, slots=True)
class PricePeriod:
    """Prices in force from a date on. Above `step_above` total input tokens the `step` prices hold for the whole call."""

    since: dt.date
    base: Prices
    step_above: int | None
    step: Prices | None


@dataclass(frozen=True, slots=True)
class FastPeriod:
    """A time in which `speed: "fast"` was sold: every price times `factor`; `beta` = the header it needs, or None."""

    since: dt.date
    until: dt.date | None
    factor: Decimal
    beta: str | None


@dataclass(frozen=True, slots=True)
class Model:
    """One row. Token figures are tokens, dates are UTC days, `tier` 1…5 is the simulator's own idea of ability."""

    id: str
    display: str
    line: str
    tier: int
    launched: dt.date
    prices: tuple[PricePeriod, ...]
    context: int
    max_output: int
    tokenizer: str
    min_cache: int
    tool_prompt: tuple[int, int]
    thinking: tuple[str, ...]
    thinking_default: str
    source: str
    date: str
    aliases: tuple[str, ...] = ()
    deprecated: dt.date | None = None
    retires: dt.date | None = None
    image: str = "standard"
    max_images: int = 100
    prefill: bool = False
    sampling: str = "any"
    geo: bool = False
    keep: str = "last_turn"
    effort: tuple[str, ...] = ()
    effort_default: str = "high"
    disable_max_effort: str | None = None
    forced_tools: bool = True
    binding: str = "none"
    thinking_readers: tuple[str, ...] | None = None
    reads_foreign_thinking: bool = True
    org_bound: bool = False
    system_messages: bool = False
    task_budget: bool = False
    batch_300k: bool = False
    reads_count: bool = False
    fast: tuple[FastPeriod, ...] = ()
    fast_ignored_from: dt.date | None = None
    assumed: tuple[str, ...] = ()

    @property
    def new_tokenizer(self) -> bool:
        """Whether the model counts with the tokenizer introduced by Opus 4.7 (about +30 % tokens)."""
        return self.tokenizer != "3.0"

    @property
    def regional_costs_more(self) -> bool:
        """Whether a regional endpoint of a cloud asks a surcharge: from the 4.5 generation on, which began with Sonnet 4.5
        (about-claude/pricing, 2026-08)."""
        return self.launched >= SINCE_4_5

    def prices_at(self, moment: float, total_input: int) -> Prices:
        """The prices of one call with `total_input` tokens at `moment` (Unix seconds), before modifiers."""
        day = _day(moment)
        period = self.prices[0]
        for later in self.prices[1:]:
            if later.since <= day:
                period = later
        if period.step is not None and period.step_above is not None and total_input > period.step_above:
            return period.step
        return period.base

    def fast_at(self, moment: float) -> FastPeriod | None:
        """The fast-mode offer at `moment`, or None."""
        day = _day(moment)
        for period in self.fast:
            if period.since <= day and (period.until is None or day < period.until):
                return period
        return None

    def fast_ignored_at(self, moment: float) -> bool:
        """Whether `speed: "fast"` is accepted but runs and bills at standard (Opus 4.6 since 2026-06-29)."""
        return self.fast_ignored_from is not None and _day(moment) >= self.fast_ignored_from

    def reads_thinking_of(self, author: Model) -> bool:
        """Whether this model may use a thinking block that `author` made: its own always; of others those that name it as a
        reader, or name none and are no newer (build-with-claude/thinking and preserved-thinking, 2026-09)."""
        if author.id == self.id:
            return True
        if not self.reads_foreign_thinking:
            return False
        if author.thinking_readers is None:
            return author.launched <= self.launched
        return self.id in author.thinking_readers or author.thinking_readers == ("*",)

    def lifecycle_at(self, moment: float) -> str:
        """`unreleased`, `active`, `deprecated` or `retired`."""
        day = _day(moment)
        if day < self.launched:
            return "unreleased"
        if self.retires is not None and day >= self.retires:
            return "retired"
        return "deprecated" if self.deprecated is not None and day >= self.deprecated else "active"


@dataclass(frozen=True, slots=True)
class ModelTable:
    """All rows, newest first, with their aliases."""

    rows: tuple[Model, ...]
    by_name: dict[str, Model]

    def resolve(self, name: object, moment: float, *, lifecycle: bool = True) -> Model:
        """The row of an id or alias; 404 `not_found_error` if unknown, or (with `lifecycle`) not callable at `moment`.

        Retired ids fail with 404: seen in practice (about-claude/model-deprecations says only that requests fail).
        """
        row = self.by_name.get(name) if isinstance(name, str) else None
        if row is None or (lifecycle and row.lifecycle_at(moment) in {"unreleased", "retired"}):
            raise not_found(f"model: {name}")
        return row

    def listed(self, moment: float) -> list[Model]:
        """The rows that GET /v1/models shows at `moment`: released and not retired (assumed), newest first."""
        seen = [row for row in self.rows if row.lifecycle_at(moment) in {"active", "deprecated"}]
        return sorted(seen, key=lambda row: row.launched, reverse=True)


@cache
def load_models() -> ModelTable:
    """Reads and checks `models.toml`. KeyError or ValueError name the row that is wrong."""
    text = files("thriftgate.simulator").joinpath("models.toml").read_text("utf-8")
    rows = tuple(_row(raw) for raw in tomllib.loads(text, parse_float=Decimal)["model"])
    by_name: dict[str, Model] = {}
    for row in rows:
        for name in (row.id, *row.aliases):
            if name in by_name:
                raise ValueError(f"models.toml names {name} twice")
            by_name[name] = row
    return ModelTable(rows, by_name)


def _day(moment: float) -> dt.date:
    return dt.datetime.fromtimestamp(moment, dt.UTC).date()


def _row(raw: dict[str, Any]) -> Model:
    values = dict(raw)
    values["prices"] = tuple(_period(entry, values["launched"]) for entry in values["prices"])
    values["fast"] = tuple(
        FastPeriod(entry["from"], entry.get("until"), Decimal(entry["factor"]), entry.get("beta"))
        for entry in values.get("fast", ())
    )
    for name, value in values.items():
        if isinstance(value, list):
            values[name] = tuple(value)
    return Model(**values)


def _period(raw: dict[str, Any], launched: dt.date) -> PricePeriod:
    step = raw.get("step")
    return PricePeriod(
        since=raw.get("from", launched),
        base=_prices(raw),
        step_above=step["above"] if step else None,
        step=_prices(step) if step else None,
    )


def _prices(raw: dict[str, Any]) -> Prices:
    return Prices(*(Decimal(raw[name]) for name in Prices.__slots__))
