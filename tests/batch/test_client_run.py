"""One batch of a client's: what may be its results, when it is given up, what is left behind."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from tests.batch.test_matching import row, run_of
from tests.fixtures import TestClock, assert_sound, engine_on, simulator
from thriftgate.batch.build import job_book
from thriftgate.batch.client_intake import Draft
from thriftgate.batch.client_run import GRACE_S, POLL_S, ClientRun
from thriftgate.core.control.whose import Payer
from thriftgate.core.errors import InputError
from thriftgate.engine.engine import Engine
from thriftgate.ledger.jobs import Job, Run
from thriftgate.wire.anthropic_batches import KEPT_S, MessageBatch


def lines(*names: str) -> list[bytes]:
    return [msgspec.json.encode({"custom_id": name, "result": {"type": "expired"}}) for name in names]


async def written(engine: Engine, *names: str) -> ClientRun:
    """A run that was written ahead."""
    batch = msgspec.structs.replace(
        row("tgb_1"), state="drafting", remote_id="", jobs=len(names), made_us=int(engine.clock.now_s() * 1e6)
    )
    book = job_book(engine)
    run = await book.open_run(Run(batch.run, "client", "running", "key_1", b"{}", 0))
    one = await ClientRun.open(engine, book, run, batch)
    await one.write_ahead([Draft(name, "claude-opus-4-8", 5, 7) for name in names])
    return one


def state_of(run: ClientRun) -> str:
    return run.batch.state


async def test_each_hold_has_its_job() -> None:
    async with engine_on(simulator()) as engine:
        one = await written(engine, *(f"n{at}" for at in range(1100)))
        holds = await engine.ledger.open_holds()
        assert len(holds) == 1100
        assert {(hold.worst_pico, hold.forecast_pico, hold.key, hold.batch) for hold in holds} == {(7, 5, "key_1", "tgb_1")}
        assert one.batch.state == "posting"


async def test_whose_results_they_may_be() -> None:
    async with engine_on(simulator()) as engine:
        one = await written(engine, "a", "b")
        await one.doubted("who knows")
        assert await one.fits(lines("a"))
        assert await one.fits(lines("b", "a"))
        assert not await one.fits(lines("a", "c"))
        assert not await one.fits([])
        assert not await one.fits([b"nonsense"])
        await one.adopt(MessageBatch("remote", "ended"))
        await one.book(lines("a"))
        assert not await one.fits(lines("a"))  # it has its answer


async def test_lines_count_once() -> None:
    async with engine_on(simulator()) as engine:
        one = await written(engine, "a", "b")
        await one.created(MessageBatch("remote", "in_progress"))
        await one.book(lines("a", "a"))
        await one.book(lines("a"))
        assert len(await engine.ledger.entries()) == 1
        assert state_of(one) == "ended"
        await one.finish()
        assert state_of(one) == "booked"
        notes = {entry.note for entry in await engine.ledger.entries()}
        assert notes == {"the item expired", "the results hold no line for this job"}
        await one.book(lines("b"))
        await one.finish()
        await assert_sound(engine.ledger)


async def test_a_line_that_cannot_be_read_is_passed_over() -> None:
    async with engine_on(simulator()) as engine:
        one = await written(engine, "a")
        await one.created(MessageBatch("remote", "in_progress"))
        await one.book([b"{", *lines("a")])
        assert len(await engine.ledger.entries()) == 1


async def test_when_it_is_looked_after() -> None:
    async with engine_on(simulator()) as engine:
        one = await written(engine, "a")
        now_s = engine.clock.now_s()
        await one.created(MessageBatch("remote", "in_progress"))
        assert one.due_s == now_s + POLL_S[0]
        await one.book(lines("a"))
        assert one.due_s == now_s + GRACE_S


@pytest.mark.parametrize("state", ["doubtful", "running", "ended"])
async def test_given_up_late_and_not_before(state: str) -> None:
    async with engine_on(simulator()) as engine:
        one = await written(engine, "a")
        if state == "doubtful":
            await one.doubted("who knows")
        else:
            await one.created(MessageBatch("remote", "in_progress"))
        if state == "ended":
            await one.book([])
        assert one.batch.state == state
        clock = engine.clock
        assert isinstance(clock, TestClock)
        clock.advance(KEPT_S - 60)
        assert not await one.give_up_late()
        clock.advance(120)
        assert await one.give_up_late()
        (entry,) = await engine.ledger.entries()
        assert (entry.outcome, entry.usage_source, entry.posted("upstream")) == ("lost", "estimated", -5)
        assert one.batch.state == "gone"
        run = await job_book(engine).run(one.batch.run)
        assert run is not None
        assert run.state == "done"


@pytest.mark.parametrize(("state", "after"), [("drafting", "dropped"), ("posting", "doubtful"), ("ended", "ended")])
async def test_taken_up(state: str, after: str) -> None:
    async with engine_on(simulator()) as engine:
        one = await written(engine, "a")
        one.batch = msgspec.structs.replace(one.batch, state=state)
        await one.take_up()
        assert one.batch.state == after
        assert len(await engine.ledger.entries()) == (1 if after == "dropped" else 0)


async def test_nothing_of_it_is_kept() -> None:
    async with run_of(row("tgb_1")) as one:
        job = Job("client_tgb_1", 1, "a", "packed")
        source, outlet = one.work.source, one.work.outlet
        await source.load([job])
        with pytest.raises(InputError, match="is not kept"):
            source.params(job)
        assert (source.headers(job), source.payer(job)) == ((), Payer())
        assert outlet.add([(job, b"{}")], 0).places == [(0, 0)]
        assert outlet.changes() == {}
        await outlet.told([job])


async def test_a_doubt_that_nobody_can_settle_waits() -> None:
    """The provider's list cannot be read: nothing is decided."""
    async with engine_on(simulator()) as engine:
        one = await written(engine, "a")
        await one.doubted("who knows")
        await one.drive(((b"x-api-key", b"nobody"),), asyncio.Lock())
        assert one.batch.state == "doubtful"
        assert one.due_s > engine.clock.now_s()
