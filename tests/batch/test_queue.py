"""The gateway's queue: what is taken and what is not, how calls leave together, that each is answered in time, once, and
whatever is killed."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.batch.queueing import CALLER, GATEWAY, OTHER, QueueStage, ask, message_of, queueing
from tests.batch.stage import BATCHES, error, says
from tests.fixtures import call_of, until
from thriftgate.batch.queue import LetGo, Ticket
from thriftgate.batch.work import Options
from thriftgate.core.deadline import Window
from thriftgate.core.errors import LedgerError
from thriftgate.ledger.entries import BASELINE, UPSTREAM
from thriftgate.ledger.jobs import QUEUE, Job
from thriftgate.simulator.config import BatchRules
from thriftgate.simulator.faults import Faults

NEVER = BatchRules(duration_s=(80_000.0, 80_000.0))
AT_ONCE = BatchRules(duration_s=(1.0, 1.0))


async def test_a_call_is_answered_by_a_batch_at_half_price_and_booked_as_its_callers(tmp_path: Path) -> None:
    async with queueing(tmp_path) as stage:
        taken = await stage.offer(ask(stream=True))
        assert isinstance(taken, Ticket)
        told = await stage.answer(taken.job)
        assert message_of(told)["usage"]["service_tier"] == "batch"
        (entry,) = await stage.entries()
        assert (entry.key, entry.mode, entry.outcome) == (stage.engine.key_of(CALLER), "batch", "answered")
        assert entry.key != stage.engine.key_of(GATEWAY)
        assert entry.posted(BASELINE) == 2 * -entry.posted(UPSTREAM)
        assert told.job.entry == entry.id
        assert taken.saved_pico == taken.forecast_pico
        body = await stage.queue.book.body(QUEUE, told.job.seq)
        assert body is not None
        assert body.body == b"", "what was asked is not kept once it is answered"


async def test_calls_within_the_window_leave_as_one_batch(tmp_path: Path) -> None:
    async with queueing(tmp_path, flows=False, members={"window": Window(least_s=5.0, most_s=60.0)}) as stage:
        jobs = [await stage.take(ask(number), key=key) for number, key in enumerate((CALLER, OTHER, CALLER))]
        stage.clock.advance(3.0)
        await asyncio.sleep(0.05)
        assert not stage.front.times(f"POST {BATCHES}"), "the window is open"
        stage.clock.flow()
        assert await stage.answers(jobs) == [200, 200, 200]
        (batch,) = await stage.batches()
        assert batch.jobs == 3
        keys = [stage.engine.key_of(key) for key in (CALLER, CALLER, OTHER)]
        assert sorted(one.key for one in await stage.entries()) == sorted(keys)


async def test_a_call_that_stays_alone_hardly_waits(tmp_path: Path) -> None:
    async with queueing(tmp_path, rules=AT_ONCE) as stage:
        began_s = stage.clock.now_s()
        job = await stage.take(ask())
        await stage.answer(job)
        (batch,) = await stage.batches()
        assert batch.made_us / 1e6 - began_s <= Window().least_s + 0.1


async def test_calls_with_different_betas_leave_in_different_batches(tmp_path: Path) -> None:
    seen: list[Any] = []
    async with queueing(tmp_path, flows=False) as stage:
        stage.front.script = lambda method, path: _noting(stage, seen) if (method, path) == ("POST", BATCHES) else None
        betas = ["", "context-management-2025-06-27", "files-api-2025-04-14", ""]
        jobs = [
            await stage.take(ask(number), headers={"anthropic-beta": beta} if beta else None)
            for number, beta in enumerate(betas)
        ]
        stage.clock.flow()
        assert await stage.answers(jobs) == [200] * 4
        assert sorted(seen) == sorted(set(betas))
        assert sorted(batch.jobs for batch in await stage.batches()) == [1, 1, 2]
        await stage.entries()


def _noting(stage: QueueStage, seen: list[Any]) -> Any:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(dict(scope["headers"]).get(b"anthropic-beta", b"").decode())
        await stage.simulator(scope, receive, send)

    return app


async def test_calls_that_share_a_long_prefix_are_primed(tmp_path: Path) -> None:
    """Of different callers, too: all are sent with one key, and the provider's cache is that key's."""
    house = " ".join(f"Rule {at} of the house: answer politely, briefly and to the point." for at in range(600))
    async with queueing(tmp_path, flows=False) as stage:
        jobs = [await stage.take(ask(number, prefix=house), key=(CALLER, OTHER)[number % 2]) for number in range(20)]
        stage.clock.flow()
        assert await stage.answers(jobs) == [200] * 20
        assert [(batch.role, batch.jobs) for batch in await stage.batches()] == [("lead", 1), ("follow", 19)]
        entries = await stage.entries()
        assert sum(one.usage.total.read > 5_000 for one in entries) == 19
        assert sum(one.posted("saved:cache.breakpoints") < 0 for one in entries) == 19


async def test_calls_that_come_while_a_batch_is_packed_wait_for_a_look_of_their_own(tmp_path: Path) -> None:
    """They share a prefix, which nobody has looked at yet: sent as they are, each would pay for all of it."""
    house = " ".join(f"Rule {at} of the house: answer politely, briefly and to the point." for at in range(600))
    async with queueing(tmp_path, flows=False) as stage:
        jobs = [await stage.take(ask(number, prefix=house)) for number in range(4)]
        waiting, late = stage.queue.book.waiting, list[Job]()

        async def waiting_by_now(run_id: str, group: int | None, *, after: int, limit: int) -> Sequence[Job]:
            while group == 0 and len(late) < 4:
                late.append(await stage.take(ask(len(late) + 8, prefix=house)))
            return await waiting(run_id, group, after=after, limit=limit)

        stage.queue.book.waiting = waiting_by_now  # type: ignore[method-assign]
        stage.clock.flow()
        assert await stage.answers(jobs) == [200] * 4
        assert await stage.answers(late) == [200] * 4
        assert "plain" not in {batch.role for batch in await stage.batches()}
        assert sum(one.usage.total.read > 5_000 for one in await stage.entries()) >= 6


# --- what is made at once ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("members", "why"),
    [
        ({"within_s": 60.0}, "due in 60 s: no time to wait for a batch"),
        ({"within_s": -60.0}, "due in 0 s: no time to wait for a batch"),
        ({"body": ask(speed="fast", model="claude-opus-4-8")}, "speed is not possible in a batch"),
        ({"body": ask(store=True)}, "store is not possible in a batch"),
        ({"body": ask(thread={"id": "thread_1"})}, "a conversation held by the provider cannot be batched"),
        ({"body": ask(previous_thread_event_id="evt_1")}, "previous_thread_event_id is not possible in a batch"),
        ({"body": ask(fallbacks=[{"model": "claude-haiku-4-5"}])}, "fallbacks is not possible in a batch"),
        ({"body": ask(max_tokens=0)}, "max_tokens: 0 (pre-warming) is not possible in a batch"),
        ({"body": ask(model="claude-nobody-9")}, "model: 'claude-nobody-9' is not known"),
        ({"body": ask(model="claude-3-opus-20240229")}, "was retired on"),
        ({"body": b"{"}, "not valid JSON"),
        ({"body": b'{"model":"m","max_tokens":1,"messages":' + b"[" * 100_000 + b"]" * 100_000 + b"}"}, "nested too deeply"),
        ({"body": ask(messages="none")}, "messages"),
    ],
)
async def test_what_no_batch_takes_is_made_at_once(members: dict[str, Any], why: str, tmp_path: Path) -> None:
    async with queueing(tmp_path) as stage:
        assert why in await stage.reason(members.pop("body", ask()), **members)
        assert stage.worker.open_jobs == 0
        assert not stage.front.seen


async def test_a_call_that_reads_a_warm_cache_is_made_at_once(tmp_path: Path) -> None:
    """Reads cost a tenth, a batch half: what was read by this caller a moment ago is cheaper read again."""
    manual = " ".join(f"Paragraph {at} of the manual says what paragraph {at} says." for at in range(900))
    async with queueing(tmp_path, flows=False) as stage:
        system = [{"type": "text", "text": manual, "cache_control": {"type": "ephemeral"}}]

        def asked(number: int) -> dict[str, Any]:
            return ask(number, system=system, max_tokens=10)

        assert isinstance(await stage.offer(asked(0)), Ticket), "cold: the batch is cheaper"
        sent = {"x-api-key": CALLER, "anthropic-version": "2023-06-01"}
        for number in (1, 2):
            await stage.engine.messages(call_of(asked(number), headers=sent))
            stage.clock.advance(20.0)
        assert await stage.reason(asked(3)) == "a call now is cheaper: it reads its prompt from the cache"
        stage.clock.advance(7200.0)
        assert isinstance(await stage.offer(asked(4)), Ticket), "cold again"


async def test_a_callers_limit_holds_for_the_call_that_a_deadline_may_need(tmp_path: Path) -> None:
    async with queueing(tmp_path, flows=False) as stage:
        taken = await stage.offer(ask())
        assert isinstance(taken, Ticket)
        dear = await stage.offer(ask(), cost_limit_pico=10**12)
        assert isinstance(dear, Ticket)
        # Output is all of its cost that matters: 40 tokens at $5 a million, and half of that in a batch.
        assert await stage.reason(ask(), cost_limit_pico=150_000_000) == "its cost is limited: it is judged as a call"


async def test_the_operators_limit_is_for_the_engine_to_judge(tmp_path: Path) -> None:
    async with queueing(tmp_path, flags={"policy.cost_limit_usd": "0.0001"}) as stage:
        assert await stage.reason(ask()) == "its cost is limited: it is judged as a call"


async def test_where_nobody_works_nothing_is_taken(tmp_path: Path) -> None:
    async with queueing(tmp_path) as stage:
        await stage.worker.close()
        assert await stage.reason(ask()) == "no gateway works on the queue just now"


# --- in time, whatever happens -----------------------------------------------------------------------------------------


async def test_a_deadline_in_danger(tmp_path: Path) -> None:
    """The batch is canceled in time; what it has not answered is called, each under its caller's key."""
    rules = BatchRules(duration_s=(20_000.0, 20_000.0))
    async with queueing(tmp_path, flows=False, rules=rules) as stage:
        jobs = [await stage.take(ask(number), within_s=7200.0, key=(CALLER, OTHER)[number % 2]) for number in range(20)]
        stage.clock.flow()
        told = await asyncio.gather(*(stage.answer(job) for job in jobs))
        await stage.idle()
        assert all(one.answer is not None and one.answer.status == 200 for one in told)
        assert all(one.answer is not None and one.answer.at_us <= one.job.deadline_us for one in told)
        entries = [one for one in await stage.entries() if one.outcome == "answered"]
        modes = {one.mode for one in entries}
        assert modes == {"batch", "standard"}
        assert len(entries) == len(stage.simulator.bill.calls) == 20
        keys = [stage.engine.key_of(key) for key in (CALLER, OTHER)]
        by_entry = {one.id: one.key for one in entries}
        assert [by_entry[one.job.entry] for one in told] == keys * 10


async def test_a_batch_that_is_refused_is_called_one_by_one(tmp_path: Path) -> None:
    """Each gets its answer, or its own error in the provider's words."""
    async with queueing(tmp_path, flows=False) as stage:
        stage.front.next_posts(says(400, error("invalid_request_error", "not this batch")))
        jobs = [await stage.take(ask(number)) for number in range(2)]
        jobs.append(await stage.take(ask(3, temperature=7.5)))
        stage.clock.flow()
        told = await asyncio.gather(*(stage.answer(job) for job in jobs))
        assert [one.answer.status for one in told if one.answer is not None] == [200, 200, 400]
        assert told[2].answer is not None
        assert b"temperature" in told[2].answer.body
        assert b'"request_id":"req_' in told[2].answer.body
        assert stage.front.times(f"POST {BATCHES}") == 1
        answered = [one for one in await stage.entries() if one.outcome == "answered"]
        assert {(one.key, one.mode) for one in answered} == {(stage.engine.key_of(CALLER), "standard")}


async def test_a_call_that_batches_were_tried_for_often_enough_is_called(tmp_path: Path) -> None:
    async with queueing(tmp_path, rules=AT_ONCE, faults=Faults(batch_item_error=1.0)) as stage:
        told = await stage.answer(await stage.take(ask()))
        assert message_of(told)["usage"]["service_tier"] == "standard"
        assert len(await stage.batches()) == Options().attempts_max
        assert [one.resolution for one in await stage.entries()] == ["void"] * 3 + ["post"]


async def test_trouble_with_one_batch_does_not_hold_up_the_others(tmp_path: Path) -> None:
    """The provider refuses to tell of a batch: people must mend that. Meanwhile other calls are answered, and in time."""
    async with queueing(tmp_path, flows=False) as stage:
        stuck = await stage.take(ask(1))
        stage.clock.advance(2.0)
        await stage.in_state(stuck, "packed")
        (first,) = await _running(stage)

        def refuses(method: str, path: str) -> Any:
            return says(403, error("permission_error", "not yours")) if path == f"{BATCHES}/{first}" else None

        stage.front.script = refuses
        other = await stage.take(ask(2))
        stage.clock.flow()
        assert await stage.answers([other]) == [200]
        stage.front.script = lambda _method, _path: None
        assert await stage.answers([stuck]) == [200]
        await stage.entries()


async def _running(stage: QueueStage) -> list[str]:
    async def known() -> bool:
        return all(batch.remote_id for batch in await stage.batches())

    await until(known)
    return [batch.remote_id for batch in await stage.batches()]


async def test_idle_it_neither_sleeps_nor_asks(tmp_path: Path) -> None:
    async with queueing(tmp_path, rules=AT_ONCE) as stage:
        await asyncio.sleep(0.05)
        assert (stage.clock.slept, stage.front.seen) == ([], [])
        await stage.answer(await stage.take(ask()))
        await stage.idle()
        await asyncio.sleep(0.05)
        slept, seen = len(stage.clock.slept), len(stage.front.seen)
        await asyncio.sleep(0.1)
        assert (len(stage.clock.slept), len(stage.front.seen)) == (slept, seen)


# --- lives -------------------------------------------------------------------------------------------------------------


async def test_what_waits_when_it_is_killed_is_answered_in_the_next_life(tmp_path: Path) -> None:
    async with queueing(tmp_path, flows=False) as stage:
        job = await stage.take(ask())
        await stage.kill()
        await stage.open()
        stage.clock.flow()
        assert await stage.answers([job]) == [200]
        assert len(await stage.entries()) == len(stage.simulator.bill.calls) == 1


async def test_what_is_in_a_batch_when_it_is_killed_is_billed_once(tmp_path: Path) -> None:
    async with queueing(tmp_path, flows=False) as stage:
        job = await stage.take(ask())
        stage.clock.advance(2.0)
        await stage.in_state(job, "packed")
        await _running(stage)
        await stage.kill()
        stage.clock.advance(1000.0)
        await stage.open()
        stage.clock.flow()
        assert await stage.answers([job]) == [200]
        assert len(await stage.entries()) == len(stage.simulator.bill.calls) == 1
        assert stage.front.times(f"POST {BATCHES}") == 1


async def test_a_batch_whose_creation_was_not_heard_of_is_found_again(tmp_path: Path) -> None:
    async with queueing(tmp_path, flows=False) as stage:
        stage.front.next_posts(_takes_and_hangs(stage))
        job = await stage.take(ask())
        stage.clock.advance(2.0)
        await until(lambda: _true(stage.front.times(f"POST {BATCHES}") == 1))
        await stage.kill()
        stage.front.script = lambda _method, _path: None
        await stage.open()
        stage.clock.flow()
        assert await stage.answers([job]) == [200]
        assert len(await stage.entries()) == len(stage.simulator.bill.calls) == 1
        assert stage.front.times(f"POST {BATCHES}") == 1


async def _true(value: bool) -> bool:
    return value


def _takes_and_hangs(stage: QueueStage) -> Any:
    async def app(scope: Any, receive: Any, _send: Any) -> None:
        async def nothing(_message: Any) -> None:
            return

        await stage.simulator(scope, receive, nothing)
        await asyncio.Event().wait()

    return app


async def test_what_is_being_called_when_it_is_killed_is_called_again(tmp_path: Path) -> None:
    """What the lost call has cost only the provider knows: it is in the books as lost."""
    async with queueing(tmp_path, flows=False) as stage:
        stage.front.next_posts(says(400, error("invalid_request_error")))
        job = await stage.take(ask())

        async def hangs(_scope: Any, _receive: Any, _send: Any) -> None:
            await asyncio.Event().wait()

        refused = stage.front.script
        stage.front.script = lambda method, path: hangs if path == "/v1/messages" else refused(method, path)
        stage.clock.advance(2.0)
        await stage.in_state(job, "calling")
        await until(lambda: _true(stage.front.times("POST /v1/messages") == 1))
        await stage.kill()
        stage.front.script = lambda _method, _path: None
        await stage.open()
        stage.clock.flow()
        assert await stage.answers([job]) == [200]
        assert sorted(one.outcome for one in await stage.entries()) == ["answered", "failed", "lost"]
        assert len(stage.simulator.bill.calls) == 1


async def test_what_was_learned_of_batches_is_there_in_the_next_life(tmp_path: Path) -> None:
    async with queueing(tmp_path, rules=AT_ONCE) as stage:
        await stage.answer(await stage.take(ask()))
        await stage.idle()
        learned = stage.work.completions.chance(60.0)
        await stage.close()
        await stage.open()
        assert stage.work.completions.chance(60.0) == learned > 0.2


async def test_one_queue_at_a_time(tmp_path: Path) -> None:
    async with queueing(tmp_path):
        other = QueueStage(tmp_path)
        with pytest.raises(LedgerError, match="in use by another"):
            await other.build()


async def test_a_queue_that_was_taken_over_writes_nothing_more(tmp_path: Path) -> None:
    async with queueing(tmp_path, flows=False) as stage:
        job = await stage.take(ask())
        lease = await stage.queue.book.take(QUEUE, "another", 2**60, 10**9)
        assert lease is not None
        waiting = asyncio.ensure_future(stage.queue.wait(job))
        await asyncio.sleep(0)
        stage.clock.advance(2.0)

        async def fenced() -> bool:
            return stage.worker._work is None

        await until(fenced)
        assert not waiting.done(), "the other one may answer it"
        assert isinstance(await stage.offer(ask(2)), Ticket), "and what else comes here"
        assert not stage.front.seen
        stage.queue.let_go("the gateway is stopping")
        with pytest.raises(LetGo, match="the gateway is stopping; the job goes on"):
            await waiting
