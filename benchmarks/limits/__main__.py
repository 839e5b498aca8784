"""Prints how many microseconds of processor time so many limits take of a call that counts under them: to let it in, to tell
the client, and to put right what it used. Exits with 1 where five of them take more than the goal. With `--redis` the same,
of five limits that are counted there, by how many calls are under way at once."""

from __future__ import annotations

import argparse
import asyncio
import gc
import sys
import time
from statistics import median

import msgspec
import uvloop

from benchmarks.options import positive
from thriftgate import __version__
from thriftgate.clock import SystemClock
from thriftgate.core.control.limit_shelf import Caller
from thriftgate.core.control.limits import Limit, Needs
from thriftgate.core.control.whose import Whose
from thriftgate.core.usage import Tokens, Usage
from thriftgate.engine.admission import Admission
from thriftgate.engine.limiting import Limiting, LimitsTable
from thriftgate.engine.tasks import Tasks
from thriftgate.ledger.entries import Entry, balanced
from thriftgate.shared.address import read_address
from thriftgate.shared.counts import Counts
from thriftgate.shared.lane import Lane
from thriftgate.shared.scripts import script

GOAL_US = 15.0
ROUNDS = 7
PLENTY = 10**15
LIMITS = (
    Limit("1", "requests of each key", "requests", PLENTY, scope=("key=*",)),
    Limit("2", "input of each key and model", "input_tokens", PLENTY, scope=("key=*", "model=*")),
    Limit("3", "output of a team", "output_tokens", PLENTY, scope=("team=search",)),
    Limit("4", "money", "usd", PLENTY),
    Limit("5", "calls at once", "concurrency", PLENTY, scope=("key=*",)),
    *(Limit(f"x{number}", f"tag {number}", "tokens", PLENTY, scope=(f"tag=t{number}",)) for number in range(15)),
)
NEEDS = Needs(1, 1000, 300, 1300, 10**10, 1)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="benchmarks.limits", description=__doc__)
    parser.add_argument("--calls", type=positive, default=20_000)
    parser.add_argument("--keys", type=positive, default=1_000)
    parser.add_argument("--redis", default="", help="URL of a server; its keys begin with benchmark:")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args(arguments)
    found = {count: asyncio.run(measured(LIMITS[:count], asked.calls, asked.keys)) for count in (1, 5, 20)}
    for count, us in found.items():
        print(f"{count:2} limits: {us:5.1f} µs a call")
    at_redis: dict[int, float] = {}
    for at_once in (1, 8, 64) if asked.redis else ():
        at_redis[at_once] = uvloop.run(shared(asked.redis, asked.calls, asked.keys, at_once))
        print(f" 5 limits in Redis, {at_once:2} calls at once: {at_redis[at_once]:5.1f} µs a call")
    if asked.json:
        document = {"calls": asked.calls, "keys": asked.keys, "us": found, "redis_us": at_redis, "thriftgate": __version__}
        print(msgspec.json.encode(document).decode())
    return 0 if found[5] <= GOAL_US else 1


async def measured(limits: tuple[Limit, ...], calls: int, keys: int) -> float:
    """Microseconds a call, the median of some rounds."""
    clock = SystemClock()
    limiting = Limiting(LimitsTable(limits), clock, Tasks())
    tags = tuple(f"t{number}" for number in range(15)) if len(limits) > 5 else ("env=prod",)
    whose = Whose("usr_1", "search", "org_1", tags)
    callers = [Caller(f"key_{number}", whose, "claude-opus-5-5", "anthropic", "") for number in range(keys)]
    entries = [_entry(f"tg_{number}") for number in range(calls)]
    rounds = []
    for _ in range(ROUNDS):
        gc.collect()
        began_s = time.process_time()
        for at, entry in enumerate(entries):
            admission = Admission(limiting)
            await limiting.let_in(admission, entry.id, callers[at % keys], NEEDS)
            admission.told()
            admission.settled(entry)
            admission.leave()
        rounds.append((time.process_time() - began_s) / calls * 1e6)
    return round(median(rounds), 2)


async def shared(url: str, calls: int, keys: int, at_once: int) -> float:
    """Microseconds a call in this process, the median of some rounds, where the limits are counted by that server."""
    clock, tasks = SystemClock(), Tasks()
    limiting = Limiting(LimitsTable(LIMITS[:5]), clock, tasks)
    lane = Lane(read_address(url), script("calls"), tag="benchmark:calls", replica="one", timeout_s=5.0, clock=clock)
    limiting.share(Counts(lane, clock, "refuse", lambda: 1))
    await lane.start(5.0)
    whose = Whose("usr_1", "search", "org_1", ("env=prod",))
    callers = [Caller(f"key_{number}", whose, "claude-opus-5-5", "anthropic", "") for number in range(keys)]
    entries = [_entry(f"tg_{number}") for number in range(calls)]

    async def one_after_the_other(first: int) -> None:
        for at in range(first, calls, at_once):
            admission = Admission(limiting)
            await limiting.let_in(admission, entries[at].id, callers[at % keys], NEEDS)
            admission.told()
            admission.settled(entries[at])
            admission.leave()

    rounds = []
    for _ in range(ROUNDS):
        gc.collect()
        began_s = time.process_time()
        await asyncio.gather(*(one_after_the_other(first) for first in range(at_once)))
        rounds.append((time.process_time() - began_s) / calls * 1e6)
    await lane.close()
    return round(median(rounds), 2)


def _entry(name: str) -> Entry:
    return Entry(
        id=name,
        opened_us=0,
        settled_us=0,
        key="",
        model="",
        endpoint="",
        outcome="answered",
        resolution="post",
        usage_source="exact",
        usage=Usage(Tokens(input=900, output=200)),
        postings=balanced(10**9, 10**9, {}),
        provider="anthropic",
        price_book="",
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
