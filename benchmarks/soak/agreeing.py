"""The books against what the simulator has billed, call by call, to the pico-dollar."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from decimal import Decimal
from pathlib import Path

from msgspec import Struct

from thriftgate.core.money import usd_from_pico

_ENTRIES = """
select message_id, usage_source, (select -pico from postings where entry = id and account = 'upstream') from entries
"""
_OPEN = "select count(*) from holds where id not in (select id from entries)"
_PICO = 10**12


class Billed(Struct, frozen=True):
    """A line of the simulator's bill, as far as it matters here."""

    message_id: str
    outcome: str
    cost_usd: str

    @property
    def pico(self) -> int:
        return int(Decimal(self.cost_usd) * _PICO)


class Bill(Struct, frozen=True):
    """What `GET /_sim/bill` tells."""

    calls: list[Billed]


class Agreement(Struct, frozen=True):
    """`exact` entries were told their usage to the end. `wrong` of them are not on the bill, or at another price;
    `missing` are billed messages that were whole and are in no entry; `doubled` ones are billed to two. `estimated` calls
    broke off: what they are booked at and what they were billed stand beside each other."""

    entries: int
    exact: int
    wrong: int
    missing: int
    doubled: int
    open_holds: int
    booked_usd: str
    billed_usd: str
    estimated: int
    estimated_booked_usd: str
    estimated_billed_usd: str

    @property
    def holds(self) -> bool:
        """Whether the books are the bill."""
        return not (self.wrong or self.missing or self.doubled or self.open_holds)


def agreement(ledger: Path, bill: Bill) -> Agreement:
    """Ask after the gateway has stopped."""
    billed = {call.message_id: call for call in bill.calls}
    with closing(sqlite3.connect(f"file:{ledger}?mode=ro", uri=True)) as books:
        rows = [(str(message), str(source), int(pico or 0)) for message, source, pico in books.execute(_ENTRIES)]
    exact = {message: pico for message, source, pico in rows if source == "exact" and message}
    told = [message for message, source, _ in rows if message and source != "none"]  # else an earlier answer, given again
    wrong = [name for name, pico in exact.items() if name not in billed or billed[name].pico != pico]
    known = set(told)
    unknown = [name for name, call in billed.items() if name not in known]
    missing = [name for name in unknown if billed[name].outcome not in ("cut", "faulty")]
    estimated = [(message, pico) for message, source, pico in rows if source == "estimated"]
    return Agreement(
        entries=len(rows),
        exact=len(exact),
        wrong=len(wrong),
        missing=len(missing),
        doubled=len(told) - len(known),
        open_holds=open_holds(ledger),
        booked_usd=usd_from_pico(sum(exact.values())),
        billed_usd=usd_from_pico(sum(billed[name].pico for name in exact if name in billed)),
        estimated=len(estimated),
        estimated_booked_usd=usd_from_pico(sum(pico for _, pico in estimated)),
        estimated_billed_usd=usd_from_pico(sum(call.pico for name, call in billed.items() if name not in exact)),
    )


def open_holds(ledger: Path) -> int:
    """How many calls are under way, or wait in batches."""
    with closing(sqlite3.connect(f"file:{ledger}?mode=ro", uri=True)) as books:
        return int(books.execute(_OPEN).fetchone()[0])
