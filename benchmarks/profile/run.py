"""Measure the cases: a gateway without clocks and one with them, under the load of `benchmarks.gateway`, in turn."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import msgspec

from benchmarks.gateway import measure
from benchmarks.gateway.bodies import CASES, Body, Case, build
from benchmarks.gateway.load import Endpoint, closed_loop
from benchmarks.gateway.process import Child, StartError
from benchmarks.profile.account import Account, Read, account
from benchmarks.profile.clocks import Cost
from benchmarks.profile.served import READ, RESET

SETTINGS = """
[upstream]
url = "http://127.0.0.1:{port}"
[ledger]
path = "{ledger}"
"""
ALL_ON = """
[policy]
levers = ["reuse.exact", "cache.breakpoints", "batch.defer", "compress.json", "agent.guard", "count.guard"]
[keepalive]
on = true
[[reuse.rules]]
ttl_s = 600
[[limits.rules]]
name = "each key"
metric = "requests"
amount = 100000000
scope = ["key=*"]
[[limits.rules]]
name = "tokens"
metric = "tokens"
amount = 1000000000000
"""
FRESH = {2_000: 3_000, 200_000: 200}  # so many conversations that a call hardly ever meets one that is still known
WARM_SHARE = 0.3


class Chosen(NamedTuple):
    """What is measured: the case, and whether its calls go on with conversations that are known."""

    name: str
    case: Case
    known: bool


CHOSEN = tuple(
    Chosen(f"{case.name}, {'next turn' if known else 'new'}", case, known) for case in CASES for known in (True, False)
)


class Profiler:
    """The mock and both gateways; leaving it stops them."""

    def __init__(self, work: Path, seconds: float, *, all_on: bool, seed: int) -> None:
        self._work, self._seconds, self._seed = work, seconds, seed
        self._all_on = all_on
        self._stack = ExitStack()
        self._first = 0
        self._ports: dict[bool, int] = {}

    async def __aenter__(self) -> Profiler:
        proxy, load = measure.cores()
        kept = os.sched_getaffinity(0)
        self._stack.callback(os.sched_setaffinity, 0, kept)
        os.sched_setaffinity(0, {load})
        port = self._start("mock", [sys.executable, "-m", "benchmarks.gateway.mock"], load)
        for clocks in (False, True):
            name = "clocks" if clocks else "plain"
            config = self._work / f"{name}.toml"
            settings = SETTINGS.format(port=port, ledger=self._work / f"{name}.db")
            config.write_text(settings + (ALL_ON if self._all_on else ""))
            command = [sys.executable, "-m", "benchmarks.profile.served", "--config", str(config)]
            self._ports[clocks] = self._start(name, command + ["--clocks"] * clocks, proxy)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._stack.close()

    async def profile(self, chosen: Chosen, costs: tuple[Cost, Cost]) -> Account:
        """Both in turn. Raises StartError where a call fails."""
        count = 8 if chosen.known else FRESH[chosen.case.size]
        bodies = build(chosen.case, self._seed, count)
        plain_us: list[float] = []
        for _ in range(2):
            calls, before, after = await self._measured(chosen.case, bodies, clocks=False)
            plain_us.append((after.process_ns - before.process_ns) / calls / 1e3)
            if len(plain_us) == 1:
                calls_with, before_with, after_with = await self._measured(chosen.case, bodies, clocks=True)
        return account(chosen.name, calls_with, sum(plain_us) / 2, (before_with, after_with), costs)

    async def _measured(self, case: Case, bodies: Sequence[Body], *, clocks: bool) -> tuple[int, Read, Read]:
        endpoint = Endpoint(self._ports[clocks])
        await self._load(endpoint, case, bodies, self._seconds * WARM_SHARE)
        before = await _read(self._ports[clocks], RESET)
        calls = await self._load(endpoint, case, bodies, self._seconds)
        return calls, before, await _read(self._ports[clocks], READ)

    async def _load(self, endpoint: Endpoint, case: Case, bodies: Sequence[Body], seconds: float) -> int:
        self._first += 1
        result = await closed_loop(endpoint, case, tuple(bodies), first=self._first << 32, seconds=seconds)
        await asyncio.sleep(0.2)  # what is still written behind belongs to these calls
        if result.errors or not result.ok:
            raise StartError(f"{case.name}: {dict(result.errors)}")
        return result.ok

    def _start(self, name: str, command: list[str], core: int) -> int:
        child = Child(command, self._work / f"{name}.log", core=core, pipe=True, cwd=Path.cwd())
        self._stack.callback(child.stop)
        line = child.first_line()
        if not line.isdigit():
            raise StartError(f"{name} did not start: {child.tail()}")
        return int(line)


async def _read(port: int, path: str) -> Read:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET {path} HTTP/1.1\r\nhost: profile\r\nconnection: close\r\n\r\n".encode())
    raw = await reader.read()
    writer.close()
    return msgspec.json.decode(raw.partition(b"\r\n\r\n")[2], type=Read)
