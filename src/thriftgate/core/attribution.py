"""Who saved what: settled usage taken apart lever by lever, so that baseline = paid + saved by each lever, exactly.

The counterfactuals telescope: undoing the last lever gives what the call would have used without it, undoing the one
before that from there, and so on to the baseline. The order is the order of `LEVERS`; totals do not depend on it.

`cache.stabilise` acts before them all and is booked at nothing. It hardly changes how many tokens there are, only which of
them are read from the cache, and that is the saving of the breakpoints: what those would have saved on the prompt as the
client wrote it, nobody can tell.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct

from thriftgate.core.cost import Cost, pico_of, price_usage
from thriftgate.core.levers import LEVERS
from thriftgate.core.plan import NOTHING_ELSE, Lever, Without
from thriftgate.core.prices import PriceBook, Terms
from thriftgate.core.stability.rewrite import LEVER as STABILISE
from thriftgate.core.usage import Usage


class Settlement(Struct, frozen=True):
    """Pico-USD: `baseline` is what the call would have cost as the client sent it, `cost` what it did cost, and
    `saved[lever]` the share of each lever; negative where a lever cost more than it saved on this call."""

    baseline: int
    cost: Cost
    saved: Mapping[str, int]


def settle(
    usage: Usage,
    terms: Terms,
    applied: Sequence[str],
    book: PriceBook,
    levers: Sequence[Lever] = LEVERS,
    *,
    without: Without = NOTHING_ELSE,
) -> Settlement:
    """Price a call and attribute its saving to the levers that were applied. Raises UnknownPrice.

    What an entry kept longer by an earlier call saves on this one is there even if nothing was changed now. What the call
    would have used on another model, with a longer prompt or with a longer answer, is an estimate.
    """
    cost = price_usage(usage, terms, book)
    after = cost.pico
    saved: dict[str, int] = {}
    by_id = {lever.id: lever for lever in levers}
    for lever_id in reversed(applied):
        if lever_id != STABILISE:
            usage, terms = by_id[lever_id].undo(usage, terms, without)
        before = pico_of(usage, terms, book)
        saved[lever_id] = before - after
        after = before
    return Settlement(after, cost, saved)
