"""Which causes are tried, in which order: the strictest evidence first.

Rows that agree to the report's rounding are left alone. Then, for each slot (`keys.Slot`): a contract's constant discount
over all rows; tokens that moved between rows; the same tokens under other terms; by the usage report, where there is one;
else a part of the tokens under other terms, estimates, what the log does not tell about caching, and calls that one side
does not have. What remains is unknown, and said so.
"""

from __future__ import annotations

from fractions import Fraction

from thriftgate.audit.reconcile.books import Books
from thriftgate.audit.reconcile.keys import NO_MODEL_KINDS, Key, Slot
from thriftgate.audit.reconcile.terms import mixed, moved, other
from thriftgate.audit.reconcile.volume import by_report, estimated, fees, missing, untold
from thriftgate.audit.reconcile.work import Work

_FACTORS = frozenset(map(Fraction, ("1", "11/10", "2", "1/2", "11/20", "11/5", "5", "1/5", "10/11")))
"""Ratios that single terms have: no contract."""
_CANDIDATES = 12
_ROWS_MIN = 3
_PRECISION = 200  # a row shows a share where rounding is at most one part in so many of it


def match(books: Books) -> Work:
    """Explain as much of every row's difference as the evidence allows. `books` are closed."""
    work = Work(books)
    _contract(work)
    groups: dict[Slot, list[Slot]] = {}
    for slot in work.open_slots():
        groups.setdefault(slot._replace(mode="standard", geo=""), []).append(slot)
    for slots in groups.values():
        while moved(work, [slot for slot in slots if work.is_open_slot(slot)]):
            pass
    for slot in work.open_slots():
        _slot(work, slot)
    for key in work.rows:
        if key.kind in NO_MODEL_KINDS and work.is_open(key):
            fees(work, key)
    for key in work.rows:
        if work.left[key] and not work.is_open(key):
            work.explain_rounding(key)
    return work


def _slot(work: Work, slot: Slot) -> None:
    if other(work, slot) or by_report(work, slot):
        return
    cells = {name: work.rows[key].cells for name, key in work.slots[slot].items()}
    if mixed(work, slot, cells, tokens_known=False) or estimated(work, slot) or untold(work, slot):
        return
    missing(work, slot)


def _contract(work: Work) -> None:
    """Explain a constant discount: most rows are billed the same share of the list price, and no factor of the list.

    Rows too small for the report's rounding to show a share are not asked."""
    keys = [key for key, row in work.rows.items() if key.kind not in NO_MODEL_KINDS and row.ours and row.billed]
    keys = [key for key in keys if work.slack(key) * _PRECISION <= work.rows[key].ours]
    largest = sorted(keys, key=lambda key: -work.rows[key].ours)[:_CANDIDATES]
    exact = [Fraction(work.rows[key].billed, work.rows[key].ours) for key in largest]
    shares = [*(share.limit_denominator(1_000) for share in exact), *exact]
    fitting = {share: [key for key in keys if _fits(work, key, share)] for share in {*shares, *_FACTORS}}
    share = max(shares, key=lambda one: len(fitting[one]), default=Fraction(1))
    found = fitting.get(share, [])
    of_list = max(len(fitting[factor]) for factor in _FACTORS)
    places = {(key.day, key.model) for key in found}
    if len(found) < _ROWS_MIN or len(found) <= of_list or 2 * len(found) <= len(keys):
        return
    if len(places) > 1 or len(found) == len(keys):
        told = f"{float(share):.4g} of the list price in {len(found)} of {len(keys)} rows"
        searches = [key for key in work.rows if key.kind == "web_search" and _fits(work, key, share)]
        work.scale(share, told, [*(key for key in work.rows if key.kind not in NO_MODEL_KINDS), *searches])


def _fits(work: Work, key: Key, share: Fraction) -> bool:
    row = work.rows[key]
    return bool(row.ours) and abs(row.billed - row.ours * share) <= work.slack(key) + 1
