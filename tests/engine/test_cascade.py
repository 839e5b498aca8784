"""The cheap model tries: kept, not kept, failed, left. Each provider call is booked once, as the simulator bills it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.core.routing.artefacts import artefact_of, cascade_of
from tests.engine.routes import CHEAP, STRONG, Wire, ask, assert_billed, by_model, bytes_of, certified, routing_on
from tests.engine.test_witness import Ear
from tests.fixtures import HEADERS, PATIENCE_S, call_of, message, read_all, simulator, told, until
from tests.scripted import Provider, Say
from thriftgate.core.errors import BrokenReply, PolicyRefusal, Unreachable, UpstreamTimeout
from thriftgate.core.money import pico_from_usd
from thriftgate.core.routing.artefact import Artefact
from thriftgate.engine import cascade
from thriftgate.engine.engine import Engine
from thriftgate.ledger.entries import BASELINE, UPSTREAM, Entry
from thriftgate.providers.asgi_transport import AsgiTransport
from thriftgate.providers.transport import Incoming, Outgoing, Timeouts
from thriftgate.wire.meter import StreamMeter

EASY = {"thriftgate-task": "easy"}
KEPT, CUT = "[[sim: out=20]]", "[[sim: out=20 stop=max_tokens]]"  # the confidence is in the stop reason
TOOL = {"name": "look", "description": "looks", "input_schema": {"type": "object", "properties": {"a": {"type": "string"}}}}
ACCOUNT = "saved:route.cascade"
Tries = Callable[..., dict[str, Any]]


def an_artefact(**members: Any) -> Artefact:
    signal = members.pop("signal", "ok")
    return artefact_of(cascade=cascade_of(0.9, signal, **members), cheap=CHEAP, strong=STRONG)


@pytest.fixture
def tries(tmp_path: Path) -> Tries:
    """The `[routing]` table with one artefact that tries task "easy"."""
    return lambda **members: certified(tmp_path, an_artefact(**members))


def whence(entry: Entry) -> str:
    """What the explanation of a call says of the cascade."""
    return {one.lever: one.reason for one in entry.decisions}["route.cascade"]


def paid(entry: Entry) -> int:
    return -entry.posted(UPSTREAM)


async def assert_against_the_lever(engine: Engine, entry: Entry) -> None:
    """A cost of ours: no baseline, all of it stands against the cascade."""
    assert (entry.endpoint, entry.posted(BASELINE)) == ("cascade", 0)
    assert entry.posted(ACCOUNT) == paid(entry)


# --- how it goes --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stream", [False, True])
async def test_a_try_that_is_kept_is_the_clients_call(tries: Tries, stream: bool) -> None:
    app = simulator()
    wire = Wire(app)
    async with routing_on(app, wire, routing=tries()) as engine:
        reply = await engine.messages(call_of(message(KEPT, stream=stream), headers=HEADERS | EASY))
        body = await read_all(reply)
        (entry,) = await assert_billed(engine, app)
        report = await engine.ledger.report()
    assert (reply.status, wire.models) == (200, [CHEAP])
    assert "stream" not in msgspec.json.decode(wire.bodies[0])
    assert by_model([entry]) == [(STRONG, CHEAP)]
    assert (entry.endpoint, entry.outcome, entry.parent) == ("anthropic.messages", "answered", "")
    assert entry.choice is not None
    assert (entry.choice.certificate, entry.choice.cascade, entry.choice.threshold) == ("cal-1", True, 0.9)
    assert entry.posted(BASELINE) - paid(entry) == report.levers["route.cascade"] > 0
    (line,) = [one for one in entry.decisions if one.lever == "route.cascade"]
    assert line.reason.endswith("confidence 0.953, kept: certified from 0.900")
    assert told(reply.headers, "thriftgate-request-id") == entry.id
    if not stream:
        assert told(reply.headers, "content-type") == "application/json"
        assert msgspec.json.decode(body)["model"] == CHEAP
        return
    assert told(reply.headers, "content-type").startswith("text/event-stream")
    assert "content-length" not in {name.decode() for name, _ in reply.headers}
    meter = StreamMeter()
    assert meter.feed(body)
    assert meter.reading().complete
    assert meter.reading().message_id == entry.message_id


@pytest.mark.parametrize("stream", [False, True])
async def test_a_try_that_is_not_kept_is_a_cost_of_ours(tries: Tries, stream: bool) -> None:
    app = simulator()
    wire = Wire(app)
    raw = msgspec.json.encode(message(CUT, stream=stream))
    async with routing_on(app, wire, routing=tries()) as engine:
        status, answer = await ask(engine, raw, EASY)
        tried, asked = await assert_billed(engine, app)
        report = await engine.ledger.report()
        await assert_against_the_lever(engine, tried)
    assert (status, wire.models) == (200, [CHEAP, STRONG])
    assert wire.bodies[1] is raw  # the strong model gets what the client sent
    assert ("stream" in answer) is stream
    assert tried.note == "confidence 0.047, not kept: certified from 0.900"
    assert (asked.parent, asked.model, asked.asked_model, asked.choice) == ("", STRONG, "", None)
    assert whence(asked) == f"escalated from {tried.id}: {tried.note}"
    assert asked.posted(BASELINE) == paid(asked)
    assert report.paid_pico == paid(tried) + paid(asked) == sum(pico_from_usd(call.cost) for call in app.bill.calls)
    assert report.levers == {"route.cascade": -paid(tried)}


async def test_another_task_is_not_tried(tries: Tries) -> None:
    app = simulator()
    wire = Wire(app)
    async with routing_on(app, wire, routing=tries()) as engine:
        await ask(engine, message(KEPT), {"thriftgate-task": "new"})
        (entry,) = await assert_billed(engine, app)
    assert wire.models == [STRONG]
    assert "task new was not in the calibration data" in {one.lever: one.reason for one in entry.decisions}["route.cascade"]


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ({"max_tokens": 0}, "a pre-warming call has no answer to judge"),
        ({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, "server tools act: a try cannot be taken back"),
        ({"temperature": 1, "thinking": {"type": "adaptive"}}, "wants a thinking budget"),
    ],
)
async def test_what_is_not_tried(tries: Tries, members: dict[str, Any], reason: str) -> None:
    app = simulator()
    wire = Wire(app)
    async with routing_on(app, wire, routing=tries()) as engine:
        status, _ = await ask(engine, message(KEPT, **members), EASY)
        (entry,) = await assert_billed(engine, app)
    assert (status, wire.models) == (200, [STRONG])
    assert reason in {one.lever: one.reason for one in entry.decisions}["route.cascade"]


# --- a try that fails ---------------------------------------------------------------------------------------------------


async def says(said: Say, outgoing: Outgoing) -> Incoming:
    """An answer word for word."""
    return await AsgiTransport(Provider(said)).send(outgoing, Timeouts())


class Breaking(Wire):
    """The first call for the cheap model goes wrong in some way."""

    def __init__(self, app: Any, fault: Say | BaseException | None = None) -> None:
        super().__init__(app)
        self.fault = fault

    async def send(self, outgoing: Outgoing, timeouts: Timeouts) -> Incoming:
        fault = self.fault if len(self.bodies) == 0 else None
        if fault is None:
            return await super().send(outgoing, timeouts)
        self.bodies.append(bytes_of(outgoing))
        if isinstance(fault, BaseException):
            raise fault
        return await says(fault, outgoing)


ERROR = b'{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}'
FAULTS: list[tuple[str, Any, str, str]] = [
    ("overloaded", Say([ERROR], 529), "failed", "none"),
    ("limited", Say([ERROR], 429), "failed", "none"),
    ("refused", Say([ERROR], 400), "failed", "none"),
    ("unreachable", Unreachable("x"), "unreachable", "none"),
    ("timeout", UpstreamTimeout("x"), "timeout", "estimated"),
    ("cut", BrokenReply("x"), "garbage", "estimated"),
    ("garbage", Say([b"{"], 200), "garbage", "estimated"),
    ("no message", Say([b"{}"], 200), "garbage", "estimated"),
]


@pytest.mark.parametrize(("name", "fault", "outcome", "source"), FAULTS, ids=[row[0] for row in FAULTS])
async def test_a_try_that_fails_is_no_failure_of_the_call(
    tries: Tries, name: str, fault: Any, outcome: str, source: str
) -> None:
    app = simulator()
    wire = Breaking(app, fault)
    async with routing_on(app, wire, routing=tries()) as engine:
        status, answer = await ask(engine, message(KEPT), EASY)
        tried, asked = await assert_billed(engine, app)
    assert (status, answer["model"], wire.models) == (200, STRONG, [CHEAP, STRONG])
    assert (tried.outcome, tried.usage_source) == (outcome, source)
    assert tried.note.startswith(f"the try failed: {outcome}")
    assert whence(asked) == f"escalated from {tried.id}: {tried.note}"
    assert (paid(tried) > 0) is (source == "estimated")
    assert tried.posted(ACCOUNT) == paid(tried)


async def test_the_strong_models_own_error_is_the_clients_answer(tries: Tries) -> None:
    class Down(Wire):
        async def send(self, outgoing: Outgoing, timeouts: Timeouts) -> Incoming:
            self.bodies.append(bytes_of(outgoing))
            return await says(Say([ERROR], 400), outgoing)

    app = simulator()
    async with routing_on(app, Down(app), routing=tries()) as engine:
        reply = await engine.messages(call_of(message(KEPT), headers=HEADERS | EASY))
        tried, asked = await engine.ledger.entries()
    assert (reply.status, reply.body) == (400, ERROR)
    assert (tried.outcome, asked.outcome, whence(asked)) == ("failed", "failed", f"escalated from {tried.id}: {tried.note}")
    assert told(reply.headers, "thriftgate-request-id") == asked.id


@pytest.mark.parametrize("broken", ["signals_of", "verifier_body"])
async def test_a_try_that_cannot_be_judged_is_not_kept(tries: Tries, monkeypatch: pytest.MonkeyPatch, broken: str) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("no")

    app = simulator()
    wire = Wire(app)
    async with routing_on(app, wire, routing=tries(verifier="claude-haiku-5-5")) as engine:
        monkeypatch.setattr(cascade, broken, fail)
        status, _ = await ask(engine, message(KEPT), EASY)
        tried, asked = await assert_billed(engine, app)
    assert (status, wire.models) == (200, [CHEAP, STRONG])
    assert tried.note == "it could not be judged: RuntimeError"
    assert whence(asked) == f"escalated from {tried.id}: {tried.note}"


# --- what it is worth --------------------------------------------------------------------------------------------------


async def test_tries_that_are_never_kept_are_given_up(tries: Tries) -> None:
    """Now and then one is made all the same."""
    app = simulator()
    wire = Wire(app)
    async with routing_on(app, wire, routing=tries()) as engine:
        for _ in range(90):
            await ask(engine, message(CUT), EASY)
        entries = await assert_billed(engine, app)
    tried = wire.models.count(CHEAP)
    assert 20 <= tried <= 23
    assert wire.models.count(STRONG) == 90
    assert {one.lever: one.reason for one in entries[-1].decisions}["route.cascade"].startswith(
        "tries of task easy have not paid: a try costs "
    )


# --- conversations ------------------------------------------------------------------------------------------------------


async def test_a_tool_loop_goes_on_with_the_model_whose_try_was_kept(tries: Tries) -> None:
    app = simulator()
    wire = Wire(app)
    messages: list[dict[str, Any]] = [{"role": "user", "content": "go [[sim: tool=look times=2]]"}]
    async with routing_on(app, wire, routing=tries()) as engine:
        for _ in range(3):
            status, answer = await ask(engine, message(messages=messages, tools=[TOOL]), EASY)
            assert status == 200
            uses = [block["id"] for block in answer["content"] if block["type"] == "tool_use"]
            told_ = [{"type": "tool_result", "tool_use_id": use, "content": "42"} for use in uses]
            messages += [{"role": "assistant", "content": answer["content"]}, {"role": "user", "content": told_ or "more"}]
        entries = await assert_billed(engine, app)
    assert wire.models == [CHEAP] * 3
    assert [entry.choice.lever for entry in entries if entry.choice] == ["route.cascade"] * 3
    assert [entry.choice.cascade for entry in entries if entry.choice] == [True, False, False]


async def test_a_tool_loop_goes_on_with_the_strong_model_after_an_escalation(tries: Tries) -> None:
    app = simulator()
    wire = Wire(app)
    routing = tries(signal="log_tokens")  # a long answer is a good one; a tool call is none
    messages: list[dict[str, Any]] = [{"role": "user", "content": "go [[sim: tool=look times=2]]"}]
    async with routing_on(app, wire, routing=routing | certified_low(routing)) as engine:
        for _ in range(2):
            status, answer = await ask(engine, message(messages=messages, tools=[TOOL]), EASY)
            assert status == 200
            uses = [block["id"] for block in answer["content"] if block["type"] == "tool_use"]
            told_ = [{"type": "tool_result", "tool_use_id": use, "content": "42"} for use in uses]
            messages += [{"role": "assistant", "content": answer["content"]}, {"role": "user", "content": told_}]
        await assert_billed(engine, app)
    assert wire.models == [CHEAP, STRONG, STRONG]


def certified_low(table: dict[str, Any]) -> dict[str, Any]:
    """The same table; its threshold is out of reach of any answer."""
    path = Path(table["artefacts"][0])
    low = artefact_of(cascade=cascade_of(0.999), cheap=CHEAP, strong=STRONG)
    return certified(path.parent, low)


# --- clients that leave, processes that die -----------------------------------------------------------------------------


class Waiting(Wire):
    """Holds the call of this number until the test is over."""

    def __init__(self, app: Any, number: int) -> None:
        super().__init__(app)
        self.number = number
        self.waits = asyncio.Event()

    async def send(self, outgoing: Outgoing, timeouts: Timeouts) -> Incoming:
        incoming = await super().send(outgoing, timeouts)
        if len(self.bodies) == self.number:
            self.waits.set()
            await asyncio.sleep(PATIENCE_S)
        return incoming


@pytest.mark.parametrize(("number", "source"), [(1, "estimated"), (2, "exact")], ids=["in the try", "in the verifier"])
async def test_a_client_that_leaves_is_booked(tries: Tries, number: int, source: str) -> None:
    app = simulator()
    wire = Waiting(app, number)
    async with routing_on(app, wire, routing=tries(verifier="claude-haiku-5-5")) as engine:
        task = asyncio.create_task(engine.messages(call_of(message(KEPT), headers=HEADERS | EASY)))
        await wire.waits.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        entries = await assert_billed_or_estimated(engine)
    assert len(entries) == number
    tried = next(entry for entry in entries if entry.model == CHEAP)
    assert tried.usage_source == source
    assert all(entry.posted(ACCOUNT) == paid(entry) > 0 for entry in entries)
    if number == 2:
        assert tried.note == "the client left before it was judged"


async def assert_billed_or_estimated(engine: Engine) -> list[Entry]:
    async def resolved() -> bool:
        return not await engine.ledger.open_holds()

    await until(resolved)
    entries = list(await engine.ledger.entries())
    assert all(entry.balance() == 0 for entry in entries)
    return entries


async def test_a_try_whose_process_was_killed_is_booked_at_the_next_start(tries: Tries, tmp_path: Path) -> None:
    app = simulator()
    wire = Waiting(app, 1)
    ledger = {"path": str(tmp_path / "books.db")}
    async with routing_on(app, wire, routing=tries(), ledger=ledger) as engine:
        task = asyncio.create_task(engine.messages(call_of(message(KEPT), headers=HEADERS | EASY)))
        await wire.waits.wait()
        (hold,) = await engine.ledger.open_holds()
        assert hold.model == CHEAP
        # Killed: nothing is booked any more.
        engine.toucher._ledger = None  # type: ignore[assignment]
        task.cancel()
        with pytest.raises((AttributeError, asyncio.CancelledError)):
            await task
    async with routing_on(app, routing=tries(), ledger=ledger) as engine:
        (entry,) = await engine.ledger.entries()
        assert not await engine.ledger.open_holds()
    assert (entry.id, entry.outcome, entry.resolution, entry.model) == (hold.id, "lost", "expire", CHEAP)
    assert paid(entry) == hold.forecast_pico > 0


# --- with others --------------------------------------------------------------------------------------------------------


async def test_a_limit_holds_for_the_try_and_for_the_call(tries: Tries) -> None:
    app = simulator()
    wire = Wire(app)
    async with routing_on(app, wire, routing=tries()) as engine:
        limit = pico_from_usd("0.002")  # enough for the try, not for the strong model
        status, _ = await ask(engine, message(KEPT), EASY, cost_limit_pico=limit)
        assert status == 200
        with pytest.raises(PolicyRefusal, match=STRONG):
            await ask(engine, message(CUT), EASY, cost_limit_pico=limit)
        entries = await assert_billed(engine, app)
    assert [entry.outcome for entry in entries] == ["answered", "answered", "refused"]


async def test_a_witness_hears_what_the_client_heard(tries: Tries) -> None:
    app = simulator()
    async with routing_on(app, routing=tries()) as engine:
        engine.witness = ear = Ear()
        await ask(engine, message(KEPT), EASY)
        await ask(engine, message(CUT), EASY)
        kept, tried, asked = await assert_billed(engine, app)
    assert [call_id for call_id, _, _ in ear.calls] == [kept.id, asked.id]
    assert tried.id not in {call_id for call_id, _, _ in ear.calls}


async def test_many_at_once(tries: Tries) -> None:
    app = simulator()
    async with routing_on(app, routing=tries(verifier="claude-haiku-5-5")) as engine:
        bodies = [message(f"{number} {CUT if number % 3 else KEPT}", stream=bool(number % 2)) for number in range(24)]
        found = await asyncio.gather(*(ask(engine, body, EASY) for body in bodies))
        entries = await assert_billed(engine, app)
    assert {status for status, _ in found} == {200}
    escalated = [entry for entry in entries if entry.model == STRONG]
    assert len(escalated) == 16
    tried = {entry.id for entry in entries if entry.model == CHEAP}
    assert len({whence(entry).split()[2].rstrip(":") for entry in escalated} & tried) == 16
    assert len(entries) == 24 * 2 + 16
