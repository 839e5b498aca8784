"""What calls of our own cost, which conversations were drawn, what tasks cost: to the pico-dollar, and by way of indexes."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.cli.entries import OPENED_US, entry_of
from tests.ledger.conftest import empty
from tests.ledger.lacking import fill, settled_by_the_version_before
from tests.ledger.scans import some_entries
from tests.ledger.test_sql_spend import MOMENTS
from tests.postgres_books import fresh_books
from thriftgate.core.usage import Tokens, Usage
from thriftgate.ledger.connection import Connection
from thriftgate.ledger.entries import Entry, balanced
from thriftgate.ledger.queries import SUM, summed
from thriftgate.ledger.sql import SqlLedger
from thriftgate.ledger.sql_pruning import prune
from thriftgate.ledger.sql_rollups_made import check, make
from thriftgate.ledger.sql_savings import _UNITS, Conversation, OwnCost, TaskSum, conversations, own_costs, tasks

ALL = (0, 2**62)
HOUR_US = 3_600 * 10**6


def asked(name: str, conversation: str = "", *, baseline: int = 10, paid: int = 6, **members: Any) -> Entry:
    """A client's call; in an experiment where it is of a conversation."""
    saved = {"cache.breakpoints": baseline - paid} if baseline != paid else {}
    return entry_of(id=name, conversation=conversation, postings=balanced(baseline, paid, saved), **members)


def ours(name: str, paid: int, parent: str = "", endpoint: str = "proof", **members: Any) -> Entry:
    """A call that nobody asked for."""
    return entry_of(id=name, parent=parent, endpoint=endpoint, postings=balanced(0, paid, {"x": -paid}), **members)


async def put(ledger: SqlLedger, *entries: Entry) -> None:
    for entry in entries:
        await ledger.settle(entry)


async def test_empty_books(ledger: SqlLedger) -> None:
    for question in (own_costs, conversations, tasks):
        assert await ledger.ask(lambda connection, ask=question: ask(connection, ALL)) == []  # type: ignore[misc]


async def test_what_is_ours_has_no_baseline(ledger: SqlLedger) -> None:
    await put(
        ledger,
        asked("a1"),
        asked("a2", baseline=10, paid=12),  # a write to the cache that was not read yet
        ours("p1", 7, "a1"),
        ours("p2", 2, "a2"),
        ours("k1", 3, endpoint="keepalive"),
        ours("c1", 4, endpoint="cascade", conversation="c", task="tickets"),
        entry_of(id="f1", usage_source="none", resolution="void", outcome="failed", postings=balanced(0, 0, {})),
        ours("p3", 0, "a1"),  # one that failed and cost nothing
    )
    found = await ledger.ask(lambda connection: own_costs(connection, ALL))
    assert found == [OwnCost("cascade", 1, 4), OwnCost("keepalive", 1, 3), OwnCost("proof", 2, 9)]
    report = await ledger.report()
    assert report.baseline_pico - report.paid_pico == (20 - 18) - sum(one.paid_pico for one in found)


async def test_sums_beyond_64_bits(ledger: SqlLedger) -> None:
    much = 9 * 10**18 + 1
    await put(ledger, *(ours(f"p{at}", much, "a") for at in range(3)))
    await put(ledger, *(asked(f"a{at}", "c", baseline=much, paid=much - 1, task="t") for at in range(3)))
    assert await ledger.ask(lambda connection: own_costs(connection, ALL)) == [OwnCost("proof", 3, 3 * much)]
    (unit,) = await ledger.ask(lambda connection: conversations(connection, ALL))
    assert (unit.baseline_pico, unit.paid_pico) == (3 * much, 3 * much - 3)
    (task,) = await ledger.ask(lambda connection: tasks(connection, ALL))
    assert (task.baseline_pico, task.paid_pico) == (3 * much, 3 * much - 3)


async def test_what_is_ours_counts_for_the_conversation_that_it_was_made_for(ledger: SqlLedger) -> None:
    await put(
        ledger,
        asked("a1", "one", arm="", propensity=0.95),
        asked("a2", "one", arm="", propensity=0.95),
        asked("b1", "two", arm="holdout", propensity=0.05, baseline=10, paid=10, opened_us=OPENED_US + 1),
        ours("p1", 7, "a1"),  # a second call
        ours("c1", 4, endpoint="cascade", conversation="one", arm="", propensity=0.95),  # a try that was not kept
        ours("c2", 1, "c1", endpoint="cascade"),  # its verifier
        ours("k1", 3, endpoint="keepalive"),  # for no call that is told
        asked("n1"),  # before there was an experiment
    )
    assert await ledger.ask(lambda connection: conversations(connection, ALL)) == [
        Conversation("one", "", 0.95, calls=2, paid_pico=12, baseline_pico=20, own_pico=12),
        Conversation("two", "holdout", 0.05, calls=1, paid_pico=10, baseline_pico=10),
    ]


async def test_the_first_draw_counts(ledger: SqlLedger) -> None:
    """The share was raised in the middle of a conversation, which was drawn anew."""
    await put(
        ledger,
        asked("b", "one", arm="holdout", propensity=0.5, opened_us=OPENED_US + HOUR_US),
        asked("a", "one", arm="", propensity=0.95, opened_us=OPENED_US),
        asked("c", "one", arm="treatment", propensity=0.1, opened_us=OPENED_US + 2 * HOUR_US),
    )
    (unit,) = await ledger.ask(lambda connection: conversations(connection, ALL))
    assert (unit.arm, unit.propensity, unit.calls) == ("", 0.95, 3)


async def test_a_second_call_counts_at_the_time_of_the_first(ledger: SqlLedger) -> None:
    """It may come a day later, through a batch."""
    span = (OPENED_US, OPENED_US + HOUR_US)
    await put(
        ledger,
        asked("a", "one", opened_us=OPENED_US),
        asked("b", "two", opened_us=OPENED_US - 1),
        asked("c", "two", opened_us=OPENED_US + HOUR_US),
        ours("p", 7, "a", opened_us=OPENED_US + 24 * HOUR_US),
        ours("q", 7, "b", opened_us=OPENED_US + 1),
    )
    (unit,) = await ledger.ask(lambda connection: conversations(connection, span))
    assert (unit.id, unit.own_pico) == ("one", 7)
    assert await ledger.ask(lambda connection: own_costs(connection, span)) == [OwnCost("proof", 1, 7)]


async def test_tasks_by_what_they_cost(ledger: SqlLedger) -> None:
    dear = {"task": "code", "asked_model": "", "model": "claude-opus-5-5"}
    routed = {"task": "tickets", "asked_model": "claude-opus-5-5", "model": "claude-haiku-5-5"}
    await put(
        ledger,
        asked("a", baseline=999_999, paid=999_999, **dear),  # less than the next, though its last digits are more
        asked("b", baseline=3_000_000, paid=1_000_001, latency_ms=100, usage=Usage(Tokens(output=10)), **routed),
        asked("c", baseline=5, paid=5, latency_ms=301, usage=Usage(Tokens(output=21)), **routed),  # one posting fewer
        ours("p", 10**9, "b", task="tickets"),
        asked("d", baseline=2, paid=2, opened_us=0),
    )
    assert await ledger.ask(lambda connection: tasks(connection, (1, 2**62))) == [
        TaskSum("tickets", "claude-opus-5-5", "claude-haiku-5-5", 2, 3_000_005, 1_000_006, 16, 201),
        TaskSum("code", "claude-opus-5-5", "claude-opus-5-5", 1, 999_999, 999_999, 100, 0),
    ]


_TASKS_OF_ENTRIES = f"""
select task, case asked_model when '' then model else asked_model end as asked, model, count(*),
  cast(round(avg(output_tokens)) as bigint), cast(round(avg(latency_ms)) as bigint),
  {SUM.format("base.pico")}, {SUM.format("-coalesce(paid.pico, 0)")}
from entries left join postings base on base.entry = id and base.account = 'baseline'
left join postings paid on paid.entry = id and paid.account = 'upstream'
where opened_us >= ? and opened_us < ? and coalesce(base.pico, 0) <> 0 group by task, asked, model
"""


def tasks_of_entries(connection: Connection, span: tuple[int, int]) -> list[TaskSum]:
    """As `tasks`, by one look at all entries."""
    found = [
        TaskSum(task, asked, served, calls, summed(*sums[:2]), summed(*sums[2:]), output, latency)
        for task, asked, served, calls, output, latency, *sums in connection.execute(_TASKS_OF_ENTRIES, span)
    ]
    return sorted(found, key=lambda one: (-one.paid_pico, one.task, one.asked, one.served))


def asking(entries: list[Entry], asked: list[str]) -> list[Entry]:
    return [replace(one, asked_model=name) for one, name in zip(entries, asked, strict=False)]


_ENTRIES = st.builds(
    asking, some_entries(), st.lists(st.sampled_from(["", "m", "claude-opus-5-5", "n"]), min_size=15, max_size=15)
)
_SPANS = st.lists(st.tuples(MOMENTS, MOMENTS).map(sorted).map(tuple), min_size=1, max_size=6)
_LOST = st.lists(st.integers(0, 14), max_size=4)


def agree(path: str, entries: list[Entry], spans: list[tuple[int, int]], lost: list[int]) -> None:
    """Also where some calls were settled by a process that knows nothing of tasks, and after these were counted."""

    async def see() -> None:
        ledger = SqlLedger.open(path)
        await ledger.transact(empty)
        for at, entry in enumerate(entries):
            await (settled_by_the_version_before(ledger, entry) if at in lost else ledger.settle(entry))
        for step in ("lacking", "filled", "made"):
            for span in spans:
                found = await ledger.ask(lambda connection, span=span: tasks(connection, span))  # type: ignore[misc]
                wanted = await ledger.ask(lambda connection, span=span: tasks_of_entries(connection, span))  # type: ignore[misc]
                assert found == wanted, (step, span)
            assert (await ledger.transact(check)).differing == 0, step
            await (fill(ledger) if step == "lacking" else ledger.transact(make))
        await ledger.close()

    asyncio.run(see())


@settings(max_examples=40, deadline=None)
@given(entries=_ENTRIES, spans=_SPANS, lost=_LOST)
def test_tasks_are_what_the_entries_say(entries: list[Entry], spans: list[tuple[int, int]], lost: list[int]) -> None:
    agree(":memory:", entries, spans, lost)


def test_they_are_in_postgresql() -> None:
    path = fresh_books()

    @settings(max_examples=8, deadline=None, database=None)
    @given(entries=_ENTRIES, spans=_SPANS, lost=_LOST)
    def see(entries: list[Entry], spans: list[tuple[int, int]], lost: list[int]) -> None:
        agree(path, entries, spans, lost)

    see()


async def test_means_are_rounded_as_people_do(ledger: SqlLedger) -> None:
    """A half goes up, also where the next whole number is odd."""
    for at, (output, latency) in enumerate(((2, 1), (3, 2), (2, 0), (3, 1))):
        await put(ledger, asked(f"a{at}", usage=Usage(Tokens(output=output)), latency_ms=latency))
    (found,) = await ledger.ask(lambda connection: tasks(connection, ALL))
    assert (found.output_tokens, found.latency_ms) == (3, 1)


async def test_what_was_forgotten_is_still_told(ledger: SqlLedger) -> None:
    await put(ledger, asked("a", task="t"), asked("b", task="t", opened_us=OPENED_US + 48 * HOUR_US))
    before = await ledger.ask(lambda connection: tasks(connection, ALL))
    assert await prune(ledger, OPENED_US + 48 * HOUR_US) == 1
    assert await ledger.ask(lambda connection: tasks(connection, ALL)) == before


@pytest.mark.parametrize("place", ["sqlite"], indirect=True)
async def test_questions_look_up_what_they_need(ledger: SqlLedger) -> None:
    """Nothing is read to its end but the entries of the span, once."""
    rows = await ledger.ask(lambda connection: connection.execute(f"explain query plan {_UNITS}", ALL).fetchall())
    plan = [str(row[-1]) for row in rows]
    own = ("SCAN mine", "SCAN drawn", "SCAN (subquery-")
    assert not [line for line in plan if line.startswith("SCAN") and not line.startswith(own)], plan
    assert any("entries_by_time (opened_us>? AND opened_us<?)" in line for line in plan), plan
    assert sum("SEARCH base USING PRIMARY KEY (entry=? AND account=?)" in line for line in plan) == 1, plan
    assert sum("SEARCH paid USING PRIMARY KEY (entry=? AND account=?)" in line for line in plan) == 1, plan
    assert "entries_by_parent" in " ".join(plan), plan
