"""The real parts, started for a test and stopped by it: simulator, gateway, engine, a scripted upstream. Loopback only."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import uvicorn

from thriftgate.cli.serving import bind
from thriftgate.clock import Clock
from thriftgate.engine.build import build_engine
from thriftgate.engine.call import Call, Reply
from thriftgate.engine.engine import Engine
from thriftgate.gateway.entrance import Entrance
from thriftgate.ledger.entries import UPSTREAM, Entry
from thriftgate.ledger.sql import SqlLedger
from thriftgate.providers.asgi_transport import AsgiTransport
from thriftgate.providers.transport import Headers, Transport
from thriftgate.settings import Settings
from thriftgate.simulator import SimClock, Simulator, SimulatorConfig
from thriftgate.wire import DIALECTS

KEY = "sk-ant-sim-test-1"
MODEL = "claude-opus-4-8"  # thinks only when asked: short, plain answers
HEADERS = {"x-api-key": KEY, "anthropic-version": "2023-06-01", "content-type": "application/json"}
PATIENCE_S = 20.0  # for what must happen soon; only a failing test waits so long


class TestClock:
    """Simulated time behind thriftgate's Clock: frozen, moved by `advance`; a sleep moves it and is noted."""

    __test__ = False

    def __init__(self, time: SimClock | None = None) -> None:
        self.time = time or SimClock.frozen()
        self.slept: list[float] = []

    def now_s(self) -> float:
        return self.time()

    def monotonic_s(self) -> float:
        return self.time()

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        await self.time.sleep(seconds)

    def advance(self, seconds: float) -> None:
        self.time.advance(seconds)


def simulator(**members: Any) -> Simulator:
    """A simulator with a frozen clock and the quick token counter."""
    values: dict[str, Any] = {"seed": 1, "clock": SimClock.frozen(), "tokenizer": "estimate"}
    return Simulator(SimulatorConfig(**values | members))


def message(text: str = "hello there", **members: Any) -> dict[str, Any]:
    """A small valid Messages body."""
    base: dict[str, Any] = {"model": MODEL, "max_tokens": 200, "messages": [{"role": "user", "content": text}]}
    return base | members


def call_of(body: bytes | dict[str, Any], *, headers: Mapping[str, str] = HEADERS, **members: Any) -> Call:
    """A Messages call as the gateway hands it to the engine."""
    values: dict[str, Any] = {
        "method": "POST",
        "path": "/v1/messages",
        "query": "",
        "headers": tuple((name.encode(), value.encode()) for name, value in headers.items()),
        "body": body if isinstance(body, bytes) else msgspec.json.encode(body),
        "dialect": DIALECTS[0],
        "credential": headers.get("x-api-key", ""),
    }
    return Call(**values | members)


def settings_of(**tables: Any) -> Settings:
    """Settings with the books in memory and quick limits, table by table."""
    base: dict[str, Any] = {
        "ledger": {"path": ":memory:"},
        "upstream": {"url": "http://upstream.invalid", "read_timeout_s": 5.0},
        "server": {"drain_s": 2.0, "shutdown_s": 2.0},
    }
    for name, table in tables.items():
        base[name] = base.get(name, {}) | table if isinstance(table, dict) else table
    return Settings.model_validate(base)


@contextlib.asynccontextmanager
async def engine_on(
    app: Any = None, *, transport: Transport | None = None, clock: Clock | None = None, **tables: Any
) -> AsyncIterator[Engine]:
    """An engine whose provider is an ASGI app in this process (or whatever `transport` leads to)."""
    if clock is None and isinstance(app, Simulator) and isinstance(app.config.clock, SimClock):
        clock = TestClock(app.config.clock)
    engine = await build_engine(
        settings_of(**tables), transport=transport or AsgiTransport(app), clock=clock or TestClock(), draw=lambda: 0.0
    )
    try:
        yield engine
    finally:
        await engine.close()


async def read_all(reply: Reply) -> bytes:
    """The whole answer, JSON or stream."""
    if reply.body is not None:
        return reply.body
    pieces = []
    while piece := await reply.read():
        pieces.append(piece)
    await reply.leave()
    return b"".join(pieces)


def told(headers: Headers, name: str) -> str:
    """A header of a reply; KeyError where it is not there."""
    return {key.decode(): value.decode() for key, value in headers}[name]


async def only_entry(engine: Engine) -> Entry:
    """The one entry there is, with all that must hold of it: balanced, its hold resolved."""
    entries = await engine.ledger.entries()
    assert len(entries) == 1, entries
    await assert_sound(engine.ledger)
    return entries[0]


async def assert_sound(ledger: Any) -> None:
    """Every entry sums to zero, every hold is resolved."""
    assert not await ledger.unbalanced()
    assert not await ledger.open_holds()
    for entry in await ledger.entries(limit=100_000):
        assert entry.balance() == 0
        assert entry.resolution == ("void" if entry.usage_source == "none" else entry.resolution)


async def assert_books_are_the_bill(engine: Engine, app: Simulator) -> None:
    """The books are sound, and say what the simulator bills, to the last digit."""
    await assert_sound(engine.ledger)
    booked = sum(-entry.posted(UPSTREAM) for entry in await engine.ledger.entries(limit=100_000))
    assert Fraction(booked, 10**12) == Fraction(app.bill.total)


@contextlib.asynccontextmanager
async def books(path: Path | str) -> AsyncIterator[SqlLedger]:
    """The ledger of another process or thread, opened beside it."""
    ledger = SqlLedger.open(path)
    try:
        yield ledger
    finally:
        await ledger.close()


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Wait for what another task or process will do; TimeoutError when it does not."""
    async with asyncio.timeout(PATIENCE_S):
        while not await condition():
            await asyncio.sleep(0.01)


# --- servers -----------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def serving(app: Any, entrance: Entrance | None = None) -> Iterator[str]:
    """An ASGI app under uvicorn on a free port, in a thread with a loop of its own; yields its URL."""
    bound = bind("127.0.0.1", 0)
    config = uvicorn.Config(
        app,
        **({"http": "httptools"} if entrance is None else entrance.options()),
        ws="none",
        log_level="error",
        access_log=False,
        server_header=False,
        date_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=5,
    )
    ready = threading.Event()

    class Announcing(uvicorn.Server):
        async def startup(self, sockets: Any = None) -> None:
            try:
                await super().startup(sockets)
            finally:
                ready.set()

    server = Announcing(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]})
    thread.start()
    try:
        assert ready.wait(PATIENCE_S)
        assert server.started
        yield f"{entrance.scheme if entrance else 'http'}://127.0.0.1:{bound.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        bound.close()


class Running:
    """A verb of the command line that serves, as its own process; `url` is where."""

    def __init__(self, *arguments: str, environ: Mapping[str, str] | None = None, cwd: Path | None = None) -> None:
        own = {name: value for name, value in os.environ.items() if not name.startswith("THRIFTGATE_")}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "thriftgate", *arguments],
            env=own | dict(environ or {}),
            cwd=cwd,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stderr is not None
        self.said: list[str] = []
        self.url = ""
        silent = threading.Timer(3 * PATIENCE_S, self.process.kill)  # one that says nothing would be waited for without end
        silent.start()
        while not self.url and (line := self.process.stderr.readline()):
            self.said.append(line)
            found = re.search(r"https?://127\.0\.0\.\d+:\d+", line)
            self.url = found.group() if found else ""
        silent.cancel()
        if not self.url:
            self.process.wait(PATIENCE_S)
            raise AssertionError(f"did not start: {''.join(self.said)}")
        self._reader = threading.Thread(target=self._listen, daemon=True)
        self._reader.start()

    def _listen(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.said.append(line)

    def stop(self, how: int = signal.SIGTERM) -> int:
        """Signal it, wait for its end; the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(how)
        try:
            code = self.process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise
        self._reader.join(PATIENCE_S)
        for stream in (self.process.stdout, self.process.stderr):
            assert stream is not None
            stream.close()
        return code

    @property
    def stderr(self) -> str:
        return "".join(self.said)


@contextlib.contextmanager
def running(*arguments: str, **members: Any) -> Iterator[Running]:
    """`thriftgate …` until the end of the block."""
    process = Running(*arguments, **members)
    try:
        yield process
    finally:
        if process.process.returncode is None:
            process.stop()


@contextlib.asynccontextmanager
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    """An HTTP client that shows bytes as they came, and closes its connections at once when told."""
    session = aiohttp.ClientSession(auto_decompress=False, timeout=aiohttp.ClientTimeout(total=PATIENCE_S))
    try:
        yield session
    finally:
        await session.close()
