"""A provider whose cache is not as documented: the engine notices from the bills, says so, and plans by it.

Beside the provider stands one that keeps the documented rules and gets the same requests: a call exercises the question
where the two bill differently. Traffic is what clients do (`habits.py`); nobody steers it towards the question.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest

from tests.fixtures import TestClock, call_of, engine_on, simulator
from tests.sim.habits import Habit, Settled, edited, forgetful, late_mark, paused, shared
from thriftgate.core import cache
from thriftgate.core.beliefs import Topic
from thriftgate.engine.engine import Engine
from thriftgate.engine.settle import Prepared
from thriftgate.ledger.entries import Entry
from thriftgate.providers.asgi_transport import AsgiIncoming, AsgiTransport
from thriftgate.providers.transport import Outgoing, Timeouts
from thriftgate.simulator import CacheRules, Simulator

CALLS_MAX = 20
ROUNDS = 10
MODEL, DOCUMENTED_MINIMUM = "claude-opus-4-8", 1_024
Test = Callable[[Prepared], bool]


class World(NamedTuple):
    """Rules, the question they answer otherwise, traffic that meets it, and the plans that make sense only if they hold."""

    rules: CacheRules
    topic: Topic | None
    habit: Habit
    misplaced: Test | None


class Beside(AsgiTransport):
    """Sends to both providers; the answer is that of the first."""

    def __init__(self, provider: Simulator, documented: Simulator) -> None:
        super().__init__(provider)
        self._documented = AsgiTransport(documented)

    async def send(self, outgoing: Outgoing, timeouts: Timeouts) -> AsgiIncoming:
        beside = await self._documented.send(outgoing, timeouts)
        assert beside.status == 200, await beside.read()
        await beside.read()
        return await super().send(outgoing, timeouts)


class Stand:
    """A provider with `rules`, one that is as documented, and an engine that talks to the first."""

    def __init__(self, rules: CacheRules, path: Path) -> None:
        self.clock = TestClock()
        self.provider = simulator(rules=rules, clock=self.clock.time)
        self.documented = simulator(clock=self.clock.time)
        self.tables = {"ledger": {"path": str(path)}}
        self.calls: list[tuple[Prepared, Entry]] = []
        self.exercised: list[bool] = []

    async def play(self, habit: Habit, rounds: Sequence[int], told: Callable[[Engine], bool]) -> int | None:
        """Run an engine over some rounds; after how many of its calls it had been `told`."""
        noticed = None
        both = Beside(self.provider, self.documented)
        async with engine_on(transport=both, clock=self.clock, **self.tables) as engine:
            settled = Settled(engine)
            for number in rounds:
                for gap_s, body in habit(number):
                    self.clock.advance(gap_s)
                    await engine.messages(call_of(body))
                    one, other = self.provider.bill.calls[-1].usage, self.documented.bill.calls[-1].usage
                    self.exercised.append(one != other)
                    if noticed is None and told(engine):
                        noticed = len(settled.calls)
            self.calls += settled.calls
        return noticed


def is_told(world: World) -> Callable[[Engine], bool]:
    def told(engine: Engine) -> bool:
        beliefs = engine.knowledge.beliefs
        if world.topic is None:
            return beliefs.minimum("anthropic", MODEL, DOCUMENTED_MINIMUM) == world.rules.min_tokens
        return beliefs.of("anthropic", MODEL).of(world.topic).told == "usage" and rules_of(engine) == believed(world.rules)

    return told


def rules_of(engine: Engine) -> cache.CacheRules:
    return engine.knowledge.beliefs.rules("anthropic", MODEL)


def believed(rules: CacheRules) -> cache.CacheRules:
    """The simulator's rules in the planner's words."""
    return cache.CacheRules(
        late_upgrade=rules.late_upgrade,
        refresh="marked" if rules.refresh == "hit_and_marked" else rules.refresh,  # type: ignore[arg-type]
        free_insert=rules.free_insert,
        in_place_upgrade=rules.in_place_upgrade,
        hour_granted=rules.grant_1h,
    )


def is_right(prepared: Prepared, entry: Entry) -> bool:
    """What was expected to be read is what was billed, as nearly as tokens are known before they are counted."""
    read = entry.usage.total.read
    return abs(entry.read_expected_tokens - read) <= 0.05 * read + 40


def hour_behind_five(prepared: Prepared) -> bool:
    """A 1h breakpoint behind a live five-minute prefix."""
    state, marks = prepared.snapshot.state, prepared.plan.breakpoints
    live = [at for at, one in enumerate(state.prefix.chain) if one in state.residency and _lives(prepared, one)]
    if not live or state.residency[state.prefix.chain[live[-1]]].ttl == "1h":
        return False
    return any(mark.ttl == "1h" and mark.at > live[-1] for mark in marks)


def _lives(prepared: Prepared, digest: bytes) -> bool:
    state = prepared.snapshot.state
    return state.residency[digest].live(state.now_s)


def any_hour(prepared: Prepared) -> bool:
    return any(mark.ttl == "1h" for mark in prepared.plan.breakpoints)


def below_4096(prepared: Prepared) -> bool:
    """A breakpoint on less than the world caches; estimates are near enough that a tenth is beyond doubt."""
    counts = prepared.snapshot.state.cumulative
    return any(counts[mark.at] < 0.9 * 4_096 for mark in prepared.plan.breakpoints)


WORLDS = {
    "late_upgrade": World(CacheRules(late_upgrade=False), "late_upgrade", paused, hour_behind_five),
    "hour_granted": World(CacheRules(grant_1h=False), "hour_granted", paused, any_hour),
    "minimum": World(CacheRules(min_tokens=4_096), None, paused, below_4096),
    "refresh_hit_only": World(CacheRules(refresh="hit_only"), "refresh_marked", shared, None),
    "refresh_ancestors": World(CacheRules(refresh="ancestors"), "refresh_ancestors", forgetful, None),
    "free_insert": World(CacheRules(free_insert=False), "free_insert", late_mark, None),
    "in_place_upgrade": World(CacheRules(in_place_upgrade=True), "in_place_upgrade", edited, None),
}


def warnings(stderr: str) -> list[dict[str, str]]:
    lines = [msgspec.json.decode(line) for line in stderr.splitlines() if line.startswith("{")]
    return [line for line in lines if line["event"] == "cache belief changed"]


@pytest.mark.parametrize("name", WORLDS)
async def test_noticed_told_planned_by_and_kept(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    world = WORLDS[name]
    stand, told = Stand(world.rules, tmp_path / "books.db"), is_told(world)
    needed = await stand.play(world.habit, range(ROUNDS), told)
    assert needed is not None, "never noticed"
    exercising = sum(stand.exercised[:needed])
    wrong = [at for at, call in enumerate(stand.calls, start=1) if not is_right(*call)]
    misplaced = world.misplaced
    astray = [at for at, (prepared, _) in enumerate(stand.calls, start=1) if misplaced is not None and misplaced(prepared)]
    assert len(stand.calls) > CALLS_MAX + 5
    assert max([needed, *wrong, *astray]) <= CALLS_MAX
    assert exercising >= 1
    assert wrong or astray, "nothing ever went wrong: then there was nothing to learn"

    (said,) = warnings(capsys.readouterr().err)
    assert (said["level"], said["model"]) == ("warning", MODEL)
    assert MODEL in said["belief"]

    # The same books, another process: it knows at once, and need not say it again.
    again = len(stand.calls)
    assert await stand.play(world.habit, range(ROUNDS, ROUNDS + 2), told) == 1
    assert warnings(capsys.readouterr().err) == []
    assert all(is_right(*one) for one in stand.calls[again:])
    print(f"{name}: noticed after {needed} calls, {exercising} told; wrong forecasts {wrong}, wrong plans {astray}")


@pytest.mark.parametrize("name", [name for name, world in WORLDS.items() if world.misplaced is not None])
async def test_in_the_documented_world_it_plans_so(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What the test above forbids is what the same traffic gets where the documentation is right."""
    world = WORLDS[name]
    stand = Stand(CacheRules(), tmp_path / "books.db")
    assert await stand.play(world.habit, range(ROUNDS), is_told(world)) is None
    assert world.misplaced is not None
    assert any(world.misplaced(prepared) for prepared, _ in stand.calls)
    assert not any(stand.exercised)
    assert warnings(capsys.readouterr().err) == []
