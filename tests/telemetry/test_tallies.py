"""Totals by model, team and task, from entries as the books hold them."""

from __future__ import annotations

from typing import Any

from tests.cli.entries import entry_of
from thriftgate.core.control.whose import Whose
from thriftgate.core.usage import Tokens, Usage
from thriftgate.ledger.entries import Entry, balanced
from thriftgate.telemetry.tallies import Tallies, is_clients


def call(**members: Any) -> Entry:
    values: dict[str, Any] = {"task": "tickets", "whose": Whose(team="shop"), "latency_ms": 1_500, "ttfb_ms": 300}
    return entry_of(**values | members)


def void(outcome: str, **members: Any) -> Entry:
    return call(
        outcome=outcome,
        resolution="void",
        usage_source="none",
        usage=Usage(Tokens()),
        postings=balanced(0, 0, {}),
        **members,
    )


def test_what_a_call_counts_for() -> None:
    tallies = Tallies(5)
    tallies.hear(call())
    model = tallies.models.tallies[call().model]
    assert model.calls == {("anthropic.messages", "answered"): 1}
    assert model.tokens == {"plain": 100, "read": 1_000, "output": 100}
    assert (model.paid_pico, model.baseline_pico) == (2_600_000_000, 6_400_000_000)
    for tally in (tallies.teams.tallies["shop"], tallies.tasks.tallies["tickets"]):
        assert (tally.calls, tally.tried, tally.answered) == (1, 1, 1)
        assert (tally.paid_pico, tally.latency_ms.total) == (2_600_000_000, 1_500)
    assert tallies.cost_pico.counts[3] == 1, "between $0.001 and $0.003"


def test_neither_refused_calls_nor_those_that_clients_left_are_failures() -> None:
    tallies = Tallies(5)
    for entry in (call(), void("refused"), call(outcome="left"), void("failed"), void("timeout")):
        tallies.hear(entry)
    task = tallies.tasks.tallies["tickets"]
    assert (task.calls, task.tried, task.answered) == (5, 3, 1)
    assert sum(task.latency_ms.counts) == 1, "only answers have a latency worth telling"
    assert sum(tallies.cost_pico.counts) == 2


def test_our_own_calls_cost_and_are_not_the_clients() -> None:
    tallies = Tallies(5)
    ours = call(endpoint="proof", parent="tg_1", postings=balanced(0, 7, {"proof.calls": -7}))
    again = call(parent="tg_1", postings=balanced(0, 5, {"output.schema": -5}))
    for entry in (ours, again):
        assert not is_clients(entry)
        tallies.hear(entry)
    task = tallies.tasks.tallies["tickets"]
    assert (task.calls, task.paid_pico, task.baseline_pico) == (0, 12, 0)


def test_a_batch_is_not_slow() -> None:
    tallies = Tallies(5)
    tallies.hear(call(endpoint="anthropic.batches", mode="batch", latency_ms=7_200_000))
    assert tallies.tasks.tallies["tickets"].answered == 1
    assert tallies.tasks.tallies["tickets"].latency_ms.total == 0


def test_a_name_that_lost_its_place_loses_its_line() -> None:
    tallies = Tallies(1)
    tallies.hear(call(task="first"))
    for _ in range(20):
        tallies.hear(call(task="second"))
    assert set(tallies.tasks.tallies) == {"other", "second"}
    other, second = (tallies.tasks.tallies[name] for name in ("other", "second"))
    assert other.calls + second.calls == 20
