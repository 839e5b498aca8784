"""Deadlines kept, at batch price: jobs due in 30 minutes to 12 hours, and a provider whose batches are slow.

Runner and simulator share one simulated clock. As calls: they arrive over hours at the gateway's queue, which takes each or
says why it is better made now, and then it is. As files: each with a deadline of its own, one worker a file. A batch takes
minutes to 20 hours, drawn log-uniformly, some ten times as long; some items are never reached; a call takes seconds.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import io
import random
import sys
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
from msgspec import Struct

from benchmarks.batch import jobs
from benchmarks.batch.worker import KEY, engine_on, working
from benchmarks.cache.goals import Goal
from benchmarks.cache.report import align
from thriftgate.batch.queue import Queue, QueueOptions, Ticket
from thriftgate.batch.queue_worker import QueueWorker
from thriftgate.batch.work import Options
from thriftgate.core.errors import ThriftgateError
from thriftgate.core.money import usd_from_pico
from thriftgate.engine.call import Call
from thriftgate.engine.engine import Engine
from thriftgate.simulator import Faults, Latency, SimClock, Simulator, SimulatorConfig
from thriftgate.simulator.config import BatchRules
from thriftgate.wire import DIALECTS

JOBS = 5_000
DUE_S = (1_800.0, 43_200.0)  # from arrival to deadline
ARRIVING_S = 21_600.0
FILE_JOBS = 50
RULES = BatchRules(duration_s=(300.0, 72_000.0), stuck_share=0.0005, cancel_s=20.0)
FAULTS = Faults(batch_slow=0.1, batch_slow_factor=10.0)
CALL_S = Latency(first_byte_s=2.0, per_output_token_s=0.1)
SHARE = 0.8
_OVERLAP_S = 0.002  # of real time in which calls that begin together are gathered
_HEADERS = (
    (b"x-api-key", KEY.encode()), (b"anthropic-version", b"2023-06-01"), (b"content-type", b"application/json"),
)  # fmt: skip


class Kept(Struct, frozen=True):
    """One case. `missed` were answered late or not at all; dollars; `closest_s` is the least time that was left at an
    answer; `canceled` counts batches that were cut short for a deadline."""

    case: str
    jobs: int
    missed: int
    at_batch_price: int
    cost: Decimal
    as_calls: Decimal
    closest_s: float
    batches: int
    canceled: int
    seed: int

    @property
    def share(self) -> float:
        """Of the jobs, at batch price."""
        return self.at_batch_price / self.jobs

    @property
    def saved(self) -> float:
        """Of what all would have cost as calls."""
        return float(1 - self.cost / self.as_calls)


class Time(SimClock):
    """Simulated time in which waits overlap: those that begin together end together."""

    async def overlapping(self, seconds: float) -> None:
        """What the simulator waits by."""
        due_s = self() + max(0.0, seconds)
        await asyncio.sleep(_OVERLAP_S if seconds > 0 else 0)
        self.set(max(self(), due_s))


def measure(
    count: int = JOBS, seed: int = 1, cases: Sequence[str] = ("calls", "files"), arriving_s: float = ARRIVING_S
) -> list[Kept]:
    """Both cases; calls arrive over so many seconds."""
    kept = []
    for case in cases:
        print(f"deadlines: {count:,} jobs as {case}", file=sys.stderr, flush=True)
        with TemporaryDirectory(prefix="batch-bench-") as folder, contextlib.redirect_stderr(io.StringIO()):  # the log
            done = (
                _as_files(count, seed, Path(folder)) if case == "files" else _as_calls(count, seed, Path(folder), arriving_s)
            )
            kept.append(asyncio.run(done))
    return kept


def _simulator(time: Time, seed: int) -> Simulator:
    faults = dataclasses.replace(FAULTS, seed=seed)
    config = SimulatorConfig(seed=seed, clock=time, sleep=time.overlapping, tokenizer="estimate", instance_id="bench")
    config.batches, config.faults, config.latency = RULES, faults, CALL_S
    return Simulator(config)


class _Arrival(Struct, frozen=True):
    at_s: float
    due_s: float
    call: Call


def _arrivals(count: int, seed: int, start_s: float, arriving_s: float) -> list[_Arrival]:
    """Calls in order of their coming."""
    draw = random.Random(seed)
    moments = sorted(start_s + draw.uniform(0, arriving_s) for _ in range(count))
    found = []
    for at_s, line in zip(moments, jobs.small(count, seed), strict=True):
        body = msgspec.json.encode(msgspec.json.decode(line)["params"])
        call = Call("POST", "/v1/messages", "", _HEADERS, body, DIALECTS[0], credential=KEY)
        found.append(_Arrival(at_s, at_s + draw.uniform(*DUE_S), call))
    return found


async def _as_calls(count: int, seed: int, folder: Path, arriving_s: float) -> Kept:
    time = Time()
    simulator = _simulator(time, seed)
    engine = await engine_on(simulator, folder, time)
    queue = Queue(engine, KEY, QueueOptions(options=Options(call_refused=True)))
    worker = QueueWorker(engine, queue, folder / "work")
    left_s: list[float] = []
    tickets: list[tuple[Ticket, float]] = []
    try:
        await worker.take_up()
        for arrival in _arrivals(count, seed, time(), arriving_s):
            await _until(worker, time, arrival.at_s)
            taken = await queue.offer(arrival.call, arrival.due_s)
            if isinstance(taken, Ticket):
                tickets.append((taken, arrival.due_s))
                continue
            reply = await engine.messages(arrival.call)
            left_s.append(arrival.due_s - time() if reply.status == 200 else float("-inf"))
        while worker.open_jobs:
            await _until(worker, time, time() + 60.0)
        for ticket, due_s in tickets:
            told = await queue.find(ticket.job.name, engine.key_of(KEY))
            answer = told.answer if told is not None else None
            left_s.append(due_s - answer.at_us / 1e6 if answer is not None and answer.status == 200 else float("-inf"))
        return await _kept("calls", engine, simulator, left_s, seed)
    finally:
        await worker.close()
        await engine.close()


async def _until(worker: QueueWorker, time: SimClock, moment_s: float) -> None:
    """Let the queue do what is due up to that moment."""
    while time() < moment_s:
        try:
            wait_s = await worker.turn()
        except ThriftgateError:
            wait_s = 30.0
        rest_s = moment_s - time()
        if rest_s > 0 and wait_s != 0:
            time.advance(rest_s if wait_s is None else min(wait_s, rest_s))


async def _as_files(count: int, seed: int, folder: Path) -> Kept:
    """One file after the other, each with books of its own and a provider that begins anew."""
    draw = random.Random(seed)
    lines = list(jobs.small(count, seed))
    parts = []
    for number, at in enumerate(range(0, count, FILE_JOBS)):
        here = folder / str(number)
        here.mkdir()
        path = jobs.write(here / "jobs.jsonl", lines[at : at + FILE_JOBS])
        parts.append(await _file(path, draw.uniform(*DUE_S), seed * 1000 + number))
    return _joined(parts, seed)


async def _file(path: Path, due_in_s: float, seed: int) -> Kept:
    time = Time()
    simulator = _simulator(time, seed)
    due_s = time() + due_in_s
    async with working(simulator, path, time, folder=path.parent, deadline_us=int(due_s * 1e6)) as worker:
        taken = await worker.take()
        await worker.run()
        entries = await worker.engine.ledger.entries(limit=10**6)
        left_s = [due_s - entry.settled_us / 1e6 for entry in entries if entry.outcome == "answered"]
        left_s += [float("-inf")] * (taken.estimate.jobs - len(left_s))
        return await _kept("files", worker.engine, simulator, left_s, seed)


async def _kept(case: str, engine: Engine, simulator: Simulator, left_s: Sequence[float], seed: int) -> Kept:
    entries = await engine.ledger.entries(limit=10**6)
    report = await engine.ledger.report()
    bill = simulator.bill.calls
    if usd_from_pico(report.paid_pico) != format(simulator.bill.total.normalize(), "f"):
        raise RuntimeError(f"booked {usd_from_pico(report.paid_pico)}, billed {simulator.bill.total}")
    known = simulator.batches.known().values()
    return Kept(
        case,
        len(left_s),
        sum(one < 0 for one in left_s),
        sum(entry.mode == "batch" and entry.outcome == "answered" for entry in entries),
        simulator.bill.total,
        sum((call.cost * (2 if call.modifiers.batch else 1) for call in bill), Decimal(0)),
        min(left_s),
        len(known),
        sum(batch.cancel_at is not None for batch in known),
        seed,
    )


def _joined(parts: Sequence[Kept], seed: int) -> Kept:
    return Kept(
        parts[0].case,
        sum(one.jobs for one in parts),
        sum(one.missed for one in parts),
        sum(one.at_batch_price for one in parts),
        sum((one.cost for one in parts), Decimal(0)),
        sum((one.as_calls for one in parts), Decimal(0)),
        min(one.closest_s for one in parts),
        sum(one.batches for one in parts),
        sum(one.canceled for one in parts),
        seed,
    )


def goals(cases: Sequence[Kept]) -> list[Goal]:
    """None late, most at half price."""
    return [
        goal
        for one in cases
        for goal in (
            Goal(f"jobs as {one.case}: deadlines missed of {one.jobs:,}", 0, True, True, float(one.missed)),
            Goal(f"jobs as {one.case}: share at batch price", SHARE, False, True, one.share),
        )
    ]


def table(cases: Sequence[Kept]) -> str:
    """For people."""
    rows = [["deadlines of 30 min to 12 h", "jobs", "missed", "at batch price", "cost $", "all as calls $", "saved"]]
    rows[0] += ["closest, s", "batches", "cut short"]
    for one in cases:
        rows.append([f"as {one.case}, seed {one.seed}", f"{one.jobs:,}", str(one.missed), _percent(one.share)])
        rows[-1] += [f"{one.cost:.4f}", f"{one.as_calls:.4f}", _percent(one.saved)]
        rows[-1] += [f"{one.closest_s:,.0f}", f"{one.batches:,}", f"{one.canceled:,}"]
    return align(rows)


def document(cases: Sequence[Kept]) -> list[dict[str, Any]]:
    """For machines."""
    return [
        {"case": one.case, "jobs": one.jobs, "missed": one.missed, "at_batch_price": one.at_batch_price}
        | {"share": one.share, "cost_usd": str(one.cost), "as_calls_usd": str(one.as_calls), "saved": one.saved}
        | {"closest_s": one.closest_s, "batches": one.batches, "canceled": one.canceled, "seed": one.seed}
        for one in cases
    ]


def _percent(share: float) -> str:
    return f"{share:.1%}".replace("%", " %")
