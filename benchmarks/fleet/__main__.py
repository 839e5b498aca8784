"""CPU of a 2 kB call on the gateway, with limits, a budget and the levers on: SQLite, and PostgreSQL with Redis; 1, 2 and 4
workers. Each is the process tree of `thriftgate serve`, before a provider that answers at once.

    python -m benchmarks.fleet [--postgres URL --redis URL] [--workers 1 2 4] [--seconds 5] [--rounds 3] [--json]

CPU time is the figure: load, provider and servers share this machine's cores with the gateway, so calls per second of wall
time tell of the machine. The efficiency of N workers is what a call costs with one worker by what it costs with N: the calls
that a core serves, against those it serves alone. Machines that others share are slower at times, also in CPU time: the
yardstick, what a fixed loop of Python takes right before and after each round, tells when, and the efficiency is that of
calls in such loops.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import msgspec

from benchmarks.gateway import measure
from benchmarks.gateway.bodies import CASES, build
from benchmarks.gateway.load import Endpoint, closed_loop
from benchmarks.gateway.process import Child, free_port
from thriftgate import __version__
from thriftgate.core.control.budgets import Budget
from thriftgate.ledger.sql import SqlLedger
from thriftgate.ledger.sql_budget_book import SqlBudgetBook

CASE = CASES[0]
CONNECTIONS = 64
"""To each worker: few next to what it has open when answers take seconds, as a provider's do."""
READY_S = 60.0
SETTLE_S = 0.5
SETTINGS = """
[server]
port = {port}
workers = {workers}
unshared = {unshared}
shutdown_s = 2
[upstream]
url = "http://127.0.0.1:{upstream}"
[ledger]
path = "{ledger}"
[redis]
url = "{redis}"
[[limits.rules]]
name = "requests"
metric = "requests"
amount = "1000000"
per = "minute"
[[limits.rules]]
name = "tokens"
metric = "input_tokens"
amount = "1000000000"
per = "minute"
[[limits.rules]]
name = "at once"
metric = "concurrency"
amount = "10000"
"""


class Place(NamedTuple):
    """Where the books and the shared counts are."""

    name: str
    ledger: str
    redis: str = ""


class Measured(NamedTuple):
    """Medians over the rounds. `calls_s` is of wall time, and of the machine; `books_off` is by how many calls the books
    are off."""

    back_end: str
    workers: int
    us_per_call: float
    yardstick_ms: float
    calls_s: float
    calls: int
    failed: int
    books_off: int


async def measured(place: Place, workers: int, seconds: float, rounds: int, folder: Path) -> Measured:
    """Start it, warm it up, load it; compare the books with what was answered."""
    mock = Child([sys.executable, "-m", "benchmarks.gateway.mock"], folder / "mock.log", pipe=True)
    port = free_port()
    config = folder / "thriftgate.toml"
    redis = f"{place.redis}" if place.redis else ""
    config.write_text(
        SETTINGS.format(
            port=port,
            workers=workers,
            unshared="false" if redis or workers == 1 else "true",
            upstream=mock.first_line(),
            ledger=place.ledger,
            redis=redis,
        ),
        encoding="utf-8",
    )
    before = await booked(place, make_budget=True)
    gateway = Child([sys.executable, "-m", "thriftgate", "serve", "--config", str(config)], folder / "log", cwd=folder)
    try:
        bodies, endpoint = build(CASE, 1), Endpoint(port)
        first = await _ready(gateway, endpoint)
        connections = CONNECTIONS * workers
        load = await closed_loop(endpoint, CASE, bodies, first=0, seconds=1.0, connections=connections)
        calls, failed, costs, rates = first + load.ok, load.failed, list[float](), list[float]()
        loops = [yardstick_ms()]
        for _ in range(rounds):
            began_us = measure.cpu_us(gateway.pid)
            load = await closed_loop(endpoint, CASE, bodies, first=calls, seconds=seconds, connections=connections)
            await asyncio.sleep(SETTLE_S)
            costs.append((measure.cpu_us(gateway.pid) - began_us) / max(1, load.ok))
            rates.append(load.ok / load.elapsed_s)
            loops.append(yardstick_ms())
            calls, failed = calls + load.ok, failed + load.failed
    finally:
        gateway.stop()
        mock.stop()
    found = await booked(place) - before
    return Measured(
        place.name,
        workers,
        round(statistics.median(costs), 1),
        round(statistics.median(loops), 1),
        round(statistics.median(rates), 1),
        calls,
        failed,
        found - calls,
    )


def yardstick_ms() -> float:
    """CPU of a loop that is always the same."""
    began_s = time.process_time()
    kept: dict[int, int] = {}
    total = 0
    for at in range(400_000):
        kept[at & 1023] = total
        total += len(str(at))
    return (time.process_time() - began_s) * 1e3


async def booked(place: Place, *, make_budget: bool = False) -> int:
    """How many calls stand in the books. Before the first one there is a budget to be kept."""
    ledger = SqlLedger.open(place.ledger)
    book = SqlBudgetBook(ledger)
    if make_budget and not await book.all():
        await book.put(Budget("bud_1", "all", 10**18, window="total", stages=()))
    report = await ledger.report()
    await ledger.close()
    return report.calls


async def _ready(gateway: Child, endpoint: Endpoint) -> int:
    """How many calls were made until one was answered."""
    bodies = build(CASE, 2)
    until_s = time.perf_counter() + READY_S
    while time.perf_counter() < until_s:
        gateway.check_alive()
        with contextlib.suppress(OSError):
            result = await closed_loop(endpoint, CASE, bodies, first=0, seconds=0.0, limit=1, connections=1)
            if result.ok:
                return 1
        await asyncio.sleep(0.2)
    raise SystemExit(f"the gateway is not ready: {gateway.tail()}")


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="benchmarks.fleet", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--postgres", default="", metavar="URL", help="an empty database")
    parser.add_argument("--redis", default="", metavar="URL")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args(arguments)
    found: list[Measured] = []
    with tempfile.TemporaryDirectory() as folder:
        places = [Place("sqlite", f"{folder}/books.db", "")]
        if asked.redis:
            places.append(Place("sqlite + redis", f"{folder}/shared.db", asked.redis))
        if asked.postgres and asked.redis:
            places.append(Place("postgresql + redis", asked.postgres, asked.redis))
        for place in places:
            for workers in asked.workers:
                under = Path(folder) / f"{place.name} {workers}"
                under.mkdir()
                found.append(asyncio.run(measured(place, workers, asked.seconds, asked.rounds, under)))
                tell(found[-1], found)
    if asked.json:
        runs = [one._asdict() | {"efficiency": efficiency(one, found)} for one in found]
        print(msgspec.json.encode({"benchmark": "fleet", "thriftgate": __version__, "runs": runs}).decode())
    return 0 if not any(one.failed or one.books_off for one in found) else 1


def efficiency(one: Measured, found: list[Measured]) -> float:
    """What a call costs with one worker, by what it costs here, both by the yardstick."""
    alone = next((other for other in found if (other.back_end, other.workers) == (one.back_end, 1)), one)
    return round((alone.us_per_call / alone.yardstick_ms) / (one.us_per_call / one.yardstick_ms), 3)


def tell(one: Measured, found: list[Measured]) -> None:
    print(
        f"{one.back_end:20} {one.workers} workers: {one.us_per_call:7.1f} us of CPU a call, efficiency "
        f"{efficiency(one, found):.2f}; yardstick {one.yardstick_ms:5.1f} ms; {one.calls_s:7.1f} calls/s here; "
        f"{one.calls} calls, {one.failed} failed, books off by {one.books_off}",
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
