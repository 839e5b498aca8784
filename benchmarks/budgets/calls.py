"""What a caller does, and what is done about those whose process was killed."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Protocol

from thriftgate.clock import Clock
from thriftgate.core.errors import BudgetExceeded
from thriftgate.core.usage import Usage
from thriftgate.engine.unsent import Books, lost
from thriftgate.ledger.entries import Entry, Hold, Ledger, balanced
from thriftgate.ledger.liveness import process_of

MICRO = 1_000_000
WORST = (1_000 * MICRO, 20_000 * MICRO)  # a tenth of a cent to two cents
USED = (0.3, 1.0)  # of the worst case
BOOKS = Books("none", "none", 0)


class Provider(Protocol):
    """Who bills calls."""

    def bill(self, call_id: str, pico: int) -> None: ...


async def caller(ledger: Ledger, provider: Provider, new_id: Callable[[], str], clock: Clock, draw: random.Random) -> None:
    """Call until there is no room for good."""
    while True:
        worst = draw.randint(*WORST)
        hold = Hold(new_id(), int(clock.now_s() * 1e6), "key_a", "model", worst, worst // 2)
        try:
            await ledger.hold(hold)
        except BudgetExceeded as error:
            if error.status_hint == 402:
                return
            await asyncio.sleep(draw.uniform(0, 0.02))
            continue
        paid = int(worst * draw.uniform(*USED))
        provider.bill(hold.id, paid)
        await asyncio.sleep(draw.uniform(0, 0.005))
        await ledger.settle(entry_of(hold, paid, int(clock.now_s() * 1e6)))


def entry_of(hold: Hold, paid: int, now_us: int) -> Entry:
    """A call that was answered."""
    return Entry(
        id=hold.id,
        opened_us=hold.opened_us,
        settled_us=now_us,
        key=hold.key,
        model=hold.model,
        endpoint="benchmark",
        outcome="answered",
        resolution="post",
        usage_source="exact",
        usage=Usage(),
        postings=balanced(paid, paid, {}),
        status=200,
    )


async def sweep(ledger: Ledger, is_alive: Callable[[str], bool], clock: Clock) -> int:
    """Close what processes that are gone left open, as an engine does at its start; how many calls that were."""
    books = BOOKS._replace(now_us=int(clock.now_s() * 1e6))
    holds = await ledger.open_holds()
    dead = {one for one in {process_of(hold.id) for hold in holds} if not is_alive(one)}
    found = [hold for hold in await ledger.open_holds() if process_of(hold.id) in dead]
    for hold in found:
        try:
            await ledger.settle(lost(hold, books))
        except Exception:
            if await ledger.entry(hold.id) is None:
                raise
    return len(found)
