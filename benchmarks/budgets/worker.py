"""One process of callers on a ledger, to be killed: `python -m benchmarks.budgets.worker LEDGER SOCKET CALLERS SEED SYNC`.

Each call is held, told to the provider (the socket), which bills it there and then, and settled. So a process that is killed
leaves calls that were held and never billed, and calls that were billed and never settled.
"""

from __future__ import annotations

import asyncio
import random
import secrets
import sys

from benchmarks.budgets.calls import Provider, caller, sweep
from thriftgate.clock import SystemClock
from thriftgate.engine.build import call_ids
from thriftgate.ledger.connection import Presence
from thriftgate.ledger.sql import SqlLedger

SWEEP_S = 3.0


class Line:
    """The provider, at the other end of a socket. What was written to it counts, whatever becomes of this process."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer

    def bill(self, call_id: str, pico: int) -> None:
        self._writer.write(f"{call_id} {pico}\n".encode())


async def main(path: str, socket: str, callers: int, seed: int, sync: str) -> None:
    """Call until the budget has no room for good."""
    clock, draw, token = SystemClock(), random.Random(seed), secrets.token_hex(4)
    ledger = SqlLedger.open(path, sync="full" if sync == "full" else "normal")
    alive = ledger.store.presence(token)
    sweeping = asyncio.ensure_future(_sweep(ledger, alive, clock))
    _reader, writer = await asyncio.open_unix_connection(socket)
    provider: Provider = Line(writer)
    new_id = call_ids(clock, token)
    await asyncio.gather(*(caller(ledger, provider, new_id, clock, random.Random(draw.random())) for _ in range(callers)))
    sweeping.cancel()
    await writer.drain()
    writer.close()
    await ledger.close()
    alive.close()


async def _sweep(ledger: SqlLedger, alive: Presence, clock: SystemClock) -> None:
    """At the start and every few seconds, as a gateway does that leads."""
    while True:
        await sweep(ledger, alive.is_alive, clock)
        await asyncio.sleep(SWEEP_S)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), sys.argv[5]))
