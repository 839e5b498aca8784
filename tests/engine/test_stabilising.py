"""Prompts that change from call to call, rewritten on their way: against the simulator, and by its bill."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from random import Random
from typing import Any

import msgspec
import pytest

from tests.fixtures import HEADERS, KEY, MODEL, TestClock, assert_sound, call_of, engine_on, message, read_all, simulator
from thriftgate.core import rewrite
from thriftgate.core.memo import PartMemo
from thriftgate.core.money import pico_from_usd, usd_from_pico
from thriftgate.core.plan import Policy
from thriftgate.core.prefix import read_prefix
from thriftgate.core.stability.rewrite import LEVER
from thriftgate.core.stability.watch import MEMORY, StabilityWatch, read_report
from thriftgate.engine.engine import Engine
from thriftgate.engine.keeping import KEEP_EVERY_S
from thriftgate.engine.settle import Ending, Prepared
from thriftgate.engine.warm import warm_directly, warming
from thriftgate.ledger.entries import UPSTREAM, Entry
from thriftgate.providers.asgi_transport import AsgiTransport
from thriftgate.providers.transport import Incoming, Outgoing, Timeouts
from thriftgate.simulator import SimClock, Simulator

RULES = "Sort the parcels by their urgency and answer in one word. " * 500
TOOLS = [
    {"name": f"tool_{n}", "description": f"{n} {RULES[:6000]}", "input_schema": {"type": "object", "properties": {}}}
    for n in range(6)
]
BOUND = "claude-opus-5-5"  # binds thinking to its prefix, and thinks by itself
ALL = ("split_volatile", "order_tools", "order_documents", "stable_json")
INPUT_PICO, OUTPUT_PICO = 5_000_000, 25_000_000  # Opus 4.8, a token


class Recording:
    """The way to a simulator, with a copy of each body that goes it."""

    def __init__(self, app: Simulator) -> None:
        self._transport = AsgiTransport(app)
        self.bodies: list[bytes] = []

    async def send(self, outgoing: Outgoing, timeouts: Timeouts) -> Incoming:
        assert isinstance(outgoing.body, bytes)
        self.bodies.append(outgoing.body)
        return await self._transport.send(outgoing, timeouts)

    async def close(self) -> None:
        await self._transport.close()


class Scene:
    """An engine in front of a simulator, and what left it."""

    def __init__(self, app: Simulator, engine: Engine, wire: Recording) -> None:
        self.app = app
        self.engine = engine
        self.wire = wire

    async def ask(self, body: dict[str, Any], status: int = 200) -> dict[str, Any]:
        reply = await self.engine.messages(call_of(body))
        data = await read_all(reply)
        assert reply.status == status, data
        return msgspec.json.decode(data, type=dict[str, Any])

    async def checked(self) -> Sequence[Entry]:
        """The entries, after the books were held against the bill to the pico-dollar."""
        await assert_sound(self.engine.ledger)
        entries = await self.engine.ledger.entries()
        booked = sorted(-entry.posted(UPSTREAM) for entry in entries if entry.outcome == "answered")
        assert booked == sorted(pico_from_usd(call.cost) for call in self.app.bill.calls)
        return entries

    @property
    def reads(self) -> list[int]:
        return [call.usage.read for call in self.app.bill.calls]

    @property
    def billed(self) -> float:
        return float(sum(call.cost for call in self.app.bill.calls))

    def sent(self) -> list[dict[str, Any]]:
        return [msgspec.json.decode(body, type=dict[str, Any]) for body in self.wire.bodies]


@asynccontextmanager
async def scene(stabilise: Sequence[str] = (), **tables: dict[str, Any]) -> AsyncIterator[Scene]:
    app = simulator()
    wire = Recording(app)
    cache = {"stabilise": list(stabilise)} if stabilise else {}
    assert isinstance(app.config.clock, SimClock)
    async with engine_on(transport=wire, clock=TestClock(app.config.clock), cache=cache, **tables) as engine:
        yield Scene(app, engine, wire)


def dated(at: int, **members: Any) -> dict[str, Any]:
    return message(f"parcel {at}", system=f"{RULES}\nNow: 2026-11-21T12:00:{at:02d}Z") | members


def text_of(system: Any) -> str:
    return system if isinstance(system, str) else "".join(block["text"] for block in system)


def told(entry: Entry) -> tuple[str, str]:
    """What the entry's plan says of it."""
    first = entry.decisions[0]
    assert first.lever == LEVER
    return first.decision, first.reason


# --- what it saves -----------------------------------------------------------------------------------------------------


async def test_a_timestamp_at_the_end_of_the_system_prompt() -> None:
    """Where the prompts part is learned from the first two; from then on all before it is read."""
    asked = [dated(at) for at in range(6)]
    async with scene() as without:
        for body in asked:
            await without.ask(body)
        await without.checked()
    assert without.reads == [0] * 6
    async with scene(["split_volatile"]) as one:
        for body in asked:
            await one.ask(body)
        entries = await one.checked()
        report = await one.engine.ledger.report()
    assert one.reads[:2] == [0, 0]
    assert all(read > 5_000 for read in one.reads[2:])
    assert one.billed < 0.6 * without.billed
    assert [text_of(sent["system"]) for sent in one.sent()] == [body["system"] for body in asked]
    assert [told(entry) for entry in entries] == [("applied", "split a volatile end off the system prompt")] * 6
    assert report.levers[LEVER] == 0
    assert report.levers["cache.breakpoints"] == report.baseline_pico - report.paid_pico > 0


async def test_tools_that_are_shuffled() -> None:
    random = Random(3)
    asked = [message(f"parcel {at}", tools=random.sample(TOOLS, len(TOOLS))) for at in range(6)]
    async with scene() as without:
        for body in asked:
            await without.ask(body)
    assert sum(without.reads) == 0
    async with scene(["order_tools"]) as one:
        for body in asked:
            await one.ask(body)
        await one.checked()
    assert all(read > 4_000 for read in one.reads[1:])
    assert one.billed < 0.6 * without.billed
    assert all(sent["tools"] == TOOLS or _unmarked(sent["tools"]) == TOOLS for sent in one.sent())


def _unmarked(tools: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: value for name, value in tool.items() if name != "cache_control"} for tool in tools]


async def test_a_prompt_that_was_warmed_is_read_by_the_first_call() -> None:
    async with scene(["split_volatile", "order_tools"]) as one:
        policy, now_s = one.engine.policy, one.engine.clock.now_s()
        body = message("x", system=RULES, tools=TOOLS)
        prompt = warming("x", msgspec.json.encode(body), "1h", one.engine.knowledge, now_s, policy=policy)
        await warm_directly(one.engine, [prompt], KEY)
        await one.ask(body | {"tools": TOOLS[::-1]})
        await one.checked()
    assert one.reads == [0, one.app.bill.calls[0].usage.write_1h]
    assert one.reads[1] > 5_000


async def test_pings_repeat_what_was_sent() -> None:
    async with scene(["split_volatile"], keepalive={"on": True}) as one:
        await one.ask(dated(1))
        assert one.engine._keepalive is not None
        (kept,) = one.engine._keepalive._kept.values()
    assert kept.call.body == one.wire.bodies[0] != msgspec.json.encode(dated(1))


async def test_what_is_settled_is_what_was_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the client's breakpoints would be sought in another prompt than that of the snapshot."""
    settled: list[Prepared] = []
    async with scene(["split_volatile"]) as one:
        settle = one.engine.carrier.settle

        async def noted(prepared: Prepared, ending: Ending) -> Entry:
            settled.append(prepared)
            return await settle(prepared, ending)

        monkeypatch.setattr(one.engine.carrier, "settle", noted)
        content = [{"type": "text", "text": "parcel", "cache_control": {"type": "ephemeral"}}]
        await one.ask(dated(1, messages=[{"role": "user", "content": content}]))
        await one.checked()
    (prepared,) = settled
    request, prefix = prepared.request, prepared.snapshot.state.prefix
    assert len(msgspec.json.decode(request.raw("system"))) == 2
    assert read_prefix(request, prepared.snapshot.state.capability, PartMemo(), prepared.key.encode()).chain == prefix.chain


async def test_the_count_before_a_refusal_is_of_what_would_be_sent() -> None:
    body = message("0f9 " * 2000, max_tokens=1, tools=TOOLS[::-1])
    exact = sum(tokens for _, tokens in simulator().count_blocks(body))
    limit = usd_from_pico(exact * INPUT_PICO * 101 // 100 + OUTPUT_PICO)
    async with scene(["order_tools"], policy={"cost_limit_usd": limit}) as one:
        await one.ask(body)
        await one.checked()
    count, sent = one.sent()
    assert "max_tokens" not in count
    assert count["tools"] == sent["tools"] == TOOLS


# --- what it leaves alone ----------------------------------------------------------------------------------------------


async def test_off_by_default_and_then_the_same_bytes_go_on() -> None:
    body = msgspec.json.encode(message("short", system="Now: 2026-11-21T12:00:00Z"))
    async with scene() as one:
        await one.engine.messages(call_of(body))
        (entry,) = await one.checked()
    assert one.wire.bodies[0] is body
    assert told(entry) == ("skipped", "off in the policy")


@pytest.mark.parametrize("switches", [ALL, (*ALL, "single_turn")])
async def test_a_conversation_with_a_model_that_binds_thinking_is_not_broken(switches: tuple[str, ...]) -> None:
    """`single_turn` is the caller's word, and here it is false: then the provider does refuse the second turn. So the
    simulator would notice."""
    async with scene(switches) as one:
        asked = dated(1, model=BOUND, tools=TOOLS[::-1], max_tokens=4000)
        for turn in range(4):
            lied = "single_turn" in switches and turn == 1
            answer = await one.ask(asked, 400 if lied else 200)
            if lied:
                return
            assert turn or any(block["type"] == "thinking" for block in answer["content"])
            turns = [*asked["messages"], {"role": "assistant", "content": answer["content"]}]
            asked = asked | {"messages": [*turns, {"role": "user", "content": f"and then {turn}?"}]}
        entries = await one.checked()
    assert [decision for decision, _ in map(told, entries)] == ["skipped"] * 4
    assert "bound to its exact prefix" in told(entries[1])[1]
    assert all(text_of(sent["system"]) == asked["system"] for sent in one.sent())
    assert all(_unmarked(sent["tools"]) == TOOLS[::-1] for sent in one.sent())


async def test_turns_of_a_conversation_are_rewritten_alike() -> None:
    async with scene(ALL) as one:
        asked = dated(1, tools=TOOLS[::-1])
        for turn in range(4):
            answer = await one.ask(asked)
            turns = [*asked["messages"], {"role": "assistant", "content": answer["content"]}]
            asked = asked | {"messages": [*turns, {"role": "user", "content": f"and then {turn}?"}]}
        entries = await one.checked()
    assert [decision for decision, _ in map(told, entries)] == ["applied"] * 4
    assert all(read > 5_000 for read in one.reads[1:])


async def test_a_rewrite_that_raises_lets_the_original_go_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise KeyError("bug")

    monkeypatch.setattr(rewrite, "stabilise", fail)
    async with scene(ALL, policy={"levers": []}) as one:
        body = msgspec.json.encode(dated(1))
        assert (await one.engine.messages(call_of(body))).status == 200
        (entry,) = await one.checked()
    assert one.wire.bodies[0] is body
    assert told(entry) == ("skipped", "failed with KeyError")


async def test_errors_of_the_provider_are_passed_on() -> None:
    async with scene(ALL) as one:
        answer = await one.ask(dated(1, tools=[*TOOLS[::-1], {"name": "bad name!"}]), 400)
        (entry,) = await one.checked()
    assert answer["error"]["type"] == "invalid_request_error"
    assert (entry.outcome, entry.status, told(entry)[0]) == ("failed", 400, "applied")


# --- what is watched ---------------------------------------------------------------------------------------------------


async def test_what_clients_send_is_watched_and_kept(tmp_path: Any) -> None:
    table = {"path": str(tmp_path / "ledger.db")}
    for start in (0, 5):
        async with scene(["split_volatile"], ledger=table) as one:
            for at in range(start, start + 5):
                await one.ask(dated(at))
            key = one.engine.key_of(KEY)
            clock = one.engine.clock
            assert isinstance(clock, TestClock)
            clock.advance(KEEP_EVERY_S)
            await one.ask(dated(start + 4))
            await one.engine.tasks.finish(1.0)
            data = await one.engine.ledger.kept(MEMORY)
        assert data is not None
        report = read_report(data)
        assert b"parcel" not in data
        assert b"2026" not in data
    (app,), (found,) = report.apps, report.breaks
    assert (app.key, app.model, app.requests, app.unanalysed) == (key, MODEL, 12, 0)
    assert (found.last.cause, found.last.switch, found.count) == ("date", "split_volatile", 8)
    assert found.last.where == "system.0", "as the client sent it: what was sent on differs in a block of its own"
    assert found.tokens_lost > 0


async def test_what_was_kept_and_cannot_be_read_does_no_harm(tmp_path: Any) -> None:
    table = {"path": str(tmp_path / "ledger.db")}
    async with scene(ledger=table) as one:
        await one.engine.ledger.keep(MEMORY, b"rubbish")
        await one.engine.recover()
        await one.ask(dated(1))
        await one.checked()


async def test_a_refused_call_is_not_watched() -> None:
    async with scene(policy={"cost_limit_usd": "0.000001"}) as one:
        with pytest.raises(Exception, match="over the limit"):
            await one.engine.messages(call_of(dated(1), headers=HEADERS))
        assert one.engine._stability.report().apps == ()


async def test_a_watch_that_raises_stops_no_call(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> None:
        raise KeyError("parcel")

    monkeypatch.setattr(StabilityWatch, "see", fail)
    async with scene() as one:
        await one.ask(dated(1))
        await one.checked()
    said = capsys.readouterr().err
    assert '"error": "KeyError"' in said
    assert "parcel" not in said


def test_the_default_policy_rewrites_nothing() -> None:
    assert Policy().stabilise == ()
