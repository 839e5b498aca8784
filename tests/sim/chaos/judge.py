"""What must hold of calls, whatever has happened."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from tests.sim.chaos.calls import LETTERS, Office
from tests.sim.chaos.world import World
from thriftgate.core.money import pico_from_usd
from thriftgate.engine.engine import Engine
from thriftgate.ledger.entries import UPSTREAM, Entry
from thriftgate.ledger.sql import SqlLedger
from thriftgate.ledger.sql_budget_book import SqlBudgetBook
from thriftgate.ledger.sql_rollups_made import check, check_books


async def wrong_calls(world: World, office: Office) -> list[str]:
    """Everything that is not as it must be, once nothing goes wrong any more and a last life has begun."""
    engine = await world.start()
    try:
        ledger = engine.ledger
        assert isinstance(ledger, SqlLedger)
        if world.fault.journal:
            world.clock.advance(60.0)
            await ledger.keep("calm", b"")  # whatever is written next brings the journal with it
        world.ground.watch()
        await engine.sweeper.sweep()
        entries = {entry.id: entry for entry in await ledger.entries(limit=10_000)}
        found = [f"hold {hold.id} is open" for hold in await ledger.open_holds()]
        found += [f"{hold} was still held by the engine that had made it" for hold in office.held]
        found += [f"{one} does not balance" for one in await ledger.unbalanced()]
        if len(entries) > LETTERS:
            found.append(f"{len(entries)} entries of {LETTERS} letters")
        found += await rollups_wrong(world, engine)
        found += [*_received(world, office, entries), *_billed(world, office, entries)]
        if office.limit_pico:
            found += await _overspent(world, office, engine)
        return found
    finally:
        await engine.close()


async def rollups_wrong(world: World, engine: Engine) -> list[str]:
    """What is wrong with the roll-ups, by the books' own check."""
    ledger = engine.ledger
    assert isinstance(ledger, SqlLedger)
    checked = check_books(str(world.folder / "books.db")) if world.backend == "sqlite" else await ledger.ask(check)
    return [f"roll-ups: {checked.shown[:2]}"] if checked.differing else []


def _received(world: World, office: Office, entries: Mapping[str, Entry]) -> Iterator[str]:
    """Answers that clients have whole are booked as answered, at their price."""
    cost = {call.message_id: pico_from_usd(call.cost) for call in world.simulator.bill.calls}
    for number, seen in office.seen.items():
        if not seen.whole or seen.status != 200:
            continue
        entry = entries.get(seen.call_id)
        if entry is None or entry.outcome != "answered":
            yield f"letter {number} is answered, and {seen.call_id} booked as {entry.outcome if entry else 'nothing'}"
        elif entry.usage_source == "exact" and (
            entry.message_id != seen.message_id or -entry.posted(UPSTREAM) != cost[seen.message_id]
        ):
            yield f"letter {number} is not booked as it was billed"


def _billed(world: World, office: Office, entries: Mapping[str, Entry]) -> Iterator[str]:
    """Each call on the bill has one entry: its own, or that of a letter whose answer nobody saw, and which says so."""
    by_request: Counter[str] = Counter(one.upstream_request_id for one in entries.values() if one.upstream_request_id)
    yield from (f"{request} is booked {n} times" for request, n in by_request.items() if n > 1)
    letter_of = {request: number for number, requests in world.wire.answered.items() for request in requests}
    taken = {seen.call_id for seen in office.seen.values() if seen.call_id}
    vague = [one for one in entries.values() if one.usage_source == "estimated" and one.id not in taken]
    for call in world.simulator.bill.calls:
        if by_request[call.request_id] or not call.cost:
            continue
        seen = office.seen[letter_of[call.request_id]] if call.request_id in letter_of else None
        if seen is not None and seen.call_id:
            entry = entries.get(seen.call_id)
            if entry is None or entry.usage_source != "estimated":
                yield f"{call.request_id} was billed; {seen} is booked as {entry}"
        elif vague:
            vague.pop()
        else:
            yield f"{call.request_id} was billed, and nothing is booked for {seen}"


async def _overspent(world: World, office: Office, engine: Engine) -> list[str]:
    ledger = engine.ledger
    assert isinstance(ledger, SqlLedger)
    (standing,) = await SqlBudgetBook(ledger).standings(int(world.clock.now_s() * 1e6)) or (None,)
    billed = sum(pico_from_usd(call.cost) for call in world.simulator.bill.calls)
    found = [f"{billed} was billed under a budget of {office.limit_pico}"] if billed > office.limit_pico else []
    if standing is not None and (standing.held_pico or standing.left_pico < 0):
        found.append(f"the budget holds {standing.held_pico} and has {standing.left_pico} left")
    return found
