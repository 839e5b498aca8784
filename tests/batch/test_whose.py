"""Whose a call is stands in the holds and entries of batches too, whichever way it goes and whoever fetches its answer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from tests.batch.client_room import Room, room
from tests.batch.queueing import QueueStage, ask, queueing
from tests.fixtures import KEY, call_of, message
from thriftgate.batch.client_intake import Intake
from thriftgate.batch.queue import Ticket
from thriftgate.batch.spool import Spool
from thriftgate.core.control.whose import Whose
from thriftgate.engine.call import Call
from thriftgate.wire.anthropic_batches import PATH

WHOSE = Whose("user_1", "team_1", "org_1", ("env=prod", "eu"))
OURS = {"key": "key_0123456789ab", "whose": WHOSE, "credential": ""}


async def queued(stage: QueueStage, number: int, **members: Any) -> Ticket:
    """A call with a virtual key, in the queue."""
    found = await stage.queue.offer(call_of(ask(number), **members), stage.clock.now_s() + 6 * 3600)
    assert isinstance(found, Ticket), found
    return found


async def test_a_call_that_waits_keeps_its_key_and_whose_it_is(tmp_path: Path) -> None:
    async with queueing(tmp_path) as stage:
        ours, others = await queued(stage, 1, **OURS), await queued(stage, 2)
        for ticket in (ours, others):
            assert (await stage.answer(ticket.job)).answer is not None
        assert await stage.queue.find(ours.job.name, "key_0123456789ab") is not None
        assert await stage.queue.find(ours.job.name, stage.engine.key_of(KEY)) is None
        found = {one.key: one.whose for one in await stage.entries()}
        assert found == {"key_0123456789ab": WHOSE, stage.engine.key_of(KEY): Whose()}


async def test_the_holds_of_its_batch_say_so_as_well(tmp_path: Path) -> None:
    async with queueing(tmp_path, flows=False) as stage:
        ticket = await queued(stage, 1, **OURS)
        await stage.in_state(ticket.job, "waiting")
        stage.clock.flow()
        await stage.answer(ticket.job)
        (entry,) = await stage.entries()
        assert (entry.key, entry.whose, entry.mode) == ("key_0123456789ab", WHOSE, "batch")


def as_ours(call: Call) -> Call:
    return replace(call, key=OURS["key"], whose=WHOSE, credential="")


async def create(one: Room, *names: str) -> str:
    """A batch that a virtual key creates."""
    rows = [{"custom_id": name, "params": message(f"this is {name}")} for name in names]
    body = msgspec.json.encode({"requests": rows})
    intake = Intake(one.engine.knowledge, one.engine.policy, "", one.engine.clock.now_s())
    intake.feed(body)
    spool = Spool(one.path, "body")
    spool.add(body)
    reply = await one.clients.create(as_ours(call_of(b"", path=PATH)), spool, intake.close())
    assert reply.status == 200
    made: str = msgspec.json.decode(reply.body)["id"]
    return made


@pytest.mark.parametrize("reads", [True, False])
async def test_a_clients_batch_is_its_keys_and_its_teams(reads: bool, tmp_path: Path) -> None:
    async with room(tmp_path, own_key=True) as one:
        remote = await create(one, "a", "b")
        holds = await one.engine.ledger.open_holds()
        assert {(hold.key, hold.whose) for hold in holds} == {("key_0123456789ab", WHOSE)}
        if reads:
            one.engine.clock.advance(7200)  # type: ignore[attr-defined]
            call = as_ours(call_of(b"", method="GET", path=f"{PATH}/{remote}/results"))
            reply = await one.clients.results(call, remote)
            while await reply.read():
                pass
            await reply.leave()
        else:
            for _ in range(3):
                await one.step_after()
        entries = await one.sound(2)
        assert {(entry.key, entry.whose) for entry in entries} == {("key_0123456789ab", WHOSE)}


async def test_a_batch_that_was_refused_is_booked_to_them_too(tmp_path: Path) -> None:
    from thriftgate.core.errors import InputError

    async with room(tmp_path, own_key=True) as one:
        await one.clients.refuse(as_ours(call_of(b"", path=PATH)), "claude-opus-4-8", InputError("no"))
        (entry,) = await one.entries()
        assert (entry.key, entry.whose) == ("key_0123456789ab", WHOSE)
