"""What could not be booked and is not journaled, kept in memory until the books can be written again.

An entry that was refused is booked then: its call was made, and its hold would stand until the process is started again. A
hold that was refused may stand all the same, where the answer to its commit was lost: it is taken back, for its call was
never sent.
"""

from __future__ import annotations

from asyncio import AbstractEventLoop
from collections.abc import Collection, Sequence
from typing import NamedTuple

from thriftgate.ledger.connection import Connection, Store
from thriftgate.ledger.entries import Entry
from thriftgate.ledger.journal import Thing, ids_in
from thriftgate.ledger.sql_budgets import BudgetShelf
from thriftgate.ledger.sql_writing import Booking
from thriftgate.logs import log

KEPT_MAX = 10_000
"""Of more than these the next start of the process books what it finds held."""


class _Owed(NamedTuple):
    thing: Thing
    loop: AbstractEventLoop


class Owed:
    """For the books in `store`; to be used by one thread."""

    def __init__(self, store: Store, shelf: BudgetShelf) -> None:
        self._store = store
        self._shelf = shelf
        self._kept: list[_Owed] = []

    def __bool__(self) -> bool:
        return bool(self._kept)

    def add(self, thing: Thing, loop: AbstractEventLoop) -> None:
        """It was refused. `loop` is that of whoever wants to know when it is booked."""
        if len(self._kept) < KEPT_MAX:
            self._kept.append(_Owed(thing, loop))

    def drop(self, ids: Collection[str]) -> None:
        """These come again by themselves."""
        self._kept = [one for one in self._kept if one.thing.id not in ids]

    def pay(self) -> Sequence[tuple[Entry, AbstractEventLoop]]:
        """Book all of it, and say which entries that were. Raises the store's errors where it is not to be had; then nothing
        is forgotten."""
        some, paid = self._kept, list[tuple[Entry, AbstractEventLoop]]()
        try:
            paid += self._store.write(lambda connection: self._book(connection, some))
        except self._store.unavailable:
            raise
        except Exception:  # noqa: BLE001  one that cannot be booked must not keep the others from it
            for one in some:
                paid += self._alone(one)
        self._kept = self._kept[len(some) :]
        return paid

    def _alone(self, one: _Owed) -> Sequence[tuple[Entry, AbstractEventLoop]]:
        try:
            return self._store.write(lambda connection: self._book(connection, [one]))
        except self._store.unavailable:
            raise
        except Exception as error:  # noqa: BLE001  the others are to be booked all the same
            log.error("a call cannot be booked", call=one.thing.id, error=type(error).__name__)
            return ()

    def _book(self, connection: Connection, some: Sequence[_Owed]) -> list[tuple[Entry, AbstractEventLoop]]:
        things = [one.thing for one in some]
        held, settled = (ids_in(connection, table, things) for table in ("holds", "entries"))
        booking = Booking(connection, self._shelf)
        booked = []
        entries = {one.thing.id for one in some if isinstance(one.thing, Entry)}
        for thing, loop in some:
            if isinstance(thing, Entry):
                booked.append((thing, loop))  # nobody has heard of it, even where it is in the books
                if thing.id not in settled:
                    settled.add(thing.id)
                    booking.entry(thing)
            elif thing.id in held and thing.id not in settled | entries:
                booking.take_back(thing)
        booking.write()
        return booked
