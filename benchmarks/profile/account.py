"""From what the clocks say to microseconds a call: their own cost taken out, and what no stage names shown as such."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from benchmarks.profile.clocks import Cost, Spent

REST_LOOP = "server: event loop, sockets, the rest of this thread"
REST_WRITER = "thread: the rest of it"
OTHERS = "other threads"
WRITER = "ledger-writer"


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
    """One case. `rows` add up to `accounted_us`; `plain_us` is what a call costs without clocks, measured in turn with it;
    `clocks_us` is what was taken out for the clocks, which cost `factor` times what they do in an empty loop."""

    case: str
    calls: int
    plain_us: float
    accounted_us: float
    clocks_us: float
    factor: float
    rows: tuple[Row, ...]

    @property
    def off(self) -> float:
        """What is accounted for beyond what a call costs, as a share of that."""
        return self.accounted_us / self.plain_us - 1.0


class _Costs(NamedTuple):
    """Of an entry of a function, and of a step of a coroutine, nanoseconds."""

    plain: Cost
    step: Cost

    def times(self, factor: float) -> _Costs:
        scaled = [Cost(cost.inside * factor, cost.outside * factor) for cost in self]
        return _Costs(*scaled)

    def within(self, spent: Spent) -> float:
        """What clocks have put into the time of this stage."""
        own = spent.entered * self.plain.inside + spent.entered_steps * self.step.inside
        return own + spent.within * self.plain.outside + spent.within_steps * self.step.outside

    def around(self, stages: Mapping[str, Spent]) -> float:
        """What clocks of a thread's outermost stages have put into the rest of it."""
        entered = sum(one.entered - one.within for one in stages.values())
        stepped = sum(one.entered_steps - one.within_steps for one in stages.values())
        return entered * self.plain.outside + stepped * self.step.outside


def account(case: str, calls: int, plain_us: float, spans: tuple[Read, Read], costs: tuple[Cost, Cost]) -> Account:
    """`spans` are the readings before and after, `costs` those of an empty loop: of a function and of a coroutine's step. In
    the midst of a call, with cold caches, clocks cost more than there: how much more is what both gateways differ by."""
    before, after = spans
    empty = _Costs(*costs)
    whole_us = (after.process_ns - before.process_ns) / calls / 1e3
    taken_us = sum(_taken(stages, empty) for stages in after.stages.values()) / calls / 1e3
    factor = max(0.0, (whole_us - plain_us) / taken_us) if taken_us else 0.0
    rows = _rows(before, after, empty.times(factor))
    found = tuple(Row(name, ns / calls / 1e3, entered / calls) for name, (ns, entered) in rows.items())
    return Account(case, calls, plain_us, sum(row.us for row in found), taken_us * factor, factor, found)


def _taken(stages: Mapping[str, Spent], costs: _Costs) -> float:
    return sum(costs.within(spent) for spent in stages.values()) + costs.around(stages)


def _rows(before: Read, after: Read, costs: _Costs) -> dict[str, tuple[float, float]]:
    """Nanoseconds and entries by stage, and what is left of each thread."""
    rows: dict[str, tuple[float, float]] = {}
    left: dict[str, float] = {
        after.loop: after.loop_ns - before.loop_ns,
        WRITER: after.writer_ns - before.writer_ns,
    }
    others = after.process_ns - before.process_ns - sum(left.values())
    for thread, stages in after.stages.items():
        named = sum(spent.own_ns for spent in stages.values()) + costs.around(stages)
        if thread in left:
            left[thread] -= named
        else:
            others -= named
        for stage, spent in stages.items():
            ns, entered = rows.get(stage, (0.0, 0.0))
            rows[stage] = ns + spent.own_ns - costs.within(spent), entered + spent.entered + spent.entered_steps
    rest = {REST_LOOP: left[after.loop], REST_WRITER: left[WRITER], OTHERS: others}
    return rows | {name: (ns, 0.0) for name, ns in rest.items()}
