"""Both sides as rows of one form: what calls should have cost by our price book, and what the provider billed.

A row is one UTC day, model, workspace, mode, geography and kind of token, as the cost report has them. Of our side it keeps
the tokens in cells, one for each rate card that priced them, so that they can be priced again under other terms; single
calls are not kept, so a long log costs no more memory than a short one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from thriftgate.audit.moments import DAY_US
from thriftgate.audit.names import resolve
from thriftgate.audit.reconcile.cards import Cards
from thriftgate.audit.reconcile.keys import EVERYWHERE, KINDS, NO_MODEL_KINDS, PROMPT_KINDS, Cell, Key, Told
from thriftgate.audit.records import Record
from thriftgate.core.cost import price_usage, refusal_is_billed
from thriftgate.core.errors import InputError, UnknownPrice
from thriftgate.core.money import price_tokens
from thriftgate.core.prices import NO_GEO, Mode, Terms
from thriftgate.core.usage import Tokens, Usage

OUTPUT_MAX = 128_000
"""The most tokens a call can put out where its own `max_tokens` is not told
(platform.claude.com/docs/en/about-claude/models/overview, 2026-11)."""

Cells = Counter[Cell]


class Refused(NamedTuple):
    """Refusals of one category, and whether our side counts them as billed."""

    category: str
    counted: bool


class Row:
    """One key. Money in pico-USD. `cells` are the tokens that `ours` is the price of; `refused` those of refusals, in
    `cells` only where counted; `less` and `more` are the tokens by which calls with estimated usage may be off, down and up;
    `unsplit` and `untold` those in `cells` of which the log does not tell how long they were cached, or whether."""

    __slots__ = ("billed", "billed_rows", "cells", "less", "more", "ours", "refused", "reported", "unsplit", "untold")

    def __init__(self) -> None:
        self.ours = 0
        self.billed = 0
        self.billed_rows = 0
        self.cells: Cells = Counter()
        self.refused: dict[Refused, Cells] = {}
        self.less: Cells = Counter()
        self.more: Cells = Counter()
        self.unsplit = 0
        self.untold = 0
        self.reported: int | None = None  # tokens by the provider's usage report

    def add(self, other: Row) -> None:
        self.ours += other.ours
        self.billed += other.billed
        self.billed_rows += other.billed_rows
        self.cells += other.cells
        self.less += other.less
        self.more += other.more
        self.unsplit += other.unsplit
        self.untold += other.untold
        for refused, cells in other.refused.items():
            self.refused[refused] = self.refused.get(refused, Counter()) + cells
        if other.reported is not None:
            self.reported = (self.reported or 0) + other.reported

    @property
    def tokens(self) -> int:
        """Tokens that `ours` is the price of."""
        return self.cells.total()

    @property
    def uncounted(self) -> int:
        """Tokens of refusals that our side counts as free."""
        return sum(cells.total() for refused, cells in self.refused.items() if not refused.counted)


class Charged(NamedTuple):
    """A part of a call: tokens in one cell, and their price (pico-USD)."""

    cell: Cell
    tokens: int
    pico: int


class Books:
    """Both sides. `rows` are in the order of their keys once `close` was called; `unpriced` counts calls without a price, by
    model and reason; `outside` is our cost of the days that the report does not cover, by day."""

    def __init__(self, cards: Cards) -> None:
        self.cards = cards
        self.rows: dict[Key, Row] = {}
        self.unpriced: Counter[tuple[str, str]] = Counter()
        self.outside: Counter[int] = Counter()
        self.notes: list[str] = []
        self.told = Told()
        self._billed_geos: set[str] = set()
        self._reported_geos: set[str] = set()
        self._spaces: tuple[set[str], set[str]] = (set(), set())
        self._reported_spaces: set[str] = set()
        self._usage = False

    def take_ours(self, records: Iterable[Record]) -> None:
        """Price our side. Raises InputError for charges of the provider: those belong on the other side."""
        for record in records:
            if record.bill_pico is not None:
                raise InputError(f"{record.source} is a cost report of the provider; give it with --report")
            try:
                charged = list(self._charged(record))
            except UnknownPrice as error:
                self.unpriced[record.model, str(error)] += max(1, record.calls)
                continue
            self._spaces[0].add(record.workspace)
            self._book(record, charged)

    def take_billed(self, records: Iterable[Record]) -> None:
        """Take over what the provider charged. Raises InputError for records that are no charges."""
        for record in records:
            if record.bill_pico is None:
                raise InputError(f"{record.source} is no cost report: it tells no amounts charged")
            key = self._key(record, record.token_type)
            row = self.rows.setdefault(key, Row())
            row.billed += record.bill_pico
            row.billed_rows += 1
            self._spaces[1].add(record.workspace)
            if key.kind not in NO_MODEL_KINDS:
                self._billed_geos.add(record.geo)
                self.told = self.told.seen(key)

    def take_reported(self, records: Iterable[Record]) -> None:
        """Take over the token counts of the provider's usage report. Raises InputError for records that are none."""
        for record in records:
            if record.bill_pico is not None or not record.span_us:
                raise InputError(f"{record.source} is no usage report; give the usage_report/messages of the same days")
            self._usage = True
            self._reported_geos.add(record.geo)
            self._reported_spaces.add(record.workspace)
            tokens = record.tokens()
            counts = [(name, getattr(tokens, name)) for name in KINDS]
            for kind, count in (*counts, ("web_search", record.web_searches)):
                if count:
                    row = self.rows.setdefault(self._key(record, kind), Row())
                    row.reported = (row.reported or 0) + count

    def close(self, since_day: int | None = None, until_day: int | None = None) -> None:
        """Fold what either side does not tell apart, and leave out the days before `since_day`, from `until_day` on, and,
        where those are not given, before the first and after the last day of the report. Raises InputError where the
        report holds nothing."""
        days = [key.day for key, row in self.rows.items() if row.billed_rows]
        if not days and (since_day is None or until_day is None):
            raise InputError("the cost report holds no charges")
        first = min(days) if since_day is None else since_day
        last = max(days) + 1 if until_day is None else until_day
        self._learn()
        folded: dict[Key, Row] = {}
        for key, row in sorted(self.rows.items()):
            if first <= key.day < last:
                folded.setdefault(self.told.key(key), Row()).add(row)
            elif row.ours:
                self.outside[key.day] += row.ours
        usage = self._usage_fits()
        for row in folded.values():
            row.reported = (row.reported or 0) if usage else None
        self.rows = dict(sorted(folded.items()))

    def _learn(self) -> None:
        ours, billed = (spaces - {""} for spaces in self._spaces)
        together = bool(ours & billed)
        if (ours or billed) and not together:
            self.notes.append("workspaces are not compared: only one side names them, or they name different ones")
        geo = any(self._billed_geos)
        if not geo:
            self.notes.append("geographies are not compared: the cost report does not tell them")
        self.told = self.told._replace(workspace=together, geo=geo)

    def _usage_fits(self) -> bool:
        """Whether the usage report tells apart what the cost report does."""
        if not self._usage:
            return False
        geo = self.told.geo and self._billed_geos - set(NO_GEO) and not any(self._reported_geos)
        space = self.told.workspace and not any(self._reported_spaces)
        if geo or space:
            by = "inference_geo" if geo else "workspace_id"
            self.notes.append(f"the usage report is not used: ask for it with group_by[]={by}, as the cost report has it")
        return not (geo or space)

    def _key(self, record: Record, kind: str) -> Key:
        day = record.at_us // DAY_US
        if kind in NO_MODEL_KINDS:
            return Key(day, "", record.workspace, "standard", EVERYWHERE, kind)
        named = resolve(record.model, self.cards.book)
        return Key(day, named.model, record.workspace, record.mode, _geo(record.geo), kind)

    def _book(self, record: Record, charged: list[Charged]) -> None:
        day = record.at_us // DAY_US
        refused = _refused(record, day)
        for cell, tokens, pico in charged:
            row = self._row(day, record.workspace, cell)
            if refused is not None:
                row.refused.setdefault(refused, Counter())[cell] += tokens
                if not refused.counted:
                    continue
            row.ours += pico
            row.cells[cell] += tokens
            if cell.kind == "input" and record.cache_untold:
                row.untold += tokens
            if cell.kind == "write_5m" and record.write_unsplit:
                row.unsplit += min(tokens, record.write_unsplit)
        if charged and (record.estimated or record.output_is_floor):
            self._doubt(record, charged, day)

    def _doubt(self, record: Record, charged: list[Charged], day: int) -> None:
        """By how much a call with estimated usage may be off: nothing of it may have been billed, or the prompt otherwise
        cached, or an answer up to its limit."""
        counts = {one.cell.kind: one.tokens for one in charged}
        sample = next((one.cell for one in charged if one.cell.kind in KINDS), None)
        if sample is None:
            return
        prompt = sum(counts.get(name, 0) for name in PROMPT_KINDS)
        most = {name: prompt if record.estimated else counts.get(name, 0) for name in PROMPT_KINDS}
        most["output"] = max(record.max_tokens or OUTPUT_MAX, counts.get("output", 0))
        for name, limit in most.items():
            cell = sample._replace(kind=name)
            row = self._row(day, record.workspace, cell)
            if record.estimated:
                row.less[cell] += counts.get(name, 0)
            row.more[cell] += limit - counts.get(name, 0)

    def _row(self, day: int, workspace: str, cell: Cell) -> Row:
        return self.rows.setdefault(Key(day, cell.model, workspace, cell.mode, cell.geo, cell.kind), Row())

    def _charged(self, record: Record) -> Iterator[Charged]:
        """What a record costs, part by part. Raises UnknownPrice."""
        book = self.cards.book
        named = resolve(record.model, book)
        mode: Mode = named.mode if named.mode and record.mode == "standard" else record.mode
        geo = _geo(record.geo if record.geo not in NO_GEO else named.geo or record.geo)
        terms = Terms(named.model, record.at_us // DAY_US, mode, geo)
        if record.span_us:
            yield from self._charged_sum(record, terms)
        else:
            usage = Usage(record.tokens(), 0, record.iterations)
            for iteration in usage.billed():
                model = resolve(iteration.model, book).model if iteration.model else named.model
                own = Terms(model, terms.day, mode, geo)
                above = self.cards.above(model, iteration.tokens.prompt)
                for line in price_usage(Usage(iteration.tokens), own, book).lines:
                    yield Charged(Cell(model, mode, geo, above, line.kind), line.quantity, line.pico)
        if record.web_searches:
            cost = price_usage(Usage(Tokens(), record.web_searches), terms, book)
            yield Charged(Cell("", "standard", EVERYWHERE, 0, "web_search"), record.web_searches, cost.pico)

    def _charged_sum(self, record: Record, terms: Terms) -> Iterator[Charged]:
        """Sums of a day tell no prompt's length: the lower price step, unless the source names the larger window."""
        longest = max(self.cards.steps(terms.model), default=0)
        above = longest if longest >= 200_000 and record.context_window.startswith("200k") else 0
        tokens = record.tokens()
        for name in KINDS:
            count = getattr(tokens, name)
            cell = Cell(terms.model, terms.mode, terms.geo, above, name)
            if count:
                yield Charged(cell, count, price_tokens(count, self.cards.strict_rate(cell, terms.day)))


def _geo(geo: str) -> str:
    return EVERYWHERE if geo in NO_GEO else geo


def _refused(record: Record, day: int) -> Refused | None:
    """Refusals that were not streamed; those that were are billed like any call."""
    if record.stop_reason != "refusal" or record.output:
        return None
    return Refused(record.stop_category, refusal_is_billed(record.stop_category or None, output_tokens=0, day=day))
