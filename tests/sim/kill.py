"""Kill the gateway at random moments under load, start it again on the same books, and look for what is missing.

    python -m tests.sim.kill --kills 50 --seed 1

Each reply that a client has received whole must be booked as answered, once; every entry balances; after the last start
no hold is open.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import signal
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp

from tests.fixtures import Running, assert_sound, books, client, serving
from tests.sim.traffic import Manner, Seen, ask, draw_request
from thriftgate.core.money import pico_from_usd
from thriftgate.ledger.entries import UPSTREAM
from thriftgate.simulator import Latency, Simulator, SimulatorConfig

CLIENTS = 12
LONGEST_LIFE_S = 0.6


@dataclass
class Outcome:
    """What a run found. `lost` are replies received whole that no entry answers for."""

    kills: int
    seed: int
    whole: int = 0
    broken: int = 0
    entries: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    lost: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def line(self) -> str:
        """For people and for outside checks."""
        kinds = ", ".join(f"{name} {n}" for name, n in sorted(self.outcomes.items()))
        found = "ok" if not self.lost and not self.wrong else f"FAILED: lost {self.lost}, wrong {self.wrong}"
        return (
            f"seed {self.seed}, {self.kills} kills: {self.whole} replies received whole, {self.broken} broken off; "
            f"{self.entries} entries ({kinds}); {found}"
        )


class Load:
    """Clients that go on asking whatever gateway is up, and remember what they received."""

    def __init__(self, seed: int) -> None:
        self.draw = random.Random(seed)
        self.url = ""
        self.up = asyncio.Event()
        self.over = False
        self.seen: list[Seen] = []
        self.answers = 0

    async def run(self) -> None:
        async with client() as session:
            await asyncio.gather(*(self._one(session) for _ in range(CLIENTS)))

    async def _one(self, session: aiohttp.ClientSession) -> None:
        while not self.over:
            await self.up.wait()
            manner: Manner = self.draw.choice(["json", "stream"])
            raw = draw_request(self.draw, manner, len(self.seen))
            seen = await ask(session, self.url, manner, raw)
            self.seen.append(seen)
            if not seen.whole:  # killed: wait for the next one
                await asyncio.sleep(0.01)

    def point_at(self, url: str) -> None:
        self.url = url
        self.up.set()

    def pause(self) -> None:
        self.up.clear()

    def stop(self) -> None:
        self.over = True
        self.up.set()


async def run(kills: int, seed: int, folder: Path, *, tell: bool = False) -> Outcome:
    """So many lives of a gateway, each ended by SIGKILL at a moment drawn from `seed`."""
    draw = random.Random(seed)
    path = folder / "books.db"
    outcome = Outcome(kills, seed)
    simulator = Simulator(
        SimulatorConfig(seed=seed, tokenizer="estimate", latency=Latency(first_byte_s=0.005, per_output_token_s=0.0005))
    )
    with serving(simulator) as upstream:
        arguments = ("serve", "--port", "0", "--upstream", upstream, "--ledger", str(path))
        load = Load(seed)
        clients: asyncio.Task[None] | None = None
        for number in range(1, kills + 1):
            gateway = await asyncio.to_thread(Running, *arguments)
            try:
                outcome.wrong += await _unresolved(path, f"start {number}")
                load.point_at(gateway.url)
                clients = clients or asyncio.ensure_future(load.run())
                await asyncio.sleep(draw.uniform(0.02, LONGEST_LIFE_S))
            finally:
                load.pause()
                await asyncio.to_thread(gateway.stop, signal.SIGKILL)
            if tell:
                print(f"kill {number}/{kills}: {len(load.seen)} calls so far", file=sys.stderr, flush=True)
        load.stop()
        if clients is not None:
            await clients
        last = await asyncio.to_thread(Running, *arguments)
        await asyncio.to_thread(last.stop)
    await _judge(outcome, load.seen, simulator, path)
    return outcome


async def _unresolved(path: Path, when: str) -> list[str]:
    """Holds still open when a gateway says that it is ready: nobody has asked it anything yet."""
    async with books(path) as ledger:
        return [f"{when}: hold {hold.id} is open" for hold in await ledger.open_holds()]


async def _judge(outcome: Outcome, seen: list[Seen], simulator: Simulator, path: Path) -> None:
    async with books(path) as ledger:
        entries = {entry.id: entry for entry in await ledger.entries(limit=10**6)}
        await assert_sound(ledger)
    billed = {call.message_id: call for call in simulator.bill.calls}
    whole = [call for call in seen if call.whole and call.status == 200]
    outcome.whole, outcome.broken = len(whole), len(seen) - len(whole)
    outcome.entries = len(entries)
    outcome.outcomes = Counter(entry.outcome for entry in entries.values())
    outcome.wrong += [f"{call.status}: {call.body[:200]!r}" for call in seen if call.whole and call.status != 200]
    for call in whole:
        entry = entries.get(call.call_id)
        if entry is None or entry.outcome != "answered" or entry.message_id != call.message_id:
            outcome.lost.append(call.call_id)
        elif -entry.posted(UPSTREAM) != pico_from_usd(billed[call.message_id].cost):
            outcome.wrong.append(f"{call.call_id}: not what was billed")
    twice = Counter(entry.message_id for entry in entries.values() if entry.message_id)
    outcome.wrong += [f"{message_id} is booked {n} times" for message_id, n in twice.items() if n > 1]


def main() -> int:
    """Run from the command line; exit code 1 when anything is missing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    print(f"seed {chosen.seed}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        outcome = asyncio.run(run(chosen.kills, chosen.seed, Path(folder), tell=True))
    print(outcome.line())
    return 1 if outcome.lost or outcome.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
