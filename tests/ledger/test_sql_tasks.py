"""How tasks fare, to the pico-dollar and the millisecond, and as the metrics page counts them."""

from __future__ import annotations

import statistics
from random import Random
from typing import Any

import pytest

from tests.cli.entries import OPENED_US, entry_of
from thriftgate.core.usage import Usage
from thriftgate.ledger.entries import Entry, balanced
from thriftgate.ledger.sql import SqlLedger
from thriftgate.ledger.sql_tasks import TaskStanding, task_standings
from thriftgate.telemetry.tallies import CLIENTS_ENDPOINTS, Tallies

ALL = (0, 2**62)


async def standings(path: str, *entries: Entry, span: tuple[int, int] = ALL) -> list[TaskStanding]:
    ledger = SqlLedger.open(path)
    try:
        for entry in entries:
            await ledger.settle(entry)
        return list(await ledger.ask(lambda connection: task_standings(connection, span, CLIENTS_ENDPOINTS)))
    finally:
        await ledger.close()


def call(name: str, task: str = "tickets", **members: Any) -> Entry:
    values: dict[str, Any] = {"postings": balanced(10, 6, {"x": 4}), "latency_ms": 100}
    return entry_of(id=name, task=task, **values | members)


def void(name: str, outcome: str, task: str = "tickets") -> Entry:
    return call(
        name, task, outcome=outcome, resolution="void", usage_source="none", usage=Usage(), postings=balanced(0, 0, {})
    )


async def test_what_counts_for_what(place: str) -> None:
    found = await standings(
        place,
        call("a1"),
        call("a2", latency_ms=300),
        call("a3", mode="batch", endpoint="anthropic.batches", latency_ms=7_200_000),
        call("a4", outcome="left", latency_ms=9_000),
        void("b1", "failed"),
        void("b2", "refused"),
        call("p1", endpoint="proof", parent="a1", postings=balanced(0, 7, {"proof.calls": -7})),
        call("p2", parent="a1", postings=balanced(0, 1, {"output.schema": -1})),
        call("c1", task=""),
        void("d1", "timeout", task="sums"),
    )
    assert found == [
        TaskStanding("tickets", 6, 4, 3, 40, 32, 100, 300),
        TaskStanding("", 1, 1, 1, 10, 6, 100, 100),
        TaskStanding("sums", 1, 1, 0, 0, 0, None, None),
    ]


async def test_empty_books_and_spans(place: str) -> None:
    assert await standings(place) == []
    assert await standings(place, call("a1"), span=(OPENED_US + 1, ALL[1])) == []
    assert len(await standings(place, span=(OPENED_US, OPENED_US + 1))) == 1


@pytest.mark.parametrize("calls", [1, 2, 19, 20, 21, 400])
async def test_percentiles(place: str, calls: int) -> None:
    random = Random(calls)
    times = [random.randrange(50) for _ in range(calls)]
    (found,) = await standings(place, *(call(f"a{at}", latency_ms=ms) for at, ms in enumerate(times)))
    assert found.latency_ms_p50 == statistics.median_low(times)
    ordered = sorted(times)
    assert found.latency_ms_p95 == next(ms for at, ms in enumerate(ordered, 1) if at >= 0.95 * calls)


async def test_the_page_and_the_report_count_alike(place: str) -> None:
    random, tallies = Random(1), Tallies(50)
    entries = []
    for at in range(300):
        task, parent = random.choice(["a", "b", ""]), random.choice(["", "", "x"])
        outcome = random.choice(["answered", "answered", "failed", "refused", "left", "cut", "lost"])
        endpoint = random.choice(["anthropic.messages", "anthropic.batches", "keepalive", "proof"])
        mode = random.choice(["standard", "batch"])
        entry = call(f"{at}", task, outcome=outcome, parent=parent, endpoint=endpoint, mode=mode, latency_ms=at)
        entries.append(entry)
        tallies.hear(entry)
    for one in await standings(place, *entries):
        tally = tallies.tasks.tallies[one.task or "none"]
        assert (one.calls, one.tried, one.answered) == (tally.calls, tally.tried, tally.answered)
        assert (one.baseline_pico, one.paid_pico) == (tally.baseline_pico, tally.paid_pico)
