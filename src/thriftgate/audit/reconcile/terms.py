"""Differences of price: the same calls, billed under other terms than our side has them.

Three tests, the strictest first. `moved`: what one row lacks stands in another, token for token, under other terms. `other`:
all rows of a slot are, to the last digit, what the same tokens cost under other terms. `mixed`: a part of the tokens is.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Literal, NamedTuple

from thriftgate.audit.reconcile.books import Cells, Refused, Row
from thriftgate.audit.reconcile.cards import AS_IT_IS, Change, Step
from thriftgate.audit.reconcile.causes import Cause
from thriftgate.audit.reconcile.keys import EVERYWHERE, Key, Slot
from thriftgate.audit.reconcile.work import Work
from thriftgate.core.prices import Mode, iso_from_day

_MODES: tuple[Mode, ...] = ("standard", "batch", "fast")
_STEPS: tuple[Step, ...] = ("low", "high")
_WITNESSES = 3
_BOUNDARY_DAYS = 1  # a change of price may be billed so many days early or late in parts

Flipped = frozenset[Refused]


class Theory(NamedTuple):
    """Terms that may have been billed instead, and refusals that may have been counted otherwise."""

    change: Change
    flipped: Flipped

    @property
    def parts(self) -> int:
        """How much it supposes."""
        return self.change.parts + bool(self.flipped)


def _theories(work: Work, slots: list[Slot], *, parts_max: int, moving: bool) -> list[Theory]:
    """All that may hold of these slots, the simplest first. The first supposes nothing. Where tokens are `moving` between
    slots, modes and geographies are those of the slots."""
    rows = [work.rows[key] for slot in slots for key in work.slots[slot].values()]
    models = {cell.model for row in rows for cell in row.cells} | {slot.model for slot in slots}
    days = {near for model in models for day in work.cards.change_days(model) for near in (day - 1, day)}
    steps: tuple[Step, ...] = _STEPS if any(work.cards.steps(model) for model in models) else ()
    modes: tuple[Mode | Literal[""], ...] = ("",) if moving else ("", *_MODES)
    geos = ("",) if moving else ("", *_geos(work))
    changes = (Change(*parts) for parts in itertools.product((0, *sorted(days)), ("", *steps), modes, geos))
    found = [Theory(change, flipped) for change in changes for flipped in (Flipped(), *_flips(rows))]
    return sorted((theory for theory in found if theory.parts <= parts_max), key=lambda theory: theory.parts)


def _geos(work: Work) -> tuple[str, ...]:
    return (EVERYWHERE, *sorted(work.cards.geos, key=lambda geo: geo != "us"))


def _flips(rows: list[Row]) -> Iterator[Flipped]:
    refused = sorted({one for row in rows for one in row.refused})
    free = frozenset(one for one in refused if not one.counted)
    counted = frozenset(one for one in refused if one.counted)
    yield from dict.fromkeys(
        flipped for flipped in (free, counted, *(frozenset({one}) for one in refused), free | counted) if flipped
    )


def cells_under(row: Row, flipped: Flipped) -> Cells:
    """The tokens of a row, with these refusals counted the other way."""
    cells = row.cells
    for refused, tokens in row.refused.items():
        if refused in flipped:
            cells = cells - tokens if refused.counted else cells + tokens
    return cells


# --- the same slot, other terms ------------------------------------------------------------------------------------------


def other(work: Work, slot: Slot) -> bool:
    """Explain a slot whose rows are exactly what its tokens cost under other terms; all rows, or all but one for which there
    must be something else."""
    keys = list(work.slots[slot].values())
    for spared in (None, *spare(work, keys)):
        theory = _fitting(work, slot, [key for key in keys if key != spared], parts_max=3 if spared is None else 1)
        if theory is not None:
            _unfold(work, slot, theory)
            return True
    return False


def spare(work: Work, keys: list[Key]) -> list[Key]:
    """The rows that need not fit, one at a time: none where fewer than three others would speak for the rest."""
    wrong = [key for key in keys if work.is_open(key)]
    return wrong if len(wrong) > _WITNESSES else []


def _fitting(work: Work, slot: Slot, keys: list[Key], *, parts_max: int) -> Theory | None:
    """The simplest theory that fits these rows; of several, the one that misses them least."""
    fitting: list[tuple[int, int, Theory]] = []
    for theory in _theories(work, [slot], parts_max=parts_max, moving=False):
        if fitting and theory.parts > fitting[0][0]:
            break
        cells = {key: cells_under(work.rows[key], theory.flipped) for key in keys}
        off = off_by(work, cells, theory.change) if _reported_fits(work, cells) else None
        if off is not None:
            fitting.append((theory.parts, off, theory))
    return min(fitting, key=lambda found: found[:2])[2] if fitting else None


def off_by(work: Work, cells: Mapping[Key, Cells], change: Change) -> int | None:
    """By how much (pico-USD) these rows miss what such tokens cost under other terms; None where more than rounding."""
    total = 0
    for key, tokens in cells.items():
        price = work.amount(tokens, key.day, change)
        if price is None or abs(work.rows[key].billed - price) > work.slack(key):
            return None
        total += abs(work.rows[key].billed - price)
    return total


def _reported_fits(work: Work, cells: Mapping[Key, Cells]) -> bool:
    """Whether the usage report, where there is one, has as many tokens. It shows those of free refusals, too."""
    for key, ours in cells.items():
        row = work.rows[key]
        if row.reported is not None and row.reported not in (ours.total(), row.tokens + row.uncounted):
            return False
    return True


def _unfold(work: Work, slot: Slot, theory: Theory) -> None:
    """Attribute each row's difference to the parts of a theory, one after the other."""
    for key in work.slots[slot].values():
        row = work.rows[key]
        before = work.amount(row.cells, slot.day) or 0
        for cause, change, evidence in _stages(work, slot, theory):
            after = work.amount(cells_under(row, theory.flipped), slot.day, change)
            if after is not None:
                work.explain(key, cause, after - before, evidence)
                before = after


def _stages(work: Work, slot: Slot, theory: Theory) -> Iterator[tuple[Cause, Change, str]]:
    """The parts of a theory, each with the terms up to it."""
    change = theory.change
    if theory.flipped:
        names = ", ".join(sorted({one.category or "no category" for one in theory.flipped}))
        free = all(not one.counted for one in theory.flipped)
        yield "refusals", AS_IT_IS, f"the difference is the cost of the refused calls ({names}), {_counted(free)}"
    so_far = AS_IT_IS
    if change.day:
        so_far = so_far._replace(day=change.day)
        yield "price_change", so_far, f"billed at the price of {iso_from_day(change.day)}"
    if change.step:
        so_far = so_far._replace(step=change.step)
        side = "upper" if change.step == "high" else "lower"
        yield "long_context", so_far, f"all tokens billed at the {side} price step"
    if change.mode:
        so_far = so_far._replace(mode=change.mode)
        yield _mode_cause(_modes(work, slot) | {change.mode}), so_far, f"billed exactly the {change.mode} price"
    if change.geo:
        so_far = so_far._replace(geo=change.geo)
        yield "geo", so_far, f"billed exactly {_factor(work, slot, so_far)} times our price, as inference_geo {change.geo}"


def _counted(free: bool) -> str:
    return "which we count as free" if free else "which we count as billed"


def _modes(work: Work, slot: Slot) -> set[str]:
    return {cell.mode for key in work.slots[slot].values() for cell in work.rows[key].cells} | {slot.mode}


def _mode_cause(modes: set[str]) -> Cause:
    return "batch" if "batch" in modes else "fast"


def _factor(work: Work, slot: Slot, change: Change) -> str:
    before = work.token_pico(slot, "input", change._replace(geo=""))
    after = work.token_pico(slot, "input", change)
    return f"{float(after / before):.4g}" if before and after else "other"


# --- other slots ---------------------------------------------------------------------------------------------------------


def moved(work: Work, slots: list[Slot]) -> bool:
    """Explain slots of one day, model and workspace between which tokens moved: as many are missing here as are too many
    there, of every kind. True where some did."""
    for size in range(2, len(slots) + 1):
        for chosen in itertools.combinations(slots, size):
            for theory in _theories(work, list(chosen), parts_max=1, moving=True):
                if _balances(work, chosen, theory):
                    for slot in chosen:
                        _unfold(work, slot, theory)
                    _shift(work, chosen, theory.change)
                    for slot in chosen:
                        for key in work.slots[slot].values():
                            work.explain_rounding(key)  # what two rounded amounts differ by
                    return True
    return False


def _names(work: Work, slots: tuple[Slot, ...]) -> list[str]:
    return sorted({name for slot in slots for name in work.slots[slot]})


def _balances(work: Work, slots: tuple[Slot, ...], theory: Theory) -> bool:
    """Whether what is left, in tokens, sums to nothing for each kind, and every slot takes part."""
    touched: set[Slot] = set()
    for name in _names(work, slots):
        total, slack = Fraction(0), Fraction(0)
        for slot in slots:
            key = work.slots[slot].get(name)
            if key is None:
                continue
            row = work.rows[key]
            ours = work.amount(cells_under(row, theory.flipped), slot.day, theory.change)
            price = work.token_pico(slot, name, theory.change)
            if ours is None or price is None:
                return False
            total += (row.billed - ours) / price
            slack += work.slack(key) / price
            if abs(row.billed - ours) > work.slack(key):
                touched.add(slot)
        if abs(total) > slack:
            return False
    return touched == set(slots)


def _shift(work: Work, slots: tuple[Slot, ...], change: Change) -> None:
    """Attribute what moved, from each row with too little to those with too much."""
    for name in _names(work, slots):
        takers = [slot for slot in slots if (key := work.slots[slot].get(name)) and work.left[key] > 0]
        for giver in slots:
            source = work.slots[giver].get(name)
            if source is None or work.left[source] >= 0:
                continue
            takers.sort(key=lambda taker: (taker.mode != giver.mode) + (taker.geo != giver.geo))
            for taker in takers:
                _pair(work, giver, taker, name, change)


def _pair(work: Work, giver: Slot, taker: Slot, name: str, change: Change) -> None:
    """Move tokens of one kind from one row to another: the mode changes first, then the geography."""
    source, target = work.slots[giver][name], work.slots[taker][name]
    here, there = work.token_pico(giver, name, change), work.token_pico(taker, name, change)
    halfway = work.token_pico(giver, name, change._replace(mode=taker.mode))
    if not here or not there or not halfway or work.left[source] >= 0 or work.left[target] <= 0:
        return
    tokens = min(-work.left[source] / here, work.left[target] / there)
    cause: Cause = "geo" if giver.mode == taker.mode else _mode_cause({giver.mode, taker.mode})
    text = f"{round(tokens):,} tokens our side has as {giver.mode}, {giver.geo} are billed as {taker.mode}, {taker.geo}"
    work.explain(source, cause, -_whole(tokens * here, -work.left[source]), text)
    value = _whole(tokens * there, work.left[target])
    first = round(tokens * halfway) if giver.geo != taker.geo and giver.mode != taker.mode else value
    work.explain(target, cause, first, text)
    work.explain(target, "geo", value - first, text)


def _whole(amount: Fraction, left: int) -> int:
    """In whole pico-dollars, and never more than is left."""
    return min(round(amount), left)


# --- a part of the tokens ------------------------------------------------------------------------------------------------


def mixed(work: Work, slot: Slot, cells: Mapping[str, Cells], *, tokens_known: bool) -> bool:
    """Explain a slot in which a part of the tokens (`cells`, by kind) was billed under other terms. Where nothing but our
    own log tells how many tokens there were, only what missing calls could not be."""
    for change, base in _partial(work, slot):
        cause: Cause = next(stage[0] for stage in _stages(work, slot, Theory(change, Flipped())))
        shares = _shares(work, slot, cells, change, base)
        if shares is None or not (tokens_known or _telling(work, slot, cells, cause)):
            continue
        share = sum(shares) / len(shares)
        text = f"unit prices lie between the two: about {float(share):.1%} of the tokens at {_other_price(change)}"
        for key in work.slots[slot].values():
            if work.is_open(key):
                work.explain(key, cause, work.left[key], text)
        return True
    return False


def _partial(work: Work, slot: Slot) -> Iterator[tuple[Change, Change]]:
    """Changes of one term, and the terms they start from. Those of which fewer amounts can be a mixture come first; where
    the report is rounded, those whose prices are nearest."""
    found = list(_single(work, slot))
    days = [pair for pair in found if pair[0].day]
    others = [pair for pair in found if not pair[0].day]
    yield from days
    yield from reversed(others) if work.grain else others


def _single(work: Work, slot: Slot) -> Iterator[tuple[Change, Change]]:
    for day in work.cards.change_days(slot.model):
        if abs(slot.day - day) <= _BOUNDARY_DAYS:
            yield Change(day=day - 1 if slot.day >= day else day), AS_IT_IS
    if work.cards.steps(slot.model):
        yield Change(step="high"), Change(step="low")
    for mode in _MODES:
        if mode != slot.mode:
            yield Change(mode=mode), AS_IT_IS
    for geo in _geos(work):
        if geo != slot.geo:
            yield Change(geo=geo), AS_IT_IS


def _other_price(change: Change) -> str:
    if change.day:
        return f"the price of {iso_from_day(change.day)}"
    return "the upper price step" if change.step else f"the price of {change.mode or 'inference_geo ' + change.geo}"


def _shares(work: Work, slot: Slot, cells: Mapping[str, Cells], change: Change, base: Change) -> list[Fraction] | None:
    """The share of the tokens billed under `change`, by kind; None where some row cannot be such a mixture."""
    shares: list[Fraction] = []
    for name, key in work.slots[slot].items():
        counts = cells.get(name) or Counter()
        low, high = work.amount(counts, slot.day, base), work.amount(counts, slot.day, change)
        if low is None or high is None:
            return None
        slack, over = work.slack(key), work.rows[key].billed - low
        if high == low:
            if abs(over) > slack:
                return None
            continue
        if not min(0, high - low) - slack <= over <= max(0, high - low) + slack:
            return None
        if not slack and over * counts.total() % abs(high - low):
            return None  # no whole number of tokens
        shares.append(Fraction(over, high - low))
    return shares if any(shares) else None


def _telling(work: Work, slot: Slot, cells: Mapping[str, Cells], cause: Cause) -> bool:
    """Whether amounts alone show that a price differs, and not the number of calls."""
    keys = work.slots[slot]
    open_names = [name for name, key in keys.items() if work.is_open(key)]
    if cause == "price_change":
        return len(open_names) < sum(1 for name in keys if cells.get(name))
    if any(work.slack(key) for key in keys.values()):
        return False
    if cause == "long_context":
        return len(open_names) > 1
    prices = {name: work.token_pico(slot, name) for name in open_names}
    return any(price is not None and work.left[keys[name]] % price for name, price in prices.items())
