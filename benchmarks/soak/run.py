"""One soak: start simulator and gateway, make keys and budgets, load, look, stop, compare the books with the bill."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from benchmarks.gateway.process import Child, StartError
from benchmarks.soak.agreeing import Agreement, Bill, agreement, open_holds
from benchmarks.soak.driver import Clients, Seen
from benchmarks.soak.traffic import Traffic
from benchmarks.soak.watching import Look, look

OWNER = "soak-root"
SETTLE_S = 120.0  # the simulator's slowest batches take 45 s at the usual speed
LOOKS = 400  # in the whole load, so that a long one has no more of them than a short one
_CONFIG = """
[upstream]
url = "{upstream}"
api_key = "sk-ant-sim-soak-gateway"
retry = "always"
read_timeout_s = 20.0
[server]
drain_s = 5.0
shutdown_s = 10.0
[ledger]
path = "{ledger}"
[access]
master_key_file = "{folder}/master-key"
[policy]
levers = [{levers}]
[openai.models]
"gpt-*" = "claude-haiku-4-5"
[keepalive]
on = true
usd_per_day = "0.5"
[[reuse.rules]]
task = "same"
ttl_s = 1800
share = "org"
[[limits.rules]]
name = "each key"
metric = "requests"
amount = 600
per = "minute"
scope = ["key=*"]
[[limits.rules]]
name = "at once"
metric = "concurrency"
amount = 200
"""
LEVERS = ("reuse.exact", "cache.breakpoints", "batch.defer", "compress.json", "agent.guard", "count.guard")


class Asked(Struct, frozen=True):
    """How long, how fast, how much. `speed` seconds of the clocks pass in one; `rate` calls come in each of theirs; before
    them `fill` calls as fast as may be. A `short` one is too short for a slope."""

    seconds: float
    speed: float
    rate: float
    fill: int
    keys: int
    seed: int
    short: bool = False


class Soaked(Struct, frozen=True):
    """What came of it. `filled_mb` is the memory after the fill."""

    asked: Asked
    looks: Sequence[Look]
    seen: Seen
    books: Agreement
    collector: dict[str, Any]
    idle_mb: float
    filled_mb: float
    tasks_after: int
    log: str


def soak(asked: Asked, folder: Path) -> Soaked:
    """Raises StartError where something does not start."""
    began = repr(time.time())
    children: list[Child] = []
    common = ["--began", began, "--speed", repr(asked.speed)]
    try:
        provider = _child("provider", [*common, "--seed", str(asked.seed)], folder, children)
        root = _root_key(folder)
        config = folder / "thriftgate.toml"
        levers = ", ".join(f'"{lever}"' for lever in LEVERS)
        config.write_text(_CONFIG.format(upstream=provider, ledger=folder / "ledger.db", folder=folder, levers=levers))
        gateway = _child("served", ["--config", str(config), *common], folder, children)
        return asyncio.run(_soak(asked, folder, gateway, provider, root=root, child=children[-1]))
    finally:
        for child in reversed(children):
            child.stop()


def _child(name: str, arguments: list[str], folder: Path, children: list[Child]) -> str:
    child = Child([sys.executable, "-m", f"benchmarks.soak.{name}", *arguments], folder / f"{name}.log", pipe=True)
    children.append(child)
    url = child.first_line()
    if not url.startswith("http"):
        raise StartError(f"{name} did not start: {child.tail()}")
    return url


def _root_key(folder: Path) -> str:
    """The first key, made by the command line."""
    command = [sys.executable, "-m", "thriftgate", "keys", "create", OWNER, "--role", "owner"]
    command += ["--ledger", str(folder / "ledger.db")]
    environ = {**os.environ, "THRIFTGATE_ACCESS__MASTER_KEY_FILE": str(folder / "master-key")}
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, env=environ)
    found = [word for word in done.stdout.split() if word.startswith("tg-")]
    if not found:
        raise StartError(f"no key could be made: {done.stdout[-200:]} {done.stderr[-400:]}")
    return found[0]


async def _soak(asked: Asked, folder: Path, gateway: str, provider: str, *, root: str, child: Child) -> Soaked:
    clients = Clients(gateway, [root], root, Traffic(asked.seed, asked.keys))
    async with clients.connected():
        clients.hold(await _admitted(clients, asked.keys))
        idle_mb = look(child.pid, 0, 0, await clients.state()).rss_mb
        await clients.fill(asked.fill)
        filled_mb = look(child.pid, 0, 0, await clients.state()).rss_mb
        say(f"idle {idle_mb:.0f} MB, {filled_mb:.0f} MB with its memories full; loading for {asked.seconds:.0f} s")
        looks: list[Look] = []
        watching = asyncio.ensure_future(_watch(clients, child.pid, asked.seconds / LOOKS, looks))
        await clients.load(asked.seconds, asked.rate * asked.speed)
        watching.cancel()
        await _settled(folder / "ledger.db")
        after = await clients.state()
        objects = await clients.document("/_soak/objects") if os.environ.get("SOAK_OBJECTS") else {}
        child.stop()
        bill = await clients.raw(f"{provider}/_sim/bill")
    say("comparing the books with the bill")
    for name, count in objects.items():
        say(f"{count:10,}  {name}")
    return Soaked(
        asked,
        looks,
        clients.seen,
        agreement(folder / "ledger.db", msgspec.json.decode(bill, type=Bill)),
        after["collector"],
        idle_mb,
        filled_mb,
        int(after["tasks"]),
        child.tail(2000),
    )


async def _settled(ledger: Path) -> None:
    """Wait for batches under way, and for answers that are read on for clients that left."""
    until_s = time.perf_counter() + SETTLE_S
    while open_holds(ledger) and time.perf_counter() < until_s:
        await asyncio.sleep(1.0)
    await asyncio.sleep(1.0)


async def _admitted(clients: Clients, count: int) -> list[str]:
    """Keys of four teams, and budgets: ample ones, and one for the last key that is soon spent."""
    org = await clients.change("/orgs", {"name": "soak"})
    teams = [await clients.change("/teams", {"name": f"team-{n}", "org": org["id"]}) for n in range(4)]
    made = [
        await clients.change("/keys", {"name": f"key-{n}", "team": teams[n % 4]["id"], "tags": [f"tag-{n % 7}"]})
        for n in range(count)
    ]
    budgets: tuple[dict[str, Any], ...] = (
        {"name": "all", "limit_usd": "100000", "window": "day"},
        {"name": "each-team", "limit_usd": "50000", "scope": ["team=*"], "window": "hour"},
        {"name": "each-key", "limit_usd": "20000", "scope": ["key=*"], "window": "rolling 6h"},
        {"name": "poor", "limit_usd": "0.05", "scope": [f"key={made[-1]['id']}"], "window": "hour"},
    )
    for budget in budgets:
        await clients.change("/budgets", budget)
    return [str(key["secret"]) for key in made]


async def _watch(clients: Clients, pid: int, every_s: float, looks: list[Look]) -> None:
    began_s = time.perf_counter()
    while True:
        looks.append(look(pid, time.perf_counter() - began_s, clients.seen.answered, await clients.state()))
        if len(looks) % 20 == 0:
            last = looks[-1]
            say(
                f"{last.at_s:6.0f} s  {last.calls:9,} calls  {last.rss_mb:6.1f} MB  {last.descriptors} fds  "
                f"{last.tasks} tasks"
            )
        await asyncio.sleep(every_s)


def say(text: str) -> None:
    """Progress goes to stderr: stdout holds the figures."""
    print(text, file=sys.stderr, flush=True)
