"""Start the servers, drive the workloads with the real SDK, read the books, prove them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from thriftgate.clock import SystemClock
from thriftgate.core.errors import ConfigError
from thriftgate.demo.clock import DemoClock
from thriftgate.demo.outcome import Outcome, outcomes, summed
from thriftgate.demo.proof import Bill, Proof, prove
from thriftgate.demo.servers import Running, servers
from thriftgate.demo.stage import Stage, Workload
from thriftgate.demo.workloads import WORKLOADS
from thriftgate.ledger.entries import Entry
from thriftgate.ledger.sql import SqlLedger

if TYPE_CHECKING:
    from anthropic import Anthropic

PAGE = 1000
NO_PROXY = {"all://127.0.0.1": None}  # both ends are on this machine, whatever the environment says of proxies
BACK_S = 12 * 3600.0  # the demo begins so long ago that with its simulated pauses it ends before now


class Demo(Struct, frozen=True):
    """What came of it. `span_s` is the simulated time from the first call to the last, pauses included."""

    outcomes: tuple[Outcome, ...]
    total: Outcome
    proof: Proof
    ledger: str
    span_s: float


def run_demo(
    ledger_path: str,
    *,
    workloads: Sequence[Workload] = WORKLOADS,
    tick: Callable[[], None] = lambda: None,
    clock: DemoClock | None = None,
) -> Demo:
    """Run `workloads` into a fresh ledger at `ledger_path`, calling `tick` after each call.

    Raises ConfigError where the file exists already or the SDK is not installed.
    """
    need_sdk()
    if Path(ledger_path).exists():
        raise ConfigError(
            f"{ledger_path} exists already; the demo proves its books against the bill, so it wants a new file"
        )
    clock = clock or DemoClock(SystemClock().now_s() - BACK_S)
    before_s = clock.now_s()
    names: dict[str, str] = {}
    with servers(ledger_path, clock) as running:
        for workload in workloads:
            secret = f"sk-ant-sim-{workload.name}-demo"
            names[running.engine.key_of(secret)] = workload.name
            _drive(workload, running, secret, clock, tick)
        bill = _bill(running)
    entries, open_holds = asyncio.run(_books(ledger_path))
    return Demo(
        outcomes=outcomes(entries, names),
        total=summed("total", entries),
        proof=prove(entries, bill, open_holds=open_holds),
        ledger=ledger_path,
        span_s=clock.now_s() - before_s,
    )


def need_sdk() -> None:
    """Raises ConfigError where the anthropic SDK cannot be imported."""
    try:
        import anthropic  # noqa: F401, PLC0415  an optional dependency, half a second to import
    except ImportError:
        raise ConfigError("the demo drives the real anthropic SDK: pip install thriftgate[sdk]") from None


def _drive(workload: Workload, running: Running, secret: str, clock: DemoClock, tick: Callable[[], None]) -> None:
    from anthropic import AsyncAnthropic, DefaultAsyncHttpxClient  # noqa: PLC0415

    def async_client() -> AsyncAnthropic:
        http = DefaultAsyncHttpxClient(mounts=NO_PROXY)
        return AsyncAnthropic(base_url=running.url, api_key=secret, max_retries=0, http_client=http)

    with _client(running.url, secret) as client:
        workload.run(Stage(client=client, async_client=async_client, pause=clock.pause, tick=tick))


def _client(url: str, secret: str) -> Anthropic:
    """An ordinary client, but for proxies."""
    from anthropic import Anthropic, DefaultHttpxClient  # noqa: PLC0415

    return Anthropic(base_url=url, api_key=secret, max_retries=0, http_client=DefaultHttpxClient(mounts=NO_PROXY))


def _bill(running: Running) -> Bill:
    with _client(running.simulator_url, "sk-ant-sim-bill-demo") as client:
        return msgspec.convert(client.get("/_sim/bill", cast_to=object), Bill)


async def _books(path: str) -> tuple[list[Entry], int]:
    """All entries, and how many holds are open."""
    books = SqlLedger.open(path)
    try:
        entries: list[Entry] = []
        while page := await books.entries(after=entries[-1].id if entries else "", limit=PAGE):
            entries += page
        return entries, len(await books.open_holds())
    finally:
        await books.close()
