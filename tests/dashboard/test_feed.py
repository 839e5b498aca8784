"""Calls as they come, in the gateway's process and beside it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.cli.entries import entry_of
from tests.fixtures import books, settings_of
from thriftgate.clock import SystemClock
from thriftgate.dashboard.asked import Sources
from thriftgate.dashboard.beside import Beside
from thriftgate.dashboard.feed import WATCHERS_MAX, Feed, Tick, TooMany
from thriftgate.ledger.entries import Hold
from thriftgate.ledger.sql import SqlLedger


async def opened(path: Path) -> tuple[Beside, Sources]:
    alone = Beside(settings_of(ledger={"path": str(path)}), SystemClock())
    return alone, await alone.sources()


async def until_settled(ticks: Any, wanted: int) -> list[str]:
    """Ids told, until there are so many."""
    found: list[str] = []
    async with asyncio.timeout(10):
        async for tick in ticks:
            found += [one.id for one in tick.settled]
            if len(found) >= wanted:
                return found
    return found


@pytest.mark.parametrize("beside", [True, False])
async def test_what_was_settled_is_told_once(tmp_path: Path, beside: bool) -> None:
    """Also a call that was sent before the last one that was told, and settles after it."""
    path = tmp_path / "books.db"
    async with books(path) as writer:
        await writer.settle(entry_of(id="tg_0"))
        await writer.hold(Hold("tg_1", 1, "k", "m", 9, 5))
        alone, sources = await opened(path)
        if not beside:
            sources = within(sources, writer)
        feed = Feed(sources)
        ticks = feed.ticks()
        first: Tick = await asyncio.wait_for(anext(ticks), 5)
        assert (first.settled, [hold.id for hold in first.holds]) == ((), ["tg_1"])
        await writer.settle(entry_of(id="tg_2"))
        assert await until_settled(ticks, 1) == ["tg_2"]
        await writer.settle(entry_of(id="tg_1"))
        assert await until_settled(ticks, 1) == ["tg_1"]
        feed.stop()
        assert [tick async for tick in ticks] == []
        await ticks.aclose()
        await alone.close()


def within(sources: Sources, writer: SqlLedger) -> Sources:
    """The same, with the books of the gateway in this process."""
    import dataclasses

    return dataclasses.replace(sources, ledger=writer, beside=False)


async def test_nobody_is_let_in_without_end(tmp_path: Path) -> None:
    alone, sources = await opened(tmp_path / "books.db")
    feed = Feed(sources)
    streams = [feed.ticks() for _ in range(WATCHERS_MAX)]
    await asyncio.gather(*(anext(one) for one in streams))
    with pytest.raises(TooMany):
        await anext(feed.ticks())
    feed.stop()
    for one in streams:
        await one.aclose()
    await alone.close()
