"""Load generator: raw asyncio protocol, httptools, keep-alive; every answer is checked, every error counted.

`closed_loop` keeps N connections busy (throughput, CPU per call); `open_loop` sends at a fixed rate whatever comes back
(latency, concurrent streams). Both are bounded in time and count.
"""

import asyncio
import gc
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from time import perf_counter
from typing import cast

import httptools

from benchmarks.gateway.bodies import Body, Case, calls
from benchmarks.gateway.mock import ANSWER_BYTES, EVENTS, STREAM_BYTES

DRAIN_S = 30.0  # how long calls in flight may take to finish after the last one was sent
MAX_CALLS = 2_000_000


@dataclass(frozen=True)
class Endpoint:
    """Where to send, with which headers, and whether the proxy promises to hand bytes on unchanged."""

    port: int
    path: str = "/v1/messages"
    headers: tuple[tuple[str, str], ...] = (("x-api-key", "sk-ant-bench-000000000000"),)
    exact: bool = True

    def request_head(self, size: int) -> bytes:
        """Request line and headers of a POST with a body of `size` bytes."""
        fixed = (
            ("host", f"127.0.0.1:{self.port}"),
            ("content-type", "application/json"),
            ("anthropic-version", "2023-06-01"),
            ("content-length", str(size)),
        )
        lines = "".join(f"{name}: {value}\r\n" for name, value in (*fixed, *self.headers))
        return f"POST {self.path} HTTP/1.1\r\n{lines}\r\n".encode()


@dataclass(frozen=True)
class Sample:
    """One finished call: seconds to the first body byte and to the last."""

    first_s: float
    total_s: float


@dataclass
class Result:
    """What a run saw. `elapsed_s` spans the first send to the last answer."""

    ok: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    samples: list[Sample] = field(default_factory=list)
    elapsed_s: float = 0.0
    events: int = 0

    @property
    def failed(self) -> int:
        return sum(self.errors.values())


def fault(endpoint: Endpoint, case: Case, status: int, body: bytes) -> str | None:
    """Why an answer is not the one that the mock gave, or None."""
    if status != 200:
        return f"status {status}: {body[:200]!r}"
    if case.stream:
        if body.count(b"data:") < EVENTS or b"message_stop" not in body[-120:]:
            return f"incomplete stream: {body.count(b'data:')} of {EVENTS} events, ends {body[-60:]!r}"
        wanted = STREAM_BYTES
    else:
        if b"msg_" not in body or b'"output_tokens"' not in body or not body.rstrip().endswith(b"}"):
            return f"not the mock's message: {body[:200]!r}"
        wanted = ANSWER_BYTES
    if endpoint.exact and len(body) != wanted:
        return f"changed answer: {len(body)} B instead of {wanted} B"
    if len(body) < wanted // 2:
        return f"short answer: {len(body)} B of about {wanted} B"
    return None


class Connection(asyncio.Protocol):
    """One keep-alive connection with at most one call in flight; `done` is told of each end."""

    def __init__(self, endpoint: Endpoint, case: Case, done: "Callable[[Connection, Sample | str], None]") -> None:
        self._endpoint = endpoint
        self._case = case
        self._done = done
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._parts: list[bytes] = []
        self._sent = 0.0
        self._first = 0.0
        self.busy = False
        self.alive = True
        self._closing = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop has its own class

    def connection_lost(self, exc: Exception | None) -> None:
        self.alive = False
        if self.busy and not self._closing:
            self._end(f"connection lost: {type(exc).__name__ if exc else 'closed by the proxy'}")

    def send(self, head: bytes, body: Body, nonce: bytes) -> None:
        """Start one call; the answer or the error goes to `done`."""
        assert self._transport is not None
        self.busy = True
        self._first = 0.0
        self._sent = perf_counter()
        self._transport.writelines((head, body.head, nonce, body.tail))

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._end(f"bad HTTP: {type(error).__name__}")
            self.close()

    def close(self) -> None:
        """Give the connection up; a call in flight ends without being reported."""
        self.alive = False
        self._closing = True
        if self._transport is not None:
            self._transport.close()

    # httptools callbacks

    def on_body(self, body: bytes) -> None:
        if not self._parts:
            self._first = perf_counter()
        self._parts.append(body)

    def on_message_complete(self) -> None:
        now = perf_counter()
        body = b"".join(self._parts)
        self._parts.clear()
        status = self._parser.get_status_code()
        if status < 200:
            return
        if not self._parser.should_keep_alive():
            self.close()
        wrong = fault(self._endpoint, self._case, status, body)
        self._end(wrong or Sample(self._first - self._sent, now - self._sent))

    def _end(self, outcome: Sample | str) -> None:
        if self.busy:
            self.busy = False
            self._done(self, outcome)


class _Run:
    """Shared state of one measurement: the connections, the result, and when to stop."""

    def __init__(self, endpoint: Endpoint, case: Case, bodies: tuple[Body, ...], first: int) -> None:
        self.endpoint, self.case = endpoint, case
        self.result = Result()
        self.sent = 0
        self.ended = asyncio.Event()
        self.connections: set[Connection] = set()
        self._head = endpoint.request_head(len(bodies[0]))
        self._calls: Iterator[tuple[Body, bytes]] = calls(bodies, first)
        self.after: Callable[[Connection], None] = lambda _: None

    async def connect(self) -> Connection:
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(
            lambda: Connection(self.endpoint, self.case, self._finished), "127.0.0.1", self.endpoint.port
        )
        self.connections.add(connection)
        return connection

    def send(self, connection: Connection) -> None:
        self.sent += 1
        body, nonce = next(self._calls)
        connection.send(self._head, body, nonce)

    def _finished(self, connection: Connection, outcome: Sample | str) -> None:
        if isinstance(outcome, Sample):
            self.result.ok += 1
            self.result.samples.append(outcome)
            self.result.events += EVENTS if self.case.stream else 0
        else:
            self.result.errors[outcome] += 1
        self.after(connection)

    def close(self) -> None:
        for connection in self.connections:
            if connection.busy:
                self.result.errors["no answer in time"] += 1
            connection.close()


async def closed_loop(
    endpoint: Endpoint,
    case: Case,
    bodies: tuple[Body, ...],
    *,
    first: int,
    seconds: float,
    limit: int = MAX_CALLS,
    connections: int | None = None,
) -> Result:
    """Keep `connections` busy until `seconds` have passed or `limit` calls were sent; then wait for those in flight."""
    run = _Run(endpoint, case, bodies, first)
    active = 0
    reconnecting: set[asyncio.Task[None]] = set()
    stop_at = 0.0

    def go_on(connection: Connection) -> None:
        nonlocal active
        if perf_counter() >= stop_at or run.sent >= limit or run.result.failed > 100:
            active -= 1
            if active == 0:
                run.ended.set()
        elif connection.alive:
            run.send(connection)
        else:
            task = asyncio.ensure_future(replace())
            reconnecting.add(task)
            task.add_done_callback(reconnecting.discard)

    async def replace() -> None:
        try:
            connection = await run.connect()
        except OSError as error:
            run.result.errors[f"cannot connect: {type(error).__name__}"] += 1
            await asyncio.sleep(0.05)
            go_on(_dead)
        else:
            run.send(connection)

    run.after = go_on
    _dead = Connection(endpoint, case, lambda _connection, _outcome: None)
    _dead.alive = False
    try:
        opened = [await run.connect() for _ in range(min(connections or case.connections, limit))]
        gc.collect()
        gc.disable()
        begin = perf_counter()
        stop_at = begin + seconds
        active = len(opened)
        for connection in opened:
            run.send(connection)
        await _ended(run, seconds)
        run.result.elapsed_s = perf_counter() - begin
    finally:
        gc.enable()
        run.close()
    return run.result


async def open_loop(
    endpoint: Endpoint,
    case: Case,
    bodies: tuple[Body, ...],
    *,
    first: int,
    rate: float,
    seconds: float,
    connections: int = 4,
) -> Result:
    """Send at `rate` calls a second for `seconds`, on idle connections where there are any."""
    run = _Run(endpoint, case, bodies, first)
    idle: list[Connection] = []
    total = max(1, int(rate * seconds))
    loop = asyncio.get_running_loop()
    opening: set[asyncio.Task[None]] = set()

    def finished(connection: Connection) -> None:
        if connection.alive:
            idle.append(connection)
        if run.sent >= total and run.result.ok + run.result.failed >= total:
            run.ended.set()

    async def open_and_send() -> None:
        try:
            connection = await run.connect()
        except OSError as error:
            run.sent += 1
            run.result.errors[f"cannot connect: {type(error).__name__}"] += 1
            finished(_dead)
        else:
            run.send(connection)

    def tick(index: int, begin: float) -> None:
        if index + 1 < total:
            loop.call_at(begin + (index + 1) / rate, tick, index + 1, begin)
        while idle:
            connection = idle.pop()
            if connection.alive:
                run.send(connection)
                return
        task = asyncio.ensure_future(open_and_send())
        opening.add(task)
        task.add_done_callback(opening.discard)

    run.after = finished
    _dead = Connection(endpoint, case, lambda _connection, _outcome: None)
    _dead.alive = False
    try:
        idle.extend([await run.connect() for _ in range(min(connections, total))])
        gc.collect()
        gc.disable()
        begin = perf_counter()
        tick(0, loop.time())
        await _ended(run, seconds)
        run.result.elapsed_s = perf_counter() - begin
    finally:
        gc.enable()
        run.close()
    return run.result


async def _ended(run: _Run, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds + DRAIN_S):
            await run.ended.wait()
    except TimeoutError:
        pass  # what is still in flight is counted as "no answer in time" by close()
