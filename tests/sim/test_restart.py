"""What was learned survives a restart: the calls after it are planned and billed as if there had been none.

What is kept: reuse (classes, tree), beliefs, the brake's accounts, live cache entries. What is lost: uses whose outcome was
still awaited (all of the difference after a clean end: with them handed over, no plan differs), token counts, which the next
answers tell again, and after a kill whatever was learned in its last five minutes.
"""

from __future__ import annotations

import random
import shutil
from pathlib import Path
from typing import Any, Literal, NamedTuple

import pytest

from tests.fixtures import TestClock, call_of, engine_on, simulator
from tests.sim.habits import Settled, conversation
from thriftgate.core.cache import Breakpoint
from thriftgate.engine.engine import Engine
from thriftgate.ledger.entries import UPSTREAM

BEFORE, AFTER = 300, 100
End = Literal["none", "clean", "kill", "forget"]
ENDS: tuple[End, ...] = ("none", "clean", "kill", "forget")
"""How the first engine ends: not at all, by `close`, by SIGKILL; or the second is given empty books."""


class Outcome(NamedTuple):
    """Of the calls after the restart: their breakpoints, what they cost (pico-USD)."""

    marks: list[tuple[Breakpoint, ...]]
    paid: list[int]


def draw_calls(seed: int) -> list[tuple[float, dict[str, Any]]]:
    """Customers who ask about five handbooks, one after the other or at the same time, brisk or with pauses of up to half an
    hour; some say one thing, some twelve. As many calls as are wanted, in order of time."""
    draw = random.Random(seed)
    at: list[tuple[float, int, dict[str, Any]]] = []
    start_s = 0.0
    while len(at) < 2 * (BEFORE + AFTER):
        start_s += draw.expovariate(1 / 90)
        name, now_s = f"customer {len(at)}", start_s
        turns = draw.choice([1, 1, 2, 3, 5, 12])
        gaps = [draw.choice([20.0, 40.0, 60.0, 240.0, 700.0, 1_800.0]) for _ in range(turns)]
        marks = draw.choice([(), (), ("system", -1)])
        for gap_s, body in conversation(name, draw.randrange(5), gaps, marks):
            now_s += gap_s
            at.append((now_s, len(at), body))
    at.sort(key=lambda one: one[:2])
    moments = [0.0] + [one[0] for one in at]
    return [(one[0] - before, one[2]) for before, one in zip(moments, at[: BEFORE + AFTER], strict=False)]


async def run(folder: Path, end: End, seed: int) -> Outcome:
    """All calls on one provider, by one engine or by two."""
    clock = TestClock()
    app = simulator(clock=clock.time, instance_id="one")
    calls = draw_calls(seed)
    first, second = folder / f"{end}.db", folder / f"{end}-2.db"
    async with engine_on(app, clock=clock, ledger={"path": str(first)}) as engine:
        await drive(engine, clock, calls[:BEFORE])
        if end == "none":
            return await drive(engine, clock, calls[BEFORE:])
        if end == "kill":
            await engine.tasks.finish(1.0)
            leave_as_killed(first, second)
    async with engine_on(app, clock=clock, ledger={"path": str(first if end == "clean" else second)}) as engine:
        return await drive(engine, clock, calls[BEFORE:])


async def drive(engine: Engine, clock: TestClock, calls: list[tuple[float, dict[str, Any]]]) -> Outcome:
    watched = Settled(engine)
    for gap_s, body in calls:
        clock.advance(gap_s)
        await engine.messages(call_of(body))
    return Outcome(
        [prepared.plan.breakpoints for prepared, _ in watched.calls],
        [-entry.posted(UPSTREAM) for _, entry in watched.calls],
    )


def leave_as_killed(path: Path, left: Path) -> None:
    """The files as they are now, in the middle of life: all that another process would find."""
    for file in path.parent.glob(path.name + "*"):
        shutil.copy(file, left.parent / (left.name + file.name.removeprefix(path.name)))


@pytest.mark.parametrize("seed", [3, 11])
async def test_a_restart_changes_little(seed: int, tmp_path: Path) -> None:
    went = {end: await run(tmp_path, end, seed) for end in ENDS}
    never = went["none"]
    assert len(never.marks) == AFTER
    cost = {end: round(sum(one.paid) / sum(never.paid), 4) for end, one in went.items()}
    other = {end: sum(a != b for a, b in zip(one.marks, never.marks, strict=True)) for end, one in went.items()}
    print(f"seed {seed}: cost against no restart {cost}, plans that differ {other} of {AFTER}")
    assert 0.97 <= cost["clean"] <= 1.02
    assert 0.97 <= cost["kill"] <= 1.02
    assert other["clean"] <= 0.30 * AFTER
    assert other["kill"] <= 0.35 * AFTER
    assert other["forget"] > 2 * other["kill"], "these calls do not need what was learned, so they prove nothing"


async def test_what_is_kept_is_there_again(tmp_path: Path) -> None:
    clock, path = TestClock(), str(tmp_path / "books.db")
    app = simulator(clock=clock.time)
    async with engine_on(app, clock=clock, ledger={"path": path}) as engine:
        await drive(engine, clock, draw_calls(11)[:BEFORE])
        before = {name: memory.kept() for name, memory in engine.knowledge.memories.items()}
        accounts = before["brake"]
    async with engine_on(app, clock=clock, ledger={"path": path}) as engine:
        after = {name: memory.kept() for name, memory in engine.knowledge.memories.items()}
    assert after == before
    assert len(accounts) > 100
