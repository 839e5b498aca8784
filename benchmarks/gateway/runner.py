"""One run: start every proxy, then measure them in turn, round after round, so that noise meets all of them alike."""

import asyncio
import os
import sys
import time
from collections import Counter
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from benchmarks.gateway import measure
from benchmarks.gateway.bodies import CASES, PACED, Body, Case, build
from benchmarks.gateway.install import InstallError
from benchmarks.gateway.load import Endpoint, Result, closed_loop, open_loop
from benchmarks.gateway.mock import EVENT_GAP_S, EVENTS, FIRST_BYTE_S
from benchmarks.gateway.process import Child, StartError
from benchmarks.gateway.sampler import Sampler
from benchmarks.gateway.targets import Books, Started, Target, Thriftgate, UnavailableError

STREAMS = 200  # how many paced streams are open at once
STREAM_S = FIRST_BYTE_S + (EVENTS - 1) * EVENT_GAP_S
READY_TIMEOUT_S = 90.0


@dataclass(frozen=True)
class Effort:
    """How long to measure."""

    rounds: int = 3
    starts: int = 3
    idle_s: float = 2.0
    warm_s: float = 2.0
    cpu_s: float = 3.0
    settle_s: float = 0.2  # after a load: what the proxy still writes behind belongs to its calls
    latency_s: float = 5.0
    latency_rate: float = 25.0
    streams_s: float = 6.0


QUICK = Effort(rounds=1, starts=1, warm_s=0.5, cpu_s=1.0, latency_s=1.5, streams_s=2.0)


@dataclass(frozen=True)
class Cpu:
    """CPU time of one closed-loop run."""

    us_per_call: float
    calls: int
    rate: float


@dataclass(frozen=True)
class Latency:
    """Quantiles of one open-loop run, milliseconds."""

    p50_ms: float
    p99_ms: float
    first_p50_ms: float
    first_p99_ms: float
    fifo: bool
    calls: int = 0
    failed: int = 0
    cpu_us_per_call: float = 0.0
    rate: float = 0.0


@dataclass
class Figures:
    """All that was measured of one target (or of the mock directly)."""

    version: str = ""
    note: str = ""
    start_s: list[float] = field(default_factory=list)
    idle_mb: float | None = None
    after_mb: float | None = None
    cpu: dict[str, list[Cpu]] = field(default_factory=dict)
    latency: dict[str, list[tuple[Latency, Latency]]] = field(default_factory=dict)  # (through it, directly)
    streams: list[tuple[Latency, Latency]] = field(default_factory=list)
    streams_skipped: str = ""
    calls: int = 0
    upstream_calls: int = 0
    errors: Counter[str] = field(default_factory=Counter)


@dataclass
class Outcome:
    """The whole run."""

    figures: dict[str, Figures] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    books: Books | None = None
    fifo: bool = False


class Session:
    """Owns the mock and the proxies of one run; leaving it stops them all."""

    def __init__(self, targets: list[Target], work: Path, seed: int, effort: Effort) -> None:
        self._targets = targets
        self._work = work
        self._effort = effort
        self._bodies: dict[str, tuple[Body, ...]] = {case.name: build(case, seed) for case in (*CASES, PACED)}
        self._cores = os.sched_getaffinity(0)
        self._proxy_core, self._load_core = measure.cores()
        self._children: list[Child] = []
        self._running: dict[str, Started] = {}
        self._nonce = 0
        self.outcome = Outcome()
        self._mock: Child
        self._direct: Endpoint

    async def __aenter__(self) -> "Session":
        os.sched_setaffinity(0, {self._load_core})
        command = [sys.executable, "-m", "benchmarks.gateway.mock"]
        self._mock = self._keep(Child(command, self._work / "mock.log", core=self._load_core, pipe=True))
        line = self._mock.first_line()
        if not line.isdigit():
            raise StartError(f"the mock did not start: {self._mock.tail()}")
        self._direct = Endpoint(int(line))
        return self

    async def __aexit__(self, *_: object) -> None:
        for child in reversed(self._children):
            child.stop()
        os.sched_setaffinity(0, self._cores)

    async def run(self) -> Outcome:
        """Everything: starts, idle memory, warm-up, rounds, memory after, the ledger."""
        for target in self._targets:
            await self._open(target)
        await self._warm_up()
        for number in range(self._effort.rounds):
            say(f"round {number + 1} of {self._effort.rounds}: CPU")
            await self._cpu_round()
            say(f"round {number + 1} of {self._effort.rounds}: latency")
            await self._latency_round()
            say(f"round {number + 1} of {self._effort.rounds}: {STREAMS} paced streams")
            await self._streams_round()
        for name, started in self._running.items():
            self.outcome.figures[name].after_mb = measure.pss_mb(started.child.pid)
        self._check_ledger()
        return self.outcome

    async def compare(self, seconds: float) -> dict[str, list[float]]:
        """CPU per call of the first target over that of the second, by case: each round measures the two right after each
        other, so that foreign load meets both alike."""
        for target in self._targets:
            await self._open(target)
        if len(self._running) < 2:
            return {}
        await self._warm_up()
        first, second = (target.name for target in self._targets)
        for number in range(self._effort.rounds):
            for case in CASES:
                for name in (first, second) if number % 2 else (second, first):
                    await self._cpu_one(name, case, seconds)
        runs = {name: self.outcome.figures[name].cpu for name in (first, second)}
        return {
            case.name: [
                one.us_per_call / other.us_per_call
                for one, other in zip(runs[first][case.name], runs[second][case.name], strict=True)
            ]
            for case in CASES
        }

    async def profile(self, seconds: float, sampler: Sampler | None) -> dict[str, Cpu]:
        """CPU per call of the first target alone, for the four cases; then, if asked, where the time goes."""
        name = self._targets[0].name
        await self._open(self._targets[0])
        if name not in self._running:
            return {}
        await self._warm_up()
        for case in CASES:
            await self._cpu_one(name, case, seconds)
        for case in CASES if sampler is not None else ():
            assert sampler is not None
            sampler.start(self._running[name].child.pid, seconds, self._load_core, self._work)
            await self._closed(name, case, seconds + 0.5)
            say(f"\n{case.name}\n{sampler.finish()}")
        self._check_ledger()
        return {case: runs[0] for case, runs in self.outcome.figures[name].cpu.items()}

    # one target

    async def _open(self, target: Target) -> None:
        """Install and start it; the last of its starts stays up."""
        try:
            target.prepare()
            figures = Figures(version=target.version(), note=target.note)
            for attempt in range(self._effort.starts):
                say(f"{target.name} {figures.version}: start {attempt + 1} of {self._effort.starts}")
                last = attempt + 1 == self._effort.starts
                figures.calls, figures.upstream_calls = 0, 0  # each start has a ledger of its own
                started = await self._start(target, figures)
                if not last:
                    self._stop(started.child)
        except (InstallError, StartError, UnavailableError, OSError) as error:
            self.outcome.skipped[target.name] = str(error)
            say(f"{target.name}: skipped: {error}")
            return
        await asyncio.sleep(self._effort.idle_s)
        figures.idle_mb = measure.pss_mb(started.child.pid)
        self.outcome.figures[target.name] = figures
        self._running[target.name] = started

    async def _start(self, target: Target, figures: Figures) -> Started:
        started = target.start(self._direct.port, self._proxy_core)
        self._keep(started.child)
        before = await self._upstream_calls()
        try:
            await self._ready(started, figures)
        except StartError:
            self._stop(started.child)
            raise
        figures.upstream_calls += await self._upstream_calls() - before
        return started

    async def _ready(self, started: Started, figures: Figures) -> None:
        """Ask until a call is answered with 200; that is the end of the cold start."""
        seen = "nothing listens"
        while time.perf_counter() - started.child.started < READY_TIMEOUT_S:
            started.child.check_alive()
            try:
                result = await closed_loop(
                    started.endpoint, CASES[0], self._bodies[CASES[0].name], first=self._first(), seconds=5.0, limit=1
                )
            except OSError:
                await asyncio.sleep(0.005)
                continue
            if result.ok:
                figures.start_s.append(time.perf_counter() - started.child.started)
                figures.calls += result.ok
                return
            seen = next(iter(result.errors))
            await asyncio.sleep(0.02)
        raise StartError(f"no answer within {READY_TIMEOUT_S:.0f} s: {seen}")

    def _keep(self, child: Child) -> Child:
        self._children.append(child)
        return child

    def _stop(self, child: Child) -> None:
        child.stop()
        self._children.remove(child)

    # rounds

    async def _warm_up(self) -> None:
        for name in self._running:
            for case in (*CASES, PACED):
                await self._closed(name, case, self._effort.warm_s)

    async def _cpu_round(self) -> None:
        for case in CASES:
            for name in self._running:
                await self._cpu_one(name, case, self._effort.cpu_s)

    async def _cpu_one(self, name: str, case: Case, seconds: float) -> None:
        pid = self._running[name].child.pid
        await self._closed(name, case, seconds / 10)
        before = measure.cpu_us(pid)
        result = await self._closed(name, case, seconds)
        spent = measure.cpu_us(pid) - before
        if result.ok:
            sample = Cpu(spent / result.ok, result.ok, result.ok / result.elapsed_s)
            self.outcome.figures[name].cpu.setdefault(case.name, []).append(sample)

    async def _latency_round(self) -> None:
        effort = self._effort
        for case in CASES:
            direct: dict[bool, Latency] = {}
            for name, target in self._open_targets():
                if target.fifo not in direct:
                    direct[target.fifo] = await self._open_loop(
                        None, case, effort.latency_rate, effort.latency_s, target.fifo
                    )
                through = await self._open_loop(name, case, effort.latency_rate, effort.latency_s, target.fifo)
                pairs = self.outcome.figures[name].latency.setdefault(case.name, [])
                pairs.append((through, direct[target.fifo]))

    async def _streams_round(self) -> None:
        rate = STREAMS / STREAM_S
        direct: dict[bool, Latency] = {}
        for name, target in self._open_targets():
            figures = self.outcome.figures[name]
            burst = measure.median(run.us_per_call for run in figures.cpu.get(CASES[1].name, ()))
            if burst is None or burst * rate > 0.8e6:
                cost = "unknown" if burst is None else f"{burst:,.0f} µs"
                figures.streams_skipped = f"{rate:.0f} streams/s at {cost} each are more than one core can do"
                continue
            if target.fifo not in direct:
                direct[target.fifo] = await self._open_loop(None, PACED, rate, self._effort.streams_s, target.fifo)
            through = await self._open_loop(name, PACED, rate, self._effort.streams_s, target.fifo)
            figures.streams.append((through, direct[target.fifo]))

    def _open_targets(self) -> list[tuple[str, Target]]:
        return [(target.name, target) for target in self._targets if target.name in self._running]

    # loads

    async def _closed(self, name: str, case: Case, seconds: float) -> Result:
        before = await self._upstream_calls()
        result = await closed_loop(
            self._running[name].endpoint, case, self._bodies[case.name], first=self._first(), seconds=seconds
        )
        await asyncio.sleep(self._effort.settle_s)
        await self._count(name, result, before)
        return result

    async def _open_loop(self, name: str | None, case: Case, rate: float, seconds: float, fifo: bool) -> Latency:
        """Fixed rate through a target, or directly to the mock when `name` is None."""
        endpoint = self._direct if name is None else self._running[name].endpoint
        roots = [self._mock.pid] + ([] if name is None else [self._running[name].child.pid])
        before = await self._upstream_calls()
        cpu = 0.0 if name is None else measure.cpu_us(self._running[name].child.pid)
        with measure.real_time(roots) if fifo else nullcontext(False) as used:
            result = await open_loop(
                endpoint,
                case,
                self._bodies[case.name],
                first=self._first(),
                rate=rate,
                seconds=seconds,
                connections=STREAMS + 20 if case.paced else 4,
            )
        self.outcome.fifo = self.outcome.fifo or used
        if name is not None:
            cpu = measure.cpu_us(self._running[name].child.pid) - cpu
            await self._count(name, result, before)
        if not result.samples:
            raise StartError(f"{name or 'the mock'}: no call of {case.name} succeeded: {dict(result.errors)}")
        total = [sample.total_s * 1e3 for sample in result.samples]
        first = [sample.first_s * 1e3 for sample in result.samples]
        return Latency(
            p50_ms=measure.quantile(total, 0.50),
            p99_ms=measure.quantile(total, 0.99),
            first_p50_ms=measure.quantile(first, 0.50),
            first_p99_ms=measure.quantile(first, 0.99),
            fifo=used,
            calls=result.ok,
            failed=result.failed,
            cpu_us_per_call=cpu / result.ok,
            rate=result.ok / result.elapsed_s,
        )

    async def _count(self, name: str, result: Result, before: int) -> None:
        figures = self.outcome.figures[name]
        figures.calls += result.ok
        figures.errors.update(result.errors)
        figures.upstream_calls += await self._upstream_calls() - before

    async def _upstream_calls(self) -> int:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._direct.port)
        writer.write(b"GET /stats HTTP/1.1\r\nhost: mock\r\n\r\n")
        head = await reader.readuntil(b"\r\n\r\n")
        body = await reader.readexactly(int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0]))
        writer.close()
        await writer.wait_closed()
        stats: dict[str, int] = msgspec.json.decode(body, type=dict[str, int])
        return stats["messages"]

    def _first(self) -> int:
        self._nonce += 1
        return self._nonce << 32

    def _check_ledger(self) -> None:
        """Stop thriftgate in good order and ask its own report how many calls it booked."""
        for target in self._targets:
            if isinstance(target, Thriftgate) and target.name in self._running:
                self._stop(self._running.pop(target.name).child)
                self.outcome.books = target.books()


def say(text: str) -> None:
    """Progress goes to stderr: stdout holds the figures."""
    print(text, file=sys.stderr, flush=True)
