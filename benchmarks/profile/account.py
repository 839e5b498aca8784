"""From what the clocks say to microseconds a call: their own cost taken out, and what no stage names shown as such."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from benchmarks.profile.clocks import Cost, Spent

REST_LOOP = "server: event loop, sockets, the rest of this thread"
REST_WRITER = "thread: the rest of it"
OTHERS = "other threads"


class Read(msgspec.Struct, frozen=True):
    """What the child told: see `served`."""

    process_ns: int
    loop_ns: int
    writer_ns: int
    loop: str
    stages: dict[str, dict[str, Spent]]


class Row(NamedTuple):
    """One stage: microseconds and entries a call."""

    stage: str
    us: float
    entered: float


class Account(NamedTuple):
    """One case. `rows` add up to `accounted_us`; `plain_us` is what a call costs without clocks, `clocks_us` what they add by
    their own account."""

    case: str
    calls: int
    plain_us: float
    accounted_us: float
    clocks_us: float
    rows: tuple[Row, ...]

    @property
    def off(self) -> float:
        """What is accounted for beyond what a call costs, as a share of that."""
        return self.accounted_us / self.plain_us - 1.0


def account(case: str, calls: int, plain_us: float, spans: tuple[Read, Read], costs: tuple[Cost, Cost]) -> Account:
    """`spans` are the readings before and after, `costs` those of an entry of a function and of a coroutine's step."""
    before, after = spans
    rows: dict[str, list[float]] = {}
    thread_ns: dict[str, float] = {}
    clocks_ns: dict[str, float] = {}
    for thread, stages in after.stages.items():
        for stage, spent in stages.items():
            own, taken = _own(spent, costs)
            row = rows.setdefault(stage, [0.0, 0.0])
            row[0] += own
            row[1] += spent.entered + spent.entered_steps
            thread_ns[thread] = thread_ns.get(thread, 0.0) + spent.own_ns
            clocks_ns[thread] = clocks_ns.get(thread, 0.0) + taken
    outside = _outside(after.stages, costs)
    loop, writer = after.loop_ns - before.loop_ns, after.writer_ns - before.writer_ns
    others = after.process_ns - before.process_ns - loop - writer
    named_writer = sum(ns for thread, ns in thread_ns.items() if thread == "ledger-writer")
    named_loop = thread_ns.get(after.loop, 0.0)
    rows[REST_LOOP] = [loop - named_loop - outside.get(after.loop, 0.0), 0.0]
    rows[REST_WRITER] = [writer - named_writer - outside.get("ledger-writer", 0.0), 0.0]
    rows[OTHERS] = [others - sum(thread_ns.values()) + named_writer + named_loop, 0.0]
    found = tuple(Row(name, ns / calls / 1e3, entered / calls) for name, (ns, entered) in rows.items())
    taken_us = (sum(clocks_ns.values()) + sum(outside.values())) / calls / 1e3
    return Account(case, calls, plain_us, sum(row.us for row in found), taken_us, found)


def _own(spent: Spent, costs: tuple[Cost, Cost]) -> tuple[float, float]:
    """Nanoseconds of a stage without its clocks, and what these took."""
    plain, steps = costs
    taken = spent.entered * plain.inside + spent.entered_steps * steps.inside
    taken += spent.within * plain.outside + spent.within_steps * steps.outside
    return spent.own_ns - taken, taken


def _outside(stages: Mapping[str, Mapping[str, Spent]], costs: tuple[Cost, Cost]) -> dict[str, float]:
    """What clocks of outermost stages took of the rest of each thread."""
    plain, steps = costs
    found: dict[str, float] = {}
    for thread, named in stages.items():
        entered = sum(one.entered - one.within for one in named.values())
        stepped = sum(one.entered_steps - one.within_steps for one in named.values())
        found[thread] = entered * plain.outside + stepped * steps.outside
    return found
