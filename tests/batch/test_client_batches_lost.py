"""Batches of clients that were lost on the way: each is searched for, found once, or known never to have been."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path
from typing import Any

import pytest

from tests.batch.client_room import room
from tests.fixtures import TestClock, assert_sound, call_of, simulator
from thriftgate.batch.client_batches import TICK_S, ClientBatches
from thriftgate.batch.client_run import GRACE_S, ClientRun
from thriftgate.core.errors import BrokenReply, LedgerError, Unreachable, UpstreamError
from thriftgate.providers.asgi_transport import AsgiIncoming, AsgiTransport
from thriftgate.providers.transport import Outgoing, Timeouts
from thriftgate.simulator.config import BatchRules
from thriftgate.simulator.faults import Faults
from thriftgate.wire.anthropic_batches import PATH

OTHER = {"x-api-key": "sk-ant-sim-test-2", "anthropic-version": "2023-06-01"}


# --- created, or not ---------------------------------------------------------------------------------------------------


async def test_refused_by_the_provider(tmp_path: Path) -> None:
    async with room(tmp_path) as here:
        reply = await here.post("a", "not a name")
        assert reply.status == 400
        entries = await here.sound(2)
        assert {(entry.outcome, entry.resolution) for entry in entries} == {("failed", "void")}
        assert all("custom_id" in entry.note for entry in entries)
        assert await here.states() == ["dropped"]


class _Nobody(AsgiTransport):
    async def send(self, outgoing: Outgoing, timeouts: Timeouts) -> AsgiIncoming:
        raise Unreachable("nothing listens")


async def test_never_sent(tmp_path: Path) -> None:
    async with room(tmp_path, transport=_Nobody) as here:
        with pytest.raises(Unreachable) as raised:
            await here.post("a")
        assert not raised.value.after_answer
        assert raised.value.call_id.startswith("tgb_")
        await here.sound(1)
        assert await here.states() == ["dropped"]


async def test_an_answer_that_was_lost(tmp_path: Path) -> None:
    """The batch is there; it is found again by what its results say, and the client is told not to send it once more."""
    async with room(tmp_path, batch_post_lost=1.0) as here:
        with pytest.raises(UpstreamError) as raised:
            await here.post("a", "b")
        assert raised.value.after_answer
        here.provider.faults = Faults()
        assert await here.states() == ["doubtful"]
        await here.step_after(TICK_S + 1)
        await here.step_after()
        await here.step_after()
        await here.sound(2)
        assert await here.states() == ["booked"]


async def test_a_lost_batch_that_its_client_finds_first(tmp_path: Path) -> None:
    async with room(tmp_path, batch_error_late=1.0) as here:
        assert (await here.post("a", "b")).status == 500
        here.provider.faults = Faults()
        (remote,) = here.provider.batches.known()
        clock = here.engine.clock
        assert isinstance(clock, TestClock)
        clock.advance(7200)
        await here.read(remote)
        await here.sound(2)
        assert await here.states() == ["booked"]


async def test_sent_again_by_its_client(tmp_path: Path) -> None:
    """Two batches with the same names: each is booked, by whoever reads it."""
    async with room(tmp_path, batch_error_late=1.0) as here:
        await here.post("a", "b")
        here.provider.faults = Faults()
        second = await here.create("a", "b")
        await here.step_after()
        await here.read(second)
        await here.step_after()
        await here.step_after()
        await here.sound(4)
        assert sorted(await here.states()) == ["booked", "booked"]


async def test_an_error_before_anything_happened(tmp_path: Path) -> None:
    async with room(tmp_path, batch_error=1.0) as here:
        assert (await here.post("a", "b")).status in (500, 529)
        assert await here.states() == ["doubtful"]
        here.provider.faults = Faults()
        await here.step_after(TICK_S + 1)
        await here.sound(2)
        assert await here.states() == ["dropped"]


async def test_cancelled_while_it_is_sent_it_goes_on(tmp_path: Path) -> None:
    async with room(tmp_path) as here:
        posting = asyncio.ensure_future(here.post("a"))
        while not await here.engine.ledger.open_holds():
            await asyncio.sleep(0)
        posting.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await posting
        await here.engine.tasks.finish(5)
        assert await here.states() == ["running"]
        await here.step_after()
        await here.step_after()
        await here.sound(1)


# --- after a restart ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("own_key", [True, False])
async def test_taken_up_after_a_restart(own_key: bool, tmp_path: Path) -> None:
    provider = simulator(batches=BatchRules(duration_s=(60.0, 60.0)))
    async with room(tmp_path, provider, own_key=own_key) as here:
        remote = await here.create("a", "b")
    async with room(tmp_path, provider, own_key=own_key) as here:
        await here.clients.take_up()
        here.clients.stop()
        await here.step_after()
        await here.step_after(GRACE_S)
        if not own_key:  # nobody has lent a credential yet
            assert await here.states() == ["running"]
            await here.clients.forward(call_of(b"", method="GET", path=f"{PATH}/{remote}"))
            await here.step_after(TICK_S)
            await here.step_after(GRACE_S)
        await here.sound(2)


class Dying(ClientBatches):
    """A process that ends as soon as a POST has left: nothing is written any more."""

    async def _lost(self, one: ClientRun, error: BaseException) -> None:
        del one, error


class Lost(AsgiTransport):
    async def send(self, outgoing: Outgoing, timeouts: Timeouts) -> AsgiIncoming:
        await super().send(outgoing, timeouts)
        raise BrokenReply("nobody will hear of it")


async def test_killed_in_the_middle_of_a_post(tmp_path: Path) -> None:
    """What was written ahead, and nothing behind it: the batch is in doubt, and found."""
    provider = simulator(batches=BatchRules(duration_s=(60.0, 60.0)))
    async with room(tmp_path, provider, own_key=True, transport=Lost) as here:
        here.clients = Dying(here.engine, own_key=True)
        with pytest.raises(BrokenReply):
            await here.post("a", "b")
        assert await here.states() == ["posting"]
    async with room(tmp_path, provider, own_key=True) as here:
        await here.clients.take_up()
        here.clients.stop()
        assert await here.states() == ["doubtful"]
        for _ in range(3):
            await here.step_after()
        await here.sound(2)


async def test_killed_while_it_was_written_ahead(tmp_path: Path) -> None:
    async with room(tmp_path) as here:
        whole = here.engine.ledger.transact  # type: ignore[attr-defined]
        done = 0

        async def broken(work: Any) -> Any:
            nonlocal done
            done += 1
            if done > 4:
                raise LedgerError("no space left")
            return await whole(work)

        here.engine.ledger.transact = broken  # type: ignore[attr-defined]
        with pytest.raises(LedgerError):
            await here.post(*(f"row-{at}" for at in range(1200)))
        assert not here.provider.batches.known()
    async with room(tmp_path, here.provider) as here:
        await here.clients.take_up()
        here.clients.stop()
        await assert_sound(here.engine.ledger)
        assert await here.states() == ["dropped"]
