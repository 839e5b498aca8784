"""The fan-out guard: parallel calls on a cold prefix against the simulator, and its promises in every order of events."""

from __future__ import annotations

import asyncio
import contextlib
import selectors
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, cast

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fixtures import HEADERS, KEY, assert_sound, call_of, engine_on, message, read_all, simulator, until
from tests.scripted import Provider, Say, say_error, sse_events
from thriftgate.clock import SystemClock
from thriftgate.core.plan import Policy
from thriftgate.core.planner import make_plan
from thriftgate.core.request import parse_request
from thriftgate.engine.engine import Engine
from thriftgate.engine.fanout import Fanout
from thriftgate.engine.settle import Prepared, learn_residency
from thriftgate.engine.snapshot import Knowledge
from thriftgate.ledger.entries import UPSTREAM
from thriftgate.pricing.load import load_book, load_models
from thriftgate.simulator import Faults, SimClock, Simulator
from thriftgate.simulator.config import Latency
from thriftgate.wire import DIALECTS

SHARED = "word " * 16_000
MARK = {"type": "ephemeral"}
LONG_WAIT = {"fanout_wait_s": 60.0}

Body = Callable[[int], dict[str, Any]]


def unmarked(n: int) -> dict[str, Any]:
    return message(f"question {n} [[sim: out=5]]", system=SHARED)


def marked(n: int) -> dict[str, Any]:
    return message(f"question {n} [[sim: out=5]]", system=[{"type": "text", "text": SHARED, "cache_control": MARK}])


def streamed(n: int) -> dict[str, Any]:
    return marked(n) | {"stream": True}


def document_first(n: int) -> dict[str, Any]:
    blocks = [{"type": "text", "text": SHARED}, {"type": "text", "text": f"question {n} [[sim: out=5]]"}]
    return message() | {"messages": [{"role": "user", "content": blocks}]}


def slow(first_byte_s: float = 0.2, **members: Any) -> Simulator:
    """A simulator on real time whose first byte takes a while."""
    return simulator(clock=SimClock.real(), latency=Latency(first_byte_s=first_byte_s), **members)


async def all_at_once(engine: Engine, bodies: Sequence[dict[str, Any]], **members: Any) -> list[int]:
    """Send them in one turn of the loop; their statuses."""

    async def one(body: dict[str, Any]) -> int:
        reply = await engine.messages(call_of(body, **members))
        await read_all(reply)
        return reply.status

    return await asyncio.gather(*(one(body) for body in bodies))


def writes(app: Simulator) -> int:
    return sum(call.usage.write_5m + call.usage.write_1h > 15_000 for call in app.bill.calls)


def reads(app: Simulator) -> int:
    return sum(call.usage.read > 15_000 for call in app.bill.calls)


def nobody_left(engine: Engine) -> bool:
    return not engine.fanout._writing and not engine.fanout._flights


@pytest.mark.parametrize("body", [unmarked, marked, streamed, document_first], ids=lambda body: body.__name__)
async def test_fifty_at_once_write_once(body: Body) -> None:
    app = slow()
    async with engine_on(app, clock=SystemClock(), cache=LONG_WAIT) as engine:
        statuses = await all_at_once(engine, [body(n) for n in range(50)])
        entries = await engine.ledger.entries()
        await assert_sound(engine.ledger)
        assert nobody_left(engine)
    assert statuses == [200] * 50
    assert (len(app.bill.calls), writes(app), reads(app)) == (50, 1, 49)
    assert sum(-entry.posted(UPSTREAM) for entry in entries) == sum(int(call.cost * 10**12) for call in app.bill.calls)
    waited = [entry for entry in entries if any(one.lever == "cache.fanout" for one in entry.decisions)]
    assert len(waited) == 49


async def test_off_they_all_write() -> None:
    app = slow()
    async with engine_on(app, clock=SystemClock(), cache={"fanout_wait_s": 0}) as engine:
        await all_at_once(engine, [unmarked(n) for n in range(8)])
    assert (writes(app), reads(app)) == (8, 0)


async def test_latency_critical_calls_never_wait() -> None:
    app = slow()
    async with engine_on(app, clock=SystemClock(), cache=LONG_WAIT) as engine:
        await all_at_once(engine, [unmarked(n) for n in range(4)], headers=HEADERS | {"thriftgate-latency": "critical"})
    assert writes(app) == 4
    app = slow()
    async with engine_on(app, clock=SystemClock(), cache=LONG_WAIT) as engine:
        # The names of keys are salted by each ledger, so this one is known only here.
        engine.limits = msgspec.structs.replace(engine.limits, latency_critical=frozenset({engine.key_of(KEY)}))
        await all_at_once(engine, [unmarked(n) for n in range(4)])
    assert writes(app) == 4


async def test_keys_do_not_share_a_cache_and_do_not_wait() -> None:
    provider = Gated()
    async with engine_on(provider, cache=LONG_WAIT) as engine:
        calls = [call_of(unmarked(n), headers=HEADERS | {"x-api-key": f"sk-{n}"}) for n in range(3)]
        tasks = [asyncio.ensure_future(engine.messages(call)) for call in calls]
        await provider.asked_for(3)
        provider.open.set()
        await asyncio.gather(*tasks)


# --- who waits for whom, with a provider that answers when told -------------------------------------------------------


class Gated(Provider):
    """Answers begin when `open` is set."""

    def __init__(self, *answers: Say) -> None:
        self.open = asyncio.Event()
        super().__init__(*(behind(answer, self.open) for answer in answers or (Say(),)))

    async def asked_for(self, count: int) -> None:
        async def reached() -> bool:
            return len(self.bodies) >= count

        await until(reached)


def behind(answer: Say, gate: asyncio.Event) -> Say:
    """The answer, which begins when the gate opens."""
    return Say([gate, *answer.pieces], answer.status, answer.headers, answer.kind)


@contextlib.asynccontextmanager
async def waiting(engine: Engine, provider: Gated, count: int) -> AsyncIterator[list[asyncio.Task[Any]]]:
    """One call at the provider, the others behind it."""
    tasks = [asyncio.ensure_future(engine.messages(call_of(unmarked(n)))) for n in range(count)]
    await provider.asked_for(1)
    for _ in range(20):
        await asyncio.sleep(0)
    assert len(provider.bodies) == 1
    yield tasks


async def test_followers_go_at_the_first_byte_and_not_at_the_end() -> None:
    rest = asyncio.Event()
    first, *others = sse_events()
    leader = Say([first, rest, *others], kind="text/event-stream")
    provider = Gated(leader, Say())
    async with engine_on(provider, cache=LONG_WAIT) as engine, waiting(engine, provider, 5) as tasks:
        provider.open.set()
        await provider.asked_for(5)
        replies = await asyncio.gather(*tasks)
        assert not rest.is_set()
        rest.set()
        for reply in replies:
            await read_all(reply)
        assert nobody_left(engine)


async def test_a_leader_that_fails_is_followed_by_the_next_one() -> None:
    seed = next(n for n in range(10_000) if failing(n) == [1])
    app = slow(faults=Faults(seed=seed, internal_error=0.05))
    upstream = {"retry": "never"}
    async with engine_on(app, clock=SystemClock(), cache=LONG_WAIT, upstream=upstream) as engine:
        statuses = await all_at_once(engine, [unmarked(n) for n in range(10)])
        await assert_sound(engine.ledger)
        assert nobody_left(engine)
    assert sorted(statuses) == [200] * 9 + [500]
    assert (writes(app), reads(app)) == (1, 8)


def failing(seed: int) -> list[int]:
    """Which of ten calls fail."""
    faults = Faults(seed=seed, internal_error=0.05)
    return [ordinal for ordinal in range(1, 11) if faults.pick(ordinal, stream=False)]


async def test_an_error_of_the_provider_releases_as_well() -> None:
    provider = Gated(say_error(400, "invalid_request_error"), Say())
    async with engine_on(provider, cache=LONG_WAIT) as engine, waiting(engine, provider, 3) as tasks:
        provider.open.set()
        replies = await asyncio.gather(*tasks)
        assert [reply.status for reply in replies] == [400, 200, 200]
        assert nobody_left(engine)


async def test_nobody_waits_longer_than_the_bound() -> None:
    provider = Gated()
    async with engine_on(provider, cache={"fanout_wait_s": 0.05}) as engine:
        tasks = [asyncio.ensure_future(engine.messages(call_of(unmarked(n)))) for n in range(5)]
        await provider.asked_for(5)  # with no answer begun
        provider.open.set()
        await asyncio.gather(*tasks)
        await assert_sound(engine.ledger)
        assert nobody_left(engine)


async def test_cancelled_followers_leave_nothing_behind() -> None:
    provider = Gated()
    async with engine_on(provider, cache=LONG_WAIT) as engine, waiting(engine, provider, 6) as tasks:
        for task in tasks[1:4]:
            task.cancel()
        provider.open.set()
        done = await asyncio.gather(*tasks, return_exceptions=True)
        assert [isinstance(one, asyncio.CancelledError) for one in done] == [False, True, True, True, False, False]
        assert len(provider.bodies) == 3
        assert len(await engine.ledger.entries()) == 3
        await assert_sound(engine.ledger)
        assert nobody_left(engine)


async def test_a_cancelled_leader_is_followed_by_the_next_one() -> None:
    provider = Gated()
    async with engine_on(provider, cache=LONG_WAIT) as engine, waiting(engine, provider, 4) as tasks:
        tasks[0].cancel()
        await provider.asked_for(2)
        for _ in range(20):
            await asyncio.sleep(0)
        assert len(provider.bodies) == 2
        provider.open.set()
        done = await asyncio.gather(*tasks, return_exceptions=True)
        assert isinstance(done[0], asyncio.CancelledError)
        assert [reply.status for reply in done[1:] if not isinstance(reply, BaseException)] == [200] * 3
        assert nobody_left(engine)


async def test_who_has_nothing_to_gain_does_not_wait() -> None:
    """Marks of the client's own that reach nothing of what is being written: waiting would change nothing."""
    provider = Gated()
    head = {"type": "text", "text": SHARED, "cache_control": MARK}
    parts = [{"type": "text", "text": f"part {n}"} for n in range(30)]
    far = [*parts, {"type": "text", "text": "the end", "cache_control": MARK}]
    bodies = [message(system=[head]), message(system=SHARED) | {"messages": [{"role": "user", "content": far}]}]
    async with engine_on(provider, cache=LONG_WAIT) as engine:
        tasks = [asyncio.ensure_future(engine.messages(call_of(body))) for body in bodies]
        await provider.asked_for(2)
        provider.open.set()
        await asyncio.gather(*tasks)


# --- every order of events, in simulated time -------------------------------------------------------------------------


class Leaping(selectors.SelectSelector):
    """Never waits: the time of the loop leaps to its next timer."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        assert timeout is not None, "everything waits and nothing will come: a deadlock"
        self.now_s += max(0.0, timeout)
        return super().select(0)


class LeapingLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._leaping = Leaping()
        super().__init__(self._leaping)
        self._clock_resolution = 1e-9

    def time(self) -> float:
        return self._leaping.now_s


def in_leaping_time(work: Coroutine[Any, Any, None]) -> None:
    loop = LeapingLoop()
    try:
        loop.run_until_complete(work)
    finally:
        loop.close()


@dataclass
class Visit:
    """A call: when it comes, how long its first byte takes, how it ends, which prefix it shares."""

    at_s: float
    ttfb_s: float
    end: str
    group: int
    leaves_s: float


VISITS = st.lists(
    st.builds(
        Visit,
        st.sampled_from([0.0, 0.0, 0.0, 0.5, 1.0, 1.9, 2.0, 3.0]),
        st.sampled_from([0.1, 0.5, 1.0, 1.5, 2.5, 10.0]),
        st.sampled_from(["answers", "answers", "answers", "fails", "leaves"]),
        st.integers(0, 1),
        st.sampled_from([0.05, 0.3, 1.2, 5.0]),
    ),
    min_size=1,
    max_size=12,
)
BOUND_S = 2.0
KNOWN = (load_book(), load_models())


class Crowd:
    """Calls through a `Fanout` and a real planner, with the provider left out: what the engine does, in its order."""

    def __init__(self) -> None:
        self.fanout = Fanout()
        self.knowledge = Knowledge(*KNOWN)
        self.waited: list[float] = []
        self.written: dict[int, int] = {}

    async def visit(self, number: int, visit: Visit) -> None:
        loop = asyncio.get_running_loop()
        await asyncio.sleep(visit.at_s)
        request = parse_request(msgspec.json.encode(message(f"q {number}", system=f"{visit.group} " + SHARED)))

        def planned() -> Any:
            snapshot = self.knowledge.snapshot(request, "key", loop.time())
            return snapshot, make_plan(request, snapshot.state, Policy())

        def cost(state: Any) -> int:
            return make_plan(request, state, Policy()).forecast.pico

        came_s = loop.time()
        snapshot, plan = await self.fanout.queue(*planned(), wait_s=BOUND_S, planned=planned, cost_pico=cost)
        self.waited.append(loop.time() - came_s)
        flight = self.fanout.depart(snapshot.state, plan)
        try:
            self.written[visit.group] = self.written.get(visit.group, 0) + (plan.forecast.tokens.write_5m > 0)
            await asyncio.sleep(visit.ttfb_s)
            if visit.end != "fails":
                prepared = Prepared("id", 0, "key", request, snapshot, plan, DIALECTS[0])
                learn_residency(prepared, loop.time(), self.knowledge)
        finally:
            self.fanout.land(flight)

    async def all(self, visits: Sequence[Visit]) -> None:
        tasks = [asyncio.ensure_future(self.visit(number, visit)) for number, visit in enumerate(visits)]
        loop = asyncio.get_running_loop()
        for task, visit in zip(tasks, visits, strict=True):
            if visit.end == "leaves":
                loop.call_later(visit.at_s + visit.leaves_s, task.cancel)
        done = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(one is None or isinstance(one, asyncio.CancelledError) for one in done), done


@settings(max_examples=60)
@given(VISITS)
def test_no_call_is_delayed_beyond_the_bound_and_all_come_through(visits: list[Visit]) -> None:
    crowd = Crowd()
    in_leaping_time(crowd.all(visits))
    assert all(waited <= BOUND_S + 1e-6 for waited in crowd.waited)
    assert not crowd.fanout._writing
    assert not crowd.fanout._flights


@settings(max_examples=25)
@given(st.lists(st.sampled_from([0.0, 0.0, 0.3, 0.9]), min_size=2, max_size=10), st.sampled_from([0.2, 1.0, 1.9]))
def test_while_leaders_answer_within_the_bound_each_prefix_is_written_once(arrivals: list[float], ttfb_s: float) -> None:
    crowd = Crowd()
    visits = [Visit(at_s, ttfb_s, "answers", number % 2, 0.0) for number, at_s in enumerate(arrivals)]
    in_leaping_time(crowd.all(visits))
    assert set(crowd.written.values()) == {1}
    assert max(crowd.waited) <= ttfb_s + 1e-6  # no longer than the first call's first byte


# --- what is shared, before any answer --------------------------------------------------------------------------------


def chain_of(crowd: Crowd, body: dict[str, Any]) -> tuple[bytes, ...]:
    request = parse_request(msgspec.json.encode(body))
    return crowd.knowledge.snapshot(request, "key", 0.0).state.prefix.chain


def test_pending_is_the_deepest_block_shared_with_a_call_in_flight() -> None:
    crowd = Crowd()

    def depart(body: dict[str, Any]) -> Any:
        request = parse_request(msgspec.json.encode(body))
        snapshot = crowd.knowledge.snapshot(request, "key", 0.0)
        return crowd.fanout.depart(snapshot.state, make_plan(request, snapshot.state, Policy()))

    turns = [{"role": role, "content": f"{role} {n}"} for n in range(9) for role in ("user", "assistant")]
    ask = {"role": "user", "content": "and?"}
    chain = chain_of(crowd, message(system="s") | {"messages": [*turns[:8], ask]})
    assert crowd.fanout.pending(chain) is None
    far = depart(message(system="s") | {"messages": [*turns[:2], ask]})
    assert crowd.fanout.pending(chain) == 2  # the system prompt and two messages
    near = depart(message(system="s") | {"messages": [*turns[:6], ask]})
    assert crowd.fanout.pending(chain) == 6
    other = depart(message(system="t") | {"messages": [*turns[:8], ask]})
    assert crowd.fanout.pending(chain) == 6
    crowd.fanout.land(near)
    crowd.fanout.land(near)
    assert crowd.fanout.pending(chain) == 2
    crowd.fanout.land(far)
    crowd.fanout.land(other)
    assert crowd.fanout.pending(chain) is None
    assert crowd.fanout.pending(()) is None


def test_a_flight_of_an_empty_prompt_lands() -> None:
    crowd = Crowd()
    request = parse_request(msgspec.json.encode(message() | {"messages": []}))
    snapshot = crowd.knowledge.snapshot(request, "key", 0.0)
    flight = crowd.fanout.depart(snapshot.state, make_plan(request, snapshot.state, Policy()))
    crowd.fanout.land(cast("Any", flight))
    assert not crowd.fanout._flights
