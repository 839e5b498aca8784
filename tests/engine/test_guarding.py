"""The agent guard at work, on the simulator and through the gateway: no ceiling is ever passed, nothing stays taken, and
what was spent outlives a restart."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.core.agents.sessions import Session
from tests.fixtures import (
    HEADERS,
    MODEL,
    TestClock,
    assert_sound,
    books,
    call_of,
    client,
    engine_on,
    read_all,
    serving,
    settings_of,
    simulator,
    told,
)
from tests.scripted import MESSAGE, Provider, Say, say_stream, sse_events
from thriftgate.core.errors import PolicyRefusal, Unreachable, UpstreamError
from thriftgate.core.money import pico_from_usd
from thriftgate.engine.call import Reply, WholeReply
from thriftgate.engine.engine import Engine
from thriftgate.gateway.app import Gateway
from thriftgate.ledger.entries import UPSTREAM
from thriftgate.providers.asgi_transport import AsgiTransport
from thriftgate.providers.transport import Incoming, Outgoing, Timeouts
from thriftgate.simulator import Simulator
from thriftgate.simulator.faults import Faults

Json = dict[str, Any]
GUARDED = {"levers": ["cache.breakpoints", "agent.guard"]}
RUN = {"thriftgate-run": "nightly-7"}
OUTPUT_PICO = 25_000_000  # Opus 4.8, a token
HISTORY = [
    {"role": "user", "content": "Make the tests pass."},
    {"role": "assistant", "content": "Which of them?"},
]


def body_of(text: str = "All. [[sim: out=50]]", max_tokens: int = 400, **members: Any) -> Json:
    """The third message of a conversation, which is then known by the two before it."""
    return {"model": MODEL, "max_tokens": max_tokens, "messages": [*HISTORY, {"role": "user", "content": text}]} | members


@asynccontextmanager
async def guarded(app: Any = None, guard: Json | None = None, **tables: Any) -> AsyncIterator[Engine]:
    """An engine that guards, in front of a simulator or whatever `app` is."""
    app = app if app is not None else simulator()
    clock = TestClock(app.config.clock) if isinstance(app, Simulator) else TestClock()  # type: ignore[arg-type]
    tables = {"policy": GUARDED, "guard": guard or {}, "upstream": {"retry": "never"}} | tables
    async with engine_on(app, clock=clock, **tables) as engine:
        yield engine
        await assert_sound(engine.ledger)


async def ask(engine: Engine, body: Json, headers: dict[str, str] | None = None) -> Reply:
    """One call, answered to its end."""
    reply = await engine.messages(call_of(body, headers=HEADERS | (headers or {})))
    await read_all(reply)
    return reply


async def spent(engine: Engine) -> tuple[int, int]:
    """Tokens and pico-dollars of all calls there were."""
    totals = [(entry.usage.total, -entry.posted(UPSTREAM)) for entry in await engine.ledger.entries(limit=10_000)]
    return sum(total.prompt + total.output for total, _ in totals), sum(pico for _, pico in totals)


async def known(engine: Engine) -> int:
    """Tokens that run or conversation have used, as the guard knows it once no call is under way."""
    runs = engine._guarding.runs
    assert not runs._under_way
    assert not runs._taken
    reason = await until_refused(engine, RUN, max_tokens=50_000)
    return int(re.findall(r"has used (\d+) tokens", reason)[0])


async def until_refused(engine: Engine, headers: dict[str, str] | None = None, **members: Any) -> str:
    """Calls, one after the other, until one may not go out; why."""
    for _ in range(100):
        try:
            reply = await ask(engine, body_of(**members), headers)
        except PolicyRefusal as error:
            return str(error)
        assert reply.status == 200
    raise AssertionError("no call was refused")


# --- ceilings -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("guard", "key"), [({"call_tokens": 420}, "call_tokens"), ({"call_usd": "0.01"}, "call_usd")])
async def test_a_call_over_its_ceiling_is_not_sent(guard: Json, key: str) -> None:
    app = simulator()
    async with guarded(app, guard) as engine:
        with pytest.raises(PolicyRefusal, match=rf"over the ceiling of .* per call; .* raise guard\.{key}"):
            await ask(engine, body_of())
        assert not app.bill.calls
        (entry,) = await engine.ledger.entries()
        assert (entry.outcome, entry.usage_source, entry.status) == ("refused", "none", 400)
        assert (await ask(engine, body_of(max_tokens=60))).status == 200


@pytest.mark.parametrize(
    ("guard", "most", "which"),
    [
        ({"conversation_tokens": 2_000}, 2_000, 0),
        ({"conversation_usd": "0.03"}, pico_from_usd("0.03"), 1),
        ({"run_tokens": 2_000}, 2_000, 0),
        ({"run_usd": "0.03"}, pico_from_usd("0.03"), 1),
    ],
)
async def test_calls_in_a_row_come_up_to_the_ceiling_and_not_over_it(guard: Json, most: int, which: int) -> None:
    async with guarded(guard=guard) as engine:
        what = next(iter(guard)).split("_")[0]
        reason = await until_refused(engine, RUN)
        assert f"per {what}; begin a new {what}, lower max_tokens, or raise guard.{next(iter(guard))}" in reason
        used = (await spent(engine))[which]
        assert used <= most
        assert used > most - (700, 20_000_000_000)[which]  # the worst case of one more call
        assert (await ask(engine, body_of(max_tokens=60), RUN)).status == 200  # a shorter one still fits


async def test_another_conversation_and_another_run_are_not_stopped() -> None:
    async with guarded(guard={"conversation_tokens": 1_000, "run_tokens": 1_500}) as engine:
        assert "per conversation" in await until_refused(engine, RUN)
        other = [{"role": "user", "content": "Another task."}, HISTORY[1], {"role": "user", "content": "[[sim: out=50]]"}]
        assert (await ask(engine, body_of(messages=other), RUN)).status == 200
        assert "per run" in await until_refused(engine, RUN, messages=other)
        assert (await ask(engine, body_of(messages=other), {"thriftgate-run": "nightly-8"})).status == 200


async def test_steps_since_the_user_last_spoke() -> None:
    session = Session("Go.")
    tool = {"name": "Bash", "input_schema": {"type": "object"}}
    async with guarded(guard={"steps": 3, "look_for_loops": False}) as engine:
        for step in range(5):
            body = body_of(messages=session.messages, tools=[tool])
            if step <= 3:
                assert (await ask(engine, body)).status == 200
            else:
                with pytest.raises(PolicyRefusal, match=r"more than 3 rounds of tool calls since the user last spoke"):
                    await ask(engine, body)
            session.bash(f"step {step}", f"result {step}")
        session.adds("I have looked at it: go on.")
        assert (await ask(engine, body_of(messages=session.messages, tools=[tool]))).status == 200


async def test_over_a_ceiling_that_only_warns_the_call_goes_out_and_says_so() -> None:
    async with guarded(guard={"run_tokens": 1, "on_limit": "warn"}) as engine:
        reply = await ask(engine, body_of(), RUN)
        assert reply.status == 200
        assert "over the ceiling of 1 per run" in told(reply.headers, "thriftgate-warning")
        streamed = await ask(engine, body_of(stream=True), RUN)
        assert "this run has used" in told(streamed.headers, "thriftgate-warning")
        with pytest.raises(KeyError):
            told((await ask(engine, body_of())).headers, "thriftgate-warning")


async def test_nothing_is_guarded_where_the_lever_is_off() -> None:
    async with guarded(guard={"call_tokens": 1}, policy={"levers": ["cache.breakpoints"]}) as engine:
        assert (await ask(engine, body_of())).status == 200


# --- at once ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("guard", "most", "which"),
    [
        ({"run_tokens": 3_000}, 3_000, 0),
        ({"run_usd": "0.06"}, pico_from_usd("0.06"), 1),
        ({"conversation_tokens": 3_000}, 3_000, 0),
        ({"conversation_usd": "0.06"}, pico_from_usd("0.06"), 1),
    ],
)
async def test_parallel_calls_never_pass_a_ceiling_together(guard: Json, most: int, which: int, stream: bool) -> None:
    async with guarded(guard=guard) as engine:

        async def one(at: int) -> bool:
            try:
                reply = await ask(engine, body_of(f"{at} [[sim: out={200 + at * 10}]]", stream=stream), RUN)
            except PolicyRefusal:
                return False
            return reply.status == 200

        for _ in range(12):
            passed = await asyncio.gather(*(one(at) for at in range(20)))
            assert (await spent(engine))[which] <= most
            if not any(passed):
                break
        assert not any(passed)
        assert (await spent(engine))[which] > most / 2
        assert not engine._guarding.runs._under_way


async def test_what_is_refused_takes_nothing() -> None:
    """Twenty long calls that may not go out do not stand in the way of a short one."""
    async with guarded(guard={"run_tokens": 1_000}) as engine:
        calls = (ask(engine, body_of(max_tokens=5_000), RUN) for _ in range(20))
        found = await asyncio.gather(*calls, return_exceptions=True)
        assert all(isinstance(one, PolicyRefusal) for one in found)
        assert (await ask(engine, body_of(), RUN)).status == 200


# --- what fails releases ------------------------------------------------------------------------------------------------

TIGHT = {"run_tokens": 600, "conversation_tokens": 600}  # one call of at most 400 and its prompt fit


class Broken:
    """The way to a provider that cannot be reached the first times."""

    def __init__(self, app: Any, times: int) -> None:
        self._transport = AsgiTransport(app)
        self.times = times

    async def send(self, outgoing: Outgoing, timeouts: Timeouts) -> Incoming:
        self.times -= 1
        if self.times >= 0:
            raise Unreachable("no route")
        return await self._transport.send(outgoing, timeouts)

    async def close(self) -> None:
        await self._transport.close()


@pytest.mark.parametrize("fault", ["overloaded", "rate_limit", "internal_error"])
async def test_a_call_that_the_provider_refused_releases_what_it_took(fault: str) -> None:
    app = simulator(faults=Faults(**{fault: 1.0}))  # type: ignore[arg-type]
    async with guarded(app, TIGHT) as engine:
        for _ in range(5):
            assert (await ask(engine, body_of(), RUN)).status >= 429
        app.faults = Faults()
        assert (await ask(engine, body_of(), RUN)).status == 200
        assert (await spent(engine))[0] > 0


async def test_a_call_that_did_not_reach_the_provider_releases_what_it_took() -> None:
    app = simulator()
    wire = Broken(app, 5)
    async with guarded(app, TIGHT, transport=wire) as engine:
        for _ in range(5):
            with pytest.raises(Unreachable):
                await ask(engine, body_of(), RUN)
        assert not engine._guarding.runs._under_way
        assert (await ask(engine, body_of(), RUN)).status == 200


async def test_a_call_that_cannot_be_booked_is_not_sent_and_releases_what_it_took() -> None:
    app = Provider()
    async with guarded(app, TIGHT) as engine:
        whole, engine.ledger.hold = engine.ledger.hold, None  # type: ignore[method-assign,assignment]
        with pytest.raises(TypeError):
            await ask(engine, body_of(), RUN)
        engine.ledger.hold = whole  # type: ignore[method-assign]
        assert not app.bodies
        assert not engine._guarding.runs._under_way
        assert (await ask(engine, body_of(), RUN)).status == 200


async def test_a_stream_that_breaks_off_is_spent_as_it_is_booked() -> None:
    app = Provider(say_stream(*sse_events("word " * 100)[:3], ConnectionResetError("gone")), Say())
    async with guarded(app, TIGHT) as engine:
        with pytest.raises(UpstreamError):
            await ask(engine, body_of(stream=True), RUN)
        tokens, _ = await spent(engine)
        assert tokens > 150
        assert await known(engine) == tokens


@pytest.mark.parametrize("stream", [False, True])
async def test_a_client_that_is_cancelled_leaves_nothing_under_way(stream: bool) -> None:
    goes_on = asyncio.Event()
    events = sse_events("word " * 100)
    waits = say_stream(*events[:3], goes_on, *events[3:]) if stream else Say([goes_on, MESSAGE])
    app = Provider(waits, Say())  # the other answer is for whoever counts tokens before a call is refused
    async with guarded(app, TIGHT) as engine:
        task = asyncio.create_task(ask(engine, body_of(stream=stream), RUN))
        await app.asked.wait()
        with pytest.raises(PolicyRefusal, match="calls under way may use"):
            await ask(engine, body_of(), RUN)
        for _ in range(5):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        tokens, _ = await spent(engine)
        assert tokens > 0
        assert await known(engine) == tokens


async def test_a_client_that_leaves_a_stream_has_used_all_of_it() -> None:
    async with guarded(guard={"run_tokens": 1_000}) as engine:
        reply = await engine.messages(call_of(body_of("[[sim: out=300]]", stream=True), headers=HEADERS | RUN))
        assert not isinstance(reply, WholeReply)
        await reply.read()
        await reply.leave()
        tokens, _ = await spent(engine)
        assert tokens > 300
        assert await known(engine) == tokens


# --- loops, through the gateway -----------------------------------------------------------------------------------------


@asynccontextmanager
async def gateway(ledger: Path, guard: Json) -> AsyncIterator[Callable[[Json], Awaitable[tuple[int, dict[str, str], Json]]]]:
    """What a client gets that posts to a gateway in front of a simulator: status, headers, answer."""
    with serving(simulator()) as upstream:
        settings = settings_of(upstream={"url": upstream}, guard=guard, ledger={"path": str(ledger)})
        with serving(Gateway(settings)) as url:
            async with client() as session:

                async def post(body: Json) -> tuple[int, dict[str, str], Json]:
                    data = msgspec.json.encode(body)
                    async with session.post(f"{url}/v1/messages", data=data, headers=HEADERS | RUN) as response:
                        headers = {name.lower(): value for name, value in response.headers.items()}
                        return response.status, headers, msgspec.json.decode(await response.read())

                yield post


def looping(times: int) -> Json:
    """An agent that has run the same command so often, and always got the same."""
    session = Session("Make the tests pass.")
    for _ in range(times):
        session.bash("npm test", "1 failing")
    tool = {"name": "Bash", "input_schema": {"type": "object"}}
    return body_of(messages=session.messages, tools=[tool])


async def test_a_loop_is_warned_of(tmp_path: Path) -> None:
    """With nothing set: the guard is a safe lever."""
    async with gateway(tmp_path / "books.db", {}) as post:
        status, headers, _ = await post(looping(4))
        assert (status, "thriftgate-warning" in headers) == (200, False)
        status, headers, _ = await post(looping(5))
        assert status == 200
        said = "the agent seems to be in a loop: Bash made the same call 5 times in a row, and it brought the same result"
        assert said in headers["thriftgate-warning"]


async def test_a_loop_is_refused_where_the_settings_say_so_also_after_a_restart(tmp_path: Path) -> None:
    """In the shape in which the provider tells its errors, so that clients show it."""
    for _ in range(2):
        async with gateway(tmp_path / "books.db", {"on_loop": "stop"}) as post:
            assert (await post(looping(4)))[0] == 200
            status, headers, answer = await post(looping(5))
            assert (status, headers["content-type"]) == (400, "application/json")
            assert (answer["type"], answer["error"]["type"]) == ("error", "invalid_request_error")
            assert "the agent seems to be in a loop: Bash made" in answer["error"]["message"]
            assert "nothing was sent" in answer["error"]["message"]
            assert answer["request_id"] == headers["request-id"]
    async with books(tmp_path / "books.db") as ledger:
        await assert_sound(ledger)
        assert sorted(entry.outcome for entry in await ledger.entries()) == ["answered", "answered", "refused", "refused"]


# --- over a restart -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("guard", [{"run_usd": "0.03"}, {"conversation_tokens": 2_000}])
async def test_what_was_spent_outlives_a_restart(guard: Json, tmp_path: Path) -> None:
    ledger = {"path": str(tmp_path / "books.db")}
    app = simulator()
    async with guarded(app, guard, ledger=ledger) as engine:
        reason = await until_refused(engine, RUN)
        used = await spent(engine)
    async with guarded(app, guard, ledger=ledger) as engine:
        with pytest.raises(PolicyRefusal) as refused:
            await ask(engine, body_of(), RUN)
        assert str(refused.value) == reason
        assert await spent(engine) == used
        assert (await ask(engine, body_of(max_tokens=60), RUN)).status == 200


async def test_what_was_under_way_at_a_restart_is_not_so_for_ever(tmp_path: Path) -> None:
    goes_on = asyncio.Event()
    ledger = {"path": str(tmp_path / "books.db")}
    async with guarded(Provider(Say([goes_on, MESSAGE])), TIGHT, ledger=ledger) as engine:
        task = asyncio.create_task(ask(engine, body_of(), RUN))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    async with guarded(Provider(), TIGHT, ledger=ledger) as engine:
        assert not engine._guarding.runs._under_way
