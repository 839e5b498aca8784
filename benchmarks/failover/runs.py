"""Conversations over two equal targets and a third for need, while one of them fails; simulated time."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from random import Random
from typing import Any, NamedTuple

from msgspec import Struct
from tests.fixtures import TestClock, call_of, engine_on, message, read_all, told
from tests.scripted import targets

from benchmarks.failover.incidents import Failing, incidents
from thriftgate.core.errors import UpstreamError
from thriftgate.engine.engine import Engine
from thriftgate.ledger.entries import UPSTREAM
from thriftgate.simulator import SimClock, Simulator, SimulatorConfig

NAMES = ("one", "two", "three")
TALKS, TURNS, GAP_S = 40, 12, 8.0
CONNECT_S, READ_S = 5.0, 30.0
SYSTEM = "The desk answers each mail of a shop, politely and in short. " * 60
PICO = 10**12


class Result(Struct, frozen=True):
    """One run. `lost` calls brought no answer; `twice` have more than one answered entry, or none; `off_pico` is what the
    books say of answered calls less what the simulators billed for them; `eligible` turns had a target of the turn before
    that was not in trouble, `stayed` of them were answered by it. Waits are what a call took longer than an untroubled one
    (simulated seconds)."""

    kind: str
    seed: int
    calls: int
    struck: int
    lost: int
    twice: int
    off_pico: int
    open_holds: int
    moved: int
    eligible: int
    stayed: int
    wait_p50_s: float
    wait_p99_s: float
    wait_max_s: float


class _Turn(NamedTuple):
    talk: int
    number: int


class _Case(NamedTuple):
    kind: str
    seed: int
    order: Sequence[_Turn]
    random: Random
    time: SimClock


def run(kind: str, seed: int) -> Result:
    """One kind of fault, one seed."""
    return asyncio.run(_run(kind, seed))


async def _run(kind: str, seed: int) -> Result:
    random = Random(f"{kind} {seed}")
    time = SimClock.frozen()
    apps = {name: Simulator(SimulatorConfig(seed=seed, clock=time, tokenizer="estimate")) for name in NAMES}
    turns = [_Turn(talk, number) for talk in range(TALKS) for number in range(TURNS)]
    order = _shuffled(turns, random)
    plan = incidents(random, NAMES[:2], len(order) * GAP_S, time())
    transport = Failing(apps, plan, kind, time, random)
    tables: dict[str, Any] = {
        "upstream": {"connect_timeout_s": CONNECT_S, "read_timeout_s": READ_S},
        "governor": {"queue_s_max": 2},
        "failover": {"deadline_s": 4 * READ_S},
    }
    tables |= targets(*NAMES, three={"order": 1})
    async with engine_on(transport=transport, clock=TestClock(time), **tables) as made:
        return await _measured(made, transport, _Case(kind, seed, order, random, time))


async def _measured(made: Engine, transport: Failing, case: _Case) -> Result:
    random, time = case.random, case.time
    homes: dict[int, str] = {}
    waits: list[float] = []
    lost = moved = eligible = stayed = 0
    for turn in case.order:
        time.advance(random.expovariate(1 / GAP_S))
        calm = {name for name in NAMES if not transport.in_trouble(name)}
        began = time()
        home = homes.get(turn.talk)
        try:
            reply = await made.messages(call_of(_body(turn)))
            body = await read_all(reply)
            good = reply.status == 200 and (b"message_stop" in body or reply.body is not None)
        except UpstreamError:
            good = False
        waits.append(time() - began)
        if not good:
            lost += 1
            continue
        name = told(reply.headers, "thriftgate-target")
        moved += home is not None and name != home
        if home in calm:
            eligible += 1
            stayed += name == home
        homes[turn.talk] = name
    await made.tasks.finish(5.0)
    entries = await made.ledger.entries(limit=100_000)
    answered = [entry for entry in entries if entry.outcome == "answered"]
    booked = {entry.upstream_request_id: -entry.posted(UPSTREAM) for entry in answered}
    calls = [call for app in transport.apps.values() for call in app.bill.calls]
    billed = {call.request_id: round(call.cost * PICO) for call in calls}
    waits.sort()
    return Result(
        case.kind,
        case.seed,
        calls=len(case.order),
        struck=transport.struck,
        lost=lost,
        twice=abs(len(answered) - (len(case.order) - lost)),
        off_pico=sum(abs(pico - billed.get(request, 0)) for request, pico in booked.items()),
        open_holds=len(await made.ledger.open_holds()),
        moved=moved,
        eligible=eligible,
        stayed=stayed,
        wait_p50_s=waits[len(waits) // 2],
        wait_p99_s=waits[math.ceil(0.99 * len(waits)) - 1],
        wait_max_s=waits[-1],
    )


def _body(turn: _Turn) -> dict[str, Any]:
    said: list[dict[str, Any]] = []
    for number in range(turn.number + 1):
        said.append({"role": "user", "content": f"Mail {number} of customer {turn.talk}: my parcel? [[sim: out=40]]"})
        if number < turn.number:
            said.append({"role": "assistant", "content": f"Answer {number}: it is on its way."})
    members: dict[str, Any] = {"messages": said, "system": f"Shop {turn.talk}. {SYSTEM}"}
    return message("", **members) | ({"stream": True} if (turn.talk + turn.number) % 2 else {})


def _shuffled(turns: Sequence[_Turn], random: Random) -> list[_Turn]:
    """All turns, those of one conversation in their order; about six conversations go on at a time."""
    waiting = [[turn for turn in turns if turn.talk == talk] for talk in range(TALKS)]
    open_, order = [waiting.pop(0) for _ in range(6)], []
    while open_:
        talk = random.choice(open_)
        order.append(talk.pop(0))
        if not talk:
            open_.remove(talk)
            if waiting:
                open_.append(waiting.pop(0))
    return order
