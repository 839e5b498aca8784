"""Streams: bytes as they come, the end only after the books, and what happens when either side goes away."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from tests.fixtures import (
    TestClock,
    assert_sound,
    books,
    call_of,
    engine_on,
    message,
    only_entry,
    read_all,
    simulator,
    told,
    until,
)
from tests.scripted import Provider, Say, say_error, say_stream, sse, sse_events
from tests.sqlite_books import writer_of
from thriftgate.core.errors import BrokenReply, LedgerError, UpstreamTimeout
from thriftgate.core.money import pico_from_usd
from thriftgate.core.output.until import parse_until
from thriftgate.engine.call import Reply
from thriftgate.engine.engine import Engine
from thriftgate.engine.reply import StreamReply
from thriftgate.engine.settle import Ending, entry_for, hold_of
from thriftgate.ledger.entries import BASELINE, UPSTREAM, Entry
from thriftgate.ledger.sql import SqlLedger
from thriftgate.wire.early_end import EarlyEnd

EVENTS = sse_events()
STREAM = message(stream=True)


async def entry_there(engine: Engine) -> None:
    async def there() -> bool:
        return bool(await engine.ledger.entries())

    await until(there)


async def test_a_stream_is_passed_on_byte_for_byte_and_booked_exactly() -> None:
    app = simulator()
    async with engine_on(app) as engine:
        reply = await engine.messages(call_of(message("[[sim: out=77]]", stream=True)))
        assert reply.body is None
        got = await read_all(reply)
        entry = await only_entry(engine)
    (billed,) = app.bill.calls
    assert got.startswith(b"event: message_start\n")
    assert got.endswith(b"\n\n")
    assert (entry.outcome, entry.usage_source, entry.stream) == ("answered", "exact", True)
    assert -entry.posted(UPSTREAM) == pico_from_usd(billed.cost)
    assert told(reply.headers, "thriftgate-request-id") == entry.id
    assert b"thriftgate-cost-usd" not in dict(reply.headers)  # known only at the end


@pytest.mark.parametrize("size", [1, 7, 100_000])
async def test_any_chunking_is_metered_the_same(size: int) -> None:
    whole = b"".join(EVENTS)
    pieces = [whole[at : at + size] for at in range(0, len(whole), size)]
    async with engine_on(Provider(say_stream(*pieces))) as engine:
        assert await read_all(await engine.messages(call_of(STREAM))) == whole
        entry = await only_entry(engine)
    assert (entry.usage.total.input, entry.usage.total.output, entry.stop_reason) == (10, 5, "end_turn")


async def test_each_piece_is_there_before_the_next_is_made() -> None:
    gates = [asyncio.Event() for _ in EVENTS]
    pieces = [piece for pair in zip(gates, EVENTS, strict=True) for piece in pair]
    async with engine_on(Provider(say_stream(*pieces))) as engine:
        gates[0].set()
        reply = await engine.messages(call_of(STREAM))
        for at, event in enumerate(EVENTS):
            gates[at].set()
            assert await reply.read() == event
        assert await reply.read() == b""


async def test_the_last_piece_waits_for_the_books(tmp_path: Path) -> None:
    path = str(tmp_path / "books.db")
    gate = asyncio.Event()
    async with engine_on(Provider(say_stream(*EVENTS[:-1], gate, EVENTS[-1])), ledger={"path": path}) as engine:
        reply = await engine.messages(call_of(STREAM))
        assert [await reply.read() for _ in EVENTS[:-1]] == EVENTS[:-1]
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("begin immediate")  # nobody else can write now
        gate.set()
        last = asyncio.ensure_future(reply.read())
        done, _ = await asyncio.wait({last}, timeout=0.2)
        assert not done
        other.execute("rollback")
        other.close()
        assert await last == EVENTS[-1]
        assert (await only_entry(engine)).outcome == "answered"


async def test_a_stream_that_cannot_be_booked_never_shows_its_end() -> None:
    async with engine_on(Provider(say_stream())) as engine:
        assert isinstance(engine.ledger, SqlLedger)
        reply = await engine.messages(call_of(STREAM))
        writer_of(engine.ledger).execute("pragma query_only = on")
        assert [await reply.read() for _ in EVENTS[:-1]] == EVENTS[:-1]
        with pytest.raises(LedgerError, match="cannot write the ledger"):
            await reply.read()
        await reply.leave()


# --- the provider breaks off -------------------------------------------------------------------------------------------


async def test_a_reset_is_told_and_booked_by_what_was_seen() -> None:
    async with engine_on(Provider(say_stream(*EVENTS[:3], ConnectionError("reset")))) as engine:
        reply = await engine.messages(call_of(STREAM))
        for event in EVENTS[:3]:
            assert await reply.read() == event
        with pytest.raises(BrokenReply):
            await reply.read()
        entry = await only_entry(engine)
        await reply.leave()
    assert (entry.outcome, entry.usage_source, entry.resolution) == ("cut", "estimated", "post")
    assert entry.usage.total.input == 10  # message_start told the input side
    assert 1 <= entry.usage.total.output <= message()["max_tokens"]
    assert entry.message_id == "msg_scripted"


@pytest.mark.parametrize("kept", [0, 1, 3, 5])
async def test_an_end_without_message_stop_is_a_cut(kept: int) -> None:
    async with engine_on(Provider(say_stream(*EVENTS[:kept], b""))) as engine:
        assert await read_all(await engine.messages(call_of(STREAM))) == b"".join(EVENTS[:kept])
        entry = await only_entry(engine)
    assert (entry.outcome, entry.usage_source) == ("cut", "estimated")
    assert "without message_stop" in entry.note
    assert -entry.posted(UPSTREAM) > 0


async def test_an_error_event_is_noted() -> None:
    error = sse("error", error={"type": "overloaded_error", "message": "Overloaded"})
    async with engine_on(Provider(say_stream(*EVENTS[:3], error))) as engine:
        assert (await read_all(await engine.messages(call_of(STREAM)))).endswith(error)
        entry = await only_entry(engine)
    assert (entry.outcome, entry.usage_source) == ("cut", "estimated")
    assert "overloaded_error" in entry.note


async def test_a_stall_is_a_timeout_for_the_client_and_a_cut_in_the_books() -> None:
    async with engine_on(Provider(say_stream(*EVENTS[:2], asyncio.Event())), upstream={"read_timeout_s": 0.05}) as engine:
        reply = await engine.messages(call_of(STREAM))
        await reply.read()
        await reply.read()
        with pytest.raises(UpstreamTimeout):
            await reply.read()
        assert (await only_entry(engine)).outcome == "cut"


async def test_a_break_after_the_end_changes_nothing_in_the_books() -> None:
    async with engine_on(Provider(say_stream(*EVENTS, ConnectionError("late")))) as engine:
        reply = await engine.messages(call_of(STREAM))
        for event in EVENTS:
            assert await reply.read() == event
        with pytest.raises(BrokenReply):
            await reply.read()
        entry = await only_entry(engine)
    assert (entry.outcome, entry.usage_source) == ("answered", "exact")


# --- the client goes ---------------------------------------------------------------------------------------------------


async def leave_after(engine: Engine, pieces: int) -> Reply:
    reply = await engine.messages(call_of(STREAM))
    for _ in range(pieces):
        await reply.read()
    await reply.leave()
    return reply


async def test_a_client_that_leaves_is_drained_to_the_exact_usage() -> None:
    app = simulator()
    async with engine_on(app) as engine:
        await leave_after(engine, 2)
        entry = await only_entry(engine)
    (billed,) = app.bill.calls
    assert (entry.outcome, entry.usage_source, entry.note) == ("left", "exact", "the client left")
    assert -entry.posted(UPSTREAM) == pico_from_usd(billed.cost)


async def test_a_drain_that_takes_too_long_is_estimated_and_flagged() -> None:
    provider = Provider(say_stream(*EVENTS[:3], asyncio.Event()))
    async with engine_on(provider, server={"drain_s": 0.05}) as engine:
        await leave_after(engine, 1)
        entry = await only_entry(engine)
    assert (entry.outcome, entry.usage_source) == ("left", "estimated")
    assert "not drained to the end within 0.05 s" in entry.note
    assert provider.gone == 1


async def test_a_drain_has_a_limit_in_bytes_too() -> None:
    endless = [sse("content_block_delta", index=0, delta={"type": "text_delta", "text": "x" * 2**20})] * 20
    async with engine_on(Provider(say_stream(EVENTS[0], *endless))) as engine:
        await leave_after(engine, 1)
        entry = await only_entry(engine)
    assert (entry.outcome, entry.usage_source) == ("left", "estimated")
    assert "within 8388608 bytes" in entry.note


async def test_a_break_while_draining_is_noted() -> None:
    async with engine_on(Provider(say_stream(*EVENTS[:3], ConnectionError("reset")))) as engine:
        await leave_after(engine, 1)
        entry = await only_entry(engine)
    assert (entry.outcome, entry.usage_source) == ("left", "estimated")
    assert "the client left; the provider's answer broke off" in entry.note


async def test_leaving_twice_or_after_the_end_is_harmless() -> None:
    provider = Provider(say_stream(*EVENTS, asyncio.Event()))  # the connection stays open behind the last event
    async with engine_on(provider) as engine:
        reply = await leave_after(engine, len(EVENTS))
        await reply.leave()
        assert (await only_entry(engine)).outcome == "answered"

        async def given_up() -> bool:
            return provider.gone == 1

        await until(given_up)
    async with engine_on(Provider(say_stream())) as engine:
        reply = await engine.messages(call_of(STREAM))
        await reply.read()
        await asyncio.gather(reply.leave(), reply.leave())
        assert (await only_entry(engine)).outcome == "left"


# --- cancelled at any moment -------------------------------------------------------------------------------------------


class Steps:
    """Counts the times that a task waits, and cancels it at the n-th."""

    def __init__(self, work: Any, cancel_at: int) -> None:
        self.work = work.__await__()
        self.cancel_at = cancel_at
        self.waits = 0

    def __await__(self) -> Any:
        wanted: Any = None
        while True:
            try:
                wanted = self.work.send(None) if not isinstance(wanted, BaseException) else self.work.throw(wanted)
            except StopIteration as end:
                return end.value
            self.waits += 1
            if self.waits == self.cancel_at:
                task = asyncio.current_task()
                assert task is not None
                asyncio.get_running_loop().call_soon(task.cancel)
            try:
                wanted = yield wanted
            except BaseException as error:  # noqa: BLE001  passed on to the work
                wanted = error


async def relay(engine: Engine, call: Any) -> None:
    """What the gateway does with a call."""
    reply = await engine.messages(call)
    try:
        await read_all(reply)
    finally:
        await reply.leave()


async def waited(awaitable: Steps) -> None:
    await awaitable


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("kind", ["answers", "refuses", "is overloaded once", "breaks off"])
async def test_a_cancelled_call_is_booked_once_wherever_it_is_cancelled(stream: bool, kind: str) -> None:
    """At each point where the call can wait, once."""
    cancel_at = 0
    while True:
        cancel_at += 1
        provider = provider_that(kind, stream=stream)
        async with engine_on(provider, clock=TestClock()) as engine:
            steps = Steps(relay(engine, call_of(message(stream=stream))), cancel_at)
            results = await asyncio.gather(asyncio.ensure_future(waited(steps)), return_exceptions=True)
            if steps.waits < cancel_at:
                break
            await entry_there(engine)
            entry = await only_entry(engine)
            assert isinstance(results[0], asyncio.CancelledError | BrokenReply | None)
            if not provider.bodies:
                assert (entry.outcome, entry.usage_source) == ("left", "none")
            assert (entry.posted(BASELINE) == 0) == (entry.usage_source == "none")
    assert cancel_at > 2, "the call never waited"


def provider_that(kind: str, *, stream: bool) -> Provider:
    good = say_stream() if stream else Say()
    if kind == "refuses":
        return Provider(say_error(400, "invalid_request_error"))
    if kind == "is overloaded once":
        return Provider(say_error(529, "overloaded_error"), good)
    if kind == "breaks off":
        good.pieces = [*good.pieces[:1], ConnectionError("reset")]
        return Provider(good)
    return Provider(good)


async def test_stopping_the_engine_books_a_drain_that_is_under_way(tmp_path: Path) -> None:
    path = str(tmp_path / "books.db")
    provider = Provider(say_stream(*EVENTS[:2], asyncio.Event()))
    limits = {"drain_s": 60, "shutdown_s": 0.1}
    async with engine_on(provider, ledger={"path": path}, server=limits) as engine:
        reply = await engine.messages(call_of(STREAM))
        await reply.read()
        leaving = asyncio.ensure_future(reply.leave())
        await asyncio.sleep(0)
    await leaving
    async with books(path) as ledger:
        (entry,) = await ledger.entries()
        await assert_sound(ledger)
    assert (entry.outcome, entry.usage_source) == ("left", "estimated")
    assert "before thriftgate was stopped" in entry.note


# --- the answer is ended early -----------------------------------------------------------------------------------------


async def replying(engine: Engine, condition: str) -> StreamReply:
    """A stream that is to be ended early, sent and held."""
    call = call_of(STREAM)
    prepared = engine.toucher.plan(call, "key_a")
    await engine.ledger.hold(hold_of(prepared, "anthropic"))
    outgoing = engine.provider.prepare("POST", "/v1/messages", "", call.headers, prepared.plan.body)
    incoming = await engine.transport.send(outgoing, engine.limits.timeouts)

    async def settle(ending: Ending) -> Entry:
        entry = entry_for(prepared, ending, "anthropic", 1, engine.knowledge)
        await engine.ledger.settle(entry)
        return entry

    early = EarlyEnd(parse_until(condition), "claude47")
    ending = Ending("answered", status=200)
    return StreamReply(prepared, incoming, ending, settle=settle, tasks=engine.tasks, drain=engine.limits.drain, early=early)


def say_lines(*more: bytes | asyncio.Event) -> Say:
    lines = [sse("content_block_delta", index=0, delta={"type": "text_delta", "text": text}) for text in ("spam", "\nBut")]
    return say_stream(*EVENTS[:2], *lines, *more)


async def test_an_answer_that_is_complete_leaves_the_provider_at_once(tmp_path: Path) -> None:
    """It is left before the books are written, and they are written before the end is shown."""
    path = str(tmp_path / "books.db")
    provider = Provider(say_lines(asyncio.Event()))
    async with engine_on(provider, ledger={"path": path}) as engine:
        reply = await replying(engine, "first_line")
        for _ in range(3):
            assert b"message_stop" not in await reply.read()
        before = reply.ended
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("begin immediate")
        last = asyncio.ensure_future(reply.read())
        await until(lambda: is_gone(provider))
        assert not last.done()
        other.execute("rollback")
        other.close()
        assert (await last).endswith(EVENTS[-1])
        assert (before, reply.ended) == (False, True)
        assert await reply.read() == b""
        await reply.leave()
        entry = await only_entry(engine)
    assert (entry.outcome, entry.usage_source, entry.note) == ("answered", "estimated", "ended early: first_line")
    assert entry.usage.total.input == 10


async def is_gone(provider: Provider) -> bool:
    return provider.gone == 1


async def test_an_end_that_cannot_be_booked_is_never_shown() -> None:
    async with engine_on(Provider(say_lines())) as engine:
        assert isinstance(engine.ledger, SqlLedger)
        reply = await replying(engine, "first_line")
        for _ in range(3):
            await reply.read()
        writer_of(engine.ledger).execute("pragma query_only = on")
        with pytest.raises(LedgerError, match="cannot write the ledger"):
            await reply.read()
        await reply.leave()


async def test_what_is_held_back_comes_with_the_end_of_the_stream() -> None:
    held = sse("content_block_delta", index=0, delta={"type": "text_delta", "text": "- one\n"})
    for rest in ([], EVENTS[3:]):
        async with engine_on(Provider(say_stream(*EVENTS[:2], held, *rest))) as engine:
            reply = await replying(engine, "items:1")
            assert await read_all(reply) == b"".join([*EVENTS[:2], held, *rest])
            entry = await only_entry(engine)
        assert (entry.outcome, entry.usage_source) == (("answered", "exact") if rest else ("cut", "estimated"))


async def test_a_drain_goes_no_further_than_the_answer() -> None:
    provider = Provider(say_lines(asyncio.Event()))
    async with engine_on(provider) as engine:
        reply = await replying(engine, "first_line")
        await reply.read()
        await reply.leave()
        entry = await only_entry(engine)
    assert provider.gone == 1
    assert (entry.outcome, entry.usage_source) == ("left", "estimated")
    assert entry.note == "the client left; ended early: first_line"


async def test_one_that_is_ended_early_is_booked_once_wherever_it_is_cancelled() -> None:
    cancel_at = 0
    while True:
        cancel_at += 1
        async with engine_on(Provider(say_lines()), clock=TestClock()) as engine:
            reply = await replying(engine, "first_line")
            steps = Steps(relayed(reply), cancel_at)
            await asyncio.gather(asyncio.ensure_future(waited(steps)), return_exceptions=True)
            if steps.waits < cancel_at:
                break
            await entry_there(engine)
            assert (await only_entry(engine)).outcome in ("answered", "left")
    assert cancel_at > 1, "it never waited"


async def relayed(reply: Reply) -> None:
    try:
        await read_all(reply)
    finally:
        await reply.leave()
