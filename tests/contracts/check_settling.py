"""How a job book must keep batches, settle jobs with their entries, and hold the calls of a queue. See `check_jobs`."""

from __future__ import annotations

from typing import get_args

import pytest

from tests.contracts.check_jobs import (
    MISSING,
    RUN,
    Check,
    Opener,
    all_of,
    batch_of,
    body_of,
    bound_of,
    job_of,
    leased,
)
from tests.contracts.check_ledger import entry_of, hold_of
from thriftgate.core.errors import LedgerError
from thriftgate.core.usage import Tokens, Usage
from thriftgate.ledger.entries import BASELINE, UPSTREAM, Posting
from thriftgate.ledger.jobs import OPEN_BATCHES, QUEUE, Answer, BatchState, Fenced, Outcome, Run, Spent, Tally

# --- batches --------------------------------------------------------------------------------------------------------------


async def a_batch_is_written_ahead_with_its_jobs_and_holds(opener: Opener) -> None:
    books = opener.open()
    lease = await leased(books, jobs=5)
    jobs = books.jobs
    first, second = (
        [job_of(seq, entry=f"e{seq}", attempt=1, model="m", forecast_pico=7, plan=2, size=999) for seq in seqs]
        for seqs in ((1, 2), (4,))
    )
    await jobs.post(lease, 0, batch_of(jobs=2), first, [hold_of(one.entry, batch="tgb_1") for one in first])
    await jobs.post(lease, 0, batch_of(jobs=3), second, [hold_of("e4", batch="tgb_1")])
    assert await jobs.batches(RUN.id, OPEN_BATCHES) == [batch_of(jobs=3)]
    packed = await jobs.jobs_of("tgb_1", MISSING, 10)
    assert packed == [
        job_of(seq, state="packed", batch="tgb_1", entry=f"e{seq}", attempt=1, model="m", forecast_pico=7, plan=2)
        for seq in (1, 2, 4)
    ]
    assert [one.seq for one in await jobs.jobs_of("tgb_1", 1, 1)] == [2]
    assert await jobs.jobs_of("tgb_x", MISSING, 10) == []
    assert await books.ledger.open_holds() == [hold_of(f"e{seq}", batch="tgb_1") for seq in (1, 2, 4)]
    assert [one.seq for one in await jobs.waiting(RUN.id, 0, after=MISSING, limit=9)] == [3, 5]
    before = await all_of(books)
    with pytest.raises(LedgerError):  # a hold that is taken already
        await jobs.post(lease, 0, batch_of(jobs=4), [job_of(5, entry="e1")], [hold_of("e1")])
    assert await all_of(books) == before
    await books.ledger.close()


async def batches_are_found_by_state_and_by_the_providers_id(opener: Opener) -> None:
    books = opener.open()
    lease = await leased(books)
    full = batch_of("tgb_2", role="lead", state="running", remote_id="msgbatch_2", wave=3, headers=b'{"a":"b"}', made_us=1,
                    created_us=2, ended_us=3, poll_us=4, polls=5, rescue_us=6, suspects=b'["x"]', plans=b'[[]]',
                    worst_pico=2**62, note="n")  # fmt: skip
    for batch in (full, batch_of("tgb_1", state="booked", remote_id="msgbatch_1"), batch_of("tgb_3")):
        await books.jobs.set_batch(lease, 0, batch)
    await books.jobs.set_batch(lease, 0, batch_of("tgb_3", state="posting"))
    assert await books.jobs.batches(RUN.id, OPEN_BATCHES) == [full, batch_of("tgb_3", state="posting")]
    assert [one.id for one in await books.jobs.batches(RUN.id, ("booked", "gone"))] == ["tgb_1"]
    assert await books.jobs.batches("run_x", OPEN_BATCHES) == []
    known = await books.jobs.known_batches(["msgbatch_1", "msgbatch_2", "msgbatch_3"])
    assert known == {"msgbatch_1", "msgbatch_2"}
    assert await books.jobs.known_batches([]) == frozenset()
    await books.ledger.close()


# --- settling -------------------------------------------------------------------------------------------------------------


async def jobs_their_entries_and_their_batch_are_booked_as_one(opener: Opener) -> None:
    books = opener.open()
    lease = await leased(books, jobs=3)
    packed = [job_of(seq, entry=f"e{seq}", attempt=1) for seq in (1, 2, 3)]
    await books.jobs.post(lease, 0, batch_of(jobs=3), packed, [hold_of(one.entry, batch="tgb_1") for one in packed])
    outcomes = [
        Outcome(1, "done", entry="e1", out_place=10, out_size=20),
        Outcome(2, "failed", "expired", "e2"),
        Outcome(3, "waiting", attempts=2),
    ]
    usage = Usage(Tokens(input=5, write_5m=6, write_1h=7, read=80, output=9))
    entries = [entry_of("e1", paid=30, saved=40, usage=usage), entry_of("e2", paid=1), entry_of("e3", paid=0)]
    await books.jobs.book(
        lease, 5, outcomes, entries, batch=batch_of(state="booked", jobs=3), run_changes={"out_bytes": 20, "out_seq": 1}
    )
    one, two, three = await books.jobs.in_order(RUN.id, MISSING, 9)
    assert (one.state, one.entry, one.out_place, one.out_size) == ("done", "e1", 10, 20)
    assert (two.state, two.cause, two.entry) == ("failed", "expired", "e2")
    assert (three.state, three.entry, three.attempt) == ("waiting", "", 3)
    assert await books.ledger.open_holds() == []
    assert (await books.ledger.report()).calls == books.ledger.counters.calls["answered"] == 3
    assert await books.jobs.batches(RUN.id, ("booked",)) == [batch_of(state="booked", jobs=3)]
    run = await books.jobs.run(RUN.id)
    assert run is not None
    assert (run.out_bytes, run.out_seq) == (20, 1)
    assert await books.jobs.tally(RUN.id) == [Tally("done", "", 1), Tally("failed", "expired", 1), Tally("waiting", "", 1)]
    assert await books.jobs.spent(RUN.id) == Spent(2, 71, 31, 98, 80, {"cache.breakpoints": 40})
    assert await books.jobs.spent("run_x") == Spent()
    await books.ledger.close()


async def what_cannot_be_booked_undoes_all_of_it(opener: Opener) -> None:
    books = opener.open()
    lease = await leased(books, jobs=2)
    await books.ledger.settle(entry_of("taken"))
    before, counted = await all_of(books), dict(books.ledger.counters.calls)
    crooked = entry_of("e2", postings=(Posting(BASELINE, 3), Posting(UPSTREAM, -2)))
    answers = [Answer(1, 1, 200, b"{}")]
    for bad, words in (
        (entry_of("taken"), "cannot write"),
        (crooked, "off by 1"),
        (entry_of("x", paid=2**70), "cannot write"),
    ):
        with pytest.raises(LedgerError, match=words) as caught:
            await books.jobs.book(
                lease, 0, [Outcome(1, "done", entry="e1")], [entry_of("e1"), bad], batch=batch_of(), answers=answers
            )
        assert not isinstance(caught.value, Fenced)  # which would say that another worker goes on with the run
        assert await all_of(books) == before
        assert dict(books.ledger.counters.calls) == counted
    with pytest.raises(LedgerError):
        await books.jobs.book(lease, 0, [Outcome(1, "done")], [entry_of("e1")], run_changes={"colour": "red"})
    assert await all_of(books) == before
    await books.jobs.book(lease, 0, [Outcome(1, "done", entry="e1")], [entry_of("e1")])
    await books.ledger.close()


# --- a queue --------------------------------------------------------------------------------------------------------------


async def calls_wait_in_a_queue_until_they_are_answered(opener: Opener) -> None:
    books = opener.open()
    jobs, lease = books.jobs, await leased(books, Run(QUEUE, "queue", "running", "key_a", b"{}", 1))
    made = [
        await jobs.enqueue(lease.run, job_of(99, name=name, deadline_us=9), body_of(body=name.encode(), webhook=hook))
        for name, hook in (("a", ""), ("b", "https://b.example"), ("c", "https://c.example"))
    ]
    assert [(one.run, one.seq, one.name) for one in made] == [(QUEUE, 1, "a"), (QUEUE, 2, "b"), (QUEUE, 3, "c")]
    assert await jobs.named(QUEUE, "b") == made[1]
    assert await jobs.named(QUEUE, "z") is None
    assert await jobs.body(QUEUE, 2) == body_of(seq=2, body=b"b", webhook="https://b.example")
    assert await jobs.body(QUEUE, 9) is None
    assert [one.body for one in await jobs.bodies(QUEUE, [3, 1, 9])] == [b"a", b"c"]
    before = await all_of(books, QUEUE)
    with pytest.raises(LedgerError):  # a name is one job's
        await jobs.enqueue(lease.run, job_of(0, name="b"), body_of())
    assert await all_of(books, QUEUE) == before
    answers = [Answer(seq, 50 + seq, 200, b"answer") for seq in (1, 2)]
    assert await jobs.answer(QUEUE, 1) is None
    await jobs.book(lease, 60, [Outcome(1, "done"), Outcome(2, "failed", "expired")], [], answers=answers)
    assert await jobs.answer(QUEUE, 2) == answers[1]
    left = await jobs.body(QUEUE, 1)
    assert left is None or left.body == b""  # prompts are kept no longer than they are needed
    assert await jobs.to_tell(QUEUE, 59, 10) == []
    ((told, body),) = await jobs.to_tell(QUEUE, 60, 10)
    assert (told.name, body.webhook, body.told) == ("b", "https://b.example", 0)
    await jobs.tell_again(lease, 60, 2, 1, 90)
    assert await jobs.to_tell(QUEUE, 89, 10) == []
    assert [one.told for _, one in await jobs.to_tell(QUEUE, 90, 10)] == [1]
    await jobs.tell_again(lease, 90, 2, 2, 0)
    assert await jobs.to_tell(QUEUE, 10**15, 10) == []
    await books.ledger.close()


async def answers_are_forgotten_with_their_jobs(opener: Opener) -> None:
    books = opener.open()
    jobs, lease = books.jobs, await leased(books, Run(QUEUE, "queue", "running", "key_a", b"{}", 1))
    for name in "abc":
        await jobs.enqueue(lease.run, job_of(0, name=name), body_of(body=name.encode()))
    outcomes = [Outcome(seq, "done") for seq in (1, 3)]
    await jobs.book(lease, 0, outcomes, [], answers=[Answer(1, 51, 200, b"x"), Answer(3, 53, 200, b"y")])
    assert await jobs.forget_answers(lease, 0, 51) == 0
    assert await jobs.forget_answers(lease, 0, 54) == 2
    assert [one.name for one in await jobs.in_order(QUEUE, MISSING, 9)] == ["b"]
    assert (await jobs.answer(QUEUE, 1), await jobs.named(QUEUE, "c"), await jobs.body(QUEUE, 3)) == (None, None, None)
    again = await jobs.enqueue(lease.run, job_of(0, name="c"), body_of())
    assert again.seq == 4  # a number is given once: results may still come under the old one
    await books.ledger.close()


async def batches_and_groups_are_forgotten_once_no_job_is_left_of_them(opener: Opener) -> None:
    books = opener.open()
    jobs, lease = books.jobs, await leased(books, Run(QUEUE, "queue", "running", "key_a", b"{}", 1))
    for name, digest in (("a", b"d1"), ("b", b"d1"), ("c", b"d2"), ("d", b"d2")):
        await jobs.enqueue(lease.run, job_of(0, name=name), body_of(), [bound_of(0, digest, 5_000)])
    await jobs.group(lease, 0)
    assert len(await jobs.wave(QUEUE, 0)) == 2
    for number, states in ((1, "booked"), (2, "booked"), (3, "running"), (4, "dropped")):
        batch = batch_of(f"tgb_{number}", run=QUEUE, state=states, made_us=number)
        packed = [job_of(number, run=QUEUE, entry=f"e{number}")] if number < 3 else []
        await jobs.post(lease, 0, batch, packed, [hold_of(job.entry, batch=batch.id) for job in packed])
    outcomes = [Outcome(seq, "done") for seq in (1, 2)]
    await jobs.book(lease, 0, outcomes, [], answers=[Answer(1, 51, 200, b"x"), Answer(2, 99, 200, b"y")])
    assert await jobs.forget_answers(lease, 0, 52) == 1
    assert [one.id for one in await jobs.batches(QUEUE, get_args(BatchState))] == ["tgb_2", "tgb_3"]
    assert len(await jobs.wave(QUEUE, 0)) == 2
    assert await jobs.forget_answers(lease, 0, 100) == 1
    assert [one.id for one in await jobs.batches(QUEUE, get_args(BatchState))] == ["tgb_3"]
    assert [one.digest for one in await jobs.wave(QUEUE, 0)] == [b"d2"]
    await books.ledger.close()


async def the_same_call_sent_again_is_found(opener: Opener) -> None:
    """As long as it is open, and by its answer's time afterwards."""
    books = opener.open()
    jobs, lease = books.jobs, await leased(books, Run(QUEUE, "queue", "running", "key_a", b"{}", 1))
    for name, digest in (("a", b"same"), ("b", b"other"), ("c", b"same"), ("d", b"same"), ("e", b"")):
        await jobs.enqueue(lease.run, job_of(0, name=name), body_of(digest=digest))

    async def names(digest: bytes, since_us: int) -> str:
        return "".join(job.name for job in await jobs.alike(QUEUE, digest, since_us))

    assert (await names(b"same", 10**15), await names(b"none", 0), await names(b"other", 0)) == ("acd", "", "b")
    answers = [Answer(1, 50, 200, b"x"), Answer(3, 60, 500, b"y")]
    await jobs.book(lease, 0, [Outcome(1, "done"), Outcome(3, "failed")], [], answers=answers)
    assert (await names(b"same", 0), await names(b"same", 51), await names(b"same", 61)) == ("acd", "cd", "d")
    assert [job.state for job in await jobs.alike(QUEUE, b"same", 0)] == ["done", "failed", "waiting"]
    assert await jobs.alike("another", b"same", 0) == []
    await books.ledger.close()


async def a_job_is_taken_by_anybody(opener: Opener) -> None:
    """Whoever has the run; numbers go on, and what came up to one of them can be counted."""
    books = opener.open()
    jobs = books.jobs
    with pytest.raises(LedgerError, match="there is no queue"):
        await jobs.enqueue(QUEUE, job_of(0, name="early"), body_of())
    lease = await leased(books, Run(QUEUE, "queue", "running", "key_a", b"{}", 1))
    assert (await jobs.enqueue(QUEUE, job_of(0, name="a"), body_of())).seq == 1
    assert await jobs.take(QUEUE, "another", 2**60, 10**9) is not None  # the lease is lost
    with pytest.raises(Fenced):
        await jobs.group(lease, 0)
    assert (await jobs.enqueue(QUEUE, job_of(0, name="b"), body_of())).seq == 2
    run = await jobs.run(QUEUE)
    assert run is not None
    assert run.jobs == 2
    assert await jobs.tally(QUEUE) == [Tally("waiting", "", 2)]
    assert await jobs.tally(QUEUE, up_to=1) == [Tally("waiting", "", 1)]
    assert await jobs.tally(QUEUE, up_to=0) == []
    await books.ledger.close()


CHECKS: tuple[Check, ...] = (
    a_job_is_taken_by_anybody,
    a_batch_is_written_ahead_with_its_jobs_and_holds,
    batches_are_found_by_state_and_by_the_providers_id,
    jobs_their_entries_and_their_batch_are_booked_as_one,
    what_cannot_be_booked_undoes_all_of_it,
    calls_wait_in_a_queue_until_they_are_answered,
    answers_are_forgotten_with_their_jobs,
    batches_and_groups_are_forgotten_once_no_job_is_left_of_them,
    the_same_call_sent_again_is_found,
)
