"""Calls that wait for their turn: who goes, who is told that it is in vain, and what is left when somebody leaves."""

from __future__ import annotations

import asyncio

import pytest

from tests.engine.pausing import Metronome
from thriftgate.core.errors import ClientLeft, Crowded
from thriftgate.core.governing.gate import Need
from thriftgate.core.governing.line import PRIORITIES
from thriftgate.core.governing.refusals import Refusal
from thriftgate.core.governing.told import Level, Told
from thriftgate.engine.governing import Bounds, Governor, Place
from thriftgate.engine.tasks import Tasks
from thriftgate.pricing.load import load_models
from thriftgate.simulator import SimClock

MODELS = load_models()
NEED = Need(0.0, 0.0)


class Stage:
    """A governor on a clock that a test moves, and one place of 60 requests a minute, whose bucket is empty."""

    def __init__(self, **bounds: float) -> None:
        self.clock = Metronome(SimClock.frozen())
        self.tasks = Tasks()
        self.governor = Governor(Bounds(**({"reserve_share": 0.0} | bounds)), self.clock, self.tasks)  # type: ignore[arg-type]
        self.place = self.governor.place("key", MODELS["claude-opus-4-8"], "standard")
        self.gone: list[str] = []
        now_s = self.clock.monotonic_s()
        self.place.gate.heard(self.place.gate.take(NEED, now_s), Told((Level(60, 0), None, None, None)), now_s)

    def ask(self, name: str, *, key: str = "a", priority: str = "normal", within_s: float = 30.0) -> asyncio.Task[None]:
        one = self.place.waiting(key, PRIORITIES[priority], NEED, self.clock.monotonic_s() + within_s)

        async def wait() -> None:
            await self.governor.queue(self.place, one, None)
            self.gone.append(name)

        return asyncio.ensure_future(wait())

    async def pass_time(self, seconds: float, step_s: float = 0.5) -> None:
        await settle()
        while seconds > 0:
            self.clock.time.advance(min(step_s, seconds))
            seconds -= step_s
            self.clock.wake()
            await settle()


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def untouched(place: Place) -> bool:
    return not place.line and not place.futures


async def test_calls_go_at_the_pace_of_the_limit() -> None:
    stage = Stage()
    tasks = [stage.ask(str(n)) for n in range(5)]
    await stage.pass_time(2.0)
    assert stage.gone == ["0", "1"]
    assert stage.governor.view().waiting == 3
    await stage.pass_time(3.5)
    await asyncio.gather(*tasks)
    view = stage.governor.view()
    assert (stage.gone, view.waiting, view.waited, view.waited_s) == (list("01234"), 0, 5, 15.0)
    assert untouched(stage.place)


async def test_priority_goes_first_and_a_noisy_key_waits_for_itself() -> None:
    stage = Stage()
    noisy = [stage.ask(f"noisy {n}", key="noisy", within_s=90.0) for n in range(10)]
    await stage.pass_time(1.0)
    others = [stage.ask("quiet", key="quiet"), stage.ask("urgent", key="noisy", priority="high")]
    await stage.pass_time(2.0)
    assert stage.gone[0] == "noisy 0"
    assert set(stage.gone[1:]) == {"quiet", "urgent"}
    await stage.pass_time(9.0)
    await asyncio.gather(*noisy, *others)


async def test_high_priority_may_use_the_reserve() -> None:
    stage = Stage(reserve_share=0.1)
    normal, high = stage.ask("normal"), stage.ask("high", priority="high")
    await stage.pass_time(3.0)
    assert stage.gone == ["high"]
    await stage.pass_time(5.0)
    await asyncio.gather(normal, high)
    assert stage.gone == ["high", "normal"]


async def test_who_would_wait_in_vain_is_told_at_once_and_for_how_long() -> None:
    stage = Stage()
    tasks = [stage.ask(str(n), within_s=10.4) for n in range(10)]
    await settle()
    with pytest.raises(Crowded, match=r"queue for opus-4.*longer than the 10 s") as refused:
        await stage.ask("late", within_s=10.4)
    assert refused.value.retry_after_s == 11
    with pytest.raises(Crowded, match="no room within the 0 s"):
        await stage.ask("never", within_s=0.0)
    await stage.pass_time(10.5)
    await asyncio.gather(*tasks)
    assert stage.governor.view().crowded == 2


async def test_no_more_wait_than_may() -> None:
    stage = Stage(queue_calls_max=2)
    tasks = [stage.ask("0"), stage.ask("1")]
    await settle()
    with pytest.raises(Crowded, match="2 calls wait already"):
        await stage.ask("2")
    await stage.pass_time(2.5)
    await asyncio.gather(*tasks)


async def test_whose_time_is_over_is_told() -> None:
    stage = Stage()
    one = stage.ask("0", within_s=5.0)
    await settle()
    stage.place.gate.paused_until_s = stage.clock.monotonic_s() + 60.0  # a refusal came meanwhile
    await stage.pass_time(6.0)
    with pytest.raises(Crowded, match="has not come in time"):
        await one
    assert untouched(stage.place)


async def test_a_cancelled_call_leaves_no_slot_taken() -> None:
    stage = Stage()
    tasks = [stage.ask(str(n)) for n in range(3)]
    await settle()
    tasks[0].cancel()
    await settle()
    assert (tasks[0].cancelled(), len(stage.place.line)) == (True, 2)
    stage.clock.time.advance(1.0)
    stage.governor.release(stage.place)  # the second has its turn, and is cancelled before it knows
    tasks[1].cancel()
    await settle()
    assert stage.gone == ["2"]  # which then has gone to the third
    assert tasks[1].cancelled()
    assert untouched(stage.place)
    bucket = stage.place.gate.buckets[0]
    assert bucket is not None
    assert bucket.level == pytest.approx(0.0)
    assert stage.place.gate._waiting == 1


async def test_a_client_that_has_gone_waits_no_longer() -> None:
    stage, gone = Stage(), asyncio.Event()

    async def left() -> None:
        await gone.wait()

    one = stage.place.waiting("a", 1, NEED, stage.clock.monotonic_s() + 30.0)
    waits = asyncio.ensure_future(stage.governor.queue(stage.place, one, left))
    await settle()
    gone.set()
    with pytest.raises(ClientLeft):
        await waits
    assert untouched(stage.place)


async def test_nobody_waits_for_a_gateway_that_stops() -> None:
    stage = Stage()
    waits = stage.ask("0")
    await settle()
    stage.governor.stop()
    with pytest.raises(Crowded, match="stopping"):
        await waits
    with pytest.raises(Crowded, match="stopping"):
        await stage.ask("1")
    assert untouched(stage.place)
    await stage.pass_time(1.5)  # and nobody is left who looks out
    assert stage.place.pump is None or stage.place.pump.done()


async def test_an_answer_that_makes_room_wakes_who_waits() -> None:
    stage = Stage()
    waits = stage.ask("0", within_s=90.0)
    await settle()
    stage.place.gate.paused_until_s = stage.clock.monotonic_s() + 60.0
    stage.place.gate.buckets[0].level = 10.0  # type: ignore[union-attr]
    stage.place.gate.paused_until_s = 0.0
    stage.governor.release(stage.place)
    await waits
    assert stage.gone == ["0"]


async def test_what_is_seen_from_outside() -> None:
    stage = Stage()
    stage.governor.counted(Refusal("rate"))
    stage.place.gate.paused_until_s = stage.clock.monotonic_s() + 7.0
    view = stage.governor.view()
    (place,) = view.places
    assert (view.refusals, place.upstream, place.group, place.waiting) == ({"rate": 1}, "key", "opus-4", 0)
    assert (place.paused_s, place.left) == (7.0, {"requests": 0.0})


def test_how_long_a_call_would_wait() -> None:
    stage = Stage()
    assert stage.governor.wait_s(stage.place, "a", NEED) == pytest.approx(1.0)
    assert stage.governor.wait_s(stage.governor.place("other", MODELS["claude-opus-4-8"], ""), "a", NEED) == 0.0
