from typing import Any

import pytest

from thriftgate.simulator import SimulatorConfig
from thriftgate.simulator.app import Simulator

from .support import advance, ask, body, call, items, post_batch, simulator


async def test_clock_over_http() -> None:
    app = simulator()
    assert (await call(app, "GET", "/_sim/clock")).json()["rfc3339"] == "2026-11-21T12:00:00.000000Z"
    moved = (await call(app, "POST", "/_sim/clock", {"advance_s": 60})).json()
    assert moved["rfc3339"] == "2026-11-21T12:01:00.000000Z"
    moved = (await call(app, "POST", "/_sim/clock", {"set": "2026-12-01T00:00:00Z"})).json()
    assert moved["now"] == app.now() == 1_796_083_200.0
    assert (await call(app, "POST", "/_sim/clock", {"set": 5})).json()["now"] == 5.0


@pytest.mark.parametrize(
    "order", [{}, {"set": "noon"}, {"set": True}, {"advance_s": "x"}, {"set": 1, "advance_s": 1}, [], b"{"]
)
async def test_bad_clock_orders(order: Any) -> None:
    assert (await call(simulator(), "POST", "/_sim/clock", order)).status == 400


async def test_a_plain_function_cannot_be_set() -> None:
    app = Simulator(SimulatorConfig(clock=lambda: 1_795_262_400.0, tokenizer="estimate"))
    assert (await call(app, "GET", "/_sim/clock")).json()["now"] == 1_795_262_400.0
    assert (await call(app, "POST", "/_sim/clock", {"advance_s": 1})).status == 400
    assert (await ask(app, body())).status == 200


async def test_bill_state_and_reset() -> None:
    app = simulator()
    await ask(app, body(system="x" * 9000, cache_control={"type": "ephemeral"}))
    bill = (await call(app, "GET", "/_sim/bill")).json()
    assert bill["simulated"] is True
    assert bill["total_usd"] == bill["calls"][0]["cost_usd"] != "0"
    assert bill["calls"][0]["workspace"] == "test"
    state = (await call(app, "GET", "/_sim/state")).json()
    assert (state["billed_calls"], state["cache_entries"], state["message_requests"]) == (1, 1, 1)
    after = (await call(app, "POST", "/_sim/reset")).json()
    assert (after["billed_calls"], after["cache_entries"], after["batches"]) == (0, 0, {})
    assert (await call(app, "GET", "/_sim/bill")).json() == {"simulated": True, "calls": [], "total_usd": "0"}


async def test_faults_over_http() -> None:
    app = simulator()
    shown = (await call(app, "POST", "/_sim/faults", {"overloaded": 1})).json()
    assert shown["overloaded"] == 1.0
    assert (await ask(app, body())).status == 529
    assert (await call(app, "POST", "/_sim/faults", {"overload": 1})).status == 400
    assert (await call(app, "POST", "/_sim/faults", {})).json()["overloaded"] == 0.0
    assert (await ask(app, body())).status == 200


async def test_batch_rules_over_http() -> None:
    app = simulator()
    shown = (await call(app, "GET", "/_sim/batches")).json()
    assert (shown["workers"], shown["duration_s"], shown["order"]) == (0, [60.0, 1800.0], "file")
    rules = {"workers": 1, "service_s": 5, "start_s": [1, 1]}
    assert (await call(app, "POST", "/_sim/batches", rules)).json() == shown | rules
    made = (await post_batch(app, items(2)))["id"]
    advance(app, 11)
    assert (await call(app, "GET", f"/v1/messages/batches/{made}")).json()["processing_status"] == "ended"
    wrong = await call(app, "POST", "/_sim/batches", {"worker": 1})
    assert (wrong.status, wrong.json()["error"]["message"]) == (
        400,
        "batches: unknown key 'worker'; did you mean workers?",
    )
    assert (await call(app, "POST", "/_sim/batches", {"order": 5})).status == 400
    assert (await call(app, "GET", "/_sim/batches")).json()["workers"] == 1
    assert (await call(app, "POST", "/_sim/batches", {})).json() == shown


async def test_accuracy_over_http() -> None:
    app = simulator()
    shown = (await call(app, "GET", "/_sim/accuracy")).json()
    assert shown == {"shift": 0.0, "variety": 0.0, "shifts": []}
    content = body(model="claude-haiku-4-5", messages=[{"role": "user", "content": "Compute 2 + 3."}])
    assert (await ask(app, content)).json()["content"][0]["text"] == "5"
    order = {"model": "claude-haiku-4-5", "shift": -1}
    row = {"model": "claude-haiku-4-5-20251001", "shift": -1.0, "task": None}
    assert (await call(app, "POST", "/_sim/accuracy", order)).json() == shown | {"shifts": [row]}
    assert (await ask(app, content)).json()["content"][0]["text"] != "5"
    assert (await ask(app, content | {"model": "claude-opus-4-8"})).json()["content"][0]["text"] == "5"
    await call(app, "POST", "/_sim/reset")
    assert (await call(app, "GET", "/_sim/accuracy")).json()["shifts"] == [row]
    assert (await call(app, "POST", "/_sim/accuracy", order | {"shift": 0})).json() == shown
    assert (await ask(app, content)).json()["content"][0]["text"] == "5"
    assert (await call(app, "POST", "/_sim/accuracy", {"variety": 0.5})).json() == shown | {"variety": 0.5}


@pytest.mark.parametrize(
    ("order", "said"),
    [
        ({"model": "claude-haiku-9", "shift": 0.1}, "accuracy: unknown model 'claude-haiku-9'; GET /v1/models lists them"),
        (
            {"model": "claude-opus-5", "shift": 0.1, "task": "poems"},
            "accuracy: unknown task 'poems'; known: arithmetic, sentiment, ticket, extraction, problem",
        ),
        ({"model": "claude-opus-5", "shift": 1.5}, "shift must be between -1 and 1, not 1.5"),
        ({"model": "claude-opus-5", "shift": "much"}, "accuracy: Expected `float`, got `str` - at `$.shift`"),
        ({"model": "claude-opus-5", "shfit": 0.1}, "accuracy: unknown key 'shfit'; did you mean shift?"),
        ({"variety": -0.1}, "variety must be between 0 and 1, not -0.1"),
        (
            {"model": "claude-opus-5"},
            'accuracy: send {"model": "claude-haiku-5-5", "shift": -0.3} (if need be with "task"), or {"variety": 0.2}',
        ),
        ([], "the body must be a JSON object"),
    ],
)
async def test_orders_about_accuracy_that_make_no_sense(order: Any, said: str) -> None:
    app = simulator()
    reply = await call(app, "POST", "/_sim/accuracy", order)
    assert (reply.status, reply.json()["error"]["message"]) == (400, said)
    assert (await call(app, "GET", "/_sim/accuracy")).json() == {"shift": 0.0, "variety": 0.0, "shifts": []}


async def test_batch_items_that_were_due_are_answered_with_the_old_accuracy() -> None:
    app = simulator()
    content = body(model="claude-haiku-4-5", messages=[{"role": "user", "content": "Compute 2 + 3."}])
    made = await post_batch(app, [{"custom_id": "a", "params": content}])
    advance(app, 86_400)
    await call(app, "POST", "/_sim/accuracy", {"model": "claude-haiku-4-5", "shift": -1})
    line = (await call(app, "GET", f"/v1/messages/batches/{made['id']}/results")).json()
    assert line["result"]["message"]["content"][0]["text"] == "5"


async def test_the_bill_in_figures() -> None:
    app = simulator()
    empty = {"simulated": True, "calls": 0, "total_usd": "0", "batch_calls": 0, "custom_ids": 0, "doubled": 0}
    assert (await call(app, "GET", "/_sim/bill/summary")).json() == empty
    await ask(app, body())
    await post_batch(app, items(3))
    await post_batch(app, items(2))
    await call(app, "POST", "/_sim/clock", {"advance_s": 86_400})
    summary = (await call(app, "GET", "/_sim/bill/summary")).json()
    total = (await call(app, "GET", "/_sim/bill")).json()["total_usd"]
    assert summary == empty | {"calls": 6, "total_usd": total, "batch_calls": 5, "custom_ids": 3, "doubled": 2}


async def test_unknown_control_endpoints() -> None:
    assert (await call(simulator(), "GET", "/_sim/nothing")).status == 404
    assert (await call(simulator(), "DELETE", "/_sim/bill")).status == 404


async def test_moving_the_clock_runs_batches() -> None:
    app = simulator()
    await call(app, "POST", "/v1/messages/batches", {"requests": [{"custom_id": "a", "params": body()}]})
    await call(app, "POST", "/_sim/clock", {"advance_s": 86_400})
    assert len((await call(app, "GET", "/_sim/bill")).json()["calls"]) == 1
