"""What calls of our own cost, which conversations were drawn, what tasks cost: to the pico-dollar, and by way of indexes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.cli.entries import OPENED_US, entry_of
from thriftgate.core.usage import Tokens, Usage
from thriftgate.ledger import sql_savings
from thriftgate.ledger.entries import Entry, balanced
from thriftgate.ledger.sql import SqlLedger
from thriftgate.ledger.sql_savings import Conversation, OwnCost, TaskSum, conversations, own_costs, tasks

ALL = (0, 2**62)
HOUR_US = 3_600 * 10**6


@pytest.fixture
async def ledger(place: str) -> AsyncIterator[SqlLedger]:
    made = SqlLedger.open(place)
    yield made
    await made.close()


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


@pytest.mark.parametrize("name", ["_UNITS", "_TASKS"])
@pytest.mark.parametrize("place", ["sqlite"], indirect=True)
async def test_questions_look_up_what_they_need(name: str, ledger: SqlLedger) -> None:
    """Nothing is read to its end but the entries of the span, once."""
    sql = getattr(sql_savings, name)
    rows = await ledger.ask(lambda connection: connection.execute(f"explain query plan {sql}", ALL).fetchall())
    plan = [str(row[-1]) for row in rows]
    own = ("SCAN mine", "SCAN drawn", "SCAN (subquery-")
    assert not [line for line in plan if line.startswith("SCAN") and not line.startswith(own)], plan
    assert any("entries_by_time (opened_us>? AND opened_us<?)" in line for line in plan), plan
    assert sum("SEARCH base USING PRIMARY KEY (entry=? AND account=?)" in line for line in plan) == 1, plan
    assert sum("SEARCH paid USING PRIMARY KEY (entry=? AND account=?)" in line for line in plan) == 1, plan
    assert ("entries_by_parent" in " ".join(plan)) == (name == "_UNITS"), plan
