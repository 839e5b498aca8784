"""The short form of `python -m tests.sim.adversary`: nothing costs 2 % more than doing nothing, and the brake bites."""

from __future__ import annotations

import random
from collections.abc import Generator

import msgspec
import pytest

from tests.fixtures import TestClock, engine_on, simulator
from tests.sim.adversary import (
    MODEL,
    Ask,
    Mode,
    Trial,
    Workload,
    harm_of,
    line,
    short_return,
    short_return_apps,
    spiteful,
    text,
    turning,
    unique,
)
from thriftgate.core.brake import EXCESS_MAX
from thriftgate.core.usage import Tokens

CALLS = 2_000
HELD = "the brake holds: our breakpoints have cost this application more than its own would have"
CASES: tuple[tuple[Workload, bool, Mode], ...] = (
    (unique, False, "ttl-only"),
    (turning, False, "ttl-only"),
    (spiteful, False, "ttl-only"),
    (short_return_apps, False, "ttl-only"),
    (short_return, True, "full"),
)


@pytest.mark.parametrize(("workload", "marked", "mode"), CASES, ids=lambda value: getattr(value, "__name__", str(value)))
async def test_no_harm(workload: Workload, marked: bool, mode: Mode) -> None:
    harm = await harm_of(workload, calls=CALLS, marked=marked, mode=mode)
    print(line(workload.__name__, mode, harm))
    assert harm.calls == CALLS
    assert harm.excess(mode) <= EXCESS_MAX - 1, line(workload.__name__, mode, harm)


async def test_the_brake_bites_says_so_and_lets_go(capsys: pytest.CaptureFixture[str]) -> None:
    clock = TestClock()
    app = simulator(clock=clock.time)
    async with engine_on(app, clock=clock) as engine:
        trial = Trial(engine, app, clock, marked=False)
        await until_changed(trial, short_return)
        bitten_at, before = trial.calls, trial.ours / trial.plain
        assert brake_lines(capsys) == ["client"]
        assert trial.held == 0
        assert before > EXCESS_MAX

        # While it holds, everything goes out as it came, and the explanation says why.
        for _ in range(20):
            billed = await trial.ask(Ask(30, ["Be kind."], [[text(random.Random(trial.calls), 6_000)]]))
            assert (billed.write_5m, billed.write_1h, billed.read) == (0, 0, 0)
        assert trial.held == 20
        assert trial.reasons == {HELD}

        # Traffic on which caching pays: the brake lets go once the excess is diluted, and caching goes on.
        await until_changed(trial, conversations)
        released_at = trial.calls
        assert brake_lines(capsys) == ["ours"]
        cost, plain = trial.ours, trial.plain
        for ask in asks_of(conversations, 60):
            await trial.ask(ask)
        print(f"bites at call {bitten_at} ({before:.3f} of no caching), lets go at {released_at}")
        assert (trial.ours - cost) / (trial.plain - plain) < 0.6
        assert trial.ours / trial.plain <= EXCESS_MAX


async def until_changed(trial: Trial, workload: Workload) -> None:
    """Until the brake begins or ceases to hold; fails after 2,000 calls."""
    changes = len(trial.changes)
    asks = workload(random.Random(1))
    ask = next(asks)
    for _ in range(CALLS):
        billed = await trial.ask(ask)
        if len(trial.changes) > changes:
            return
        ask = asks.send(billed)
    pytest.fail("the brake did not change")


def conversations(draw: random.Random) -> Generator[Ask, Tokens, None]:
    """Six brisk turns each, about something long: what they cost soon outweighs what was lost before."""
    while True:
        turns: list[list[str]] = []
        for _ in range(6):
            turns.append([text(draw, 60_000 if not turns else 500)])
            yield Ask(20, ["Be kind."], list(turns))


def asks_of(workload: Workload, calls: int) -> list[Ask]:
    asks = workload(random.Random(2))
    return [next(asks) for _ in range(calls)]


def brake_lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    """What the log said of the brake since it was last read: what is left to the client."""
    lines = [msgspec.json.decode(line) for line in capsys.readouterr().err.splitlines() if line.startswith("{")]
    found = [line for line in lines if line["event"] == "cache brake"]
    assert all((line["level"], line["model"]) == ("warning", MODEL) for line in found)
    return [line["left_with"] for line in found]
