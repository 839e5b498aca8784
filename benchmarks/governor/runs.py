"""One run: the calls through an engine to the simulator's socket, with or without the governor, and what came of them."""

from __future__ import annotations

import asyncio
import contextlib
import io
import time
from collections import Counter, defaultdict
from typing import Any

import msgspec
from msgspec import Struct

from benchmarks.batch.processes import serving
from benchmarks.governor.provider import Shape
from benchmarks.governor.traffic import NOISY, QUIET, Sent, calls, shape_of
from thriftgate.core.errors import Crowded, ThriftgateError
from thriftgate.engine.build import build_engine
from thriftgate.engine.call import Call
from thriftgate.engine.engine import Engine
from thriftgate.settings import Settings
from thriftgate.wire import DIALECTS

WARM_S = 60.0  # until what the buckets held at first is used up, three times as fast as they are filled
MEASURED_S = 60.0


class Case(Struct, frozen=True):
    """What is run."""

    kind: str
    keys: int
    governed: bool


class Result(Struct, frozen=True):
    """What came of it. Shares of what is allowed, of the calls, and of the prompt tokens; times in simulated seconds.
    `throughput` is of the tightest limit. `fairness` is the least of what a quiet key got of what it asked for, `noisy` the
    same of the noisy one. `late_s` is by how much calls were sent later than they should, at worst: the machine was too
    busy."""

    case: Case
    offered: int
    throughput: float
    limited: float
    crowded: float
    other: float
    wait_p50_s: float
    wait_p99_s: float
    quiet_p99_s: float
    fairness: float
    noisy: float
    warm: float
    read: float
    late_s: float
    refusals: dict[str, int]


class FastClock:
    """thriftgate's Clock, so many times as fast."""

    def __init__(self, speed: float) -> None:
        self._speed = speed
        self._start = time.time()
        self._began = time.perf_counter()

    def now_s(self) -> float:
        return self._start + self.monotonic_s()

    def monotonic_s(self) -> float:
        return (time.perf_counter() - self._began) * self._speed

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds / self._speed)


class _Tally:
    """What came of each call, from when it was sent and when it ended."""

    def __init__(self, clock: FastClock) -> None:
        self.clock = clock
        self.status: Counter[str] = Counter()
        self.by_client: dict[str, Counter[str]] = defaultdict(Counter)
        self.waits: list[tuple[str, float]] = []
        self.used = [0.0, 0.0, 0.0]
        self.prompt = self.read = 0
        self.late_s = 0.0

    def answered(self, sent: Sent, body: bytes, ended_s: float, took_s: float, window: tuple[float, float]) -> None:
        usage: dict[str, Any] = msgspec.json.decode(body)["usage"]
        fresh = usage["input_tokens"] + usage["cache_creation_input_tokens"]
        if window[0] <= ended_s < window[1]:
            for at, amount in enumerate((1, fresh, usage["output_tokens"])):
                self.used[at] += amount
            self.waits.append((sent.client, max(0.0, took_s - 0.3 - 0.003 * usage["output_tokens"])))
        self.prompt += fresh + usage["cache_read_input_tokens"]
        self.read += usage["cache_read_input_tokens"]


def run(case: Case, speed: float, seed: int) -> Result:
    """One case, against a simulator of its own."""
    shape = shape_of(case.kind, case.keys, speed, seed)
    asked = msgspec.json.encode(shape).decode()
    with serving("benchmarks.governor.provider", asked) as url, contextlib.redirect_stderr(io.StringIO()):  # the log
        return asyncio.run(_run(case, shape, url, seed))


async def _run(case: Case, shape: Shape, url: str, seed: int) -> Result:
    clock = FastClock(shape.speed)
    keys = tuple({"name": f"key-{at}", "key": f"sk-ant-sim-org{at}.w{at}-bench"} for at in range(case.keys))
    settings = Settings.model_validate(
        {
            "upstream": {"url": url, "keys": keys},
            "ledger": {"path": ":memory:"},
            "governor": {"on": case.governed},
            "cache": {"fanout_wait_s": 0.0},
        }
    )
    engine = await build_engine(settings, clock=clock)
    tally = _Tally(clock)
    window = (WARM_S, WARM_S + MEASURED_S)
    tasks: list[asyncio.Task[None]] = []
    try:
        began_s = clock.monotonic_s()
        for sent in calls(case.kind, window[1], seed):
            late_s = sent.at_s - (clock.monotonic_s() - began_s)
            if late_s > 0:
                await clock.sleep(late_s)
            tally.late_s = max(tally.late_s, -late_s)
            tasks.append(asyncio.ensure_future(_one(engine, sent, tally, window, began_s)))
        engine_view = engine.governor.view() if engine.governor is not None else None
        await asyncio.gather(*tasks)
        warm = await _warm(engine)
    finally:
        await engine.close()
    return _result(case, shape, tally, warm, engine_view.refusals if engine_view is not None else {})


async def _one(engine: Engine, sent: Sent, tally: _Tally, window: tuple[float, float], began_s: float) -> None:
    headers = ((b"content-type", b"application/json"), (b"anthropic-version", b"2023-06-01"))
    call = Call("POST", "/v1/messages", "", headers, sent.body, DIALECTS[0], key=sent.client, parent=f"talk-{sent.talk}")
    started_s = tally.clock.monotonic_s()
    outcome = "other"
    try:
        reply = await engine.messages(call)
        outcome = {200: "answered", 429: "limited"}.get(reply.status, "other")
        now_s = tally.clock.monotonic_s()
        if outcome == "answered" and reply.body is not None:
            tally.answered(sent, reply.body, now_s - began_s, now_s - started_s, window)
    except Crowded:
        outcome = "crowded"
    except ThriftgateError:
        pass
    if sent.at_s >= window[0]:
        tally.status[outcome] += 1
        tally.by_client[sent.client][outcome] += 1


async def _warm(engine: Engine) -> float:
    """The share of calls that went out with the key that their conversation's last call went out with."""
    last: dict[str, str] = {}
    same = moved = 0
    after = ""
    found = []
    while entries := await engine.ledger.entries(after=after, limit=10_000):
        found += [one for one in entries if one.outcome == "answered"]
        after = entries[-1].id
    for one in sorted(found, key=lambda one: one.sent_us):
        if one.parent in last:
            same += last[one.parent] == one.upstream
            moved += last[one.parent] != one.upstream
        last[one.parent] = one.upstream
    return same / max(1, same + moved)


def _result(case: Case, shape: Shape, tally: _Tally, warm: float, refusals: dict[str, int]) -> Result:
    minutes = MEASURED_S / 60
    limits = (shape.rpm, shape.itpm, shape.otpm)
    shares = [used / (limit * case.keys * minutes) for used, limit in zip(tally.used, limits, strict=True) if limit]
    offered = sum(tally.status.values())
    waits = sorted(wait for _, wait in tally.waits)
    quiet = sorted(wait for client, wait in tally.waits if client in QUIET)
    got = {client: counts["answered"] / max(1, sum(counts.values())) for client, counts in tally.by_client.items()}
    return Result(
        case=case,
        offered=offered,
        throughput=max(shares),
        limited=tally.status["limited"] / offered,
        crowded=tally.status["crowded"] / offered,
        other=tally.status["other"] / offered,
        wait_p50_s=_quantile(waits, 0.5),
        wait_p99_s=_quantile(waits, 0.99),
        quiet_p99_s=_quantile(quiet, 0.99),
        fairness=min(got.get(client, 0.0) for client in QUIET),
        noisy=got.get(NOISY, 0.0),
        warm=warm,
        read=tally.read / max(1, tally.prompt),
        late_s=tally.late_s,
        refusals=refusals,
    )


def _quantile(values: list[float], share: float) -> float:
    return values[min(len(values) - 1, int(share * len(values)))] if values else 0.0
