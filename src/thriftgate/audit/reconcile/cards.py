"""Tokens priced again under other terms: the price of another day, step, mode or geography."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

from thriftgate.audit.reconcile.keys import KINDS, UNSPLIT, Cell
from thriftgate.core.errors import UnknownPrice
from thriftgate.core.money import TOKENS_PER_MTOK, price_tokens
from thriftgate.core.prices import FOREVER_DAY, Mode, PriceBook, Terms

Step = Literal["", "low", "high"]


class Change(NamedTuple):
    """Terms other than our side has them; 0 and "" leave a part as it is. `day` is a day whose prices apply, `step` the
    lower or the upper price of models whose price depends on the prompt's length."""

    day: int = 0
    step: Step = ""
    mode: Mode | Literal[""] = ""
    geo: str = ""

    @property
    def parts(self) -> int:
        """How many terms differ."""
        return sum(map(bool, self))


AS_IT_IS = Change()


class Cards:
    """A price book, asked for single rates. All rates are pico-USD per million tokens."""

    def __init__(self, book: PriceBook) -> None:
        self.book = book
        self._steps: dict[str, tuple[int, ...]] = {}
        self._days: dict[str, tuple[int, ...]] = {}
        steps: dict[str, set[int]] = {}
        days: dict[str, set[int]] = {}
        for row in book.rows:
            if row.above_tokens:
                steps.setdefault(row.model, set()).add(row.above_tokens)
            if row.mode == "standard":
                days.setdefault(row.model, set()).update({row.from_day, row.until_day} - {0, FOREVER_DAY})
        self._steps = {model: tuple(sorted(found)) for model, found in steps.items()}
        self._days = {model: tuple(sorted(found)) for model, found in days.items()}
        self._rates: dict[tuple[Cell, int, Change], int | None] = {}
        self.geos = tuple(row.geo for row in book.geos)

    def steps(self, model: str) -> tuple[int, ...]:
        """The prompt lengths (tokens) above which any price of the model changes."""
        return self._steps.get(model, ())

    def above(self, model: str, prompt: int) -> int:
        """The highest step that a prompt of this length has passed; 0 where it has none."""
        return max((step for step in self.steps(model) if prompt > step), default=0)

    def change_days(self, model: str) -> tuple[int, ...]:
        """The UTC days since 1970 from which on a standard price of the model is another."""
        return self._days.get(model, ())

    def strict_rate(self, cell: Cell, day: int, change: Change = AS_IT_IS) -> int:
        """The rate of a cell on a day. Raises UnknownPrice."""
        if cell.kind == "web_search":
            return self.book.web_search_pico * TOKENS_PER_MTOK
        above = cell.above
        if change.step:
            above = max(self.steps(cell.model), default=0) if change.step == "high" else 0
        terms = Terms(cell.model, change.day or day, change.mode or cell.mode, change.geo or cell.geo)
        rates = self.book.rates(terms, above + 1)
        name = "write_5m" if cell.kind == UNSPLIT else cell.kind
        return int(getattr(rates, name)) if name in KINDS else 0

    def rate(self, cell: Cell, day: int, change: Change = AS_IT_IS) -> int | None:
        """The same; None where there is no such price."""
        asked = (cell, day, change)
        if asked not in self._rates:
            try:
                self._rates[asked] = self.strict_rate(cell, day, change)
            except UnknownPrice:
                self._rates[asked] = None
        return self._rates[asked]

    def amount(self, cells: Mapping[Cell, int], day: int, change: Change = AS_IT_IS) -> int | None:
        """What these tokens cost (pico-USD); None where some have no such price."""
        total = 0
        for cell, tokens in cells.items():
            rate = self.rate(cell, day, change)
            if rate is None:
                return None
            total += price_tokens(tokens, rate)
        return total
