"""What jobs that share prompt prefixes cost: our priming waves, beside the optimum and beside one batch of the same jobs.

The simulator's batches: so many workers take items in file order, all at once to begin with; each takes 9 s ± 50 %, or a
stall longer; what an item writes is readable 1 s + 2 s (for the whole prompt) after the item began. The optimum is one write
and N - 1 reads of each prefix, all of it at batch price, and the rest of each job: nobody can stay below it. The same jobs
as one batch are marked by hand at the end of the prefix, for five minutes or an hour; group after group ("grouped"),
one of each group after another ("striped") or shuffled.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import random
import sys
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import msgspec
from msgspec import Struct

from benchmarks.batch import jobs
from benchmarks.batch.worker import KEY, working
from benchmarks.cache.goals import Goal
from benchmarks.cache.report import align
from thriftgate.providers.asgi_transport import AsgiTransport
from thriftgate.providers.transport import Outgoing, Timeouts
from thriftgate.simulator import SimClock, Simulator, SimulatorConfig
from thriftgate.simulator.config import BatchRules

WORKERS = (20, 50, 200, 1000)
STALLS_S = (0.0, 60.0, 600.0)
SERVICE_S, READ_S, SOONEST_S = 9.0, 2.0, 1.0
OVER_OPTIMUM = 1.10
ORDERS = ("grouped", "striped", "shuffled")
TTLS: tuple[Literal["5m", "1h"], ...] = ("5m", "1h")


class Shape(Struct, frozen=True):
    """So many groups of so many jobs, whose common prefix has about so many tokens."""

    groups: int
    size: int
    prefix_tokens: int

    def __str__(self) -> str:
        return f"{self.groups} x {self.size}"

    @property
    def items(self) -> int:
        return self.groups * self.size


SHAPES = (Shape(1, 500, 20_000), Shape(50, 100, 5_000), Shape(500, 20, 5_000))


class Cell(Struct, frozen=True):
    """One shape under one load. Dollars; `others` by order and TTL, None where the one batch expired before its end. `hours`
    is how long ours took on the simulated clock."""

    shape: Shape
    workers: int
    stall_s: float
    optimum: Decimal
    ours: Decimal
    hits: float
    hours: float
    batches: int
    others: dict[str, Decimal | None]

    @property
    def over(self) -> float:
        """Ours over the optimum."""
        return float(self.ours / self.optimum)


def measure(
    shapes: Sequence[Shape] = SHAPES, workers: Sequence[int] = WORKERS, stalls_s: Sequence[float] = STALLS_S, seed: int = 1
) -> Iterator[Cell]:
    """Cell by cell."""
    for shape in shapes:
        with TemporaryDirectory(prefix="batch-bench-") as folder:
            lines = list(jobs.grouped(shape.groups, shape.size, jobs.words_of(shape.prefix_tokens), seed))
            path = jobs.write(Path(folder) / "jobs.jsonl", lines)
            for stall_s in stalls_s:
                for count in workers:
                    print(f"waves: {shape}, {count} workers, stall {stall_s:.0f} s", file=sys.stderr, flush=True)
                    yield _cell(shape, (count, stall_s), seed, path, lines)


def _cell(shape: Shape, load: tuple[int, float], seed: int, path: Path, lines: Sequence[bytes]) -> Cell:
    workers, stall_s = load
    params = [msgspec.json.decode(line)["params"] for line in lines]
    rules = rules_of(params[0], workers, stall_s)
    with TemporaryDirectory(prefix="batch-bench-") as folder, contextlib.redirect_stderr(io.StringIO()):  # the log
        ours = _simulator(rules, seed)
        batches = asyncio.run(_ours(ours, path, Path(folder)))
    usages = [call.usage for call in ours.bill.calls]
    others: dict[str, Decimal | None] = {}
    for order in ORDERS if shape.groups > 1 else ORDERS[:1]:
        for ttl in TTLS:
            there = _simulator(rules, seed)
            through = asyncio.run(_as_one(there, [marked(params[at], ttl) for at in ordered(shape, order, seed)]))
            others[f"{order} {ttl}"] = there.bill.total if through else None
    prompt = sum(one.total_input for one in usages)
    return Cell(
        shape,
        workers,
        stall_s,
        optimum(ours, shape, params[0], prompt, sum(one.output for one in usages)),
        ours.bill.total,
        sum(one.read for one in usages) / prompt,
        (ours.now() - SimClock.frozen()()) / 3600,
        batches,
        others,
    )


def rules_of(params: dict[str, Any], workers: int, stall_s: float) -> BatchRules:
    """How the simulator works batches off."""
    tokens = sum(count for _, count in Simulator(SimulatorConfig(tokenizer="estimate")).count_blocks(params))
    return BatchRules(
        workers=workers,
        service_s=SERVICE_S + stall_s,
        spread=0.5,
        stagger=False,
        readable_s=SOONEST_S,
        read_per_token_s=READ_S / tokens,
    )


def optimum(simulator: Simulator, shape: Shape, params: dict[str, Any], prompt: int, output: int) -> Decimal:
    """Dollars: each prefix written once for five minutes, read by all the others, and the rest of all jobs."""
    blocks = simulator.count_blocks(params)
    at = max(number for number, (label, _) in enumerate(blocks) if label.startswith("system"))
    prefix = sum(count for _, count in blocks[: at + 1])
    prices = simulator.models.by_name[simulator.bill.calls[0].model].prices_at(simulator.now(), prompt // shape.items)
    rest = prompt - shape.items * prefix
    whole = (
        shape.groups * prefix * prices.write_5m
        + (shape.items - shape.groups) * prefix * prices.read
        + rest * prices.input
        + output * prices.output
    )
    return whole / 2 / 1_000_000


def ordered(shape: Shape, order: str, seed: int) -> list[int]:
    """The places of the jobs of a grouped file, in another order."""
    places = list(range(shape.items))
    if order == "striped":
        return [group * shape.size + item for item in range(shape.size) for group in range(shape.groups)]
    if order == "shuffled":
        random.Random(seed).shuffle(places)
    return places


def marked(params: dict[str, Any], ttl: Literal["5m", "1h"]) -> dict[str, Any]:
    """A call whose system prompt is marked by hand."""
    mark = {"type": "ephemeral", "ttl": ttl}
    return params | {"system": [{"type": "text", "text": params["system"], "cache_control": mark}]}


def _simulator(rules: BatchRules, seed: int) -> Simulator:
    clock = SimClock.frozen()
    return Simulator(SimulatorConfig(seed=seed, clock=clock, tokenizer="estimate", batches=rules, instance_id="bench"))


async def _ours(simulator: Simulator, path: Path, folder: Path) -> int:
    """Our runner, to the end. Returns how many batches it sent."""
    clock = simulator.config.clock
    assert isinstance(clock, SimClock)
    async with working(simulator, path, clock, folder=folder) as worker:
        await worker.take()
        await worker.run()
        reached = worker.work.progress
        if reached.failed or reached.settled != reached.jobs:
            raise RuntimeError(f"the run did not come through: {reached}")
        return len(await worker.batches())


async def _as_one(simulator: Simulator, params: Sequence[dict[str, Any]]) -> bool:
    """All jobs as one batch, to its end. Whether all were answered before it expired."""
    requests = [{"custom_id": f"item-{number}", "params": one} for number, one in enumerate(params)]
    headers = (
        (b"x-api-key", KEY.encode()), (b"anthropic-version", b"2023-06-01"), (b"content-type", b"application/json"),
    )  # fmt: skip
    transport = AsgiTransport(simulator)
    body = msgspec.json.encode({"requests": requests})
    answer = await transport.send(Outgoing("POST", "http://sim/v1/messages/batches", headers, body), Timeouts())
    if answer.status != 200:
        raise RuntimeError(f"the batch was not taken: {answer.status} {(await answer.read())[:300]!r}")
    clock = simulator.config.clock
    assert isinstance(clock, SimClock)
    clock.advance(86_400)
    simulator.batches.run_due(simulator.now())
    await transport.close()
    return len(simulator.bill.calls) == len(params)


def goals(cells: Sequence[Cell]) -> list[Goal]:
    """Ours against the optimum, the worst cell of each shape; one prefix must hold."""
    shapes = list(dict.fromkeys(cell.shape for cell in cells))
    return [
        Goal(
            f"{shape}: billed cost over the optimum, worst of {sum(cell.shape == shape for cell in cells)} loads",
            OVER_OPTIMUM,
            True,
            shape.groups == 1,
            max(cell.over for cell in cells if cell.shape == shape),
        )
        for shape in shapes
    ]


def table(cells: Sequence[Cell]) -> str:
    """For people: the optimum is 1; of the others the cheapest and the dearest of their orders."""
    rows = [["groups x jobs", "workers", "stall s", "optimum $", "ours", "hits", "hours", "batches"]]
    rows[0] += [f"{order} {ttl}" for order in ORDERS for ttl in TTLS]
    for cell in cells:
        row = [str(cell.shape), f"{cell.workers:,}", f"{cell.stall_s:.0f}", f"{cell.optimum:.4f}", f"{cell.over:.3f}"]
        row += [f"{cell.hits:.1%}".replace("%", " %"), f"{cell.hours:.2f}", str(cell.batches)]
        for order in ORDERS:
            for ttl in TTLS:
                cost = cell.others.get(f"{order} {ttl}")
                row.append("-" if cost is None else f"{float(cost / cell.optimum):.2f}")
        rows.append(row)
    return align(rows)


def document(cells: Sequence[Cell]) -> list[dict[str, Any]]:
    """For machines."""
    return [
        {
            "groups": cell.shape.groups,
            "size": cell.shape.size,
            "prefix_tokens": cell.shape.prefix_tokens,
            "workers": cell.workers,
            "stall_s": cell.stall_s,
            "optimum_usd": str(cell.optimum),
            "ours_usd": str(cell.ours),
            "over_optimum": cell.over,
            "hits": cell.hits,
            "hours": cell.hours,
            "batches": cell.batches,
            "others_usd": {name: None if cost is None else str(cost) for name, cost in cell.others.items()},
        }
        for cell in cells
    ]
