"""What every job book must do. A back end is checked by handing its opener to each of `CHECKS`.

An opener opens the same books each time it is called, as another process would; `durable` says whether it can.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple, get_args

import pytest
from msgspec.structs import replace

from tests.contracts.check_ledger import entry_of, hold_of
from thriftgate.core.errors import LedgerError
from thriftgate.ledger.entries import Ledger
from thriftgate.ledger.jobs import (
    Answer,
    BatchRow,
    BatchState,
    Body,
    Bound,
    Fenced,
    Group,
    Job,
    JobBook,
    Lease,
    Outcome,
    Run,
    Tally,
)

MINUTE_US = 60_000_000
RUN = Run("run_a", "file", "reading", "key_a", b'{"x":1}', created_us=5)
MISSING = -1


class Books(NamedTuple):
    """A ledger and the job book in it."""

    ledger: Ledger
    jobs: JobBook


class Opener(NamedTuple):
    """How to open one set of books."""

    open: Callable[[], Books]
    durable: bool


Check = Callable[[Opener], Awaitable[None]]


def job_of(seq: int, **members: Any) -> Job:
    return replace(Job(members.pop("run", RUN.id), seq, f"job-{seq}", "waiting"), **members)


def batch_of(batch_id: str = "tgb_1", **members: Any) -> BatchRow:
    base = BatchRow(batch_id, RUN.id, "plain", "drafting", "0" * 20, "", 0)
    return replace(base, **members)


def body_of(**members: Any) -> Body:
    return replace(Body(seq=0, key="key_a", headers=b"{}", body=b"{}"), **members)


def bound_of(seq: int, digest: bytes, tokens: int, rest: int = 10, model: str = "m") -> Bound:
    return Bound(seq, digest, model, tokens, rest)


async def leased(books: Books, run: Run = RUN, jobs: int = 0) -> Lease:
    """A run in a worker's hands, with so many waiting jobs, from 1 on."""
    await books.jobs.open_run(run)
    lease = await books.jobs.take(run.id, "worker_1", 0, MINUTE_US)
    assert lease is not None
    if jobs:
        await books.jobs.add_jobs(lease, 0, [job_of(seq, run=run.id) for seq in range(1, jobs + 1)])
    return lease


async def all_of(books: Books, run_id: str = RUN.id) -> object:
    """Everything that stands in the books about a run."""
    jobs = books.jobs
    batches = await jobs.batches(run_id, get_args(BatchState))
    return (
        await jobs.run(run_id),
        await jobs.in_order(run_id, MISSING, 10_000),
        batches,
        [await jobs.wave(run_id, wave) for wave in range(4)],
        [(await jobs.answer(run_id, seq), await jobs.body(run_id, seq)) for seq in range(6)],
        await books.ledger.open_holds(),
        await books.ledger.entries(),
    )


# --- runs and leases ------------------------------------------------------------------------------------------------------


async def a_run_is_opened_once(opener: Opener) -> None:
    books = opener.open()
    assert (await books.jobs.run(RUN.id), await books.jobs.runs()) == (None, [])
    assert await books.jobs.open_run(RUN) == RUN
    assert await books.jobs.open_run(replace(RUN, key="key_b", created_us=9)) == RUN
    earlier = replace(RUN, id="run_b", created_us=4)
    await books.jobs.open_run(earlier)
    assert await books.jobs.run(RUN.id) == RUN
    assert await books.jobs.runs() == [earlier, RUN]
    await books.ledger.close()


async def one_worker_at_a_time_holds_a_run(opener: Opener) -> None:
    books = opener.open()
    await books.jobs.open_run(RUN)
    assert await books.jobs.take("run_x", "a", 0, 10) is None
    first = await books.jobs.take(RUN.id, "a", 100, 10)
    assert first == Lease(RUN.id, "a", 1, 10)
    assert await books.jobs.take(RUN.id, "b", 109, 10) is None
    assert await books.jobs.take(RUN.id, "b", 109, 10, dead="c") is None
    assert await books.jobs.take(RUN.id, "a", 109, 10) == Lease(RUN.id, "a", 2, 10)  # a worker may begin anew
    assert await books.jobs.take(RUN.id, "b", 118, 10) is None
    assert await books.jobs.take(RUN.id, "b", 119, 10) == Lease(RUN.id, "b", 3, 10)  # expired
    taken = await books.jobs.take(RUN.id, "c", 120, 10, dead="b")
    assert taken == Lease(RUN.id, "c", 4, 10)
    for stale in (Lease(RUN.id, "b", 3, 10), Lease(RUN.id, "c", 3, 10), Lease(RUN.id, "b", 4, 10)):
        await books.jobs.release(replace(stale, fence=3))  # of no consequence
        with pytest.raises(Fenced, match=f"another worker has taken over the run {RUN.id}"):
            await books.jobs.set_run(stale, 121, note="mine")
    await books.jobs.release(taken)
    with pytest.raises(Fenced):
        await books.jobs.set_run(taken, 121, note="mine")
    assert await books.jobs.take(RUN.id, "d", 121, 10) == Lease(RUN.id, "d", 5, 10)
    run = await books.jobs.run(RUN.id)
    assert run is not None
    assert (run.note, run.worker, run.fence, run.lease_until_us) == ("", "d", 5, 131)
    await books.ledger.close()


async def every_write_renews_the_lease(opener: Opener) -> None:
    """Also one that has expired, as long as nobody has taken it."""
    books = opener.open()
    lease = await leased(books)
    await books.jobs.set_run(lease, 50 * MINUTE_US, note="late")
    assert await books.jobs.take(RUN.id, "b", 51 * MINUTE_US - 1, MINUTE_US) is None
    assert await books.jobs.take(RUN.id, "b", 51 * MINUTE_US, MINUTE_US) is not None
    await books.ledger.close()


async def what_is_wanted_of_a_run_needs_no_lease(opener: Opener) -> None:
    books = opener.open()
    lease = await leased(books)
    await books.jobs.want(RUN.id, "cancel")
    await books.jobs.want("run_x", "cancel")
    await books.jobs.set_run(lease, 1, state="running", out_bytes=7, out_seq=3, spool_bytes=2, options=b"{}")
    run = await books.jobs.run(RUN.id)
    assert run is not None
    assert (run.wanted, run.state, run.out_bytes, run.out_seq, run.spool_bytes, run.options) == (
        "cancel", "running", 7, 3, 2, b"{}",
    )  # fmt: skip
    with pytest.raises(LedgerError):
        await books.jobs.set_run(lease, 1, colour="red")
    await books.ledger.close()


def leased_verbs(jobs: JobBook, lease: Lease) -> dict[str, Callable[[], Awaitable[object]]]:
    """Every verb that needs a lease, as one that would write."""
    group = Group(RUN.id, 1, b"d", "m", 2, 10, 10, wave=1)
    return {
        "set_run": lambda: jobs.set_run(lease, 1, note="x"),
        "add_jobs": lambda: jobs.add_jobs(lease, 1, [job_of(9)], [bound_of(9, b"d", 5)]),
        "add_bounds": lambda: jobs.add_bounds(lease, 1, [bound_of(1, b"d", 5), bound_of(2, b"d", 5)]),
        "forget_jobs": lambda: jobs.forget_jobs(lease, 1),
        "group": lambda: jobs.group(lease, 1),
        "set_groups": lambda: jobs.set_groups(lease, 1, [group]),
        "part_ways": lambda: jobs.part_ways(lease, 1),
        "recall": lambda: jobs.recall(lease, 1, 0),
        "post": lambda: jobs.post(lease, 1, batch_of("tgb_9"), [job_of(1, entry="e9")], [hold_of("e9", batch="tgb_9")]),
        "set_batch": lambda: jobs.set_batch(lease, 1, batch_of("tgb_9")),
        "book": lambda: jobs.book(
            lease, 1, [Outcome(1, "done")], [entry_of("e1")], batch=batch_of("tgb_9"), answers=[Answer(1, 1, 200, b"{}")],
            run_changes={"out_bytes": 5},
        ),
        "hurry": lambda: jobs.hurry(lease, 1, 10**15),
        "tell_again": lambda: jobs.tell_again(lease, 1, 1, 1, 1),
        "forget_answers": lambda: jobs.forget_answers(lease, 1, 10**15),
    }  # fmt: skip


async def a_worker_whose_lease_was_taken_writes_nothing(opener: Opener) -> None:
    """Two workers, each with the books open for itself where that is possible."""
    books = opener.open()
    other = opener.open() if opener.durable else books
    old = await leased(books)
    await books.jobs.add_jobs(
        old, 0, [job_of(seq, deadline_us=1) for seq in (1, 2)], [bound_of(1, b"d", 9), bound_of(2, b"d", 9)]
    )
    await books.jobs.set_groups(old, 0, [Group(RUN.id, 7, b"g", "m", 1, 2, 3, state="cold", way="calls", wave=2)])
    await books.jobs.post(old, 0, batch_of(), [job_of(2, entry="e2")], [hold_of("e2", batch="tgb_1")])
    new = await other.jobs.take(RUN.id, "worker_2", 2 * MINUTE_US, MINUTE_US)
    assert new is not None
    before = await all_of(other)
    for name, verb in leased_verbs(books.jobs, old).items():
        with pytest.raises(Fenced):
            await verb()
        assert await all_of(other) == before, name
    await other.jobs.set_run(new, 3 * MINUTE_US, note="goes on")
    for one in {books.ledger, other.ledger}:
        await one.close()


# --- jobs -----------------------------------------------------------------------------------------------------------------


async def jobs_come_in_pages(opener: Opener) -> None:
    books = opener.open()
    lease = await leased(books, jobs=10)
    jobs = books.jobs
    assert [one.seq for one in await jobs.in_order(RUN.id, MISSING, 3)] == [1, 2, 3]
    assert [one.seq for one in await jobs.in_order(RUN.id, 8, 30)] == [9, 10]
    full = job_of(77, cause="c", grp=3, batch="b", attempt=2, entry="e", model="m", forecast_pico=2**60, plan=4, place=2**40,
                  size=5, out_place=2**41, out_size=6, deadline_us=7, name='"é\n')  # fmt: skip
    await jobs.add_jobs(lease, 1, [full])
    assert await jobs.jobs(RUN.id, [77, 2, 500]) == [job_of(2), full]
    assert await jobs.jobs(RUN.id, []) == []
    assert await jobs.waiting(RUN.id, 3, after=MISSING, limit=5) == [full]
    assert [one.seq for one in await jobs.waiting(RUN.id, 0, after=4, limit=3)] == [5, 6, 7]
    assert len(await jobs.waiting(RUN.id, None, after=MISSING, limit=30)) == 11
    run = await jobs.run(RUN.id)
    assert run is not None
    assert run.jobs == 11
    assert await jobs.tally(RUN.id) == [Tally("waiting", "", 10), Tally("waiting", "c", 1)]
    await books.ledger.close()


async def a_job_that_is_there_already_undoes_its_page(opener: Opener) -> None:
    books = opener.open()
    lease = await leased(books, jobs=2)
    before = await all_of(books)
    with pytest.raises(LedgerError):
        await books.jobs.add_jobs(lease, 0, [job_of(3), job_of(2)])
    assert await all_of(books) == before
    await books.ledger.close()


async def jobs_are_forgotten_of_one_run(opener: Opener) -> None:
    books = opener.open()
    lease = await leased(books, jobs=2)
    other = await leased(books, replace(RUN, id="run_b"), jobs=2)
    for one in (lease, other):
        await books.jobs.add_jobs(
            one, 0, [job_of(seq, run=one.run) for seq in (3, 4)], [bound_of(3, b"d", 9), bound_of(4, b"d", 9)]
        )
    await books.jobs.forget_jobs(lease, 0)
    assert await books.jobs.in_order(RUN.id, MISSING, 10) == []
    run = await books.jobs.run(RUN.id)
    assert run is not None
    assert run.jobs == 0
    assert await books.jobs.group(lease, 0) == 0
    assert len(await books.jobs.in_order("run_b", MISSING, 10)) == 4
    assert await books.jobs.group(other, 0) == 1
    await books.jobs.add_jobs(lease, 0, [job_of(1)])
    await books.ledger.close()


async def names_that_stand_twice_are_told(opener: Opener) -> None:
    books = opener.open()
    lease = await leased(books)
    names = ("a", "b", "c", "b", "a", "d")
    await books.jobs.add_jobs(lease, 0, [job_of(seq, name=name) for seq, name in enumerate(names)])
    await leased(books, replace(RUN, id="run_b"), jobs=3)
    assert await books.jobs.doubles(RUN.id, 10) == [("a", 0, 4), ("b", 1, 3)]
    assert await books.jobs.doubles(RUN.id, 1) == [("a", 0, 4)]
    assert await books.jobs.doubles("run_b", 10) == []
    await books.jobs.add_jobs(lease, 0, [job_of(6, name="a")])
    assert await books.jobs.doubles(RUN.id, 1) == [("a", 0, 4)]  # the first two
    await books.ledger.close()


# --- synchronous calls ----------------------------------------------------------------------------------------------------


async def the_most_urgent_are_called_first(opener: Opener) -> None:
    """Those without a deadline last."""
    books = opener.open()
    lease = await leased(books)
    deadlines = {1: 0, 2: 500, 3: 300, 4: 0, 5: 300, 6: 100, 7: 301}
    await books.jobs.add_jobs(lease, 0, [job_of(seq, deadline_us=at) for seq, at in deadlines.items()])
    await books.jobs.add_jobs(lease, 0, [job_of(9, state="packed", deadline_us=1), job_of(8, state="direct")])
    assert await books.jobs.hurry(lease, 0, 301) == 3
    assert [one.seq for one in await books.jobs.direct(RUN.id, "direct", 10)] == [6, 3, 5, 8]
    assert [one.seq for one in await books.jobs.direct(RUN.id, "direct", 2)] == [6, 3]
    assert await books.jobs.hurry(lease, 0, 301) == 0
    assert await books.jobs.hurry(lease, 0, 10**15) == 2
    assert [one.seq for one in await books.jobs.direct(RUN.id, "direct", 10)] == [6, 3, 5, 7, 2, 8]
    await books.jobs.book(lease, 0, [Outcome(3, "calling", entry="e3")], [])
    (calling,) = await books.jobs.direct(RUN.id, "calling", 10)
    assert (calling.seq, calling.entry) == (3, "e3")
    await books.ledger.close()


# --- books ----------------------------------------------------------------------------------------------------------------


async def jobs_are_there_when_opened_again(opener: Opener) -> None:
    if not opener.durable:
        return
    books = opener.open()
    lease = await leased(books, jobs=3)
    await books.jobs.post(lease, 0, batch_of(), [job_of(2, entry="e2")], [hold_of("e2", batch="tgb_1")])
    before = await all_of(books)
    await books.ledger.close()
    again = opener.open()
    assert await all_of(again) == before
    await again.jobs.book(lease, 0, [Outcome(2, "done", entry="e2")], [entry_of("e2")])
    await again.ledger.close()


async def closed_books_say_so(opener: Opener) -> None:
    books = opener.open()
    lease = await leased(books)
    await books.ledger.close()
    verbs = leased_verbs(books.jobs, lease) | {"runs": books.jobs.runs, "open_run": lambda: books.jobs.open_run(RUN)}
    for verb in verbs.values():
        with pytest.raises(LedgerError, match="the ledger is closed"):
            await verb()


CHECKS: tuple[Check, ...] = (
    a_run_is_opened_once,
    one_worker_at_a_time_holds_a_run,
    every_write_renews_the_lease,
    what_is_wanted_of_a_run_needs_no_lease,
    a_worker_whose_lease_was_taken_writes_nothing,
    jobs_come_in_pages,
    a_job_that_is_there_already_undoes_its_page,
    jobs_are_forgotten_of_one_run,
    names_that_stand_twice_are_told,
    the_most_urgent_are_called_first,
    jobs_are_there_when_opened_again,
    closed_books_say_so,
)
