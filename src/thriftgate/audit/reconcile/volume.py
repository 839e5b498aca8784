"""Differences of volume: calls that only one side has, and calls of which our side has only estimates."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from fractions import Fraction

from thriftgate.audit.reconcile.books import Cells
from thriftgate.audit.reconcile.cards import AS_IT_IS, Change
from thriftgate.audit.reconcile.causes import Cause
from thriftgate.audit.reconcile.keys import EVERYWHERE, KINDS, PROMPT_KINDS, Key, Slot
from thriftgate.audit.reconcile.terms import mixed, off_by, spare
from thriftgate.audit.reconcile.work import Work
from thriftgate.core.money import price_tokens


def estimated(work: Work, slot: Slot) -> bool:
    """Explain a slot whose difference lies within what its estimated calls may be off by."""
    keys = list(work.slots[slot].values())
    if not any(work.rows[key].less or work.rows[key].more for key in keys):
        return False
    if not all(_within(work, key, work.left[key]) for key in keys):
        return False
    for key in keys:
        _doubtful(work, key, work.left[key])
    return True


def _within(work: Work, key: Key, pico: int) -> bool:
    """Whether a difference lies within what the estimates of a row allow."""
    row = work.rows[key]
    down, up = work.amount(row.less, key.day) or 0, work.amount(row.more, key.day) or 0
    return -down - work.slack(key) <= pico <= up + work.slack(key)


def _doubtful(work: Work, key: Key, pico: int) -> None:
    row = work.rows[key]
    down, up = row.less.total(), row.more.total()
    text = f"within the {down:,} tokens less and {up:,} more that the estimated calls allow"
    if abs(pico) > work.slack(key):
        work.explain(key, "disconnect_estimates", pico, text)


def untold(work: Work, slot: Slot) -> bool:
    """Explain a slot in which prompt tokens were cached otherwise than the log tells, where the log does not tell."""
    keys = work.slots[slot]
    bound = sum(work.rows[key].unsplit + work.rows[key].untold for key in keys.values())
    output = keys.get("output")
    if not bound or (output is not None and work.is_open(output)):
        return False
    total, slack, gone = Fraction(0), Fraction(0), Fraction(0)
    for name in PROMPT_KINDS:
        if key := keys.get(name):
            price = work.token_pico(slot, name)
            if price is None:
                return False
            total += work.left[key] / price
            slack += work.slack(key) / price
            gone += max(Fraction(0), -work.left[key] / price)
    if abs(total) > slack or gone > bound + slack:
        return False
    for name in PROMPT_KINDS:
        if (key := keys.get(name)) and work.is_open(key):
            text = f"{round(gone):,} prompt tokens are billed as {_most(work, slot)}; the log does not tell them apart"
            work.explain(key, "cache_untold", work.left[key], text)
    return True


def _most(work: Work, slot: Slot) -> str:
    """The kind of token of which the bill has most more."""
    return max((work.left[key], name) for name, key in work.slots[slot].items())[1]


def by_report(work: Work, slot: Slot) -> bool:
    """Explain a slot by the token counts of the provider's usage report: first the calls that only one side has, then what
    is left as a difference of price. False where there is no usage report."""
    keys = work.slots[slot]
    if any(work.rows[key].reported is None for key in keys.values()):
        return False
    same = all(
        work.rows[key].reported in (work.rows[key].tokens, work.rows[key].tokens + work.rows[key].uncounted)
        for key in keys.values()
    )
    cells = {name: work.rows[key].cells for name, key in keys.items()}
    if not same:
        counted = [name for name, key in keys.items() if work.is_open(key)]
        cells |= {name: _reported_cells(work, slot, name) for name in counted}
        _count(work, slot, counted)
    if work.is_open_slot(slot) and not _repriced(work, slot, cells):
        mixed(work, slot, cells, tokens_known=True)
    return True


def _reported_cells(work: Work, slot: Slot, name: str) -> Cells:
    return Counter({work.cell(slot, name): work.rows[work.slots[slot][name]].reported or 0})


def _count(work: Work, slot: Slot, names: list[str]) -> None:
    """Attribute what other token counts of these kinds cost at our price."""
    amounts: dict[Key, int] = {}
    for name in names:
        key = work.slots[slot][name]
        before, after = work.rows[key].cells, _reported_cells(work, slot, name)
        amounts[key] = (work.amount(after, slot.day) or 0) - (work.amount(before, slot.day) or 0)
    doubtful = any(work.rows[key].less or work.rows[key].more for key in amounts)
    doubtful = doubtful and all(_within(work, key, pico) for key, pico in amounts.items())
    for key, pico in amounts.items():
        row = work.rows[key]
        if doubtful:
            _doubtful(work, key, pico)
        else:
            text = f"{row.reported:,} tokens in the usage report, {row.tokens:,} in the log"
            work.explain(key, "missing_calls" if pico > 0 else "extra", pico, text)


def _repriced(work: Work, slot: Slot, cells: dict[str, Cells]) -> bool:
    """Explain what is left by other terms for all tokens that the usage report counts."""
    keys = {key: name for name, key in work.slots[slot].items()}
    for spared in (None, *spare(work, list(keys))):
        for change in _changes(work, slot):
            if off_by(work, {key: cells[name] for key, name in keys.items() if key != spared}, change) is not None:
                for key, name in keys.items():
                    before, after = work.amount(cells[name], slot.day) or 0, work.amount(cells[name], slot.day, change) or 0
                    work.explain(key, _cause(slot, change), after - before, _billed_as(change))
                return True
    return False


def missing(work: Work, slot: Slot) -> bool:
    """Explain a slot in which one side has more of everything: calls that the other does not have."""
    if not (_one_sided(work, slot, AS_IT_IS) or _is_whole(work, slot, AS_IT_IS)):
        return False
    found = [AS_IT_IS] if _is_whole(work, slot, AS_IT_IS) else [*_changes(work, slot)]
    for change in found:
        if _is_whole(work, slot, change) and _one_sided(work, slot, change):
            for name, key in work.slots[slot].items():
                _lacking(work, slot, name, key, change)
            return True
    return False


def _lacking(work: Work, slot: Slot, name: str, key: Key, change: Change) -> None:
    row = work.rows[key]
    if change.parts:
        before, after = work.amount(row.cells, slot.day) or 0, work.amount(row.cells, slot.day, change) or 0
        work.explain(key, _cause(slot, change), after - before, _billed_as(change))
    if not work.is_open(key):
        return
    left = work.left[key]
    price = work.token_pico(slot, name, change)
    tokens = f"about {round(abs(left) / price):,} {name} tokens" if price and slot.model else "calls"
    if left > 0:
        fast = work.token_pico(slot, name, Change(mode="fast")) if row.ours and slot.mode == "standard" else None
        doubt = "; only a usage report tells this from calls billed at another price" if fast or work.grain else ""
        text = f"{tokens} are billed that the log does not hold{_nothing(row.ours)}{doubt}"
        work.explain(key, "missing_calls", left, text)
    else:
        work.explain(key, "extra", left, f"{tokens} are in the log and not in the report" + _nothing(row.billed))


def _nothing(pico: int) -> str:
    return "" if pico else ": nothing of this kind at all"


def _over(work: Work, slot: Slot, change: Change) -> Iterator[tuple[str, Key, int]]:
    """What each row is billed above what its tokens cost under these terms (pico-USD)."""
    for name, key in work.slots[slot].items():
        ours = work.amount(work.rows[key].cells, slot.day, change)
        if ours is None:
            continue
        over = work.rows[key].billed - ours
        if abs(over) > work.slack(key):
            yield name, key, over


def _one_sided(work: Work, slot: Slot, change: Change) -> bool:
    """Whether prompt and answer differ in the same direction, as whole calls do; or one side has nothing here at all."""
    rows = [work.rows[key] for key in work.slots[slot].values()]
    if not any(row.ours for row in rows) or not any(row.billed for row in rows):
        return True
    over = list(_over(work, slot, change))
    names = {name for name, _, _ in over}
    if len({pico > 0 for _, _, pico in over}) > 1:
        return False
    return "" in names or ("output" in names and len(names) > 1)


def _is_whole(work: Work, slot: Slot, change: Change) -> bool:
    """Whether what differs is a whole number of tokens; where the report is rounded, that cannot be told."""
    for name, key, over in _over(work, slot, change):
        price = work.token_pico(slot, name, change) if name else None
        if name and price is None:
            return False
        if price is not None and not work.slack(key) and over % price:
            return False
    return True


def _changes(work: Work, slot: Slot) -> Iterator[Change]:
    """Single other terms that a slot may have been billed under."""
    for geo in ("us", EVERYWHERE):
        if geo != slot.geo:
            yield Change(geo=geo)
    if slot.mode != "batch":
        yield Change(mode="batch")
    if slot.mode != "standard":
        yield Change(mode="standard")
    if slot.mode != "fast":
        yield Change(mode="fast")
    for day in work.cards.change_days(slot.model):
        yield Change(day=day - 1 if slot.day >= day else day)
    if work.cards.steps(slot.model):
        yield Change(step="high")
        yield Change(step="low")


def _cause(slot: Slot, change: Change) -> Cause:
    if change.mode:
        return "batch" if "batch" in (slot.mode, change.mode) else "fast"
    return "geo" if change.geo else "price_change" if change.day else "long_context"


def _billed_as(change: Change) -> str:
    if change.step:
        return f"billed exactly the {'upper' if change.step == 'high' else 'lower'} price step"
    return f"billed exactly as {change.mode or change.geo or 'on the other side of a change of price'}"


def fees(work: Work, key: Key) -> None:
    """Explain a charge that belongs to no model."""
    left = work.left[key]
    if key.kind == "code_execution":
        work.explain(key, "code_execution", left, "containers are billed by the hour, beyond the free hours of the month")
    elif key.kind == "session_usage":
        work.explain(key, "session_usage", left, "sessions are billed by the hour")
    elif key.kind == "web_search":
        fee = round(work.cards.book.web_search_pico * work.share)
        if left % fee > work.slack(key):
            return
        untold_here = not any(row.ours for other, row in work.rows.items() if other.kind == "web_search")
        cause: Cause = "web_search" if untold_here else "missing_calls" if left > 0 else "extra"
        work.explain(
            key, cause, left, f"{abs(left) // fee:,} searches that only {'the bill' if left > 0 else 'the log'} has"
        )


def reported_price(work: Work, key: Key) -> str:
    """The unit price that a bill comes to, in words; "" where it cannot be told."""
    row = work.rows[key]
    tokens = row.reported or row.tokens
    if key.kind not in KINDS or not tokens or not row.billed:
        return ""
    billed = Fraction(row.billed, tokens) / 10**6
    ours = Fraction(price_tokens(row.ours, 10**6), row.tokens) / 10**6 if row.tokens else Fraction(0)
    return f"${float(billed):.6g} a million tokens, ours ${float(ours):.6g}"
