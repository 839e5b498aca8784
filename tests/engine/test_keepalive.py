"""Pings against the simulator: what they cost and spare by its bill, and all that must keep them from being sent."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.engine.pausing import HEAD, MARK, MODEL, TOOL, Talk, talk
from tests.fixtures import KEY, call_of, read_all
from thriftgate.core.beliefs import Belief, Beliefs
from thriftgate.core.hazards import BINS
from thriftgate.core.money import pico_from_usd
from thriftgate.engine.keepalive import CONVERSATIONS_MAX, KeepAlive, Kept
from thriftgate.ledger.entries import BASELINE, UPSTREAM
from thriftgate.simulator.config import CacheRules, LimitRules

PAUSE_S = 1800.0
SAY = "[[sim: out=200]]"
OFF: dict[str, Any] = {"on": False}
HOPEFUL = tuple(1 - 0.5 ** (n + 1) for n in range(BINS))  # half of those still silent come back in each bin


def on(**members: Any) -> dict[str, Any]:
    return {"on": True} | members


async def two_turns(one: Talk, pause_s: float = PAUSE_S) -> None:
    """Two turns, a pause, a third."""
    await one.say(f"one {SAY}")
    await one.wait(60)
    await one.say(f"two {SAY}")
    await one.wait(pause_s)
    await one.say(f"three {SAY}")


def keepalive_of(one: Talk) -> KeepAlive:
    assert one.engine._keepalive is not None
    return one.engine._keepalive


def kept_of(one: Talk) -> list[Kept]:
    return list(keepalive_of(one)._kept.values())


def nothing_kept(one: Talk) -> bool:
    return not keepalive_of(one)._kept and keepalive_of(one)._bytes == 0


@pytest.mark.parametrize("stream", [False, True])
async def test_a_pause_of_half_an_hour_costs_less_by_the_simulators_bill(stream: bool) -> None:
    async with talk(keepalive=OFF, stream=stream) as without:
        await two_turns(without)
        await without.check_books()
        assert not await without.pings()
    async with talk(stream=stream) as kept:
        await two_turns(kept)
        await kept.check_books()
        (ping,) = await kept.pings()
        report = await kept.engine.ledger.report()
    assert kept.billed() < 0.65 * without.billed()
    last = kept.app.bill.calls[-1].usage
    assert last.read > 40_000
    assert last.write_5m < 100
    paid = -ping.posted(UPSTREAM)
    assert (ping.posted(BASELINE), ping.posted("saved:cache.keepalive")) == (0, paid)
    assert report.levers["cache.keepalive"] == -paid < 0
    assert (ping.usage.total.output, ping.outcome, ping.key) == (0, "answered", kept.engine.key_of(KEY))
    assert ping.usage.total.write_1h == 200  # the answer, and with it the whole prefix lives for an hour


async def test_it_goes_out_just_before_the_entry_dies() -> None:
    async with talk() as one:
        await one.say(SAY)
        start = one.clock.time()
        await one.wait(284)
        assert len(one.app.bill.calls) == 1
        await one.wait(2)
        ping = one.app.bill.calls[1]
        assert 285 <= ping.at - start < 290
        assert ping.outcome == "prewarm"


async def test_an_unlikely_return_is_not_paid_for() -> None:
    async with talk() as one:
        await one.say(SAY)
        for kept in kept_of(one):
            kept.curve = (0.4,) * BINS  # who comes back does so at once
        await one.wait(PAUSE_S)
        assert not await one.pings()
        assert nothing_kept(one)


@pytest.mark.parametrize("come_back", [True, False])
async def test_what_was_learned_decides(come_back: bool) -> None:
    """Where conversations come back after twenty minutes pings go on; where none ever does they cease, and cost little."""
    async with talk() as one:
        pinged = []
        for number in range(16):
            one.messages.clear()
            before = len(await one.pings())
            await one.say(f"conversation {number} {SAY}")
            await one.wait(1200)
            pinged.append(len(await one.pings()) - before)
            if come_back:
                await one.say(f"back {SAY}")
            await one.wait(4 * 3600)
        assert pinged[0] == 1
        assert pinged[-4:] == ([1] * 4 if come_back else [0] * 4)
        await one.check_books()


async def test_off_by_default() -> None:
    async with talk(keepalive={"margin": 1.1}) as one:
        assert one.engine._keepalive is None
        await one.say(SAY)
        await one.wait(PAUSE_S)
        assert len(one.app.bill.calls) == 1


async def test_pings_end_when_they_have_cost_one_re_write() -> None:
    """A curve that promises a return for ever is not believed for ever."""
    async with talk(keepalive=on(hours_max=24.0)) as one:
        await one.say(SAY)
        for kept in kept_of(one):
            kept.curve = HOPEFUL
        for _ in range(24):
            await one.wait(3600)
        pings = await one.pings()
        written = one.app.bill.calls[0].usage.write_5m
        spent = sum(-entry.posted(UPSTREAM) for entry in pings)
        assert 8 <= len(pings) <= 12
        assert spent <= (1.25 - 0.1) * written * 5 * 10**6 * 1.01
        assert nothing_kept(one)
        await one.check_books()


async def test_silence_of_more_than_hours_max_is_left_alone() -> None:
    async with talk(keepalive=on(hours_max=2.5)) as one:
        await one.say(SAY)
        for kept in kept_of(one):
            kept.curve = HOPEFUL
        await one.wait(12 * 3600)
        assert len(await one.pings()) == 3  # after 5 minutes, and after about 1 and 2 hours


# --- what stands in the way ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "members",
    [
        {"usd_per_day": "0.05"},
        {"usd_per_key_per_day": "0.05"},
        {"usd_per_day": 0},
        {"quiet_hours": "12:00-12:30"},  # the simulator starts at noon
        {"quiet_hours": "22:00-12:30"},
        {"margin": 20},
    ],
    ids=str,
)
async def test_caps_and_quiet_hours_keep_it_from_being_sent(members: dict[str, Any]) -> None:
    async with talk(keepalive=on(**members)) as one:
        await one.say(SAY)
        await one.wait(PAUSE_S)
        assert len(one.app.bill.calls) == 1
        assert nothing_kept(one)


async def test_quiet_hours_at_another_time_do_not() -> None:
    async with talk(keepalive=on(quiet_hours="12:30-12:00")) as one:
        await one.say(SAY)
        await one.wait(PAUSE_S)
        assert len(await one.pings()) == 1


async def test_the_caps_hold_for_all_pings_of_the_day_and_over_a_restart(tmp_path: Path) -> None:
    cap = "0.60"  # the worst that two pings could cost here is more
    books = str(tmp_path / "books.db")
    async with talk(keepalive=on(usd_per_key_per_day=cap), ledger=books) as one:
        for name in ("a", "b", "c"):
            one.messages.clear()
            await one.say(f"{name} {SAY}")
        await one.wait(600)
        first = await one.pings()
        assert len(first) == 1
        clock = one.app.config.clock
    async with talk(keepalive=on(usd_per_key_per_day="0.46"), ledger=books, sim={"clock": clock}) as two:
        await two.say(f"d {SAY}")
        await two.wait(600)
        assert len(await two.pings()) == 1  # what was spent before it was stopped counts
        assert sum(-entry.posted(UPSTREAM) for entry in await two.pings()) <= pico_from_usd("0.46")
        await two.wait(13 * 3600)  # the next day
        await two.say(f"e {SAY}")
        await two.wait(600)
        assert len(await two.pings()) == 2


async def test_only_spare_rate_limit_is_used() -> None:
    limits = LimitRules(tier="start", itpm=50_000)
    async with talk(sim={"limits": limits}) as one:
        await one.say(SAY)  # takes most of the minute's tokens
        digest, kept = next(iter(keepalive_of(one)._kept.items()))
        assert keepalive_of(one)._stands_in_the_way(kept, 0, one.clock.time())
        assert not keepalive_of(one)._stands_in_the_way(kept, 0, one.clock.time() + 61)  # the bucket is full again
        assert digest


async def test_a_rate_limit_that_was_hit_stops_pings_for_a_while() -> None:
    async with talk(sim={"limits": LimitRules(tier="start", itpm=60_000)}, governor={"on": False}) as one:
        await one.say(SAY)
        await one.wait(200)
        refused = call_of({"model": MODEL, "max_tokens": 5, "messages": [{"role": "user", "content": "word " * 50_000}]})
        statuses = [(await one.engine.messages(refused)).status for _ in range(2)]
        assert 429 in statuses
        await one.wait(PAUSE_S)
        assert not await one.pings()


# --- which conversations ------------------------------------------------------------------------------------------------


async def test_a_tool_call_at_the_end_is_kept_by_the_same_request() -> None:
    async with talk(tools=[TOOL]) as one:
        answer = await one.say('[[sim: tool=look input={"at": "x"}]]')
        assert answer["stop_reason"] == "tool_use"
        for kept in kept_of(one):
            kept.curve = HOPEFUL
        await one.wait(900)
        pings = await one.pings()
        assert 2 <= len(pings) <= 4  # each buys five minutes
        assert all(ping.usage.total.write_1h == ping.usage.total.write_5m == 0 for ping in pings)
        if kept_of(one):
            call = next(block for block in answer["content"] if block["type"] == "tool_use")
            await one.send([{"type": "tool_result", "tool_use_id": call["id"], "content": "seen"}])
            assert one.app.bill.calls[-1].usage.read > 40_000
        await one.check_books()


async def test_without_late_upgrade_only_five_minutes_are_bought() -> None:
    async with talk(sim={"rules": CacheRules(late_upgrade=False)}) as one:
        fails = Beliefs(late_upgrade=Belief("fails", "experiment", 1.0))
        one.engine.knowledge.beliefs.teach("anthropic", MODEL, fails)
        await one.say(SAY)
        for kept in kept_of(one):
            kept.curve = HOPEFUL
        await one.wait(600)
        pings = await one.pings()
        assert pings
        assert all(ping.usage.total.write_1h == 0 for ping in pings)


async def test_thinking_is_repeated_as_it_was() -> None:
    """On a model that binds its thinking to the exact prefix, the ping and the turn after it are accepted."""
    thinks: dict[str, Any] = {"model": "claude-opus-5-5", "thinking": {"type": "adaptive"}, "max_tokens": 3000}
    async with talk(stream=True, **thinks) as one:
        answer = await one.say("[[sim: think=80 out=300]]")
        assert [block["type"] for block in answer["content"]] == ["thinking", "text"]
        await one.wait(PAUSE_S)
        (ping,) = await one.pings()
        assert ping.usage.total.write_1h > 200
        await one.say(SAY)
        assert one.app.bill.calls[-1].usage.read == ping.usage.total.read + ping.usage.total.write_1h
        await one.check_books()


async def test_automatic_caching_is_kept_as_well() -> None:
    async with talk() as one:
        body = {"model": MODEL, "max_tokens": 500, "system": HEAD, "cache_control": MARK}
        await read_all(await one.engine.messages(call_of(body | {"messages": [{"role": "user", "content": SAY}]})))
        await one.wait(PAUSE_S)
        (ping,) = await one.pings()
        assert ping.usage.total.read > 40_000
        assert ping.usage.total.write_1h > 0


@pytest.mark.parametrize(
    "members",
    [
        {"output_config": {"format": {"type": "json_schema", "schema": {"type": "object", "additionalProperties": False}}}},
        {"model": "claude-opus-4-5", "thinking": {"type": "enabled", "budget_tokens": 1024}, "max_tokens": 2000},
        {"model": "claude-opus-4-5", "tools": [TOOL], "tool_choice": {"type": "any"}},
    ],
    ids=["format", "budget", "forced"],
)
async def test_what_forbids_a_ping_is_not_kept(members: dict[str, Any]) -> None:
    async with talk(**members) as one:
        await one.say(SAY)
        assert nothing_kept(one)


async def test_an_unmarked_end_is_not_kept() -> None:
    async with talk() as one:
        body = {"model": MODEL, "max_tokens": 50, "system": [{"type": "text", "text": HEAD, "cache_control": MARK}]}
        await read_all(await one.engine.messages(call_of(body | {"messages": [{"role": "user", "content": "q"}]})))
        assert nothing_kept(one)


async def test_failed_calls_are_not_kept() -> None:
    async with talk() as one:
        reply = await one.engine.messages(call_of({"model": MODEL, "max_tokens": 5, "messages": []}))
        assert reply.status == 400
        assert nothing_kept(one)


async def test_anything_but_a_full_read_ends_it() -> None:
    async with talk(keepalive=on(hours_max=24.0)) as one:
        await one.say(SAY)
        for kept in kept_of(one):
            kept.curve = HOPEFUL
        one.app.service.cache._entries.clear()  # the provider threw it out early
        await one.wait(3 * 3600)
        (ping,) = await one.pings()
        assert ping.usage.total.read == 0
        assert nothing_kept(one)
        await one.check_books()


async def test_a_conversation_that_goes_on_needs_no_ping() -> None:
    async with talk() as one:
        for _ in range(10):
            await one.say(SAY)
            await one.wait(200)
            assert len(kept_of(one)) == 1
        assert not await one.pings()


async def test_a_second_pause_begins_anew() -> None:
    async with talk() as one:
        await two_turns(one)
        await one.wait(PAUSE_S)
        await one.say(SAY)
        assert one.app.bill.calls[-1].usage.read > 40_000
        await one.check_books()


# --- bounds -------------------------------------------------------------------------------------------------------------


async def test_so_many_conversations_and_no_more() -> None:
    async with talk() as one:
        await one.say(SAY)
        alive = keepalive_of(one)
        (kept,) = kept_of(one)
        for number in range(CONVERSATIONS_MAX + 50):
            copy = Kept.__new__(Kept)
            for name in Kept.__slots__:
                setattr(copy, name, getattr(kept, name))
            alive._keep(number.to_bytes(16, "big"), copy)
        assert len(alive._kept) <= CONVERSATIONS_MAX
        assert alive._bytes == sum(one.weight for one in alive._kept.values()) <= 32 * 1024 * 1024
        assert len(alive._due) <= 3 * CONVERSATIONS_MAX
        alive.stop()


async def test_nothing_of_the_connection_is_kept() -> None:
    """Of a call whose connection is over: its buffers would live as long as the conversation is kept."""

    async def left() -> None:
        raise AssertionError("nobody waits for the client any more")

    async with talk() as one:
        system = [{"type": "text", "text": HEAD, "cache_control": MARK}]
        said = [{"role": "user", "content": [{"type": "text", "text": SAY, "cache_control": MARK}]}]
        body = {"model": MODEL, "max_tokens": 300, "system": system, "messages": said}
        await read_all(await one.engine.messages(call_of(body, left=left)))
        (kept,) = kept_of(one)
        assert (kept.call.left, kept.call.admission) == (None, None)
        await one.wait(290)
        assert len(one.app.bill.calls) == 2


async def test_stopping_does_not_wait_for_what_is_due() -> None:
    async with talk() as one:
        await one.say(SAY)
        assert kept_of(one)
        await one.engine.close()
        assert nothing_kept(one) or not keepalive_of(one)._kept
