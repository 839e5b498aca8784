"""Holds in the books and in purses: both or neither, and given back with what the call has cost."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.fixtures import call_of, engine_on, message, only_entry, read_all, simulator
from thriftgate.core.errors import BudgetExceeded, LedgerError
from thriftgate.engine.purse import Purse
from thriftgate.ledger.entries import UPSTREAM, Hold


async def test_a_call_is_taken_from_its_purses_and_given_back(tmp_path: Path) -> None:
    purses = (Purse(10**12), Purse(10**12))
    async with engine_on(simulator()) as engine:
        seen: list[tuple[int, int]] = []
        hold = engine.ledger.hold

        async def watched(held: Hold) -> object:
            seen.append((held.worst_pico, purses[0].held_pico))
            return await hold(held)

        engine.ledger.hold = watched  # type: ignore[method-assign, assignment]
        reply = await engine.messages(replace(call_of(message(stream=True)), purses=purses))
        await read_all(reply)
        entry = await only_entry(engine)
    ((worst, held),) = seen
    assert worst == held > 0
    assert [(purse.spent_pico, purse.held_pico) for purse in purses] == [(-entry.posted(UPSTREAM), 0)] * 2


async def test_without_room_in_a_purse_nothing_is_held_or_sent() -> None:
    purses = (Purse(10**12), Purse(1))
    async with engine_on(simulator()) as engine:
        with pytest.raises(BudgetExceeded, match="cost_limit"):
            await engine.messages(replace(call_of(message()), purses=purses))
        entry = await only_entry(engine)
    assert (entry.outcome, entry.posted(UPSTREAM)) == ("refused", 0)
    assert [(purse.spent_pico, purse.held_pico) for purse in purses] == [(0, 0)] * 2


async def test_without_a_hold_in_the_books_nothing_is_taken() -> None:
    purse = Purse(10**12)
    async with engine_on(simulator()) as engine:

        async def broken(_hold: Hold) -> object:
            raise LedgerError("the disk is full")

        engine.ledger.hold = broken  # type: ignore[method-assign, assignment]
        with pytest.raises(LedgerError):
            await engine.messages(replace(call_of(message()), purses=(purse,)))
    assert purse.held_pico == 0
