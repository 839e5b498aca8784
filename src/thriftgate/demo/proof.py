"""The books against the simulator's own bill, call by call. Pure.

The simulator prices by its own table and counts by its own rules; it shares no code with what it judges.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from thriftgate.core.money import pico_from_usd, usd_from_pico
from thriftgate.ledger.entries import UPSTREAM, Entry

SHOWN = 5


class BilledCall(Struct, frozen=True):
    """One line of the simulator's bill."""

    message_id: str
    cost_usd: str


class Bill(Struct, frozen=True):
    """GET /_sim/bill, as far as it is needed."""

    calls: tuple[BilledCall, ...]
    total_usd: str


class Proof(Struct, frozen=True):
    """`complaints` is empty where the books balance and agree with the bill to the pico-dollar."""

    calls: int
    booked_pico: int
    billed_pico: int
    complaints: tuple[str, ...]


def prove(entries: Sequence[Entry], bill: Bill, *, open_holds: int = 0) -> Proof:
    """Compare. Every difference becomes a complaint."""
    complaints = [f"entry {entry.id} sums to {entry.balance()} pico-USD, not zero" for entry in entries if entry.balance()]
    if open_holds:
        complaints.append(f"{open_holds} holds are still open")
    booked = {entry.message_id: -entry.posted(UPSTREAM) for entry in entries if entry.message_id}
    billed = {call.message_id: pico_from_usd(call.cost_usd) for call in bill.calls}
    for message_id in sorted(booked.keys() | billed.keys()):
        ours, theirs = booked.get(message_id), billed.get(message_id)
        if ours != theirs:
            complaints.append(f"{message_id}: the ledger has {_money(ours)}, the bill {_money(theirs)}")
    booked_pico = -sum(entry.posted(UPSTREAM) for entry in entries)
    billed_pico = pico_from_usd(bill.total_usd)
    if booked_pico != billed_pico:
        complaints.append(f"in all the ledger has {_money(booked_pico)}, the bill {_money(billed_pico)}")
    return Proof(len(entries), booked_pico, billed_pico, tuple(complaints))


def _money(pico: int | None) -> str:
    return "no such call" if pico is None else f"${usd_from_pico(pico)}"
