"""The two tables: whole, closed, and such that no sequence of events posts twice, loses a job or takes an answer back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thriftgate.batch.machine import (
    BATCHES,
    JOBS,
    BatchCommand,
    BatchEvent,
    JobEvent,
    Unforeseen,
    batch_after,
    job_after,
)
from thriftgate.ledger.jobs import OPEN_BATCHES, BatchState, JobState

BATCH_STATES: tuple[BatchState, ...] = get_args(BatchState)
BATCH_EVENTS: tuple[BatchEvent, ...] = get_args(BatchEvent)
JOB_STATES: tuple[JobState, ...] = get_args(JobState)
JOB_EVENTS: tuple[JobEvent, ...] = get_args(JobEvent)
CLOSED: frozenset[BatchState] = frozenset(BATCH_STATES) - frozenset(OPEN_BATCHES)
THROUGH: frozenset[JobState] = frozenset({"done", "failed"})
CREATED: frozenset[BatchState] = frozenset({"running", "canceling", "ended", "booked", "gone"})

_State = TypeVar("_State", BatchState, JobState)


def reachable(first: Iterable[_State], steps: Mapping[tuple[Any, Any], Any]) -> set[_State]:
    """Every state that some sequence of events leads to, the first ones among them."""
    found = set(first)
    while more := {_state(after) for (before, _), after in steps.items() if before in found} - found:
        found |= more
    return found


def _state(after: Any) -> Any:
    return after if isinstance(after, str) else after[0]


# --- the tables are whole -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("event", BATCH_EVENTS)
@pytest.mark.parametrize("state", BATCH_STATES)
def test_every_state_and_event_of_a_batch(state: BatchState, event: BatchEvent) -> None:
    if (state, event) in BATCHES:
        after, commands = batch_after(state, event)
        assert after in BATCH_STATES
        assert set(commands) <= set(get_args(BatchCommand))
    else:
        with pytest.raises(Unforeseen, match=f"a batch that is {state} cannot be {event}"):
            batch_after(state, event)


@pytest.mark.parametrize("event", JOB_EVENTS)
@pytest.mark.parametrize("state", JOB_STATES)
def test_every_state_and_event_of_a_job(state: JobState, event: JobEvent) -> None:
    if (state, event) in JOBS:
        assert job_after(state, event) in JOB_STATES
    else:
        with pytest.raises(Unforeseen, match=f"a job that is {state} cannot {event}"):
            job_after(state, event)


def test_nothing_unheard_of_stands_in_the_tables() -> None:
    assert BATCHES.keys() <= {(state, event) for state in BATCH_STATES for event in BATCH_EVENTS}
    assert JOBS.keys() <= {(state, event) for state in JOB_STATES for event in JOB_EVENTS}
    assert {event for _, event in BATCHES} == set(BATCH_EVENTS)
    assert {event for _, event in JOBS} == set(JOB_EVENTS)


def test_what_is_open_can_end_and_what_is_closed_is_left_by_nothing() -> None:
    assert {state for state, _ in BATCHES} == set(OPEN_BATCHES)
    assert {state for state, _ in JOBS} == set(JOB_STATES) - THROUGH
    for state in OPEN_BATCHES:
        assert any(_state(BATCHES[state, event]) != state for event in BATCH_EVENTS if (state, event) in BATCHES), state
        assert reachable([state], BATCHES) & CLOSED, state
    for job in set(JOB_STATES) - THROUGH:
        assert any(JOBS[job, event] != job for event in JOB_EVENTS if (job, event) in JOBS), job
        assert reachable([job], JOBS) >= THROUGH, job


def test_every_state_is_reached() -> None:
    assert reachable(BATCH_STATES[:1], BATCHES) == set(BATCH_STATES)
    assert reachable(JOB_STATES[:1], JOBS) == set(JOB_STATES)


def test_a_worker_may_die_at_any_moment() -> None:
    for state in OPEN_BATCHES:
        after, commands = batch_after(state, "killed")
        assert batch_after(after, "killed")[0] == after if after in OPEN_BATCHES else after == "dropped"
        assert commands


# --- money ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("event", ["unsure", "killed", "accepted", "refused"])
def test_a_post_that_may_have_gone_through_is_never_made_again(event: BatchEvent) -> None:
    assert not reachable([batch_after("posting", event)[0]], BATCHES) & {"drafting", "posting"}


def test_what_was_created_is_never_dropped() -> None:
    """Its jobs wait again only when it is certain that it never was."""
    assert not reachable(CREATED, BATCHES) & {"dropped", "drafting", "posting", "doubtful"}


def test_jobs_wait_again_only_where_the_batch_surely_is_not_there() -> None:
    released = {way for way, (_, commands) in BATCHES.items() if "release" in commands}
    assert released == {("drafting", "killed"), ("posting", "refused"), ("doubtful", "absent")}
    assert released == {way for way, (after, _) in BATCHES.items() if after == "dropped"}


def test_given_up_is_only_what_is_gone() -> None:
    given_up = {way for way, (_, commands) in BATCHES.items() if "give_up" in commands}
    assert given_up == {way for way, (after, _) in BATCHES.items() if after == "gone"}
    assert {event for _, event in given_up} == {"missing"}


def test_commands_follow_from_the_state() -> None:
    """Whatever led there: what is doubted is searched for, what runs is polled, what has ended is fetched."""
    due: dict[BatchState, BatchCommand] = {"doubtful": "search", "running": "poll", "canceling": "poll", "ended": "fetch"}
    for (before, event), (after, commands) in BATCHES.items():
        if after in due and (after != before or event in ("killed", "cut", "seen_running", "seen_canceling")):
            assert due[after] in commands, (before, event)


def test_a_job_that_is_through_stays_so() -> None:
    for state in THROUGH:
        for event in JOB_EVENTS:
            with pytest.raises(Unforeseen):
                job_after(state, event)


def test_a_job_is_done_only_by_an_answer() -> None:
    assert {way for way, after in JOBS.items() if after == "done"} == {("packed", "succeeded"), ("calling", "answered")}


# --- any sequence ---------------------------------------------------------------------------------------------------------


@given(st.lists(st.sampled_from(BATCH_EVENTS), max_size=40))
def test_no_sequence_of_events_creates_a_batch_twice(events: list[BatchEvent]) -> None:
    """`unsafe` counts POSTs after which the batch may exist; a second one would be billed twice."""
    state: BatchState = "drafting"
    unsafe = 0
    created = False
    for event in events:
        if (state, event) not in BATCHES:
            with pytest.raises(Unforeseen):
                batch_after(state, event)
            continue
        before, (state, commands) = state, batch_after(state, event)
        unsafe += before == "posting" and event in ("accepted", "unsure", "killed")
        created = created or event in ("accepted", "found")
        assert unsafe <= 1
        if created:
            assert "release" not in commands
            assert state in CREATED
        if before in CLOSED:
            raise AssertionError(f"{before} was left by {event}")


@given(st.lists(st.sampled_from(JOB_EVENTS), max_size=40))
def test_no_sequence_of_events_answers_a_job_twice(events: list[JobEvent]) -> None:
    state: JobState = "waiting"
    answers = 0
    for event in events:
        if (state, event) not in JOBS:
            with pytest.raises(Unforeseen):
                job_after(state, event)
            continue
        assert state not in THROUGH
        state = job_after(state, event)
        answers += event in ("succeeded", "answered")
    assert answers == (state == "done")
