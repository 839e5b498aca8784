"""How tasks fare: what they cost, how often they are answered, and how soon. A question for `SqlLedger.ask`.

Counted as the metrics page counts (`telemetry/tallies.py`): calls are those that clients asked for, tried are those that
were neither refused nor left by the client, and our own calls for a task count in what it cost.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import groupby
from operator import itemgetter

from msgspec import Struct

from thriftgate.ledger.connection import Connection
from thriftgate.ledger.queries import SUM, summed

_SPAN = "opened_us >= ? and opened_us < ?"

# {0} holds for calls of clients.
_SUMS = f"""
select task, sum(cast({{0}} as integer)), sum(cast({{0}} and outcome not in ('refused', 'left') as integer)),
  sum(cast({{0}} and outcome = 'answered' as integer)),
  {SUM.format("coalesce(base.pico, 0)")}, {SUM.format("-coalesce(paid.pico, 0)")}
from entries
left join postings base on base.entry = id and base.account = 'baseline'
left join postings paid on paid.entry = id and paid.account = 'upstream'
where {_SPAN} group by task
"""

# A line for each latency that occurs: few, since they are whole milliseconds. Batches are not slow, they wait.
_LATENCIES = f"""
select task, latency_ms, count(*) from entries
where {_SPAN} and {{0}} and outcome = 'answered' and mode <> 'batch' group by task, latency_ms order by task, latency_ms
"""


class TaskStanding(Struct, frozen=True):
    """One task (pico-USD, milliseconds). The latencies are None where nothing was answered outside of batches."""

    task: str
    calls: int
    tried: int
    answered: int
    baseline_pico: int
    paid_pico: int
    latency_ms_p50: int | None = None
    latency_ms_p95: int | None = None


def task_standings(connection: Connection, span: tuple[int, int], endpoints: Collection[str]) -> Sequence[TaskStanding]:
    """The dearest first. `span` in microseconds since 1970; `endpoints` are those under which clients' calls are listed."""
    clients = f"(endpoint in ({', '.join('?' * len(endpoints))}) and parent = '')"
    named = tuple(endpoints)
    rows = connection.execute(_LATENCIES.format(clients), (*span, *named))
    latencies = {task: [(ms, count) for _, ms, count in of] for task, of in groupby(rows, itemgetter(0))}
    found = [
        TaskStanding(
            task,
            calls,
            tried,
            answered,
            baseline_pico=summed(*sums[:2]),
            paid_pico=summed(*sums[2:]),
            latency_ms_p50=_percentile(latencies.get(task, ()), 50),
            latency_ms_p95=_percentile(latencies.get(task, ()), 95),
        )
        for task, calls, tried, answered, *sums in connection.execute(_SUMS.format(clients), (*named * 3, *span))
    ]
    return sorted(found, key=lambda one: (-one.paid_pico, one.task))


def _percentile(counted: Sequence[tuple[int, int]], percent: int) -> int | None:
    """The least value that so many percent of all do not exceed; `counted` are values in order, each with how often it
    came."""
    needed, seen = percent * sum(count for _, count in counted), 0
    for value, count in counted:
        seen += count
        if seen * 100 >= needed:
            return value
    return None
