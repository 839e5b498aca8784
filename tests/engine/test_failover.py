"""A call that fails at one target is made at another: never lost, never booked twice, and not where that is of no use."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fixtures import TestClock, assert_sound, call_of, engine_on, message, read_all, simulator, told
from tests.scripted import MESSAGE, Hosts, Provider, Say, say_error, say_stream, sse_events, targets
from thriftgate.core.errors import BrokenReply, Unreachable, UpstreamError, UpstreamTimeout
from thriftgate.engine.engine import Engine
from thriftgate.ledger.entries import UPSTREAM, Entry
from thriftgate.simulator import SimClock

SPENT = say_error(429, "rate_limit_error", details={"error_code": "enforced_spend_limit_reached"})
LONG = [{"type": "text", "text": "The desk answers each mail. " * 400, "cache_control": {"type": "ephemeral"}}]
ORDERED = targets("one", "two", two={"order": 1})
SDK = {"x-stainless-retry-count": "0", "anthropic-version": "2023-06-01"}


async def answered(engine: Engine, body: dict[str, Any] | None = None) -> tuple[Any, list[Entry]]:
    """The reply to a call, and all entries so far, the oldest first."""
    reply = await engine.messages(call_of(body or message(), headers=SDK))
    await read_all(reply)
    await assert_sound(engine.ledger)
    return reply, sorted(await engine.ledger.entries(), key=lambda entry: entry.id)


@pytest.mark.parametrize(
    "fault",
    [
        say_error(529, "overloaded_error"),
        say_error(500, "api_error"),
        say_error(503, "api_error"),
        say_error(429, "rate_limit_error", ("retry-after", "20")),
        say_error(401, "authentication_error"),
        say_error(403, "permission_error"),
        say_error(402, "billing_error"),
        say_error(404, "not_found_error"),
        SPENT,
        Unreachable("nobody there"),
        UpstreamTimeout("no answer"),
        BrokenReply("cut"),
    ],
    ids=lambda fault: type(fault).__name__ if isinstance(fault, Exception) else f"{fault.status}",
)
async def test_a_call_that_fails_is_made_elsewhere_and_each_try_is_booked(fault: Say | Exception) -> None:
    hosts = Hosts(one=fault if isinstance(fault, Exception) else Provider(fault), two=Provider())
    async with engine_on(transport=hosts, governor={"queue_s_max": 0}, **ORDERED) as engine:
        reply, entries = await answered(engine)
    assert (reply.status, reply.body) == (200, MESSAGE)
    assert hosts.sent == ["one", "two"]
    assert [entry.upstream for entry in entries] == ["one", "two"]
    assert told(reply.headers, "thriftgate-target") == "two"
    assert told(reply.headers, "thriftgate-tried") == "one"
    assert entries[0].outcome != "answered"
    assert (entries[0].resolution == "void") is not isinstance(fault, UpstreamTimeout | BrokenReply)  # may be billed
    assert entries[1].posted(UPSTREAM) < 0


@pytest.mark.parametrize("status", [400, 413, 422])
async def test_the_requests_own_fault_is_not_tried_elsewhere(status: int) -> None:
    said = say_error(status, "invalid_request_error")
    hosts = Hosts(one=Provider(said), two=Provider())
    async with engine_on(transport=hosts, **ORDERED) as engine:
        reply, entries = await answered(engine)
    assert (reply.status, reply.body, hosts.sent) == (status, said.pieces[0], ["one"])
    assert len(entries) == 1


async def test_where_all_fail_the_last_word_is_the_clients_byte_for_byte() -> None:
    last = say_error(503, "api_error", message="the last one")
    hosts = Hosts(one=Provider(say_error(529, "overloaded_error")), two=Unreachable("nobody"), three=Provider(last))
    async with engine_on(transport=hosts, **targets("one", "two", "three", two={"order": 1}, three={"order": 2})) as engine:
        reply, entries = await answered(engine)
    assert (reply.status, reply.body) == (503, last.pieces[0])
    assert hosts.sent == ["one", "two", "three"]
    assert {entry.resolution for entry in entries} == {"void"}


async def test_no_further_target_is_tried_than_allowed_nor_after_the_deadline() -> None:
    down = {name: Provider(say_error(529, "overloaded_error")) for name in ("one", "two", "three")}
    rows = targets("one", "two", "three", two={"order": 1}, three={"order": 2})
    hosts = Hosts(**down)
    async with engine_on(transport=hosts, failover={"targets_max": 2}, **rows) as engine:
        await answered(engine)
    assert hosts.sent == ["one", "two"]
    clock = TestClock()

    class Slow(Provider):
        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            clock.advance(40)
            await super().__call__(scope, receive, send)

    hosts = Hosts(**{name: Slow(say_error(529, "overloaded_error")) for name in down})
    async with engine_on(transport=hosts, clock=clock, failover={"deadline_s": 60}, **rows) as engine:
        await answered(engine)
    assert hosts.sent == ["one", "two"]


async def test_it_can_be_switched_off() -> None:
    hosts = Hosts(one=Provider(say_error(529, "overloaded_error")), two=Provider())
    async with engine_on(transport=hosts, failover={"on": False}, **ORDERED) as engine:
        reply, _ = await answered(engine)
    assert (reply.status, hosts.sent) == (529, ["one"])


async def test_a_warm_conversation_is_tried_again_where_it_is_before_it_moves() -> None:
    """One overload at home: waiting half a second is cheaper than writing the prefix anew."""
    app, calls = simulator(), 0

    class Hiccup:
        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            nonlocal calls
            calls += 1
            if calls == 2:
                await Provider(say_error(529, "overloaded_error"))(scope, receive, send)
            else:
                await app(scope, receive, send)

    hosts = Hosts(one=Hiccup(), two=Provider())
    clock = TestClock(app.config.clock) if isinstance(app.config.clock, SimClock) else TestClock()
    async with engine_on(transport=hosts, clock=clock, **ORDERED) as engine:
        for text in ("a", "b"):
            reply, entries = await answered(engine, message(text, system=LONG))
    assert hosts.sent == ["one", "one", "one"]
    assert reply.status == 200
    assert entries[-1].usage.total.read > 0
    assert entries[-1].attempts == 2


async def test_an_answer_that_breaks_off_in_the_middle_is_not_tried_again() -> None:
    pieces = sse_events()
    hosts = Hosts(one=Provider(say_stream(*pieces[:-2], BrokenReply("cut"))), two=Provider())
    async with engine_on(transport=hosts, **ORDERED) as engine:
        reply = await engine.messages(call_of(message(stream=True)))
        with pytest.raises(UpstreamError):
            await read_all(reply)
        await reply.leave()
        entries = await engine.ledger.entries()
    assert hosts.sent == ["one"]
    assert [entry.outcome for entry in entries] == ["cut"]


async def test_a_target_that_fails_again_and_again_is_left_alone_and_taken_back() -> None:
    one, two = Provider(say_error(500, "api_error")), Provider()
    hosts = Hosts(one=one, two=two)
    async with engine_on(transport=hosts, failover={"failures": 3, "open_s": 10}, **ORDERED) as engine:
        for _ in range(5):
            await answered(engine, message())
        assert hosts.sent == ["one", "two"] * 3 + ["two"] * 2
        assert [(left.target, left.kind) for left in engine.upstreams.left_alone()] == [("one", "overload")]
        one.answers[:] = [Say()]
        engine.clock.advance(10)  # type: ignore[attr-defined]
        for _ in range(2):
            await answered(engine, message())
        assert hosts.sent[-2:] == ["one", "one"]
        assert engine.upstreams.left_alone() == []


async def test_what_one_model_suffers_from_another_does_not() -> None:
    hosts = Hosts(one=Provider(say_error(404, "not_found_error"), Say()), two=Provider())
    async with engine_on(transport=hosts, **ORDERED) as engine:
        await answered(engine, message(model="claude-opus-5-5"))
        await answered(engine, message(model="claude-haiku-5-5"))
    assert hosts.sent == ["one", "two", "one"]


async def test_a_client_key_that_passes_through_has_nowhere_else_to_go() -> None:
    said = say_error(529, "overloaded_error")
    async with engine_on(Provider(said)) as engine:
        reply, entries = await answered(engine)
    assert (reply.body, len(entries)) == (said.pieces[0], 1)


OVERLOADED = b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}\n\n'


async def test_a_stream_that_begins_with_an_error_is_made_elsewhere() -> None:
    hosts = Hosts(one=Provider(say_stream(OVERLOADED)), two=Provider(say_stream(*sse_events())))
    async with engine_on(transport=hosts, **ORDERED) as engine:
        reply = await engine.messages(call_of(message(stream=True)))
        assert await read_all(reply) == b"".join(sse_events())
        entries = sorted(await engine.ledger.entries(), key=lambda entry: entry.id)
        await assert_sound(engine.ledger)
    assert hosts.sent == ["one", "two"]
    assert [(entry.upstream, entry.outcome) for entry in entries] == [("one", "failed"), ("two", "answered")]


async def test_a_stream_that_ends_before_it_has_begun_is_made_elsewhere() -> None:
    hosts = Hosts(one=Provider(say_stream(BrokenReply("cut"))), two=Provider(say_stream(*sse_events())))
    async with engine_on(transport=hosts, **ORDERED) as engine:
        reply = await engine.messages(call_of(message(stream=True)))
        assert await read_all(reply) == b"".join(sse_events())
        await assert_sound(engine.ledger)
    assert hosts.sent == ["one", "two"]


async def test_an_error_in_a_stream_with_nowhere_else_to_go_is_the_clients() -> None:
    hosts = Hosts(one=Provider(say_stream(OVERLOADED)))
    async with engine_on(transport=hosts, **targets("one")) as engine:
        reply = await engine.messages(call_of(message(stream=True)))
        assert await read_all(reply) == OVERLOADED
