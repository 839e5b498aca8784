"""Calls of other processes, for the one that watches."""

from __future__ import annotations

import random
from pathlib import Path

from tests.contracts.check_ledger import entry_of, hold_of
from tests.fixtures import TestClock
from thriftgate.alerts.following import LAG_US, Following
from thriftgate.ledger.entries import Entry
from thriftgate.ledger.sql import SqlLedger

OWN, OTHER = "aaaaaaaa", "bbbbbbbb"


class Books:
    """A ledger that several processes write, on a clock of its own, and who follows it."""

    def __init__(self, path: Path) -> None:
        self.clock = TestClock()
        self.ledger = SqlLedger.open(path)
        self.heard: list[str] = []
        self.following = Following(self.ledger, self.clock, OWN, self._hear)
        self._count = 0

    def _hear(self, entry: Entry) -> None:
        self.heard.append(entry.id)

    @property
    def now_us(self) -> int:
        return int(self.clock.now_s() * 1e6)

    async def opened(self, process: str = OTHER, batch: str = "") -> tuple[str, int]:
        """A call that was begun now: its id, and when."""
        self._count += 1
        call = f"tg_{self.now_us:014x}{process}{self._count:04x}"
        await self.ledger.hold(hold_of(call, opened_us=self.now_us, batch=batch))
        return call, self.now_us

    async def settled(self, call: tuple[str, int]) -> str:
        await self.ledger.settle(entry_of(call[0], opened_us=call[1], settled_us=self.now_us))
        return call[0]


async def test_calls_of_others_are_told_once_and_own_ones_never(tmp_path: Path) -> None:
    books = Books(tmp_path / "books.db")
    quick = await books.settled(await books.opened())
    await books.settled(await books.opened(OWN))
    slow = await books.opened()
    await books.opened(batch="tgb_1")  # a batch settles its calls itself, hours later
    await books.following.look()
    assert books.heard == [], "it is looked for what came in some seconds ago"
    books.clock.advance(LAG_US / 1e6 + 1)
    await books.following.look()
    await books.following.look()
    assert books.heard == [quick]
    books.clock.advance(1000)
    await books.following.look()
    await books.settled(slow)
    for _ in range(2):
        await books.following.look()
    assert books.heard == [quick, slow[0]]
    await books.ledger.close()


async def test_nothing_is_missed_and_nothing_told_twice_whenever_it_is_looked(tmp_path: Path) -> None:
    draw = random.Random(7)
    books = Books(tmp_path / "books.db")
    going: list[tuple[str, int]] = []
    wanted: set[str] = set()
    for _ in range(300):
        books.clock.advance(draw.choice([0.0, 0.01, 1.0, 5.0]))
        turn = draw.random()
        if turn < 0.4:
            going.append(await books.opened())
        elif turn < 0.8 and going:
            wanted.add(await books.settled(going.pop(draw.randrange(len(going)))))
        else:
            await books.following.look()
    books.clock.advance(10)
    await books.following.look()
    assert sorted(books.heard) == sorted(wanted)
    await books.ledger.close()
