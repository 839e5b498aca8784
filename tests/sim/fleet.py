"""Several workers on one set of books, under load: settings are taken up again and again, a worker is killed amid streams.

    python -m tests.sim.fleet --times 3 --seconds 20 --streams 200

Reload: no call may fail, and the books are the bill. Kill: each client of the dead worker sees a broken answer and no whole
one, each other client its whole answer; within seconds no hold is open; what was received whole is booked as billed, what
was lost is booked as lost. `--ledger` names other books than a fresh SQLite file, `--redis` a server that the workers share.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import anthropic
import msgspec

from tests.fixtures import KEY, MODEL, Running, assert_sound, books, message, running, serving, until
from tests.sim.traffic import Manner, Seen, ask, draw_request
from thriftgate.core.money import pico_from_usd
from thriftgate.ledger.entries import UPSTREAM, Entry, Ledger
from thriftgate.simulator import Latency, Simulator, SimulatorConfig

WORKERS = 2
PATIENCE_S = 90.0


@dataclass
class Found:
    """What clients saw, and what the books say. `wrong` is empty when all is as it must be."""

    seen: Counter[str] = field(default_factory=Counter)
    booked: Counter[str] = field(default_factory=Counter)
    paid_pico: int = 0
    billed_pico: int = 0
    lost_pico: int = 0  # of calls that nobody saw the end of: booked at their forecast, and billed as far as they came
    lost_billed_pico: int = 0
    resolved_s: float = 0.0
    wrong: list[str] = field(default_factory=list)

    def count(self, one: Seen) -> None:
        """What a client saw of a call."""
        self.seen["whole" if one.whole and one.status == 200 else "broken" if one.status in (0, 200) else "failed"] += 1

    def line(self) -> str:
        """For people."""
        seen = ", ".join(f"{name} {count}" for name, count in sorted(self.seen.items()))
        booked = ", ".join(f"{name} {count}" for name, count in sorted(self.booked.items()))
        return (
            f"clients saw: {seen}; booked: {booked}; paid {self.paid_pico} pico-USD, billed {self.billed_pico}, of which "
            f"lost {self.lost_pico} and {self.lost_billed_pico}; holds resolved after {self.resolved_s:.1f} s; "
            + (f"FAILED: {self.wrong[:5]}" if self.wrong else "ok")
        )


@contextlib.asynccontextmanager
async def fleet(folder: Path, upstream: str, ledger: str, redis: str = "") -> AsyncIterator[Running]:
    """A supervisor with its workers, up."""
    path = folder / "settings.toml"
    shared = f"unshared = {'false' if redis else 'true'}\nretire_s = 30\n"
    path.write_text(
        f'[server]\nport = 0\nworkers = {WORKERS}\n{shared}[ledger]\npath = "{ledger}"\n'
        f'[upstream]\nurl = "{upstream}"\n[redis]\nurl = "{redis}"\n'
    )
    with running("serve", "--config", str(path)) as process:
        yield process


def _worker_of(process: Running) -> int:
    """The process of the first worker, the one that serves now."""
    up = [line for line in process.said if '"worker": 0, "pid"' in line and '"worker up"' in line]
    return int(msgspec.json.decode(up[-1])["pid"])


def provider() -> Simulator:
    """Answers within some hundreds of milliseconds, streams over seconds."""
    latency = Latency(first_byte_s=0.05, per_output_token_s=0.004)
    return Simulator(SimulatorConfig(seed=1, tokenizer="estimate", latency=latency))


async def run(folder: Path, *, times: int, seconds: float, streams: int, ledger: str = "", redis: str = "") -> Found:
    """Take settings up so many times under load, for at least so long; then kill a worker amid so many streams."""
    found, simulator = Found(), provider()
    path = ledger or str(folder / "books.db")
    with serving(simulator) as upstream:
        async with fleet(folder, upstream, path, redis) as process:
            if times:
                await _reload(process, found, times, seconds)
            if streams:
                await _kill(process, found, streams, path)
            await asyncio.to_thread(process.stop)
    await _judge(found, simulator, path)
    if found.booked["lost"] != found.seen["broken"] or found.seen["failed"]:
        found.wrong.append("a call failed, or one that broke off is not booked as lost")
    return found


# --- reload ------------------------------------------------------------------------------------------------------------


async def _reload(process: Running, found: Found, times: int, seconds: float) -> None:
    over = asyncio.Event()
    asking = [asyncio.ensure_future(one(process.url, found, over)) for one in (_plain, _streams, _sdk, _sdk) * 2]
    began_s = time.monotonic()
    for number in range(1, times + 1):
        await asyncio.sleep(0.5)
        process.process.send_signal(signal.SIGHUP)
        await _until_said(process, "settings taken up", number)
    await asyncio.sleep(max(0.5, began_s + seconds - time.monotonic()))
    over.set()
    await asyncio.gather(*asking)
    if found.seen["broken"]:
        found.wrong.append("a call broke off")
    found.wrong += [line for line in process.said if '"level": "error"' in line or "Traceback" in line]


async def _until_said(process: Running, words: str, times: int) -> None:
    """Until its log has told that so often; a worker takes seconds to start, on a busy machine many."""
    async with asyncio.timeout(PATIENCE_S):
        while sum(words in line for line in process.said) < times:
            await asyncio.sleep(0.05)


async def _plain(url: str, found: Found, over: asyncio.Event) -> None:
    await _go_on(url, found, over, "json")


async def _streams(url: str, found: Found, over: asyncio.Event) -> None:
    await _go_on(url, found, over, "stream")


async def _go_on(url: str, found: Found, over: asyncio.Event, manner: Manner) -> None:
    """A client that keeps its connection as long as it is let, and never tries again."""
    draw = random.Random(manner)
    async with aiohttp.ClientSession() as session:
        while not over.is_set():
            found.count(await ask(session, url, manner, draw_request(draw, manner, found.seen.total())))


async def _sdk(url: str, found: Found, over: asyncio.Event) -> None:
    """The official SDK, which would try again: here it must not have to."""
    async with anthropic.AsyncAnthropic(base_url=url, api_key=KEY, max_retries=0) as asking:
        while not over.is_set():
            try:
                await asking.messages.create(model=MODEL, max_tokens=20, messages=[{"role": "user", "content": "hello"}])
            except anthropic.APIError as error:
                found.seen["failed"] += 1
                found.wrong.append(repr(error))
            else:
                found.seen["whole"] += 1


# --- kill --------------------------------------------------------------------------------------------------------------


async def _kill(process: Running, found: Found, streams: int, path: str) -> None:
    """Kill one worker; the other takes over what it leaves."""
    up = sum('"worker up"' in line for line in process.said)
    async with aiohttp.ClientSession(connector=_apart()) as session, books(path) as ledger:
        asking = [asyncio.ensure_future(_long(session, process.url, at)) for at in range(streams)]
        await until(lambda: _held(ledger, streams))
        await asyncio.sleep(1.0)  # by now all have begun to come
        os.kill(_worker_of(process), signal.SIGKILL)
        killed_s = time.monotonic()
        await until(lambda: _none_is_lost_sight_of(ledger, asking))
        found.resolved_s = time.monotonic() - killed_s
        seen = await asyncio.gather(*asking)
        for one in seen:
            found.count(one)
        await _until_said(process, '"worker up"', up + 1)
        found.count(await ask(session, process.url, "json", msgspec.json.encode(message())))
    broken = sum(not one.whole for one in seen)
    if not broken or broken == streams:
        found.wrong.append(f"{broken} of {streams} streams broke off")


def _apart() -> aiohttp.TCPConnector:
    return aiohttp.TCPConnector(limit=0)


async def _long(session: aiohttp.ClientSession, url: str, number: int) -> Seen:
    """A stream of some seconds."""
    body = message(f"question {number} [[sim: out=1000]]", stream=True, max_tokens=1_200)
    return await ask(session, url, "stream", msgspec.json.encode(body))


async def _held(ledger: Ledger, calls: int) -> bool:
    return len(await ledger.open_holds()) >= calls


async def _none_is_lost_sight_of(ledger: Ledger, asking: Sequence[asyncio.Task[Seen]]) -> bool:
    """Whether every call whose client knows that it broke off is booked, and there are such."""
    broken = [one.result().call_id for one in asking if one.done() and not one.result().whole]
    return bool(broken) and all([await ledger.entry(call) is not None for call in broken])


# --- both --------------------------------------------------------------------------------------------------------------


async def _judge(found: Found, simulator: Simulator, path: str) -> None:
    """Hold the books against the bill, call by call."""
    async with books(path) as ledger:
        entries: list[Entry] = list(await ledger.entries(limit=10**6))
        await assert_sound(ledger)
    billed = {call.message_id: pico_from_usd(call.cost) for call in simulator.bill.calls}
    found.booked = Counter(entry.outcome for entry in entries)
    found.paid_pico = sum(-entry.posted(UPSTREAM) for entry in entries)
    found.billed_pico = sum(billed.values())
    lost = [entry for entry in entries if entry.outcome == "lost"]
    found.lost_pico = sum(-entry.posted(UPSTREAM) for entry in lost)
    for entry in entries:
        if entry.message_id and -entry.posted(UPSTREAM) != billed.pop(entry.message_id, -1):
            found.wrong.append(f"{entry.id}: not what was billed, or twice")
    found.lost_billed_pico = sum(billed.values())
    if len(billed) > len(lost):
        found.wrong.append(f"{len(billed)} billed calls are in no entry, {len(lost)} are booked as lost")
    if found.paid_pico - found.lost_pico != found.billed_pico - found.lost_billed_pico:
        found.wrong.append("what is not lost is not what was billed")


def main() -> int:
    """Run from the command line; exit code 1 when anything is wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--streams", type=int, default=200)
    parser.add_argument("--ledger", default="")
    parser.add_argument("--redis", default="")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = asyncio.run(
            run(
                Path(folder),
                times=chosen.times,
                seconds=chosen.seconds,
                streams=chosen.streams,
                ledger=chosen.ledger,
                redis=chosen.redis,
            )
        )
    print(found.line(), flush=True)
    return 1 if found.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
