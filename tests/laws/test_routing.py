"""The law of routing: no conversation is ever broken by it. What the provider takes unrouted it takes routed, and the books
are the bill to the pico-dollar.

The real engine on the simulator, with thinking bound to its prefix as on new accounts.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest

from tests.engine.routes import CHEAP, STRONG, Wire, ask, assert_billed, by_model, routing_on, rows, to
from tests.fixtures import HEADERS, call_of, read_all, simulator, told
from tests.laws.traffic import PIXEL, Traffic
from thriftgate.core.errors import UnknownPrice
from thriftgate.engine import route_decision, routing
from thriftgate.ledger.entries import BASELINE, UPSTREAM
from thriftgate.providers.asgi_transport import AsgiTransport
from thriftgate.providers.transport import Outgoing, Timeouts
from thriftgate.simulator import Simulator

OPUS, HAIKU = "claude-opus-5-5", "claude-haiku-5-5"  # both bind thinking to its prefix and to themselves
SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": False}
TOOL = {"name": "look", "description": "looks", "input_schema": SCHEMA}
ANY, SO = {"type": "any"}, {"role": "assistant", "content": "So"}
IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}}
Messages = list[dict[str, Any]]


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


def results(answer: dict[str, Any]) -> dict[str, Any]:
    """What the client's tools say to an answer."""
    calls = [block for block in answer["content"] if block["type"] == "tool_use"]
    return {
        "role": "user",
        "content": [{"type": "tool_result", "tool_use_id": call["id"], "content": "42"} for call in calls],
    }


def said(answer: dict[str, Any]) -> dict[str, Any]:
    return {"role": "assistant", "content": answer["content"]}


def body_of(asked: Messages, model: str = OPUS, **members: Any) -> dict[str, Any]:
    return {"model": model, "max_tokens": 400, "messages": asked} | members


# --- whatever traffic ---------------------------------------------------------------------------------------------------

TARGETS = (
    "claude-haiku-5-5",
    "claude-haiku-4-5",
    "claude-sonnet-5-5",
    "claude-sonnet-4-6",
    "claude-opus-4-8",
    "claude-opus-5-5",
)


def some_rules(random: Random) -> dict[str, Any]:
    """Rules without much sense: what is asked goes anywhere, by turns."""
    found: list[dict[str, Any]] = []
    for _ in range(random.randint(1, 4)):
        row: dict[str, Any] = {"to": random.choice(TARGETS)}
        row |= random.choice(
            ({}, {"turns_max": random.randint(1, 6)}, {"tools": random.random() < 0.5}, {"tokens_max": 600})
        )
        row |= random.choice(({}, {}, {"effort": random.choice(("low", "high"))}, {"asked": "claude-opus-*"}))
        found.append(row)
    found.append({"to": random.choice(TARGETS[:3])})
    return {"rules": rows(*found), "usual_split": random.random() < 0.3}


async def converse(seed: int) -> int:
    """Some steps of traffic. Each request is also sent as it is, to a second simulator that reads the same seals. How many
    calls another model served."""
    random, traffic = Random(seed), Traffic(seed)
    app, twin = simulator(seed=7), simulator(seed=7)
    plain, wire = AsgiTransport(twin), Wire(app)
    async with routing_on(app, wire, routing=some_rules(random)) as engine:
        for _ in range(14):
            step = traffic.step()
            pass_time(app, step.gap_s)
            pass_time(twin, step.gap_s)
            raw = msgspec.json.encode(step.body | {"stream": False})
            headers = HEADERS | {"x-api-key": step.key}
            unrouted = await status_of(plain, raw, headers)
            reply = await engine.messages(call_of(raw, headers=headers))
            answer = msgspec.json.decode(await read_all(reply))
            assert reply.status == 200 or unrouted != 200, (seed, answer, wire.bodies[-1][:300], raw[:300])
            traffic.answered(step, answer.get("content", []))
        entries = await assert_billed(engine, app)
    for entry, model in zip(entries, wire.models, strict=True):
        assert entry.model == model
        assert (entry.choice is not None) == bool(entry.asked_model)
    return sum(bool(entry.asked_model) for entry in entries)


def pass_time(app: Simulator, seconds: float) -> None:
    app.config.clock.advance(seconds)  # type: ignore[attr-defined]


@pytest.mark.parametrize("seed", range(24))
async def test_what_is_taken_unrouted_is_taken_routed(seed: int) -> None:
    await converse(seed)


async def test_the_traffic_is_routed_often_enough_to_say_so() -> None:
    assert sum([await converse(seed) for seed in range(24, 36)]) > 60


async def status_of(transport: AsgiTransport, raw: bytes, headers: dict[str, str]) -> int:
    pairs = tuple((name.encode(), value.encode()) for name, value in headers.items())
    incoming = await transport.send(Outgoing("POST", "http://twin.invalid/v1/messages", pairs, raw), Timeouts())
    await incoming.read()
    return incoming.status


# --- conversations ------------------------------------------------------------------------------------------------------


async def test_a_conversation_that_thinks_stays_on_the_model_that_thought() -> None:
    """The rule holds for the first turn only; then thinking is sent back."""
    app = simulator()
    wire = Wire(app)
    async with routing_on(app, wire, routing=to(HAIKU, asked=OPUS)) as engine:
        messages: Messages = []
        for turn in range(4):
            messages.append(user(f"question {turn} [[sim: think=80 out=200]]"))
            status, answer = await ask(engine, body_of(messages, max_tokens=900))
            assert status == 200
            assert not answer.get("input_transformations")
            assert answer["content"][0]["type"] == "thinking"
            messages.append(said(answer))
        await assert_billed(engine, app)
    assert wire.models == [HAIKU] * 4


async def test_a_conversation_whose_thinking_is_the_asked_models_is_not_taken_away_from_it() -> None:
    app = simulator()
    wire = Wire(app)
    async with routing_on(app, wire, routing=to(HAIKU)) as engine:
        messages = [user("one [[sim: think=80 out=200]]")]
        status, answer = await ask(engine, body_of(messages, max_tokens=900), {"thriftgate-route": "off"})
        messages += [said(answer), user("two [[sim: think=80 out=200]]")]
        status, answer = await ask(engine, body_of(messages, max_tokens=900))
        assert status == 200
        assert not answer.get("input_transformations")
        entries = await assert_billed(engine, app)
    assert wire.models == [OPUS, OPUS]
    reasons = {one.lever: one.reason for one in entries[-1].decisions}
    assert reasons["route.rules"] == "the conversation keeps its model: another would lose the thinking that is sent back"


@pytest.mark.parametrize("model", [OPUS, STRONG])
async def test_a_tool_loop_keeps_its_model(model: str) -> None:
    """Decided when the user spoke; the rule no longer fits from the second request of the loop on."""
    app = simulator()
    wire = Wire(app)
    served = HAIKU if model == OPUS else CHEAP
    async with routing_on(app, wire, routing=to(served, tokens_max=1_500)) as engine:
        messages = [user("go [[sim: tool=look times=3]]")]
        for _ in range(4):
            status, answer = await ask(engine, body_of(messages, model, tools=[TOOL]))
            assert status == 200
            assert not answer.get("input_transformations")
            messages.append(said(answer))
            if answer["stop_reason"] != "tool_use":
                break
            messages.append(results(answer))
            messages[-1]["content"][0]["content"] = "word " * 1_500
        assert wire.models == [served] * 4
        messages.append(user("and now?"))
        status, answer = await ask(engine, body_of(messages, model, tools=[TOOL]))
        assert (status, answer.get("input_transformations")) == (200, None)
        entries = await assert_billed(engine, app)
    assert wire.models[-1] == (served if model == OPUS else model)  # what has thought keeps its thinking
    for entry in entries[1:4]:
        assert any("a tool loop keeps its model" in one.reason for one in entry.decisions if one.decision == "applied")


async def test_a_tool_loop_goes_on_after_a_restart(tmp_path: Path) -> None:
    app = simulator()
    wire = Wire(app)
    ledger = {"path": str(tmp_path / "books.db")}
    messages = [user("go [[sim: tool=look times=2]]")]
    async with routing_on(app, wire, routing=to(HAIKU), ledger=ledger) as engine:
        _, answer = await ask(engine, body_of(messages, tools=[TOOL]))
        messages += [said(answer), results(answer)]
    async with routing_on(app, wire, routing=to(HAIKU), ledger=ledger) as engine:
        status, answer = await ask(engine, body_of(messages, tools=[TOOL]))
        assert (status, answer.get("input_transformations")) == (200, None)
    assert wire.models == [HAIKU, HAIKU]


async def test_a_tool_loop_that_nobody_remembers_goes_on_where_it_was_asked_to() -> None:
    """What was remembered is lost: the model that the client named serves, as it would have without us."""
    app = simulator()
    wire = Wire(app)
    messages = [user("go [[sim: tool=look times=2]]")]
    async with routing_on(app, wire, routing=to(HAIKU)) as engine:
        _, answer = await ask(engine, body_of(messages, tools=[TOOL]))
        messages += [said(answer), results(answer)]
    async with routing_on(app, wire, routing=to(HAIKU)) as engine:
        status, answer = await ask(engine, body_of(messages, tools=[TOOL]))
        assert status == 200
        messages += [said(answer), *([results(answer)] if answer["stop_reason"] == "tool_use" else [user("more")])]
        status, _ = await ask(engine, body_of(messages, tools=[TOOL]))
        assert status == 200
    assert wire.models == [HAIKU, OPUS, OPUS]


async def test_conversations_side_by_side_each_keep_their_own(tmp_path: Path) -> None:
    app = simulator()
    wire = Wire(app)
    routing_ = {"rules": rows({"to": HAIKU, "task": "easy"}), "tasks": ()}
    async with routing_on(app, wire, routing=routing_) as engine:

        async def talk(number: int) -> list[str]:
            task, served, messages = "easy" if number % 2 else "hard", [], list[dict[str, Any]]()
            for turn in range(3):
                messages.append(user(f"{number}.{turn} [[sim: think=30 out=60]]"))
                status, answer = await ask(engine, body_of(messages, max_tokens=600), {"thriftgate-task": task})
                assert (status, answer.get("input_transformations")) == (200, None)
                served.append(answer["model"])
                messages.append(said(answer))
            return served

        found = await asyncio.gather(*(talk(number) for number in range(12)))
        await assert_billed(engine, app)
    for number, served in enumerate(found):
        assert served == [HAIKU if number % 2 else OPUS] * 3


async def test_a_conversation_leaves_a_warm_cache_only_where_that_pays() -> None:
    """100,000 tokens read at a fortieth of their price are cheaper than the same tokens written on the smaller model."""
    app = simulator()
    wire = Wire(app)
    system = "word " * 60_000
    messages: Messages = []
    async with routing_on(app, wire, routing={"rules": rows({"to": "claude-sonnet-4-6", "task": "easy"})}) as engine:
        for turn in range(3):
            messages.append(user(f"question {turn} [[sim: out=20]]"))
            task = "hard" if turn < 2 else "easy"
            status, answer = await ask(engine, body_of(messages, STRONG, system=system), {"thriftgate-task": task})
            assert status == 200
            messages.append(said(answer))
            pass_time(app, 20)
        entries = await assert_billed(engine, app)
    assert wire.models == [STRONG] * 3
    assert "leaving would lose" in {one.lever: one.reason for one in entries[-1].decisions}["route.rules"]
    assert entries[-1].usage.total.read > 50_000


# --- single calls -------------------------------------------------------------------------------------------------------

ROUTED: list[tuple[str, dict[str, Any]]] = [
    ("plain", {}),
    ("an image", {"messages": [{"role": "user", "content": [IMAGE, {"type": "text", "text": "what?"}]}]}),
    ("tools", {"tools": [TOOL]}),
    ("a schema", {"output_config": {"format": {"type": "json_schema", "schema": SCHEMA}}}),
    ("a default", {"temperature": 1}),
    ("thinking", {"thinking": {"type": "adaptive"}}),
    ("effort", {"output_config": {"effort": "max"}}),
    ("stop", {"stop_sequences": ["STOP"]}),
    ("unknown members", {"metadata": {"user_id": "u"}}),
]  # fmt: skip
KEPT: list[tuple[str, str, str, dict[str, Any], str]] = [
    ("a forced tool", STRONG, "claude-sonnet-5-5", {"tools": [TOOL], "tool_choice": ANY}, "takes no forced tool choice"),
    ("a prefill", "claude-opus-4-5-20251101", HAIKU, {"messages": [user("a"), SO]}, "takes no prefilled answer"),
    ("sampling", "claude-opus-4-6", HAIKU, {"temperature": 0.2}, "takes no temperature"),
    ("a geography", "claude-opus-4-6", CHEAP, {"inference_geo": "us"}, "cannot be held to an inference geography"),
    ("fast mode", OPUS, HAIKU, {"speed": "fast"}, "has no fast mode"),
    ("a long answer", OPUS, CHEAP, {"max_tokens": 100_000}, "writes 64000 at most"),
    ("a dearer model", CHEAP, OPUS, {}, "would lose"),
    ("its own name", HAIKU, HAIKU, {}, "it is the model that was asked for"),
    ("its own alias", "claude-haiku-4-5", CHEAP, {}, "it is the model that was asked for"),
]  # fmt: skip


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("name", "members"), ROUTED, ids=[name for name, _ in ROUTED])
async def test_routed_and_answered(name: str, members: dict[str, Any], stream: bool) -> None:
    app = simulator()
    wire = Wire(app)
    async with routing_on(app, wire, routing=to(HAIKU)) as engine:
        status, _ = await ask(engine, body_of([user("hello")], **members) | ({"stream": True} if stream else {}))
        (entry,) = await assert_billed(engine, app)
    assert (status, wire.models, by_model([entry])) == (200, [HAIKU], [(OPUS, HAIKU)])
    assert entry.posted(BASELINE) > -entry.posted(UPSTREAM)


@pytest.mark.parametrize(("name", "asked", "served", "members", "reason"), KEPT, ids=[row[0] for row in KEPT])
async def test_not_to_be_had_so_the_clients_own_bytes_go_out(
    name: str, asked: str, served: str, members: dict[str, Any], reason: str
) -> None:
    app = simulator()
    wire = Wire(app)
    raw = msgspec.json.encode(body_of([user("hello")], asked, **members))
    async with routing_on(app, wire, routing=to(served)) as engine:
        status, answer = await ask(engine, raw)
        (entry,) = await assert_billed(engine, app)
    assert status == 200, answer
    assert wire.bodies[0] is raw
    assert reason in {one.lever: one.reason for one in entry.decisions}["route.rules"]
    assert (entry.asked_model, entry.choice) == ("", None)


async def test_a_stream_comes_as_it_was_sent() -> None:
    """The events of the model that served, byte for byte."""
    app, direct = simulator(instance_id="one"), simulator(instance_id="one")
    wire = Wire(app)
    async with routing_on(app, wire, routing=to(HAIKU)) as engine:
        reply = await engine.messages(call_of(body_of([user("hello")], stream=True)))
        got = await read_all(reply)
        assert told(reply.headers, "content-type").startswith("text/event-stream")
    pairs = tuple((name.encode(), value.encode()) for name, value in HEADERS.items())
    outgoing = Outgoing("POST", "http://x.invalid/v1/messages", pairs, wire.bodies[0])
    incoming = await AsgiTransport(direct).send(outgoing, Timeouts())
    assert got == await incoming.read()


async def test_the_callers_word_against_it() -> None:
    app = simulator()
    wire = Wire(app)
    raw = msgspec.json.encode(body_of([user("hello")]))
    async with routing_on(app, wire, routing=to(HAIKU)) as engine:
        await ask(engine, raw, {"thriftgate-route": "off"})
        (entry,) = await assert_billed(engine, app)
    assert wire.bodies[0] is raw
    assert {one.lever: one.reason for one in entry.decisions}["route.rules"] == "the caller wants it"
    assert entry.task.startswith("fp:")


async def test_a_prompt_that_the_other_model_may_not_read_whole_stays() -> None:
    app = simulator()
    wire = Wire(app)
    raw = msgspec.json.encode(body_of([user("word " * 230_000)]))
    async with routing_on(app, wire, routing=to(CHEAP)) as engine:
        status, _ = await ask(engine, raw)
        (entry,) = await assert_billed(engine, app)
    assert (status, wire.models) == (200, [OPUS])
    reason = {one.lever: one.reason for one in entry.decisions}["route.rules"]
    assert reason == f"rule 'r', but the prompt may be longer than {CHEAP} reads"


async def test_a_model_that_nobody_knows_is_refused_as_ever() -> None:
    app = simulator()
    async with routing_on(app, routing=to(HAIKU)) as engine:
        with pytest.raises(UnknownPrice):
            await ask(engine, body_of([user("hello")], "claude-nobody"))
        (entry,) = await engine.ledger.entries()
    assert (entry.outcome, entry.model) == ("refused", "claude-nobody")


async def test_a_thread_of_the_providers_is_left_alone() -> None:
    app = simulator()
    wire = Wire(app)
    raw = msgspec.json.encode(body_of([user("hello")], thread={"id": "thread_1"}))
    async with routing_on(app, wire, routing=to(HAIKU)) as engine:
        await ask(engine, raw)
        (entry,) = await engine.ledger.entries()
    assert wire.bodies[0] is raw
    assert "the provider holds this conversation" in {one.lever: one.reason for one in entry.decisions}["route.rules"]


@pytest.mark.parametrize("where", ["snapshot", "kind_of", "retarget", "worth_leaving", "fingerprint", "arm_of"])
async def test_a_router_that_fails_lets_the_call_go_its_way(monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("no")

    app = simulator()
    wire = Wire(app)
    raw = msgspec.json.encode(body_of([user("hello")]))
    experiment = {"share": 0.5, "levers": ("route.rules",)}
    async with routing_on(app, wire, routing=to(HAIKU), experiment=experiment) as engine:
        if where == "snapshot":
            engine.router.knowledge = None  # type: ignore[assignment]
        else:
            monkeypatch.setattr(route_decision if hasattr(route_decision, where) else routing, where, fail)
        status, _ = await ask(engine, raw)
        (entry,) = await assert_billed(engine, app)
    assert status == 200
    assert wire.bodies[0] is raw or where == "arm_of"
    assert entry.choice is None or where == "arm_of"
