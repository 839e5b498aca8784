"""The state of a comparison: what of each row's difference is explained so far, by which cause, and what is left."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from fractions import Fraction

from msgspec import Struct

from thriftgate.audit.reconcile.books import Books, Row
from thriftgate.audit.reconcile.cards import AS_IT_IS, Cards, Change
from thriftgate.audit.reconcile.causes import Cause
from thriftgate.audit.reconcile.keys import NO_MODEL_KINDS, Cell, Key, Slot, slot_of
from thriftgate.core.money import PICO_PER_USD, TOKENS_PER_MTOK, usd_from_pico

CENT = PICO_PER_USD // 100


class Finding(Struct, frozen=True):
    """A part of a row's difference (billed minus ours, pico-USD) and its cause; `evidence` is half a sentence."""

    key: Key
    cause: Cause
    pico: int
    evidence: str


class Work:
    """`left` is what is not explained yet. `share` is the contract's price as a share of the list price. `grain` is how
    coarsely the report's amounts are rounded (pico-USD), 0 where they are exact."""

    def __init__(self, books: Books) -> None:
        self.cards: Cards = books.cards
        self.rows = books.rows
        self.told = books.told
        self.share = Fraction(1)
        self.grain = grain_of(books.rows.values())
        self.left = {key: row.billed - row.ours for key, row in self.rows.items()}
        self.findings: list[Finding] = []
        self.slots: dict[Slot, dict[str, Key]] = {}
        for key in self.rows:
            self.slots.setdefault(slot_of(key), {})[key.kind] = key

    def explain(self, key: Key, cause: Cause, pico: int, evidence: str) -> None:
        """Put down that `cause` accounts for `pico` of a row's difference."""
        if pico:
            self.left[key] -= pico
            self.findings.append(Finding(key, cause, pico, evidence))

    def explain_rounding(self, key: Key) -> None:
        """Put down that what is left of a row is the report's rounding."""
        self.explain(key, "rounding", self.left[key], f"amounts are rounded to ${usd_from_pico(self.grain)}")

    def slack(self, key: Key) -> int:
        """By how much (pico-USD) a row may be off for the rounding of the report's amounts alone."""
        rounded = max(0, self.grain - 1) * max(1, self.rows[key].billed_rows)
        return rounded + (0 if self.share == 1 else 1 + self.rows[key].billed_rows)

    def is_open(self, key: Key) -> bool:
        """Whether more is left of a row's difference than rounding can be."""
        return abs(self.left[key]) > self.slack(key)

    def is_open_slot(self, slot: Slot) -> bool:
        """Whether any row of it is open."""
        return any(self.is_open(key) for key in self.slots[slot].values())

    def open_slots(self) -> list[Slot]:
        """The slots in which calls of a model are left to explain, in order."""
        return [
            slot
            for slot, keys in self.slots.items()
            if self.is_open_slot(slot) and not any(name in NO_MODEL_KINDS for name in keys)
        ]

    def amount(self, cells: Mapping[Cell, int], day: int, change: Change = AS_IT_IS) -> int | None:
        """What tokens cost at the contract's price under these terms (pico-USD); None where there is no such price."""
        amount = self.cards.amount(cells, day, change)
        return None if amount is None else round(amount * self.share)

    def token_pico(self, slot: Slot, kind: str, change: Change = AS_IT_IS) -> Fraction | None:
        """The contract's price of one token of a slot (pico-USD), at the price step that its tokens were priced at where
        they share one, else at the lower one."""
        rate = self.cards.rate(self.cell(slot, kind), slot.day, change)
        return None if not rate else Fraction(rate, TOKENS_PER_MTOK) * self.share

    def cell(self, slot: Slot, kind: str) -> Cell:
        """The cell of a slot's tokens of one kind."""
        cells = [cell for key in self.slots[slot].values() for cell in self.rows[key].cells]
        above = min((cell.above for cell in cells), default=0)
        return Cell(slot.model, slot.mode, slot.geo, above, kind)

    def scale(self, share: Fraction, evidence: str, keys: Iterable[Key]) -> None:
        """Take the contract's price for a share of the list price."""
        self.share = share
        for key in keys:
            ours = self.rows[key].ours
            self.explain(key, "discount", round(ours * share) - ours, evidence)


def grain_of(rows: Iterable[Row]) -> int:
    """The power of ten (pico-USD, at most a cent) that all billed amounts are multiples of; 0 where our own are, too, so
    that nothing tells of rounding."""
    told = [row for row in rows if row.billed_rows]
    billed = math.gcd(*(row.billed for row in told))
    grain = 1
    while grain < CENT and billed % (grain * 10) == 0 and billed:
        grain *= 10
    return 0 if all(row.ours % grain == 0 for row in told) else grain
