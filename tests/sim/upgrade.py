"""Upgrade a gateway that is under load, from books of the first schema: SIGTERM to the one that runs, and when it has ended,
the present one on the same file and port.

    python -m tests.sim.upgrade --seconds 20 --old SRC      # SRC: the folder `src` of an older checkout, which runs first

Without `--old` the present code runs first, on a file that holds entries of the first schema. Clients ask on and on, and ask
again where their connection was refused, or ended before anything was answered: one process cannot hand over its
port. No call may fail; each that was answered is booked once, at what was billed.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import aiohttp

from tests.fixtures import HEADERS, PATIENCE_S, assert_sound, books, serving
from tests.ledger.filled import made_at
from tests.sim.traffic import STOP, Manner, draw_request
from thriftgate.core.money import pico_from_usd
from thriftgate.ledger.entries import UPSTREAM
from thriftgate.ledger.sql_rollups_made import check_books
from thriftgate.simulator import Latency, Simulator, SimulatorConfig

CLIENTS = 8
AGAIN_S = 0.02
_NOT_ANSWERED = (aiohttp.ClientConnectorError, aiohttp.ServerDisconnectedError, aiohttp.ClientOSError)


@dataclass
class Outcome:
    """What a run found. `refused` and `cut` are attempts without any answer that were made again; `gap_s` the longest time
    in which nobody was answered."""

    answered: int = 0
    after: int = 0
    refused: int = 0
    cut: int = 0
    gap_s: float = 0.0
    schema: tuple[int, int] = (0, 0)
    failed: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def line(self) -> str:
        """For people and for outside checks."""
        return (
            f"schema {self.schema[0]} to {self.schema[1]}: {self.answered} calls answered, {self.after} of them by the new "
            f"process; {self.refused} connections refused and {self.cut} ended before an answer, all made again; longest "
            f"time without an answer {self.gap_s:.2f} s; failed {len(self.failed)} {self.failed[:3]}, wrong {self.wrong[:3]}"
        )


class Gateway:
    """`thriftgate serve` of the source in `src` ("" for the present one), as its own process."""

    def __init__(self, port: int, upstream: str, ledger: Path, src: str = "") -> None:
        code = f"import sys; sys.path.insert(0, {src!r}); from thriftgate.cli import main; main()"
        started = ["-c", code] if src else ["-m", "thriftgate"]
        arguments = ("serve", "--port", str(port), "--upstream", upstream, "--ledger", str(ledger))
        own = {name: value for name, value in os.environ.items() if not name.startswith("THRIFTGATE_")}
        self._process = subprocess.Popen(
            [sys.executable, *started, *arguments], env=own, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
        )
        assert self._process.stderr is not None
        said = []
        while line := self._process.stderr.readline():
            said.append(line)
            if re.search(r"https?://127\.0\.0\.1:\d+", line):
                return
        self._process.wait(PATIENCE_S)
        raise AssertionError(f"did not start: {''.join(said)}")

    def stop(self) -> None:
        """In order: answers under way end first."""
        self._process.send_signal(signal.SIGTERM)
        _, said = self._process.communicate(timeout=2 * PATIENCE_S)
        assert self._process.returncode in {0, -signal.SIGTERM}, (self._process.returncode, said)


class Load:
    """Clients that ask one address until they are told to stop."""

    def __init__(self, url: str, seed: int) -> None:
        self._url = url
        self._draw = random.Random(seed)
        self._outcome = Outcome()
        self.over = False
        self.message_ids: list[str] = []
        self.answered_at: list[float] = []

    async def run(self) -> Outcome:
        connector = aiohttp.TCPConnector(force_close=True)  # a connection that stands idle ends with its process
        async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=PATIENCE_S)) as session:
            await asyncio.gather(*(self._one(session) for _ in range(CLIENTS)))
        self._outcome.gap_s = max((b - a for a, b in pairwise(self.answered_at)), default=0.0)
        self._outcome.answered = len(self.answered_at)
        return self._outcome

    async def _one(self, session: aiohttp.ClientSession) -> None:
        while not self.over:
            manner: Manner = self._draw.choice(["json", "stream"])
            raw = draw_request(self._draw, manner, len(self.answered_at))
            while not await self._answered(session, manner, raw):
                await asyncio.sleep(AGAIN_S)

    async def _answered(self, session: aiohttp.ClientSession, manner: Manner, raw: bytes) -> bool:
        status, body = 0, b""
        try:
            async with session.post(f"{self._url}/v1/messages", data=raw, headers=HEADERS) as response:
                status = response.status
                body = await response.read()
        except _NOT_ANSWERED as error:
            if status:
                self._outcome.failed.append(f"{manner} broke off after {len(body)} bytes")
                return True
            refused = isinstance(error, aiohttp.ClientConnectorError)
            self._outcome.refused += refused
            self._outcome.cut += not refused
            return False
        except (aiohttp.ClientError, TimeoutError) as error:
            self._outcome.failed.append(f"{manner}: {type(error).__name__}")
            return True
        if status != 200 or (manner == "stream" and STOP not in body):
            self._outcome.failed.append(f"{manner}: {status} {body[:200]!r}")
        else:
            self.answered_at.append(time.perf_counter())
            self.message_ids.append("msg_" + body.partition(b'"id":"msg_')[2].partition(b'"')[0].decode())
        return True


async def run(seconds: float, seed: int, folder: Path, *, old: str = "") -> Outcome:
    """So long before the upgrade, and as long after it."""
    path = folder / "books.db"
    latency = Latency(first_byte_s=0.005, per_output_token_s=0.0005)
    simulator = Simulator(SimulatorConfig(seed=seed, tokenizer="estimate", latency=latency))
    made_at(str(path), 1)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with serving(simulator) as upstream:
        first = await asyncio.to_thread(Gateway, port, upstream, path, old)
        before = await _schema(path)
        load = Load(f"http://127.0.0.1:{port}", seed)
        clients = asyncio.ensure_future(load.run())
        try:
            await asyncio.sleep(seconds)
            await asyncio.to_thread(first.stop)
            by_the_first = len(load.answered_at)
            second = await asyncio.to_thread(Gateway, port, upstream, path)
            await asyncio.sleep(seconds)
        finally:
            load.over = True
        outcome = await clients
        await asyncio.to_thread(second.stop)
    outcome.after = outcome.answered - by_the_first
    outcome.schema = (before, await _schema(path))
    await _judge(outcome, load, simulator, path)
    return outcome


async def _schema(path: Path) -> int:
    with sqlite3.connect(path) as connection:
        (version,) = connection.execute("pragma user_version").fetchone()
    connection.close()
    return int(version)


async def _judge(outcome: Outcome, load: Load, simulator: Simulator, path: Path) -> None:
    async with books(path) as ledger:
        entries = await ledger.entries(limit=10**6)
        await assert_sound(ledger)
    differing = check_books(str(path)).differing
    if differing:
        outcome.wrong.append(f"{differing} cells of roll-ups are not what the entries say")
    billed = {call.message_id: pico_from_usd(call.cost) for call in simulator.bill.calls}
    booked = {entry.message_id: -entry.posted(UPSTREAM) for entry in entries if entry.message_id}
    outcome.wrong += [
        f"{name} is booked at {booked.get(name)}" for name in load.message_ids if booked.get(name) != billed[name]
    ]
    if len(entries) != len({entry.id for entry in entries}) or len(set(load.message_ids)) != len(load.message_ids):
        outcome.wrong.append("a call is booked or answered twice")
    old = sum(not entry.message_id for entry in entries)
    if old < 3:
        outcome.wrong.append(f"{old} entries of the first schema are left")


def main() -> int:
    """Run from the command line; exit code 1 where a call failed or is not booked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=10.0, help="of load before the upgrade, and after it")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--old", default="", help="the folder `src` of an older checkout")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        outcome = asyncio.run(run(chosen.seconds, chosen.seed, Path(folder), old=chosen.old))
    print(outcome.line())
    return 1 if outcome.failed or outcome.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
