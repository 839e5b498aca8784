"""Traffic on which caching does not pay, or stops paying: what does the gateway cost there, and does the brake hold it?

    python -m tests.sim.adversary [--calls N] [--seed N]      # every workload, marked by the client and not, in each mode

Real engine, simulator, simulated time. Costs are of prompts alone, in input tokens at the base price, so that no answer
dilutes them. Three bills: what the gateway paid; what no caching at all would have cost; and, where the client sets
breakpoints, what it would have paid by itself: a second simulator gets its requests as they are.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
from collections.abc import Callable, Generator
from typing import Any, Literal, NamedTuple

import msgspec

from tests.fixtures import HEADERS, KEY, TestClock, call_of, engine_on, simulator
from tests.sim.habits import block, prose
from thriftgate.core.brake import EXCESS_MAX, prompt_cost
from thriftgate.core.placement import Ratios
from thriftgate.core.usage import Tokens
from thriftgate.engine.engine import Engine
from thriftgate.providers.asgi_transport import AsgiTransport
from thriftgate.providers.transport import Outgoing, Timeouts
from thriftgate.simulator import Simulator

MODEL = "claude-opus-4-8"
RATIOS = Ratios()  # of that model
ALLOWANCE_CALLS = 20
"""So many average prompts may be lost on top of the 2 %: the brake waits for 200 calls before it judges (`CALLS_MIN`), and
each may have paid a quarter too much for a write."""

Mode = Literal["ttl-only", "add", "full"]


class Ask(NamedTuple):
    """One call: seconds since the one before, blocks of the system prompt and of each question; who asks."""

    gap_s: float
    system: list[str]
    turns: list[list[str]]
    key: str = KEY


Workload = Callable[[random.Random], Generator[Ask, Tokens, None]]
"""Endless. Is told what each prompt was billed, so that it can be spiteful."""


def text(draw: random.Random, chars: int) -> str:
    """A text that nobody sent before."""
    return prose(f"{draw.getrandbits(64):016x}", chars)


def unique(draw: random.Random) -> Generator[Ask, Tokens, None]:
    """Nothing is ever sent twice."""
    while True:
        yield Ask(2, [], [[text(draw, draw.randrange(4_000, 20_000))]])


def alternating(draw: random.Random) -> Generator[Ask, Tokens, None]:
    """Two long prefixes in turn, each idle for longer than five minutes as often as not."""
    heads = [text(draw, 12_000), text(draw, 12_000)]
    while True:
        for head in heads:
            yield Ask(draw.choice((140, 160)), [head], [[text(draw, 2_000)]])


def just_over(draw: random.Random) -> Generator[Ask, Tokens, None]:
    """A second turn just over five minutes after the first, and never a third."""
    while True:
        turns = [[text(draw, 8_000)]]
        yield Ask(20, ["Be kind."], turns)
        yield Ask(draw.uniform(301, 310), ["Be kind."], [*turns, [text(draw, 8_000)]])


def beyond_look_back(draw: random.Random) -> Generator[Ask, Tokens, None]:
    """Each turn adds 26 blocks, more than the 20 positions that look-back searches."""
    while True:
        turns: list[list[str]] = []
        for _ in range(4):
            turns.append([text(draw, 250) for _ in range(26)])
            yield Ask(draw.uniform(20, 200), ["Be kind."], turns)


def turning(draw: random.Random) -> Generator[Ask, Tokens, None]:
    """Conversations for five minutes, then long prompts that never come back for fifteen, and so on."""
    while True:
        for _ in range(5):
            turns: list[list[str]] = []
            for _ in range(6):
                turns.append([text(draw, 6_000 if not turns else 200)])
                yield Ask(10, ["Be kind."], turns)
        for _ in range(90):
            yield Ask(10, ["Be kind."], [[text(draw, 20_000)]])


def _short_return(draw: random.Random, system: Callable[[int], str], key: Callable[[int], str]) -> Any:
    for number in range(10**9):
        head, who = [system(number)], key(number)
        if draw.random() < 0.3:
            short = [text(draw, 6_200)]
            yield Ask(30, head, [short], who)
            yield Ask(60, head, [short, ["And then?"]], who)
        else:
            yield Ask(30, head, [[text(draw, 21_000)]], who)


def short_return(draw: random.Random) -> Generator[Ask, Tokens, None]:
    """Short prompts are followed up, long ones never; to the planner both are of one size. It pays to cache the one and not
    the other, and on the whole it does not."""
    yield from _short_return(draw, lambda _: "Be kind.", lambda _: KEY)


def short_return_apps(draw: random.Random) -> Generator[Ask, Tokens, None]:
    """The same, each session with a system prompt of its own, as with the user's name in it: each is an application."""
    yield from _short_return(draw, lambda number: f"Be kind to user {number}.", lambda _: KEY)


def short_return_keys(draw: random.Random) -> Generator[Ask, Tokens, None]:
    """The same, each session with a key and a workspace of its own."""
    yield from _short_return(draw, lambda _: "Be kind.", lambda number: f"sk-ant-sim-w{number}-1")


def spiteful(draw: random.Random) -> Generator[Ask, Tokens, None]:
    """Goes on with a conversation as long as it is not written to the cache, and no further."""
    while True:
        turns: list[list[str]] = []
        for _ in range(8):
            turns.append([text(draw, 6_000 if not turns else 200)])
            billed = yield Ask(20, ["Be kind."], turns)
            if billed.write_5m or billed.write_1h:
                break


WORKLOADS: dict[str, Workload] = {
    workload.__name__: workload
    for workload in (
        unique,
        alternating,
        just_over,
        beyond_look_back,
        turning,
        short_return,
        short_return_apps,
        short_return_keys,
        spiteful,
    )
}


def body_of(ask: Ask, *, marked: bool) -> dict[str, Any]:
    """As the client sends it; `marked`: with five-minute breakpoints behind the system prompt and at the end."""
    messages: list[dict[str, Any]] = []
    for number, turn in enumerate(ask.turns, start=1):
        if messages:
            messages.append({"role": "assistant", "content": [block("Yes.")]})
        blocks = [block(one) for one in turn]
        if marked and number == len(ask.turns):
            blocks[-1] = block(turn[-1], marked=True)
        messages.append({"role": "user", "content": blocks})
    body: dict[str, Any] = {"model": MODEL, "max_tokens": 16, "messages": messages}
    if ask.system:
        body["system"] = [block(one, marked=marked) for one in ask.system]
    return body


class Harm(NamedTuple):
    """Costs of all prompts; the calls at which the brake changed, and how many it held."""

    calls: int
    ours: float
    plain: float
    own: float | None
    changes: list[int]
    held: int

    def least(self, mode: Mode) -> float:
        """What it is measured by: what the client sent, and where its breakpoints may be dropped no caching as well."""
        if self.own is None:
            return self.plain
        return min(self.own, self.plain) if mode == "full" else self.own

    def excess(self, mode: Mode) -> float:
        """By how much of itself the cost is over that, without what is allowed for the beginning."""
        return (self.ours - ALLOWANCE_CALLS * self.plain / self.calls) / self.least(mode) - 1


class Trial:
    """An engine and its provider, driven call by call."""

    def __init__(self, engine: Engine, app: Simulator, clock: TestClock, *, marked: bool) -> None:
        self.engine = engine
        self.app = app
        self.clock = clock
        self.marked = marked
        self.alone = simulator(clock=clock.time)
        self.calls = self.held = 0
        self.ours = self.plain = self.own = 0.0
        self.changes: list[int] = []
        self.reasons: set[str] = set()
        self._seen = ""
        self._watch_brake()

    async def ask(self, ask: Ask) -> Tokens:
        """One call, and the same by the client alone."""
        self.clock.advance(ask.gap_s)
        body = msgspec.json.encode(body_of(ask, marked=self.marked))
        headers = HEADERS | {"x-api-key": ask.key}
        await self.engine.messages(call_of(body, headers=headers))
        billed = _billed(self.app)
        self.calls += 1
        self.ours += prompt_cost(billed, RATIOS)
        self.plain += billed.prompt
        if self.marked:
            raw = tuple((name.encode(), value.encode()) for name, value in headers.items())
            sent = Outgoing("POST", "http://simulator.invalid/v1/messages", raw, body)
            await (await AsgiTransport(self.alone).send(sent, Timeouts())).read()
            self.own += prompt_cost(_billed(self.alone), RATIOS)
        await self._look()
        return billed

    async def _look(self) -> None:
        """What the books say of the call."""
        (entry,) = await self.engine.ledger.entries(after=self._seen, limit=10)
        self._seen = entry.id
        reason = next(one.reason for one in entry.decisions if one.lever == "cache.breakpoints")
        self.held += reason.startswith("the brake holds")
        if reason.startswith("the brake"):
            self.reasons.add(reason)

    def _watch_brake(self) -> None:
        brake = self.engine.knowledge.brake
        book = brake.book

        def booked(app: bytes, ours: float, shadow: float, plain: float, now_s: float) -> bool:
            changed = book(app, ours, shadow, plain, now_s)
            if changed:
                self.changes.append(self.calls + 1)
            return changed

        brake.book = booked  # type: ignore[method-assign]

    def harm(self) -> Harm:
        own = self.own if self.marked else None
        return Harm(self.calls, self.ours, self.plain, own, self.changes, self.held)


def _billed(app: Simulator) -> Tokens:
    usage = app.bill.calls[-1].usage
    return Tokens(input=usage.input, write_5m=usage.write_5m, write_1h=usage.write_1h, read=usage.read)


async def harm_of(workload: Workload, *, calls: int, seed: int = 1, marked: bool = False, mode: Mode = "ttl-only") -> Harm:
    """So many calls of a workload through a fresh gateway."""
    clock = TestClock()
    app = simulator(clock=clock.time)
    async with engine_on(app, clock=clock, cache={"mode": mode}) as engine:
        trial = Trial(engine, app, clock, marked=marked)
        asks = workload(random.Random(seed))
        ask = next(asks)
        while True:
            billed = await trial.ask(ask)
            if trial.calls == calls:
                return trial.harm()
            ask = asks.send(billed)


def line(name: str, mode: Mode, harm: Harm) -> str:
    own = "" if harm.own is None else f" = {harm.ours / harm.own:.4f} of the client's own"
    where = f"brake changed at {harm.changes[:6]}, held {harm.held}" if harm.changes else "no brake"
    marks = "no marks" if harm.own is None else f"marked, {mode}"
    wrong = " VIOLATION" if harm.excess(mode) > EXCESS_MAX - 1 else ""
    return f"{name} ({marks}): {harm.ours / harm.plain:.4f} of no caching{own}; {where}{wrong}"


async def run(calls: int, seed: int) -> int:
    """Every workload; how many break the bound."""
    broken = 0
    for name, workload in WORKLOADS.items():
        cases: list[tuple[bool, Mode]] = [(False, "ttl-only"), (True, "ttl-only"), (True, "add"), (True, "full")]
        for marked, mode in cases:
            harm = await harm_of(workload, calls=calls, seed=seed, marked=marked, mode=mode)
            broken += harm.excess(mode) > EXCESS_MAX - 1
            print(line(name, mode, harm), flush=True)
    return broken


def main() -> int:
    """Run from the command line; exit code 1 when a workload breaks the bound."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=2_500)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    return 1 if asyncio.run(run(chosen.calls, chosen.seed)) else 0


if __name__ == "__main__":
    sys.exit(main())
