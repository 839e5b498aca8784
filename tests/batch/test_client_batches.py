"""Batches of clients against the simulator in this process: whatever happens on the way, every request is booked once."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.batch.client_room import room
from tests.fixtures import KEY, TestClock, assert_sound, call_of, simulator
from thriftgate.batch.client_batches import TICK_S
from thriftgate.batch.client_run import GRACE_S
from thriftgate.core.errors import BrokenReply, UpstreamError
from thriftgate.ledger.entries import UPSTREAM
from thriftgate.simulator.config import BatchRules
from thriftgate.simulator.faults import Faults
from thriftgate.wire.anthropic_batches import KEPT_S, PATH

OTHER = {"x-api-key": "sk-ant-sim-test-2", "anthropic-version": "2023-06-01"}


# --- the way it should go ----------------------------------------------------------------------------------------------


async def test_held_before_it_is_sent(tmp_path: Path) -> None:
    async with room(tmp_path) as here:
        await here.create("a", "b")
        holds = await here.engine.ledger.open_holds()
        assert [hold.model for hold in holds] == ["claude-opus-4-8"] * 2
        assert all(hold.worst_pico > hold.forecast_pico > 0 for hold in holds)
        assert await here.states() == ["running"]


async def test_booked_as_it_is_read(tmp_path: Path) -> None:
    async with room(tmp_path) as here:
        remote = await here.create("a", "b", "c")
        clock = here.engine.clock
        assert isinstance(clock, TestClock)
        clock.advance(7200)
        lines = await here.read(remote)
        assert lines.count(b"\n") == 3
        entries = await here.sound(3)
        assert {entry.key for entry in entries} == {here.engine.key_of(KEY)}
        assert await here.states() == ["booked"]
        assert here.engine.ledger.counters.calls == {"answered": 3}
        assert await here.read(remote) == lines  # a second time nothing more is booked
        await here.sound(3)


async def test_the_last_piece_waits_for_the_books(tmp_path: Path) -> None:
    async with room(tmp_path) as here:
        remote = await here.create("a")
        await here.step_after()
        reply = await here.results(remote)
        piece = await reply.read()
        assert piece.endswith(b"\n")
        await here.sound(1)
        assert await reply.read() == b""
        await reply.leave()


async def test_items_that_brought_no_answer_are_void(tmp_path: Path) -> None:
    async with room(tmp_path) as here:
        remote = await here.create("good", "bad", max_tokens=64_000_000)
        await here.step_after()
        await here.read(remote)
        entries = await here.sound(2)
        assert {(entry.outcome, entry.resolution, entry.usage_source) for entry in entries} == {("failed", "void", "none")}
        assert all(entry.note.startswith("invalid_request_error: ") for entry in entries)


async def test_what_is_canceled_is_void(tmp_path: Path) -> None:
    async with room(tmp_path) as here:
        remote = await here.create("a", "b")
        await here.clients.forward(call_of(b"", path=f"{PATH}/{remote}/cancel"))
        await here.step_after()
        await here.read(remote)
        notes = {entry.note for entry in await here.sound(2)}
        assert notes == {"the item canceled"}


async def test_two_clients_read_at_once(tmp_path: Path) -> None:
    async with room(tmp_path) as here:
        remote = await here.create(*(f"row-{at}" for at in range(700)))
        clock = here.engine.clock
        assert isinstance(clock, TestClock)
        clock.advance(7200)
        one, two, _ = await asyncio.gather(here.read(remote), here.read(remote), here.step_after(GRACE_S))
        assert one == two
        await here.sound(700)
        assert await here.states() == ["booked"]


# --- nobody reads them -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("own_key", [True, False])
async def test_results_that_nobody_reads_are_booked_all_the_same(own_key: bool, tmp_path: Path) -> None:
    async with room(tmp_path, own_key=own_key) as here:
        await here.create("a", "b")
        await here.step_after(TICK_S + 61)
        assert await here.states() == ["ended"]  # and is left to its client for a while
        assert not await here.entries()
        await here.step_after(GRACE_S)
        await here.sound(2)
        assert await here.states() == ["booked"]


async def test_looks_at_a_batch_less_and_less_often(tmp_path: Path) -> None:
    provider = simulator(batches=BatchRules(stuck_share=1.0))
    async with room(tmp_path, provider) as here:
        await here.create("a")
        before = provider.batch_requests
        for _ in range(24 * 60):
            await here.step_after(60)
        assert 20 < provider.batch_requests - before < 70
        await here.step_after(3600)
        await here.step_after(3600)
        assert (await here.sound(1))[0].note == "the item expired"


async def test_the_loop_does_it_by_itself(tmp_path: Path) -> None:
    """On a clock whose sleep passes time."""
    async with room(tmp_path) as here:
        here.clients.start()
        await here.create("a", "b")
        async with asyncio.timeout(10):
            while await here.engine.ledger.open_holds():
                await asyncio.sleep(0.01)
        await here.sound(2)


async def test_a_client_that_leaves_midway(tmp_path: Path) -> None:
    async with room(tmp_path) as here:
        remote = await here.create(*(f"row-{at}" for at in range(2000)))
        await here.step_after()
        reply = await here.results(remote)
        await reply.read()
        await reply.leave()
        assert await here.states() == ["ended"]
        assert 0 < len(await here.entries()) < 2000
        lines = await here.read(remote)
        assert lines.count(b"\n") == 2000
        await here.sound(2000)


async def test_a_client_that_leaves_and_never_comes_back(tmp_path: Path) -> None:
    async with room(tmp_path) as here:
        remote = await here.create(*(f"row-{at}" for at in range(2000)))
        await here.step_after()
        reply = await here.results(remote)
        await reply.read()
        await reply.leave()
        await here.step_after(GRACE_S)
        await here.sound(2000)


async def test_results_that_break_off(tmp_path: Path) -> None:
    async with room(tmp_path) as here:
        remote = await here.create("a", "b", "c")
        await here.step_after()
        here.provider.faults = Faults(batch_results_cut=1.0)
        with pytest.raises(UpstreamError):
            await here.read(remote)
        assert await here.states() == ["ended"]
        here.provider.faults = Faults()
        await here.read(remote)
        await here.sound(3)


async def test_deleting_books_first(tmp_path: Path) -> None:
    async with room(tmp_path) as here:
        remote = await here.create("a", "b")
        assert (await here.delete(remote)).status == 400  # it is being processed
        clock = here.engine.clock
        assert isinstance(clock, TestClock)
        clock.advance(7200)
        assert (await here.delete(remote)).status == 200
        await here.sound(2)


async def test_what_cannot_be_booked_is_not_deleted(tmp_path: Path) -> None:
    async with room(tmp_path) as here:
        remote = await here.create("a")
        await here.step_after()
        here.provider.faults = Faults(batch_results_cut=1.0)
        with pytest.raises(BrokenReply, match="was not deleted"):
            await here.delete(remote)
        here.provider.faults = Faults()
        assert (await here.delete(remote)).status == 200
        await here.sound(1)


async def test_given_up_when_the_results_are_not_kept_any_longer(tmp_path: Path) -> None:
    async with room(tmp_path) as here:
        await here.create("a", "b")
        here.provider.faults = Faults(batch_error=1.0)
        await here.step_after(86_400)
        await here.step_after(KEPT_S)
        entries = await here.entries()
        assert {(entry.outcome, entry.usage_source) for entry in entries} == {("lost", "estimated")}
        assert all(-entry.posted(UPSTREAM) == entry.forecast_pico > 0 for entry in entries)
        assert await here.states() == ["gone"]
        await assert_sound(here.engine.ledger)


# --- not created here --------------------------------------------------------------------------------------------------


async def test_a_batch_that_was_created_elsewhere(tmp_path: Path) -> None:
    async with room(tmp_path) as here:
        remote = await here.elsewhere("x", "y")
        clock = here.engine.clock
        assert isinstance(clock, TestClock)
        clock.advance(7200)
        lines = await here.read(remote)
        await here.sound(2)
        assert await here.read(remote) == lines
        await here.sound(2)


async def test_one_from_elsewhere_whose_client_leaves(tmp_path: Path) -> None:
    async with room(tmp_path) as here:
        remote = await here.elsewhere(*(f"row-{at}" for at in range(2000)))
        await here.step_after()
        reply = await here.results(remote)
        await reply.read()
        await reply.leave()
        await here.step_after(GRACE_S)
        await here.sound(2000)


async def test_thriftgates_own_batches_are_booked_by_their_worker(tmp_path: Path) -> None:
    async with room(tmp_path) as here:
        remote = await here.elsewhere("tg_0123456789abcdef0123_1")
        await here.step_after()
        await here.read(remote)
        assert not await here.entries()


async def test_another_key_reads_them(tmp_path: Path) -> None:
    """Booked as the batch was held: on the key that created it."""
    async with room(tmp_path) as here:
        remote = await here.create("a")
        await here.step_after()
        await here.read(remote, {**OTHER, "x-api-key": KEY + "x"})  # the simulator tells workspaces by other keys
        keys = {entry.key for entry in await here.entries()}
        assert keys <= {here.engine.key_of(KEY)}
