"""Faulty deliveries: what arrives, and what stands in the bill."""

from dataclasses import replace
from typing import Any

import msgspec
import pytest

from thriftgate.simulator import ConnectionDropped, Faults, Latency, SimClock, Simulator
from thriftgate.simulator.delivery import cut_steps
from thriftgate.simulator.usage import Step, Usage

from .support import Answer, ask, body, simulator

LONG = body(messages=[{"role": "user", "content": "[[sim: out=150]]"}])


async def broken(fault: str, *, stream: bool) -> tuple[Answer, Simulator]:
    app = simulator(faults=Faults.parse({fault: 1}))
    return await ask(app, LONG | {"stream": stream}), app


@pytest.mark.parametrize(
    ("fault", "status", "kind", "retry_after"),
    [
        ("rate_limit", 429, "rate_limit_error", "7"),
        ("rate_limit_bare", 429, "rate_limit_error", None),
        ("internal_error", 500, "api_error", None),
        ("overloaded", 529, "overloaded_error", None),
    ],
)
@pytest.mark.parametrize("stream", [True, False])
async def test_errors_are_not_billed(fault: str, status: int, kind: str, retry_after: str | None, stream: bool) -> None:
    reply, app = await broken(fault, stream=stream)
    assert (reply.status, reply.json()["error"]["type"]) == (status, kind)
    assert reply.headers.get("retry-after") == retry_after
    assert app.bill.calls == []
    assert len(app.service.cache) == 0


async def test_reset_before_the_headers() -> None:
    reply, app = await broken("reset_before_headers", stream=False)
    assert isinstance(reply.broke, ConnectionDropped)
    assert (reply.status, app.bill.calls) == (0, [])


@pytest.mark.parametrize("fault", ["garbage_body", "empty_body", "wrong_length"])
async def test_broken_bodies_are_billed_in_full(fault: str) -> None:
    reply, app = await broken(fault, stream=False)
    assert reply.status == 200
    [billed] = app.bill.calls
    assert (billed.outcome, billed.fault, billed.usage.output) == ("faulty", fault, 150)
    if fault == "wrong_length":
        assert int(reply.headers["content-length"]) > len(reply.raw)
        assert isinstance(reply.broke, ConnectionDropped)
    else:
        with pytest.raises(msgspec.DecodeError):
            reply.json()


@pytest.mark.parametrize("fault", ["reset_mid_stream", "error_event"])
async def test_streams_that_break_off_bill_input_and_what_was_sent(fault: str) -> None:
    reply, app = await broken(fault, stream=True)
    assert reply.status == 200
    assert b"message_start" in reply.raw
    assert b"message_stop" not in reply.raw
    assert isinstance(reply.broke, ConnectionDropped) is (fault == "reset_mid_stream")
    assert (b"event: error" in reply.raw) is (fault == "error_event")
    [billed] = app.bill.calls
    assert (billed.outcome, billed.fault) == ("cut", fault)
    assert billed.usage.input > 0
    assert 0 <= billed.usage.output < 150


async def test_a_cut_stream_lacks_the_final_usage_but_is_billed() -> None:
    reply, app = await broken("cut_stream", stream=True)
    assert reply.broke is None
    assert reply.events()[-1]["type"] == "content_block_stop"
    assert app.bill.calls[0].usage.output == 150


async def test_garbage_in_a_stream() -> None:
    reply, app = await broken("garbage_sse", stream=True)
    with pytest.raises(msgspec.DecodeError):
        reply.events()
    assert reply.raw.endswith(b'data: {"type":"message_stop"}\n\n')
    assert [billed.usage.output for billed in app.bill.calls] == [150]


async def test_empty_stream() -> None:
    reply, app = await broken("empty_body", stream=True)
    assert (reply.raw, app.bill.calls[0].outcome) == (b"", "faulty")


@pytest.mark.parametrize(("fault", "least"), [("latency", 5.0), ("slow_drip", 2.0)])
async def test_slow_replies_are_whole(fault: str, least: float) -> None:
    app = simulator(faults=Faults.parse({fault: 1}))
    begin = app.now()
    reply = await ask(app, LONG | {"stream": True})
    assert app.now() - begin >= least
    assert reply.events()[-1]["type"] == "message_stop"
    assert app.bill.calls[0].outcome == "complete"


@pytest.mark.parametrize(("bills_all", "outcome"), [(False, "cut"), (True, "faulty")])
async def test_a_client_that_leaves(bills_all: bool, outcome: str) -> None:
    app = simulator(disconnect_bills_all=bills_all, latency=Latency(per_output_token_s=0.01))
    reply = await ask(app, LONG | {"stream": True}, leave_after=6)
    assert b"message_stop" not in reply.raw
    [billed] = app.bill.calls
    assert (billed.outcome, billed.fault) == (outcome, "client_disconnect")
    assert (billed.usage.output == 150) is bills_all


async def test_latency_settings() -> None:
    clock = SimClock.frozen()
    app = simulator(clock=clock, latency=Latency(first_byte_s=2, per_output_token_s=0.1))
    begin = clock()
    await ask(app, LONG)
    assert clock() - begin == pytest.approx(2 + 15)
    begin = clock()
    await ask(app, LONG | {"stream": True})
    assert clock() - begin == pytest.approx(2 + 15)


async def test_runs_repeat() -> None:
    def settings() -> dict[str, Any]:
        return {"faults": Faults(seed=5, overloaded=0.3, garbage_body=0.3, reset_before_headers=0.2)}

    runs = []
    for _ in range(2):
        app = simulator(**settings())
        runs.append([((await ask(app, body())).status, len(app.bill.calls)) for _ in range(30)])
    assert runs[0] == runs[1]
    assert len({status for status, _ in runs[0]}) == 3


def test_cut_steps_spares_compaction() -> None:
    steps = [
        Step("compaction", "m", Usage(output=50)),
        Step("message", "m", Usage(output=30, thinking=20)),
        Step("message", "m", Usage(output=9)),
    ]
    cut = cut_steps(steps, 10)
    assert [step.usage.output for step in cut] == [50, 10, 0]
    assert cut[1].usage.thinking == 10
    assert cut_steps(steps, 39)[1:] == [replace(steps[1]), replace(steps[2])]
