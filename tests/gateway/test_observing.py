"""What the observer makes of entries: in whose trace they stand, and what it says of the proof and the queue."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from tests.fixtures import HEADERS, call_of, engine_on, message, read_all, settings_of, simulator
from tests.telemetry.pages import samples, value
from tests.telemetry.receiver import attributes, receiving
from thriftgate.core.control.budgets import Budget, Standing
from thriftgate.engine.tracing import TRACE, Trace
from thriftgate.gateway.observing import Observer, standings_of
from thriftgate.providers.trace_context import Place
from thriftgate.quality.watch import Tally
from thriftgate.telemetry.page import page_text
from thriftgate.telemetry.standings import BudgetStanding, QueueStanding, Verdicts

IDLE = SimpleNamespace(worker=None, proof=None)
HERE = Place(0xABC, 0xDEF, True)


async def test_a_call_that_nobody_waits_for_has_a_trace_of_its_own() -> None:
    """And a link to the request that led to it; one that was sent before the request ended still belongs to it."""
    with receiving() as receiver:
        async with engine_on(simulator()) as engine:
            table = {"on": True, "endpoint": receiver.url, "interval_s": 60}
            before = list(engine.ledger.heard)
            observer = Observer(engine, settings_of(telemetry=table), standings_of(engine, IDLE))
            trace = Trace(HERE, lambda bits: 2**bits - 1)
            TRACE.set(trace)
            reply = await engine.messages(call_of(message(stream=True)))
            trace.closed = True
            await read_all(reply)
            await read_all(await engine.messages(call_of(message("later"))))
            TRACE.set(None)
            await read_all(await engine.messages(call_of(message("alone"))))
            await observer.close()
            assert engine.ledger.heard == before
    first, later, alone = [span for span in receiver.spans if span.name.startswith("chat")]
    assert (int(first.trace_id.hex(), 16), int(first.parent_span_id.hex(), 16)) == HERE[:2]
    assert later.trace_id != first.trace_id
    assert (later.parent_span_id, alone.parent_span_id) == (b"", b"")
    (link,) = later.links
    assert (int(link.trace_id.hex(), 16), int(link.span_id.hex(), 16)) == HERE[:2]
    assert len(alone.links) == 0
    assert attributes(alone)["thriftgate.outcome"] == "answered"


async def test_off_it_only_adds_up() -> None:
    async with engine_on(simulator()) as engine:
        observer = Observer(engine, settings_of(), standings_of(engine, IDLE))
        assert observer.tracing is None
        await read_all(await engine.messages(call_of(message(), headers=HEADERS | {"thriftgate-task": "tickets"})))
        page = page_text(observer.page.families(), "")[1].decode()
        await observer.close()
    assert value(samples(page), "task_answered_calls_total", task="tickets") == 1
    assert "telemetry_dropped_total{" not in page


def test_what_the_gateway_knows() -> None:
    proof: Any = SimpleNamespace(
        watches={
            "one": SimpleNamespace(tallies={"": Tally(9, 9, 9, 9), "tickets": Tally(5, 1, 0, 0)}),
            "two": SimpleNamespace(tallies={"tickets": Tally(2, 0, 3, 4)}),
        }
    )
    worker: Any = SimpleNamespace(open_jobs=7, open_batches=2)
    window = {"since_us": 0, "until_us": 1, "spent_pico": 3, "held_pico": 2, "doubt_pico": 1}
    shop = Standing(Budget("b1", "agents", 10, ("team=shop", "task=*")), member="task=tickets", **window)
    engine: Any = SimpleNamespace(budgeting=SimpleNamespace(standings=lambda: [shop]))
    asked = standings_of(engine, SimpleNamespace(worker=worker, proof=proof))
    assert asked.budgets() == [BudgetStanding("agents (task=tickets)", ("team", "task"), 4, 2, 10)]
    assert asked.queue() == QueueStanding(7, 2)
    assert asked.quality() == {"tickets": Verdicts(7, 1, 3, 4)}
    assert standings_of(engine, IDLE).queue() is None
